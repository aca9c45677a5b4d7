"""Grants, and a clock that tests set."""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from signaller.model import Grant, Terms, Watching
from signaller.policy import Places, Rate
from signaller.ports import Store


@dataclass(slots=True)
class SetClock:
    """A clock that starts at the real time, so that Redis agrees, and moves only when told."""

    now: float = field(default_factory=lambda: float(int(time.time())))

    def __call__(self) -> float:
        return self.now


def make_grant(clock: SetClock, *, uses: int = 1, lives_seconds: int = 60) -> Grant:
    """A grant of its own id."""
    return Grant(
        id=uuid4().hex,
        sealed_secret="eyJhbGciOiJkaXIifQ..sealed",
        deployment_id="deployment-1",
        credential_fingerprint="credential-1",
        caller="web",
        terms=Terms(
            model="gpt-realtime",
            session_type="realtime",
            uses=uses,
            start_by=int(clock.now) + lives_seconds,
            origins=("https://app.example", "https://other.example"),
        ),
        call_rates=(Rate(bucket="calls:web", per_minute=60),),
        models=(("gpt-*",), ("gpt-realtime", "o1")),
        places=Places(of_all=5, of_one=1, person="p1"),
        max_call_seconds=1800,
        watching=Watching(mode="best_effort", max_idle_seconds=60),
        safety_identifier="5f3c",
    )


async def looked_at(store: Store, grant_id: str) -> Grant | None:
    """The grant of that id, unused."""
    peeked = await store.peek(grant_id)
    return None if peeked is None else peeked.grant


@contextmanager
def memory_in_use() -> Iterator[Callable[[], int]]:
    """Tells how many bytes Python has given since the block began and not had back."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
