"""What a process holds, as the kernel counts it (proc(5)); Linux only. And a loop's tasks."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """At one moment; memory in KiB."""

    threads: int
    descriptors: int
    sockets: int
    resident_kib: int


def footprint(pid: int) -> Footprint:
    """The footprint of a living process."""
    folder = Path(f"/proc/{pid}")
    status = (folder / "status").read_text()
    links = [_target(link) for link in (folder / "fd").iterdir()]
    return Footprint(
        threads=_number(status, "Threads"),
        descriptors=len(links),
        sockets=sum(link.startswith("socket:") for link in links),
        resident_kib=_number(status, "VmRSS"),
    )


def running_tasks() -> Counter[str]:
    """How many tasks of each kind this loop has: one that was renewed is another object."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    return Counter(getattr(each, "__qualname__", "") for each in coroutines)


def _number(status: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", status, re.M)
    assert found, name
    return int(found[1])


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # closed since the folder was listed
        return ""
