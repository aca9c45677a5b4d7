"""The provider's id of a call, out of its Location header."""

from urllib.parse import unquote, urlsplit

LONGEST_ID = 256


def call_id(location: str | None) -> str | None:
    """The last path segment, as clients take it; None where there is none to hang up by."""
    try:
        path = urlsplit(location or "").path
    except ValueError:
        return None
    last = unquote(path.rstrip("/").rpartition("/")[2])
    usable = last.isascii() and last.isprintable() and 0 < len(last) <= LONGEST_ID
    # "." and ".." would be resolved away in a URL; "calls" is the route without an id.
    return last if usable and last.strip(".") and last != "calls" else None
