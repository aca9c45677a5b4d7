"""How long a book of calls keeps what, whichever store it is in, and how it names events."""

LIVE_SECONDS = 2 * 3600
"""How long past its `ends_by` a call is kept that nobody has ended: for an hour the clock goes on
asking the provider for its end, and another is for a service that was down meanwhile."""

MAX_LEASE_SECONDS = 60
"""Nobody leases a call for longer. The clock may be another one after a failover: a lease that
lies further ahead was another's, and is over."""

MAX_PAUSE_SECONDS = 60
"""Nobody lets the end of a call wait for longer, for the same reason."""

FEED_EVENTS = 1000
"""How many events are kept for those who were away: of some 2 KB each."""
FEED_SECONDS = 600
"""And for how long: who was away for longer asks for the calls themselves."""


def event_id(milliseconds: int, number: int) -> str:
    """An id that grows as a text does: of Redis's `<milliseconds>-<number>`, at a fixed width."""
    return f"{milliseconds:015}-{number:09}"
