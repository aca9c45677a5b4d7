"""A clock that is set forward and back while the service runs, over memory and over Redis."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.redis.scene import Scene, staged
from tests.stores.making import SetClock

STEPS = (300, -600, 600, -300, 3600, -3600, 86_400, -86_400)
"""Seconds, one after the other; the sum is 0."""
LONG_LIFE = {"expires_after": {"anchor": "created_at", "seconds": 900}}


@pytest.fixture
def clock() -> SetClock:
    """The service's only clock."""
    return SetClock()


@pytest.fixture(params=["memory", "redis"])
async def scene(request: pytest.FixtureRequest, clock: SetClock) -> AsyncIterator[Scene]:
    """One replica."""
    url = None if request.param == "memory" else request.getfixturevalue("redis_url")
    policy: dict[str, object] = {"mints_per_minute": 30}
    async with staged(url, clocks=[clock], policy=policy) as scene:
        yield scene
        scene.holds()


async def test_a_spent_token_stays_spent(scene: Scene, clock: SetClock) -> None:
    """Also when its tombstone has expired on the way, and it would be in time again."""
    (replica,) = scene.replicas
    token = await replica.token(**LONG_LIFE)
    assert (await replica.call(token)).status == 201
    for seconds in STEPS:
        clock.now += seconds
        await replica.mint(**LONG_LIFE)  # a mint is when memory forgets what has expired
        assert (await replica.call(token)).status == 401
    assert scene.attempts_with(token) == 1


async def test_an_unused_token_begins_one_call_at_the_most(scene: Scene, clock: SetClock) -> None:
    """Refused while the clock is past its end; whatever happens afterwards, never twice."""
    (replica,) = scene.replicas
    token = await replica.token(**LONG_LIFE)
    clock.now += 3600
    assert (await replica.call(token)).status == 401
    clock.now -= 3600
    statuses = [(await replica.call(token)).status for _ in range(3)]
    assert statuses == [201, 401, 401]


async def test_a_rate_neither_grows_nor_bars_for_longer_than_its_minute(
    scene: Scene, clock: SetClock
) -> None:
    """Back an hour and there again: never more than 30 in what is one minute for everybody else."""
    (replica,) = scene.replicas
    statuses = []
    for step in (0, -3600, 30):
        clock.now += step
        statuses += [(await replica.mint()).status for _ in range(20)]
    assert statuses == [200] * 30 + [429] * 30
    refusals = [each.response for each in scene.answered if each.status == 429]
    assert all(0 < int(each.headers["retry-after"]) <= 60 for each in refusals)
