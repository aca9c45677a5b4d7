"""Three replicas on one Redis whose clocks are five minutes apart; one of them tells the time.

What holds: a token is over when the clock of the replica that is asked says so, and no later than
by Redis's clock; so it lives as long as was asked for, less the difference of the clocks. What
does not: a replica that is behind by more than a token's life mints tokens that are over already,
and one that is ahead finds its own too old. Both are refusals: never a second call.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from signaller.ports import Clock
from tests.faults.redis.replica import token_in
from tests.faults.redis.scene import Scene, staged

SKEW_SECONDS = 300
LONG_LIFE = {"expires_after": {"anchor": "created_at", "seconds": 900}}
"""More than all clocks are apart."""
SHORT_LIFE = {"expires_after": {"anchor": "created_at", "seconds": 60}}
"""Less than that."""
RIGHT, BEHIND, AHEAD = 0, 1, 2


def skewed(by_seconds: float) -> Clock:
    """The time, told wrong."""
    return lambda: time.time() + by_seconds


@pytest.fixture
async def scene(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """Right, behind and ahead."""
    clocks = [skewed(by) for by in (0, -SKEW_SECONDS, SKEW_SECONDS)]
    policy: dict[str, object] = getattr(request, "param", {})
    async with staged(redis_url, clocks=clocks, policy=policy) as scene:
        yield scene
        scene.holds()


@pytest.mark.parametrize("minting", [RIGHT, BEHIND, AHEAD], ids=["right", "behind", "ahead"])
@pytest.mark.parametrize("calling", [RIGHT, BEHIND, AHEAD], ids=["right", "behind", "ahead"])
async def test_a_token_that_outlives_the_skew_is_good_everywhere(
    scene: Scene, minting: int, calling: int
) -> None:
    """One call, wherever it was minted; no replica lets it begin another."""
    token = await scene.replicas[minting].token(**LONG_LIFE)
    assert (await scene.replicas[calling].call(token)).status == 201
    assert [(await each.call(token)).status for each in scene.replicas] == [401] * 3
    assert scene.attempts_with(token) == 1


async def test_a_race_across_the_skew_has_one_winner(scene: Scene) -> None:
    """All replicas at once, several times each."""
    for minting in scene.replicas:
        token = await minting.token(**LONG_LIFE)
        answers = await asyncio.gather(*(each.call(token) for each in scene.replicas * 4))
        assert sorted(each.status for each in answers) == [201, *[401] * 11]


async def test_a_short_token_of_a_replica_behind_is_over_for_all(scene: Scene) -> None:
    """Redis never kept its grant: its own replica takes the token for good, and still refuses."""
    token = await scene.replicas[BEHIND].token(**SHORT_LIFE)
    assert [(await each.call(token)).status for each in scene.replicas] == [401] * 3
    assert scene.provider.call.requests == []


async def test_a_short_token_of_a_replica_ahead_lives_no_longer_than_its_secret(
    scene: Scene,
) -> None:
    """Its own replica finds it too old; for the others it lasts as long as the provider says."""
    minted = await scene.replicas[AHEAD].mint(**SHORT_LIFE)
    (secret_expires_at,) = scene.provider.secrets.values()
    assert minted.response.json()["expires_at"] == secret_expires_at
    token = token_in(minted)
    assert (await scene.replicas[AHEAD].call(token)).status == 401
    assert scene.provider.call.requests == []
    assert (await scene.replicas[RIGHT].call(token)).status == 201
    assert (await scene.replicas[BEHIND].call(token)).status == 401


@pytest.mark.parametrize("scene", [{"mints_per_minute": 6}], indirect=True)
async def test_rates_are_not_multiplied(scene: Scene) -> None:
    """Six mints a minute are six at all replicas together: Redis's clock counts them."""
    statuses = [(await each.mint()).status for each in scene.replicas * 3]
    assert statuses == [200] * 6 + [429] * 3
    refusals = [each.response for each in scene.answered if each.status == 429]
    assert all(0 < int(each.headers["retry-after"]) <= 60 for each in refusals)


@pytest.mark.parametrize("scene", [{"calls_per_minute": 4}], indirect=True)
async def test_a_call_over_the_rate_costs_no_token(scene: Scene) -> None:
    """It is given back in time, by whichever clock: the refused token is as good as before."""
    tokens = [await each.token(**LONG_LIFE) for each in scene.replicas * 2]
    assert [(await scene.replicas[RIGHT].call(each)).status for each in tokens[:4]] == [201] * 4
    for replica in scene.replicas:
        assert (await replica.call(tokens[5])).status == 429
        left = await replica.introspect(tokens[5])
        assert left.response.json()["uses_left"] == 1


async def test_a_call_is_ended_at_any_replica(scene: Scene) -> None:
    """By its caller, up to an hour later by each clock: more than clocks are apart."""
    for beginning, ending in zip(scene.replicas, reversed(scene.replicas), strict=True):
        token = await beginning.token(**LONG_LIFE)
        location = (await beginning.call(token)).response.headers["location"]
        assert (await ending.hang_up(location)).status == 200
    assert scene.provider.live_calls == set()
