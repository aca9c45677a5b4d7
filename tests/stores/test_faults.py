"""A Redis that is gone, silent, broken or closed to us is StoreUnavailable, in time, and heals."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from signaller.errors import StoreUnavailable
from signaller.model import Rate
from signaller.secret import Secret
from signaller.stores import RedisStore
from tests.stores.making import SetClock, make_call, make_grant
from tests.stores.servers import asking, started
from tests.support.limits import counting
from tests.support.redis import free_port, wait_for_port

Step = Callable[[RedisStore, SetClock], Coroutine[Any, Any, object]]

STEPS: dict[str, Step] = {
    "put_grant": lambda store, clock: store.put_grant(make_grant(clock)),
    "redeem": lambda store, _: store.redeem("any"),
    "give_back": lambda store, clock: store.give_back(make_grant(clock)),
    "uses_left": lambda store, _: store.uses_left("any"),
    "revoke": lambda store, _: store.revoke("any"),
    "link": lambda store, clock: store.link(make_grant(clock), "any"),
    "take": lambda store, _: counting(store).take([Rate(bucket="any", per_minute=60)]),
    "put_call": lambda store, clock: store.put_call(make_call(clock)),
    "get_call": lambda store, _: store.get_call("any"),
    "ping": lambda store, _: store.ping(),
}


@pytest.fixture(params=list(STEPS.values()), ids=list(STEPS))
def step(request: pytest.FixtureRequest) -> Step:
    """Each step of the store."""
    chosen: Step = request.param
    return chosen


@pytest.mark.parametrize("scheme", ["redis", "redis+sentinel", "redis+cluster"])
async def test_a_refused_connection_is_a_store_failure(
    step: Step, clock: SetClock, scheme: str
) -> None:
    """Nothing listens: every step says so at once, and never the password."""
    name = "/voice" if scheme == "redis+sentinel" else ""
    url = Secret(f"{scheme}://me:hunter2@127.0.0.1:{free_port()}{name}")
    store = RedisStore.from_url(url, timeout_seconds=5, clock=clock)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as failed:
        await step(store, clock)
    assert time.monotonic() - began < 2
    assert failed.value.retry_after == 1
    assert "hunter2" not in str(failed.value)
    await store.aclose()


async def test_a_silent_redis_is_a_store_failure_in_time_and_heals(
    step: Step, clock: SetClock, tmp_path: Path
) -> None:
    """A stopped process costs one time-out and no more; once it runs again, so do we."""
    with started(tmp_path) as server:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=0.3, clock=clock
        )
        await step(store, clock)
        os.kill(server.pid, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await step(store, clock)
        assert 0.2 < time.monotonic() - began < 1
        os.kill(server.pid, signal.SIGCONT)
        await step(store, clock)
        await store.aclose()


async def test_waiting_for_a_connection_is_part_of_the_time(
    clock: SetClock, tmp_path: Path
) -> None:
    """Hundreds of steps in line for a silent Redis: one time-out for all of them."""
    with started(tmp_path) as server:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=0.5, clock=clock
        )
        await store.ping()
        os.kill(server.pid, signal.SIGSTOP)
        began = time.monotonic()
        ended = await asyncio.gather(*(store.ping() for _ in range(320)), return_exceptions=True)
        assert time.monotonic() - began < 1.5
        assert {type(each) for each in ended} == {StoreUnavailable}
        os.kill(server.pid, signal.SIGCONT)
        await store.aclose()


async def test_a_late_reply_never_answers_another_step(clock: SetClock, tmp_path: Path) -> None:
    """The connection of a timed-out step is not used again: its reply would be somebody else's."""
    with started(tmp_path) as server:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=0.3, clock=clock
        )
        mine, other = make_call(clock), make_call(clock)
        await store.put_call(mine)
        await store.put_call(other)
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(StoreUnavailable):
            await store.get_call(mine.id)
        os.kill(server.pid, signal.SIGCONT)
        assert [await store.get_call(other.id) for _ in range(3)] == [other] * 3
        await store.aclose()


async def test_a_restarted_redis_costs_no_failure(clock: SetClock, tmp_path: Path) -> None:
    """Connections that the server closed while idle are noticed before they are used."""
    with started(tmp_path) as server:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=5, clock=clock
        )
        await store.ping()
    with started(tmp_path, port=server.port):
        await asyncio.to_thread(wait_for_port, server.port)  # the loop hears of the closed ones
        grant = make_grant(clock)
        await store.put_grant(grant)
        assert await store.redeem(grant.id) == grant
        await store.aclose()


async def test_a_wrong_password_is_a_store_failure(clock: SetClock, tmp_path: Path) -> None:
    """The log learns that Redis refused the login, not the password; the right one works."""
    with started(tmp_path, "--requirepass", "right-one") as server:
        for password, works in (("hunter2", False), ("right-one", True)):
            store = RedisStore.from_url(
                Secret(f"redis://:{password}@127.0.0.1:{server.port}"),
                timeout_seconds=5,
                clock=clock,
            )
            if works:
                await store.ping()
                assert await store.redeem("unknown") is None
            else:
                with pytest.raises(StoreUnavailable) as failed:
                    await store.ping()
                assert "hunter2" not in str(failed.value)
            await store.aclose()


async def test_a_full_redis_is_a_store_failure(clock: SetClock, tmp_path: Path) -> None:
    """Out of memory: nothing is minted, reading still works."""
    with started(tmp_path, "--maxmemory-policy", "noeviction") as server:
        with asking(server.port) as redis:
            redis.config_set("maxmemory", 1)
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=5, clock=clock
        )
        with pytest.raises(StoreUnavailable, match="OutOfMemory"):
            await store.put_grant(make_grant(clock))
        assert await store.get_call("unknown") is None
        await store.aclose()


async def test_constructing_does_no_io(clock: SetClock) -> None:
    """A store for an address where nothing listens can be made and closed."""
    for url in ("redis://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/x", "redis+cluster://[::1]:1"):
        store = RedisStore.from_url(Secret(url), timeout_seconds=1, clock=clock)
        assert await store.aclose() is None  # type: ignore[func-returns-value] # None is the promise
