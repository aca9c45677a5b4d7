"""What `signaller check` prints: the configuration as it was understood, secrets masked."""

import re
from collections.abc import Iterable, Iterator, Sequence

from signaller.config.describe_access import (
    CALLER_HEADER,
    caller_rows,
    gateway_facts,
    master_key_fact,
    metrics_fact,
)
from signaller.model import Deployment
from signaller.secret import MASK, Secret
from signaller.settings import Settings

_HEADER = ("MODEL", "PROVIDER", "UPSTREAM MODEL", "BASE URL", "CREDENTIAL", "WEIGHT", "TIMEOUT")
_LABEL_CHARS = 14
# No '@' beyond the user's part: an unescaped '/' or '?' in a password would move it there.
_REDIS_ADDRESS = re.compile(r"([a-z+]+://)(?:[^@/?#]*@)?([a-z0-9\[/][^@?#]*)(?:\?[^@]*)?", re.I)


def describe(settings: Settings) -> str:
    """Plain text, tables of deployments and callers first, warnings and notes last."""
    rows = list(_rows(settings.deployments))
    times = settings.timeouts
    facts = (
        ("master key", master_key_fact(settings)),
        ("store", _store(settings.redis_url)),
        ("token keys", _token_keys(len(settings.token_keys))),
        ("tokens", f"start {_uses(settings.token.uses)} within {settings.token.ttl_seconds} s"),
        (
            "time-outs",
            f"connect {times.connect_seconds:g} s, mint {times.mint_seconds:g} s, "
            f"call {times.call_seconds:g} s, store {times.store_seconds:g} s",
        ),
        ("CORS", ", ".join(settings.cors_origins) or "same origin only"),
        ("public URL", settings.public_url or "the request's own host"),
        *gateway_facts(settings.gateway),
        ("metrics", metrics_fact(settings)),
    )
    blocks = [
        "\n".join(_table(rows)),
        "\n".join(f"{label:<{_LABEL_CHARS}}{fact}" for label, fact in facts),
    ]
    if callers := list(caller_rows(settings)):
        blocks.insert(1, "\n".join(_table([CALLER_HEADER, *callers])))
    for title, sentences in (("Warnings", settings.warnings), ("Notes", settings.notes)):
        if sentences:
            blocks.append("\n".join([f"{title}:", *(f"- {each}" for each in sentences)]))
    return "\n\n".join(blocks) + "\n"


def _rows(deployments: Sequence[Deployment]) -> Iterator[tuple[str, ...]]:
    """A column more where there is a provider that knows the filter."""
    azure = any(deployment.provider == "azure" for deployment in deployments)
    yield (*_HEADER, "WEBRTCFILTER") if azure else _HEADER
    for each in deployments:
        said = each.webrtcfilter if each.provider == "azure" else "-"
        yield (*_row(each), said) if azure else _row(each)


def _row(deployment: Deployment) -> tuple[str, ...]:
    seconds = deployment.timeout_seconds
    return (
        deployment.model_name,
        deployment.provider,
        deployment.upstream_model,
        deployment.base_url,
        _credential(deployment),
        f"{deployment.weight:g}",
        "default" if seconds is None else f"{seconds:g} s",
    )


def _credential(deployment: Deployment) -> str:
    if deployment.api_key:
        return f"api key {MASK}"
    if deployment.entra_token:
        return f"Entra token {MASK}"
    return f"Entra service principal {MASK}"


def _store(redis_url: Secret | None) -> str:
    """Where Redis is, if it can be told apart from a password for certain."""
    if redis_url is None:
        return "memory (one process, forgotten at its end)"
    found = _REDIS_ADDRESS.fullmatch(redis_url.reveal())
    return f"Redis, {found[1]}{found[2]}" if found else f"Redis, {MASK}"


def _token_keys(count: int) -> str:
    return "1" if count == 1 else f"{count}: the first seals, all open"


def _uses(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def _table(rows: Sequence[Iterable[str]]) -> list[str]:
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
