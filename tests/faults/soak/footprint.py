"""What a process holds, as the kernel counts it (proc(5); Linux only), and as its own loop does."""

import asyncio
import gc
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


def living_objects() -> Counter[str]:
    """How many objects of signaller's own classes live in this interpreter, by their class.

    All but those that hold no other object.
    """
    gc.collect()
    kinds = Counter(type(each) for each in gc.get_objects())
    named = {f"{kind.__module__}.{kind.__qualname__}": count for kind, count in kinds.items()}
    return Counter({name: named[name] for name in named if name.startswith("signaller.")})


def _number(status: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", status, re.M)
    assert found, name
    return int(found[1])


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # closed since the folder was listed
        return ""
