"""Keys that everybody knows, or finds after a few tries."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

PUBLICLY_KNOWN = (
    # LiteLLM's documentation, and so everybody's first guess.
    *("sk-1234", "sk-12345", "sk-123456", "sk-12345678", "sk-1234567890", "sk-my_special_key"),
    *("sk-my-special-key", "sk-master-key", "sk-litellm-master-key", "your-master-key"),
    *("changeme", "change-me", "password", "secret-key", "test-key", "master-key"),
)
MIN_CHARS, SHORT_CHARS = 8, 16
MIN_DISTINCT = 5
"""Characters of a key; sixteen random digits have eight."""
MIN_DISTINCT_BYTES = 16
"""Of 32 random bytes thirty are distinct, and never fewer than twenty."""


def known_or_short(key: str) -> str | None:
    """What makes a key of somebody's no key at all; it is not quoted unless everybody knows it."""
    if key.lower() in PUBLICLY_KNOWN:
        return f"the publicly known {key.lower()}"
    if len(key) < MIN_CHARS:
        return f"one of {len(key)} characters"
    if len(set(key.lower().removeprefix("sk-"))) < MIN_DISTINCT:
        return f"one of fewer than {MIN_DISTINCT} different characters"
    return None


def has_pattern(raw: bytes, text: str) -> bool:
    """Whether 32 bytes, written as `text`, were written by hand rather than drawn at random."""
    repeats = any(raw[period:] == raw[:-period] for period in range(1, len(raw) // 2 + 1))
    is_text = raw.isascii() and raw.decode().isprintable()
    few = len(set(raw)) < MIN_DISTINCT_BYTES
    return repeats or is_text or few or _counts(raw) or _counts(text.encode())


def _counts(values: Sequence[int]) -> bool:
    """Whether most values differ from the one before by the same."""
    steps = Counter((after - before) % 256 for before, after in pairwise(values))
    return max(steps.values()) > len(values) // 2
