"""What a label may hold: a bounded number of short values in valid UTF-8."""

from signaller.errors import SignallerError, UpstreamRefused, UpstreamUnavailable

MAX_CHARACTERS = 128
"""Longer than a name in any configuration; each series repeats it in memory and in every scrape."""

UNKNOWN = "unknown"
"""Where a line does not say."""


def text(value: object) -> str:
    """A label's value: `unknown` for all but a text, cut, and without what UTF-8 cannot hold."""
    if not isinstance(value, str) or not value:
        return UNKNOWN
    # A lone surrogate, which JSON may spell (`\ud800`), would make every later scrape fail.
    return value[:MAX_CHARACTERS].encode("utf-8", "replace").decode()


def reason(error: Exception) -> str:
    """Our own code for a failure, never one that a provider made up; `fault` if it is not ours."""
    if isinstance(error, UpstreamUnavailable):
        return "upstream_unavailable"
    if isinstance(error, UpstreamRefused):
        return "upstream_refused"
    if isinstance(error, SignallerError):
        return type(error).code
    return "fault"
