"""The tables of keys, as they are declared; `python -m tests.docs.tables` writes them anew."""

import re

from signaller.config.litellm import RULES, Rule
from signaller.config.schema import rows
from tests.docs.pages import PAGES
from tests.packaging.tree import ROOT

THEIRS = ("model_list", "general_settings", "credential_list", "environment_variables", "include")
POLICY = "signaller.policy."
CALLERS = ("signaller.callers[].", "signaller.gateway.")
LINKS = {
    "litellm_params.api_version": "azure.md#api-version",
    "model_info.warm_secrets": "tokens.md#warm-secrets",
    "signaller.redis_url": "operate.md#redis-and-replicas",
    "signaller.token_keys": "operate.md#rotating-secrets",
    "signaller.warm_secrets.seconds": "tokens.md#warm-secrets",
    "signaller.callers": "callers-and-policies.md#callers",
    "signaller.metrics.key": "operate.md#monitoring",
    "signaller.egress.proxy": "operate.md#behind-an-egress-proxy",
    "origins": "#origins",
    "mints_per_minute": "#rates",
    "session": "#sessions-and-end-users",
    "warm_secrets": "tokens.md#warm-secrets",
}
"""Where a page says more about a key than its sentence."""

Row = tuple[str, str, str]


def _declared() -> dict[str, list[Row]]:
    """Heading of each table -> its rows, by the names that its page uses."""
    ours, policy = rows("signaller"), rows("signaller.policy")
    fields = {key.removeprefix(POLICY) for key, _, _ in policy}
    apart = (POLICY, *CALLERS)
    chosen = {
        "LiteLLM's keys": [row for prefix in THEIRS for row in rows(prefix)],
        "Our keys": [row for row in ours if not row[0].startswith(apart)],
        "Keys of callers and gateways": [
            row
            for row in ours
            if row[0].startswith(CALLERS) and row[0].removeprefix(CALLERS[0]) not in fields
        ],
        "Policies": policy,
    }
    return {title: [_shortened(row) for row in found] for title, found in chosen.items()}


def _shortened(row: Row) -> Row:
    """What every key of a table begins with is said above it."""
    outer = r"model_list\[\]\.(?!model_name)|signaller\.(policy\.|(?=callers\[|gateway\.))"
    return re.sub(f"^({outer})", "", row[0]), *row[1:]


DECLARED = _declared()
LENIENCY = "Keys that are taken otherwise"
TABLES = (*DECLARED, LENIENCY)
"""Headings of the tables that are made from the code."""


def written(title: str) -> list[dict[str, str]]:
    """The rows of a table as its page shows them: keys are code, some of them with a link."""
    if title == LENIENCY:
        return [
            {"Key": f"`litellm_params.{key}`", "At LiteLLM": rule.theirs, "Here": _here(rule)}
            for key, rule in RULES.items()
        ]
    return [
        {
            "Key": f"[`{key}`]({LINKS[key]})" if key in LINKS else f"`{key}`",
            "Default": default,
            "Meaning": meaning,
        }
        for key, default, meaning in DECLARED[title]
    ]


def _here(rule: Rule) -> str:
    """What becomes of a key, in words that follow from its rule."""
    parts = [rule.ours]
    if rule.only:
        parts.append(f"{'Azure' if rule.only == 'azure' else 'OpenAI'} only")
    if rule.behind:
        parts.append(f"no effect beside {' or '.join(f'`{key}`' for key in rule.behind)}")
    if rule.bounds:
        low, high = rule.bounds
        parts.append(f"{low} to {high}; any other is brought within, with a warning")
    return "; ".join(filter(None, parts))


def main() -> None:
    """Put each table in the place of the first one below its heading."""
    for path, page in PAGES.items():
        text = page.text
        for title in set(TABLES) & set(page.titles()):
            above = rf"^#+ {title}\n(?:(?!\|).*\n)*"
            text = re.sub(rf"({above})(?:\|.*\n)+", rf"\1{_drawn(title)}", text, flags=re.M)
        (ROOT / path).write_text(text, "utf-8")


def _drawn(title: str) -> str:
    table = written(title)
    head = f"| {' | '.join(table[0])} |\n{'|---' * len(table[0])}|\n"
    return head + "".join(f"| {' | '.join(row.values())} |\n" for row in table)


if __name__ == "__main__":
    main()
