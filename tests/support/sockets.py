"""What this machine's own tables say of sockets, whoever holds them."""

from pathlib import Path


def sockets_to(port: int) -> int:
    """Sockets of this machine that are connected to a port and that a process still holds."""
    ends = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(each[2][-4:], 16) == port and each[9] != "0" for each in ends)
