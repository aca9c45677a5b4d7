"""Very many short calls under the watch, which end in every way there is: nothing of them stays."""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Literal

import httpx
import pytest
from redis.asyncio import Redis
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signaller.secret import Secret
from signaller.settings import CallSettings, Timeouts, TokenSettings
from tests.faults import LONG
from tests.faults.clients.attacked import until
from tests.faults.soak.footprint import footprint, living_objects, running_tasks
from tests.support.provider import FakeProvider
from tests.support.redis import redis_server
from tests.support.service import MASTER_KEY, Service, bearer, named, running

Kind = Literal["token", "master", "gone", "required", "length", "left open", "late", "mute"]
"""Ended by its token; by the master key; or its client is simply gone. Watched because it has to
be. Ended by its length. Ended while the provider leaves its sideband open; ended before the
provider opens its sideband; or before the provider says anything to whoever wants to open it."""
ATTACHED: tuple[Kind, ...] = ("token", "master", "gone", "required", "left open")
"""Of which the provider's sidebands are open while they live."""

EACH = 3
"""Calls of every kind in one round."""
ROUNDS = {"redis": 420 if LONG else 9, "memory": 420 if LONG else 3}
"""Some 10,000 calls; or 200, and some more where memory is the store."""
KEPT_SECONDS, TTL_SECONDS = 12, 8
"""A call that has ended is kept for longer than its watch takes to learn of it, as always: else the
watch would take it for lost, and write it down again."""
PATIENCE_SECONDS = 60
PATIENT = Timeouts(connect_seconds=60, mint_seconds=60, call_seconds=60, store_seconds=60)
"""Nothing here is about time, and the machine may be busy."""
LISTS = {b"feed", b"moment"}
"""Of the book in Redis: what is there however many calls there were."""
TOLD = "signaller.model.Told"
"""Of the book in memory: an event of the feed, which is kept for ten minutes, beside 999 others."""
KEYS: dict[Kind, str] = {
    "required": "sk-sgn-required-0123456789abcdef",
    "length": "sk-sgn-length-0123456789abcdef",
}
CALLERS = (
    named("required", KEYS["required"], supervision="required"),
    named("length", KEYS["length"], supervision="best_effort", max_call_seconds=1),
)
"""Whose calls are of that kind; all others are the master's."""


@pytest.fixture
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Redis | None]:
    """One without any other test's keys; None: the service remembers in memory."""
    if request.param == "memory":
        yield None
        return
    with redis_server() as port:
        async with Redis(port=port) as client:
            yield client


@pytest.mark.timeout(3600 if LONG else 300)
@pytest.mark.parametrize(("redis", "rounds"), ROUNDS.items(), indirect=["redis"])
async def test_short_calls_leave_nothing(redis: Redis | None, rounds: int) -> None:
    """Not one task, socket, key or object, however they ended."""
    async with service_on(redis) as service:
        objects = living_objects()
        await ended(service, "token", await begun(service, "token"))  # what stays has begun now
        await at_rest([])
        tasks, sockets = running_tasks(), await sockets_but_to(redis)
        await at_rest([await one_round(service) for _ in range(rounds)])
        with contextlib.suppress(TimeoutError):
            await until(lambda: running_tasks() == tasks)
        assert running_tasks() == tasks
        assert await sockets_but_to(redis) == sockets
        if redis is not None:
            await no_key_is_left(redis)
        await no_object_is_left(service, objects)


@contextlib.asynccontextmanager
async def service_on(redis: Redis | None) -> AsyncIterator[Service]:
    """A service that watches every call, before a provider to which nobody keeps a connection."""
    provider = FakeProvider()
    provider.app.add_middleware(OneRequestEach)
    port = None if redis is None else redis.connection_pool.connection_kwargs["port"]
    async with running(
        provider,
        redis_url=None if port is None else Secret(f"redis://127.0.0.1:{port}/0"),
        supervision="best_effort",
        calls=CallSettings(kept_seconds=KEPT_SECONDS),
        token=TokenSettings(ttl_seconds=TTL_SECONDS),
        timeouts=PATIENT,
        callers=CALLERS,
    ) as service:
        service.client.headers["connection"] = "close"
        yield service


class OneRequestEach:
    """Closes each connection behind its answer: what is open at the end is no pool's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, closing)


async def at_rest(mute: Iterable[asyncio.Event]) -> None:
    """Return once the service is done with every call; a mute provider speaks only then."""
    await none_runs("Watch._run")
    for answered in mute:
        answered.set()
    await none_runs("RequestResponseCycle.run_asgi", "WebSocketsSansIOProtocol.run_asgi")


async def none_runs(*names: str) -> None:
    """Return once there is no task of these names."""
    with contextlib.suppress(TimeoutError):
        await until(lambda: not running_tasks().keys() & {*names}, seconds=PATIENCE_SECONDS)
    assert running_tasks().keys() & {*names} == set()


async def one_round(service: Service) -> asyncio.Event:
    """A few calls of each kind; whoever sets the event makes a mute provider speak."""
    bands = service.provider.sidebands
    late = bands.holds(times=EACH)
    await ended(service, "late", await begun(service, "late"))
    late.set()
    mute = bands.holds(times=EACH)
    await ended(service, "mute", await begun(service, "mute"))
    await begun(service, "length")
    for kind in ATTACHED:
        calls = await begun(service, kind)
        for theirs in calls.theirs:
            await bands.attached(theirs, seconds=PATIENCE_SECONDS)
            bands.responds(theirs)
            if kind == "left open":
                bands.leaves_open(theirs)
        await ended(service, kind, calls)
    service.seen.clear()
    return mute


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Some that were begun at once."""

    tokens: list[str]
    locations: list[str]
    """In the same order."""
    theirs: set[str]
    """The provider's ids of those that live, in none."""


async def begun(service: Service, kind: Kind) -> Calls:
    """A few calls of that kind; where the provider holds their sidebands, it holds them by then."""
    before = set(service.provider.live_calls)
    key = KEYS.get(kind, MASTER_KEY)

    async def one() -> tuple[str, httpx.Response]:
        token: str = (await service.mint(headers=bearer(key))).json()["value"]
        return token, await service.call(token)

    tokens, answers = zip(*await asyncio.gather(*(one() for _ in range(EACH))), strict=True)
    assert [response.status_code for response in answers] == [201] * EACH
    await service.provider.sidebands.held(seconds=PATIENCE_SECONDS)
    return Calls(
        tokens=list(tokens),
        locations=[response.headers["location"] for response in answers],
        theirs=service.provider.live_calls - before,
    )


async def ended(service: Service, kind: Kind, calls: Calls) -> None:
    """Return once they have ended, as calls of their kind do."""
    if kind == "gone":
        for theirs in calls.theirs:
            service.provider.ends(theirs)
        return
    for token, location in zip(calls.tokens, calls.locations, strict=True):
        key = MASTER_KEY if kind == "master" else token
        assert await service.ended(location, key) == 200


async def sockets_but_to(redis: Redis | None) -> int:
    """This process's own, without those to Redis: its pool stays."""
    theirs = 0 if redis is None else len(await redis.client_list(_type="normal"))
    return footprint(os.getpid()).sockets - theirs


async def no_key_is_left(redis: Redis) -> None:
    """Return once there are only keys that are no call's and no token's."""
    async with asyncio.timeout(PATIENCE_SECONDS + TTL_SECONDS):
        found = {b""}
        while {key.rpartition(b":")[2] for key in found} - LISTS:
            await asyncio.sleep(0.2)  # it sends no notice
            found = {key async for key in redis.scan_iter()}
            assert -1 not in [await redis.pttl(key) for key in found], "a key that never ends"


async def no_object_is_left(service: Service, before: Counter[str]) -> None:
    """Return once there are no more objects of any kind than before there was a call."""
    service.provider.mint.answers(400)
    left = before
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS + TTL_SECONDS):
            while left:
                # Whoever asks for room in memory lets go of what has expired; it sends no notice.
                assert (await service.mint()).status_code == 400
                await asyncio.sleep(0.2)
                left = living_objects() - before
                left.pop(TOLD, None)
    assert left == Counter()
