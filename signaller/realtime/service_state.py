"""How the service itself stands, for its operator: what rests, and whether the store answers."""

import math
import time
from collections.abc import Callable

from signaller.errors import StoreUnavailable
from signaller.masking import Masking
from signaller.ports import CallBook, Clock, Store
from signaller.realtime.deployments import Deployments


class ServiceState:
    """Asks each part how it is. A store that is gone is told, not raised."""

    def __init__(
        self,
        *,
        deployments: Deployments,
        store: Store,
        book: CallBook,
        replays: Callable[[], int],
        masking: Masking,
        clock: Clock,
        in_memory: bool,
    ) -> None:
        self._deployments = deployments
        self._store = store
        self._book = book
        self._replays = replays
        self._masking = masking
        self._clock = clock
        self._kind = "memory" if in_memory else "redis"

    async def as_json(self) -> dict[str, object]:
        """The `realtime.state` object of the API; times are Unix seconds, durations seconds."""
        seconds, live = await self._ask_the_store()
        now, rests = self._clock(), self._deployments.rests
        return {
            "object": "realtime.state",
            "at": int(now),
            "deployments": [
                {
                    "id": self._masking.masked(each.id),
                    "model": self._masking.masked(each.model_name),
                    "provider": each.provider,
                    "rests_until": math.ceil(until) if until > now else None,
                }
                for each in self._deployments.listed
                for until in (rests.get(each.id, 0),)
            ],
            "store": {"kind": self._kind, "reachable": live is not None, "seconds": seconds},
            "live_calls": live,
            "replays": self._replays(),
        }

    async def _ask_the_store(self) -> tuple[float | None, int | None]:
        """How long it took to keep something, and how many calls are live; None: it is gone."""
        began = time.perf_counter()
        try:
            await self._store.ping()
            seconds = round(time.perf_counter() - began, 6)
            return seconds, sum((await self._book.live()).values())
        except StoreUnavailable:
            return None, None
