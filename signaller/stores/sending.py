"""Commands as Redis reads them: arrays of bulk strings (RESP2)."""

from collections.abc import Sequence

Command = Sequence[str | int]


def packed(commands: Sequence[Command]) -> bytes:
    """All of them, one after the other. A line packs before it has a connection to write to."""
    parts = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            raw = word.encode() if isinstance(word, str) else b"%d" % word
            parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)
