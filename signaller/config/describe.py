"""What `signaller check` prints: what was understood, and from where it came, secrets masked."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from urllib.parse import parse_qs, unquote

from signaller.config.faults import label, readable
from signaller.config.schema import rows
from signaller.model import Deployment
from signaller.policy import Policy
from signaller.secret import MASK, Secret
from signaller.settings import MASTER, Gateway, NamedCaller, Settings

_HEADER = ("MODEL", "ID", "PROVIDER", "UPSTREAM MODEL", "BASE URL", "CREDENTIAL", "WEIGHT")
_FREE = Policy()
_MASTER_KEY = "general_settings.master_key"
_SHOWN = 5  # a line is to be read; the file has the rest
_RARE = ("signaller.policy.", "signaller.callers", "signaller.gateway.", "signaller.egress.")
"""Where only what is set is listed: most of it never is."""
_CLAIMS = "signaller.gateway.jwt.claims."
_ADDRESSES = ("signaller.redis_url", "signaller.egress.proxy", "signaller.gateway.jwt.jwks_url")
"""What may hold a secret, and is shown without it."""
# No '@' beyond the user's part: an unescaped '/' or '?' in a password would move it there.
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z+]+://)(?:(?P<user>[^@/?#:]*)(?P<password>:[^@/?#]*)?@)?"
    r"(?P<place>[a-z0-9\[/][^@?#]*)(?:\?(?P<query>[^@]*))?",
    re.I,
)


def describe(settings: Settings, file: str = "the file") -> str:
    """Plain text, tables of deployments and callers first, warnings and notes last."""
    callers = list(_callers(settings))
    keys = [
        (key, value, file if source == "the file" else source)
        for key, value, source in _keys(settings)
    ]
    blocks = [
        _table(list(_deployments(settings.deployments))),
        *([_table([("CALLER", "KNOWN BY", "MAY"), *callers])] if callers else []),
        _table([("KEY", "VALUE", "FROM"), *keys, ("(all others)", "", "default")]),
    ]
    for title, sentences in (("Warnings", settings.warnings), ("Notes", settings.notes)):
        if sentences:
            blocks.append("\n".join([f"{title}:", *(f"- {each}" for each in sentences)]))
    return "\n\n".join(blocks) + "\n"


def _deployments(deployments: Sequence[Deployment]) -> Iterator[tuple[str, ...]]:
    """A column more where a provider knows the filter, and where not all flows are the usual."""
    azure = any(deployment.provider == "azure" for deployment in deployments)
    unified = any(deployment.flow == "unified" for deployment in deployments)
    more = ("WEBRTCFILTER",) if azure else ()
    yield (*_HEADER, "TIMEOUT", *more, *(("FLOW",) if unified else ()))
    for each in deployments:
        seconds, entra = each.timeout_seconds, "token" if each.entra_token else "service principal"
        names = (each.model_name, each.id, each.provider, each.upstream_model, each.base_url)
        said = each.webrtcfilter if each.provider == "azure" else "-"
        yield (
            *map(_text, names),
            f"{'api key' if each.api_key else f'Entra {entra}'} {MASK}",
            f"{each.weight:g}",
            "default" if seconds is None else f"{seconds:g} s",
            *((said,) if azure else ()),
            *((each.flow,) if unified else ()),
        )


def _callers(settings: Settings) -> Iterator[tuple[str, ...]]:
    """A row for each caller, the master and whomever the gateway may name besides."""
    for caller in settings.callers:
        yield _text(caller.name), _known_by(caller, settings), _may(caller.policy)
    if settings.master_key and MASTER not in {caller.name for caller in settings.callers}:
        yield MASTER, "master key", _may(settings.policy)
    if settings.gateway != Gateway() and not settings.gateway.only_listed:
        yield "(any other)", "gateway", _may(settings.policy)


def _known_by(caller: NamedCaller, settings: Settings) -> str:
    if caller.name == MASTER:
        return "master key" if settings.master_key else "nothing"
    number = len(caller.key_digests)
    return f"{number} key{'' if number == 1 else 's'}" if number else "gateway"


def _may(policy: Policy) -> str:
    """What is limited, by the names of its keys."""
    found = ((each.name, getattr(policy, each.name)) for each in fields(policy))
    limits = [f"{key} {_text(value)}" for key, value in found if value != getattr(_FREE, key)]
    return "; ".join(limits) or "anything"


def _keys(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Key, value and origin: ours in the order of their declarations, then parts of others."""
    sources = dict(settings.sources)
    master = MASK if settings.master_key else "none"
    yield _MASTER_KEY, master, sources.pop(_MASTER_KEY, "default")
    for key, default, _ in rows("signaller"):
        if source := sources.pop(key, None):
            yield key, _value(settings, key), source
        elif not key.startswith(_RARE) or (settings.gateway.jwt and key.startswith(_CLAIMS)):
            yield key, default.strip("`"), "default"
    egress = settings.egress
    if "signaller.egress.proxy" not in settings.sources:
        for name, proxy in (("HTTPS_PROXY", egress.proxy), ("HTTP_PROXY", egress.http_proxy)):
            if proxy:
                yield name, _address(proxy), "the environment"
    if egress.no_proxy:
        yield "NO_PROXY", _text(egress.no_proxy), "the environment"
    for key, source in sources.items():
        yield key, "(above)", source


def _value(settings: Settings, key: str) -> str:
    if key not in settings.values:
        return "(above)"
    value = settings.values[key]
    if key in _ADDRESSES and isinstance(value, Secret | str):
        return _address(value)
    return _text(value)


def _text(value: object) -> str:
    """A value as it may be shown."""
    if isinstance(value, Mapping):
        return f"overrides {_some(map(label, value))}"
    if isinstance(value, list | tuple):
        return _some(map(_text, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return readable(str(value).lower() if isinstance(value, bool) else str(value))


def _address(url: Secret | str) -> str:
    """Where a URL leads, and as whom at Redis, if that can be told from a password for certain."""
    found = _ADDRESS.fullmatch(url.reveal() if isinstance(url, Secret) else url)
    if not found:
        return MASK
    # Without a password behind it, what stands there may be the password.
    is_user = found["password"] and not found["scheme"].startswith("http")
    as_user = f", as {label(unquote(found['user']))}" if is_user and found["user"] else ""
    replicas = parse_qs(found["query"] or "").get("replicas", ["0"])[-1]
    with_replicas = f", replicas={label(replicas)}" if replicas != "0" else ""
    return f"{readable(found['scheme'] + found['place'])}{as_user}{with_replicas}"


def _some(words: Iterable[str]) -> str:
    listed = list(words)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more


def _table(rows: Sequence[Iterable[str]]) -> str:
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = (zip(row, widths, strict=True) for row in rows)
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in line).rstrip() for line in lines
    )
