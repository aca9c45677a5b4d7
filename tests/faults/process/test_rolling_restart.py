"""A rolling restart of two replicas behind nginx, which nobody in front of it notices."""

import pytest

from tests.faults import LONG
from tests.faults.process.fleet import REPLICAS, fleet, for_two
from tests.faults.process.load import begun, under_load
from tests.gateways.recipe import nginx_recipe, without_authentication

ROUNDS = 10 if LONG else 1
"""Restarts of both."""
CAREFUL = without_authentication(nginx_recipe())
# `error` leaves a POST alone that was sent to anybody: only one that could not be sent moves on.
# Without `max_fails=0` nginx shuns a replica for 10 s after it was away, and then the other one.
ROLLING = [
    pytest.param(for_two(CAREFUL, "error", server=" max_fails=0", keepalive=kept), id=name)
    for name, kept in (("a connection each", ""), ("kept connections", "keepalive 16;"))
]


@pytest.mark.timeout(120 * ROUNDS)
@pytest.mark.parametrize("recipe", ROLLING)
async def test_a_rolling_restart_fails_no_call(recipe: str, redis_url: str) -> None:
    """Every mint and call is answered well, and every call reaches the provider once."""
    async with fleet(recipe, redis_url) as (replicas, client):
        async with under_load(client) as load:
            await load.more()
            for number in (*range(REPLICAS),) * ROUNDS:
                await replicas.replace(number)
                await load.more()
        assert load.bad == []
        assert load.unreachable == 0
        offers = begun(replicas.provider)
        assert set(offers.values()) == {1}
        assert len(offers) == load.calls


async def test_without_leave_to_try_the_other_calls_fail(redis_url: str) -> None:
    """`proxy_next_upstream off`: a replica that is away is a 502; the test above can fail."""
    strict = for_two(CAREFUL, "off", server=" max_fails=0")
    async with fleet(strict, redis_url) as (replicas, client):
        async with under_load(client) as load:
            await load.more()
            await replicas.stop(0)
            await load.more()
        assert {each.status for each in load.bad} == {502}
        assert set(begun(replicas.provider).values()) == {1}
