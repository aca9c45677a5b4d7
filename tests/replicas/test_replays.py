"""A token used once too often: refused everywhere, its call ended where the policy says so."""

import asyncio
from collections import Counter

import pytest

from tests.replicas.configuration import caller, caller_key
from tests.replicas.fleet import Fleet
from tests.replicas.replica import Replica
from tests.support.provider import FakeProvider
from tests.support.service import error

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the replicas' clients live on that loop

elsewhere = pytest.mark.parametrize("replayed_at", [0, 1], ids=["same replica", "another replica"])


def hung_up(provider: FakeProvider) -> list[str]:
    """The provider's ids of the calls it was asked to end, in that order."""
    return [request.path.split("/")[-2] for request in provider.hangup.requests]


async def replay(replica: Replica, token: str) -> None:
    """Use a token that has no uses left."""
    refused = await replica.call(token)
    assert refused.status_code == 401
    assert error(refused)["code"] == "token_rejected"


@elsewhere
@pytest.mark.parametrize("uses", [1, 2])
async def test_a_replay_ends_the_calls_of_its_token(
    fleet: Fleet, replayed_at: int, uses: int
) -> None:
    """Every call that was begun with it, once; the caller's other calls go on."""
    key = caller_key()
    await fleet.admits(caller(key, on_replay="hangup", token_uses=uses))
    first, provider = fleet.replicas[0], fleet.provider
    token, innocent = await first.token(key), await first.token(key)
    assert (await first.call(innocent)).status_code == 201
    bystanders = set(provider.live_calls)
    for _ in range(uses):
        assert (await first.call(token)).status_code == 201
    begun = provider.live_calls - bystanders
    assert len(begun) == uses
    await replay(fleet.replicas[replayed_at], token)
    assert Counter(hung_up(provider)) == dict.fromkeys(begun, 1)
    assert provider.live_calls == bystanders
    await replay(fleet.replicas[2], token)
    assert len(hung_up(provider)) == uses


@elsewhere
async def test_a_replay_ends_nothing_where_it_is_only_refused(
    fleet: Fleet, replayed_at: int
) -> None:
    """The first call goes on; so it does where the policy says nothing."""
    key, silent = caller_key(), caller_key()
    await fleet.admits(caller(key, on_replay="refuse"), caller(silent))
    first, provider = fleet.replicas[0], fleet.provider
    for each in (key, silent):
        token = await first.token(each)
        assert (await first.call(token)).status_code == 201
        await replay(fleet.replicas[replayed_at], token)
    assert hung_up(provider) == []
    assert len(provider.live_calls) == 2


@elsewhere
@pytest.mark.parametrize("on_replay", ["hangup", "refuse"])
async def test_a_replay_while_the_provider_has_not_answered_yet(
    fleet: Fleet, replayed_at: int, on_replay: str
) -> None:
    """The call is ended as soon as it has begun, and its client learns why; or it just goes on."""
    key = caller_key()
    await fleet.admits(caller(key, on_replay=on_replay))
    first, provider = fleet.replicas[0], fleet.provider
    token = await first.token(key)
    provider.call.holds()
    waiting = asyncio.create_task(first.call(token))
    await provider.call.arrived()
    await replay(fleet.replicas[replayed_at], token)
    assert hung_up(provider) == []
    provider.call.release()
    answered = await waiting
    if on_replay == "refuse":
        assert answered.status_code == 201
        assert (hung_up(provider), len(provider.live_calls)) == ([], 1)
    else:
        assert answered.status_code == 401
        assert error(answered)["code"] == "token_rejected"
        assert (len(hung_up(provider)), provider.live_calls) == (1, set())


async def test_no_call_outlives_a_race_for_its_token(fleet: Fleet) -> None:
    """Six uses at once at three replicas: one begins a call, and the others bring it to its end."""
    key = caller_key()
    await fleet.admits(caller(key, on_replay="hangup"))
    provider, rounds = fleet.provider, 20
    for _ in range(rounds):
        token = await fleet.replicas[0].token(key)
        responses = await asyncio.gather(*(each.call(token) for each in fleet.replicas * 2))
        statuses = Counter(each.status_code for each in responses)
        assert statuses[201] <= 1
        assert statuses[401] == len(responses) - statuses[201]
        assert provider.live_calls == set()
    assert len(provider.call.requests) == rounds


async def test_no_call_outlives_a_replay_that_meets_the_answer(fleet: Fleet) -> None:
    """Both are under way at the same time: exactly one of them sees the other, and hangs up."""
    key = caller_key()
    await fleet.admits(caller(key, on_replay="hangup"))
    provider, (first, second, _), rounds = fleet.provider, fleet.replicas, 80
    for count in range(1, rounds + 1):
        token = await first.token(key)
        provider.call.holds()
        waiting = asyncio.create_task(first.call(token))
        await provider.call.arrived(count)
        provider.call.release()
        await replay(second, token)
        assert (await waiting).status_code in {201, 401}
        assert provider.live_calls == set()
    assert len(hung_up(provider)) == rounds


async def test_one_use_wins_a_race_and_goes_on(fleet: Fleet) -> None:
    """Where replays are only refused, the call that was first is left alone."""
    key = caller_key()
    await fleet.admits(caller(key, on_replay="refuse"))
    for _ in range(5):
        token = await fleet.replicas[0].token(key)
        responses = await asyncio.gather(*(each.call(token) for each in fleet.replicas * 2))
        assert Counter(each.status_code for each in responses) == {201: 1, 401: 5}
    assert len(fleet.provider.live_calls) == 5
    assert hung_up(fleet.provider) == []
