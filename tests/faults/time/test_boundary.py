"""`start_by` is exclusive: at that very moment a token is over, by each of its judges."""

import time
from collections.abc import AsyncIterator

import pytest

from signaller.errors import TokenRejected
from signaller.model import Spent
from signaller.secret import Secret
from signaller.stores import MemoryStore, RedisStore
from signaller.tokens.tokens import TokenClaims, Tokens
from tests.faults.redis.scene import Scene, staged
from tests.stores.making import SetClock, make_grant
from tests.stores.servers import asking, port_of
from tests.support.service import token_key

JUST_BEFORE = 0.001
"""Seconds; less would get lost in a float of Unix time."""


@pytest.fixture
def clock() -> SetClock:
    """The service's only clock."""
    return SetClock()


@pytest.fixture(params=["memory", "redis"])
async def scene(request: pytest.FixtureRequest, clock: SetClock) -> AsyncIterator[Scene]:
    """One replica."""
    url = None if request.param == "memory" else request.getfixturevalue("redis_url")
    async with staged(url, clocks=[clock]) as scene:
        yield scene
        scene.holds()


async def test_a_service_takes_a_token_until_just_before_it_is_over(
    scene: Scene, clock: SetClock
) -> None:
    """The last moment is good, the next one is not, and the client was told which."""
    (replica,) = scene.replicas
    last, late = await replica.mint(), await replica.mint()
    clock.now = last.response.json()["expires_at"] - JUST_BEFORE
    assert (await replica.call(last.response.json()["value"])).status == 201
    clock.now = late.response.json()["expires_at"]
    token = late.response.json()["value"]
    assert (await replica.call(token)).status == 401
    assert (await replica.introspect(token)).response.json() == {"active": False}
    assert scene.attempts_with(token) == 0


def test_a_token_says_itself_when_it_is_over(clock: SetClock) -> None:
    """Its `exp` is the first second in which it is refused (RFC 7519, 4.1.4: "on or after")."""
    tokens = Tokens([token_key()], clock)
    claims = TokenClaims(
        grant_id="g",
        caller="web",
        credential_id="c",
        deployment_id="d1",
        credential_fingerprint="c" * 16,
        nested_models=("whisper-1",),
        session_type="realtime",
        uses=1,
        model="voice",
        origins=(),
        issued_at=int(clock.now),
        expires_at=int(clock.now) + 60,
        metadata_digest="",
        seal_key=bytes(32),
    )
    token = tokens.mint(claims)
    clock.now += 60 - JUST_BEFORE
    assert tokens.read(token) == claims
    clock.now = claims.expires_at
    with pytest.raises(TokenRejected, match="expired"):
        tokens.read(token)


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_a_store_redeems_until_just_before(
    kind: str, redis_url: str, clock: SetClock
) -> None:
    """By the replica's clock, whatever Redis's own says."""
    redis = RedisStore.from_url(Secret(redis_url), timeout_seconds=5, clock=clock)
    store = MemoryStore(clock) if kind == "memory" else redis
    last, late = make_grant(clock), make_grant(clock)
    await store.put_grant(last)
    await store.put_grant(late)
    clock.now = last.terms.start_by - JUST_BEFORE
    assert await store.redeem(last.id) == last
    assert await store.redeem(last.id) == Spent()
    clock.now = late.terms.start_by
    assert await store.redeem(late.id) is None
    await redis.aclose()


async def test_redis_forgets_a_grant_at_that_moment_by_its_own_clock(redis_url: str) -> None:
    """A replica whose clock is behind finds nothing either: not a millisecond longer."""
    clock = SetClock(now=time.time() - 300)
    store = RedisStore.from_url(Secret(redis_url), timeout_seconds=5, clock=clock)
    grant = make_grant(clock, lives_seconds=302)  # 1 to 2 seconds by Redis's clock
    await store.put_grant(grant)
    seen_alive = 0
    with asking(port_of(redis_url)) as redis:
        while True:
            before = redis.time()
            left = await store.uses_left(grant.id)
            after = redis.time()
            if before >= (grant.terms.start_by, 0):
                break
            if after < (grant.terms.start_by, 0):
                assert left == 1
                seen_alive += 1
    assert left == 0
    assert seen_alive > 0
    assert await store.redeem(grant.id) is None
    await store.aclose()
