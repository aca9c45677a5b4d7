"""Names that others give to callers and their people."""

from typing import TypeGuard

MAX_NAME_CHARACTERS = 128
"""They become names of counters, log fields and parts of tokens; e-mail addresses, GUIDs and
`auth0|...` subjects stay well below."""


def is_name(value: object) -> TypeGuard[str]:
    """Whether it is a string of 1 to 128 printable characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARACTERS and value.isprintable()
