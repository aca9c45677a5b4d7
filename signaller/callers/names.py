"""Names that gateways give to callers and their people, and ids of the gateways' credentials."""

import hashlib
import json
from typing import TypeGuard

MAX_NAME_CHARACTERS = 128
"""They become names of counters, log fields and parts of tokens; e-mail addresses, GUIDs and
`auth0|...` subjects stay well below."""
MAX_NAME_ESCAPED = 6 * MAX_NAME_CHARACTERS
"""Characters as JSON: what 128 letters of any living script take (\\uXXXX). Beyond it a name of
emoji would leave too little of a token for what else it carries."""
NAME_RULE = f"1 to {MAX_NAME_CHARACTERS} printable characters, {MAX_NAME_ESCAPED} as JSON at most"


def is_name(value: object) -> TypeGuard[str]:
    """Whether it is a string of 1 to 128 printable characters, at most 768 as JSON."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME_CHARACTERS
        and value.isprintable()
        and escaped_length(value) <= MAX_NAME_ESCAPED
    )


def escaped_length(text: str) -> int:
    """How many characters it has as JSON (RFC 8259, 7), as tokens carry it, without the quotes."""
    return len(json.dumps(text)) - 2


def credential_id(kind: str, *trusted: str | list[str] | bool | None) -> str:
    """`<kind>:<12 hex>` of what a gateway is trusted by, the same on every replica.

    Another configuration has another id, and that voids the tokens minted under the old one.
    """
    # JSON keeps apart what a mere joining would run together.
    return f"{kind}:{hashlib.sha256(json.dumps(trusted).encode()).hexdigest()[:12]}"
