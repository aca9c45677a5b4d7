"""A Redis that is gone, silent, broken or closed to us is StoreUnavailable, in time, and heals."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from signaller.errors import StoreUnavailable
from signaller.model import (
    Spent,
)
from signaller.policy import Rate
from signaller.secret import Secret
from signaller.settings import RedisLogin
from signaller.stores import RedisStore
from signaller.stores.rates import WindowRates
from signaller.stores.redis import MAX_AT_ONCE
from signaller.stores.scripts import GIVE_BACK, LINK, REDEEM, TAKE_HIT
from tests.faults.redis.proxy import How, Proxy, proxied
from tests.faults.redis.servers import frozen
from tests.stores.making import SetClock, looked_at, make_grant
from tests.stores.servers import asking, port_of, ports_of_cluster, started, wait_until
from tests.support.redis import free_port, wait_for_port
from tests.support.timing import own_time

Step = Callable[[RedisStore, SetClock], Coroutine[Any, Any, object]]

STEPS: dict[str, Step] = {
    "put_grant": lambda store, clock: store.put_grant(make_grant(clock)),
    "redeem": lambda store, _: store.redeem("any"),
    "give_back": lambda store, clock: store.give_back(make_grant(clock)),
    "uses_left": lambda store, _: store.uses_left("any"),
    "revoke": lambda store, _: store.revoke("any"),
    "link": lambda store, clock: store.link(make_grant(clock), "any"),
    "take": lambda store, _: WindowRates(store).take([Rate(bucket="any", per_minute=60)]),
    "peek": lambda store, _: store.peek("any"),
    "ping": lambda store, _: store.ping(),
}


@pytest.fixture(params=list(STEPS.values()), ids=list(STEPS))
def step(request: pytest.FixtureRequest) -> Step:
    """Each step of the store."""
    chosen: Step = request.param
    return chosen


@contextlib.asynccontextmanager
async def through_a_proxy(
    redis_url: str, clock: SetClock, *, timeout_seconds: float = 5
) -> AsyncIterator[tuple[Proxy, RedisStore]]:
    """A store whose steps can be spoilt."""
    async with proxied(port_of(redis_url)) as proxy:
        url = Secret(f"redis://127.0.0.1:{proxy.port}")
        store = RedisStore.from_url(url, timeout_seconds=timeout_seconds, clock=clock)
        async with contextlib.aclosing(store):
            yield proxy, store


@pytest.mark.parametrize("scheme", ["redis", "redis+sentinel", "redis+cluster"])
async def test_a_refused_connection_is_a_store_failure(
    step: Step, clock: SetClock, scheme: str
) -> None:
    """Nothing listens: every step says so at once, and never the password."""
    name = "/voice" if scheme == "redis+sentinel" else ""
    url = Secret(f"{scheme}://me:hunter2@127.0.0.1:{free_port()}{name}")
    store = RedisStore.from_url(url, timeout_seconds=5, clock=clock)
    began = own_time()
    with pytest.raises(StoreUnavailable) as failed:
        await step(store, clock)
    assert own_time() - began < 2
    assert failed.value.retry_after == 1
    assert "hunter2" not in str(failed.value)
    await store.aclose()


async def test_a_silent_redis_is_a_store_failure_in_time_and_heals(
    clock: SetClock, tmp_path: Path
) -> None:
    """A stopped process costs every step one time-out and no more; once it runs again, none."""
    with started(tmp_path) as server:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=1, clock=clock
        )

        async def seconds_in_vain(step: Step) -> float:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await step(store, clock)
            return time.monotonic() - began

        for step in STEPS.values():
            await step(store, clock)
        with frozen(server):
            waited = await asyncio.gather(*map(seconds_in_vain, STEPS.values()))
        assert [name for name, took in zip(STEPS, waited, strict=True) if not 0.9 < took < 2] == []
        for step in STEPS.values():
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
        with frozen(server):
            began = own_time()
            pings = (store.ping() for _ in range(320))
            ended = await asyncio.gather(*pings, return_exceptions=True)
            assert own_time() - began < 1.5
        assert {type(each) for each in ended} == {StoreUnavailable}
        await store.aclose()


async def test_steps_that_take_connections_of_a_cluster_as_they_are_closed(
    redis_cluster_url: str, clock: SetClock
) -> None:
    """Where one finds them broken, the others fail as steps do, at whichever turn of the loop."""
    url = Secret(f"{redis_cluster_url}?replicas=1")
    store = RedisStore.from_url(url, timeout_seconds=0.5, clock=clock)

    async def step(turn: int) -> None:
        for _ in range(turn):
            await asyncio.sleep(0)
        both = (store.revoke("any"), store.peek("any"))
        for ended in await asyncio.gather(*both, return_exceptions=True):
            assert ended is None or isinstance(ended, StoreUnavailable)  # there are no replicas

    await asyncio.gather(*(looked_at(store, "any") for _ in range(MAX_AT_ONCE)))
    for port in ports_of_cluster(redis_cluster_url):
        with asking(port) as redis:
            redis.client_kill_filter(_type="normal", skipme=True)
    await asyncio.gather(*(step(turn) for turn in range(MAX_AT_ONCE)))
    await store.aclose()


async def test_a_late_reply_never_answers_another_step(clock: SetClock, tmp_path: Path) -> None:
    """The connection of a timed-out step is not used again: its reply would be somebody else's."""
    with started(tmp_path) as server:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=1, clock=clock
        )
        mine, other = make_grant(clock, lives_seconds=3600), make_grant(clock, lives_seconds=3600)
        await store.put_grant(mine)
        await store.put_grant(other)
        with frozen(server), pytest.raises(StoreUnavailable):
            await looked_at(store, mine.id)
        assert [await looked_at(store, other.id) for _ in range(3)] == [other] * 3
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


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
async def test_a_wrong_password_is_tried_once(clock: SetClock, tmp_path: Path, scheme: str) -> None:
    """A step that may be repeated is not: it would fill Redis's log of failed logins."""
    options = ["--requirepass", "right-one"]
    if scheme == "redis+cluster":
        options += ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    with started(tmp_path, *options) as server, asking(server.port, "right-one") as redis:
        url = Secret(f"{scheme}://:hunter2@127.0.0.1:{server.port}")
        store = RedisStore.from_url(url, timeout_seconds=5, clock=clock)
        with pytest.raises(StoreUnavailable, match="AuthenticationError"):
            await store.ping()
        assert sum(int(each["count"]) for each in redis.acl_log()) == 1
        await store.aclose()


@pytest.mark.parametrize("user", ["", "me@"], ids=["with its user", "user in the url"])
async def test_a_login_may_stand_beside_the_url(clock: SetClock, tmp_path: Path, user: str) -> None:
    """The name from either, the password from the configuration alone."""
    acl = ("--user", "me", "on", ">right-one", "~*", "&*", "+@all")
    with started(tmp_path, "--requirepass", "another", *acl) as server:
        for password, works in (("hunter2", False), ("right-one", True)):
            store = RedisStore.from_url(
                Secret(f"redis://{user}127.0.0.1:{server.port}"),
                timeout_seconds=5,
                clock=clock,
                login=RedisLogin(username=None if user else "me", password=Secret(password)),
            )
            if works:
                await store.ping()
            else:
                with pytest.raises(StoreUnavailable) as failed:
                    await store.ping()
                assert "hunter2" not in str(failed.value)
            await store.aclose()


async def test_a_server_that_is_no_master_any_more_is_left(clock: SetClock, tmp_path: Path) -> None:
    """Its error is one step's; the next one connects anew, and a name may lead elsewhere then."""
    with started(tmp_path) as server, asking(server.port) as redis:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=5, clock=clock
        )
        await asyncio.gather(*(store.ping() for _ in range(5)))
        before = {each["id"] for each in redis.client_list(_type="normal")}
        redis.replicaof("127.0.0.1", free_port())
        with pytest.raises(StoreUnavailable, match="ReadOnly"):
            await store.ping()
        redis.replicaof("no", "one")
        await store.ping()
        left = {each["id"] for each in redis.client_list(_type="normal")} & before
        assert left == {str(redis.client_id())}
        await store.aclose()


async def test_steps_that_may_run_twice_outlast_a_connection_that_breaks(
    clock: SetClock, redis_url: str
) -> None:
    """Those that may not are never sent again: what became of them, nobody can tell."""
    with asking(port_of(redis_url)) as redis:
        for script in (REDEEM, GIVE_BACK, LINK, TAKE_HIT):  # so that each step is one command
            redis.script_load(script.source)
    async with through_a_proxy(redis_url, clock) as (proxy, store):
        grant = make_grant(clock)
        repeated: dict[str, Callable[[], Awaitable[object]]] = {
            "put_grant": lambda: store.put_grant(grant),
            "uses_left": lambda: store.uses_left(grant.id),
            "link": lambda: store.link(grant, "rtc_1"),
            "peek": lambda: store.peek(grant.id),
            "ping": store.ping,
        }
        rate = Rate(bucket=f"mints:{grant.id}", per_minute=5)
        once: dict[str, Callable[[], Awaitable[object]]] = {
            "take": lambda: WindowRates(store).take([rate]),
            "give_back": lambda: store.give_back(grant),
            "redeem": lambda: store.redeem(grant.id),
        }
        for name, step in repeated.items():
            proxy.spoils(name, "cut after", attempts=1)
            await step()
        for name, step in once.items():
            proxy.spoils(name, "cut after")
            with pytest.raises(StoreUnavailable):
                await step()
        assert proxy.spoilt == len(repeated) + len(once)
        left = await WindowRates(store).take([rate])
        assert left is not None
        assert left.remaining == 3
        assert await store.redeem(grant.id) == Spent(call_ids=("rtc_1",))
        proxy.spoils("revoke", "cut after", attempts=1)
        await store.revoke(grant.id)
        assert await store.redeem(grant.id) is None


async def test_a_step_that_is_late_fails_alone(clock: SetClock, redis_url: str) -> None:
    """Those that come with it and after it have connections of their own."""
    grants = [make_grant(clock, lives_seconds=3600) for _ in range(20)]
    async with through_a_proxy(redis_url, clock, timeout_seconds=2) as (proxy, store):
        for grant in grants:
            await store.put_grant(grant)
        hows: tuple[How, ...] = ("silence before", "silence after")
        for how in hows:
            proxy.spoils("peek", how)
            ended = await asyncio.gather(
                *(looked_at(store, grant.id) for grant in grants), return_exceptions=True
            )
            late = [each for each in ended if isinstance(each, StoreUnavailable)]
            assert ["no answer within 2 s" in str(each) for each in late] == [True]
            assert [each for each in ended if each not in late] == [
                grant for grant, each in zip(grants, ended, strict=True) if each not in late
            ]
            assert [await looked_at(store, grant.id) for grant in grants] == grants


async def test_steps_that_are_given_up_leave_no_connection(clock: SetClock, tmp_path: Path) -> None:
    """Whenever their clients leave; the others get replies of their own."""
    dice = random.Random(7)  # noqa: S311 - a test's
    with started(tmp_path) as server, asking(server.port) as redis:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=5, clock=clock
        )
        grants = [make_grant(clock, lives_seconds=3600) for _ in range(40)]
        for grant in grants:
            await store.put_grant(grant)

        async def step(number: int) -> None:
            grant = grants[number % 40]
            asked = asyncio.create_task(looked_at(store, grant.id))
            if number % 4 == 0:
                for _ in range(dice.randrange(12)):
                    await asyncio.sleep(0)
                asked.cancel()
                await asyncio.wait([asked])
            else:
                assert await asked == grant

        for _ in range(10):
            await asyncio.gather(*(step(number) for number in range(200)))
        assert len(redis.client_list(_type="normal")) <= MAX_AT_ONCE + 1
        await asyncio.gather(*(store.ping() for _ in range(2 * MAX_AT_ONCE)))
        await store.aclose()
        await asyncio.to_thread(wait_until, lambda: len(redis.client_list()) == 1)


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
        assert await looked_at(store, "unknown") is None
        await store.aclose()


async def test_constructing_does_no_io(clock: SetClock) -> None:
    """A store for an address where nothing listens can be made and closed."""
    for url in ("redis://127.0.0.1:1", "redis+sentinel://127.0.0.1:1/x", "redis+cluster://[::1]:1"):
        store = RedisStore.from_url(Secret(url), timeout_seconds=1, clock=clock)
        assert await store.aclose() is None  # type: ignore[func-returns-value] # None is the promise
