"""Each step of the store fails once at a running service, before Redis ran it or after."""

import time
from collections.abc import AsyncIterator
from typing import get_args

import pytest

from signaller.stores import call_scripts
from signaller.stores.scripts import GIVE_BACK, LINK, REDEEM, TAKE_HIT
from tests.faults import LONG
from tests.faults.redis.proxy import How, Proxy, proxied
from tests.faults.redis.replica import BOUND_SECONDS, Answered, is_store_refusal
from tests.faults.redis.scene import Scene, staged
from tests.faults.redis.servers import keys_without_ttl
from tests.stores.servers import asking, port_of
from tests.support.provider import error as provider_error

OF_THE_BOOK = (
    call_scripts.BEGIN,
    call_scripts.ANSWERED,
    call_scripts.WITHDRAW,
    call_scripts.BEGIN_ENDING,
    call_scripts.PAUSE_ENDING,
    call_scripts.END,
    call_scripts.DUE,
)
SHORT: tuple[How, ...] = ("cut before", "cut after", "silence after")
HOWS: tuple[How, ...] = get_args(How) if LONG else SHORT

every_way = pytest.mark.parametrize("how", HOWS)


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    """Before a Redis that knows all scripts, so that each step is one command."""
    port = port_of(redis_url)
    with asking(port) as redis:
        for script in (REDEEM, GIVE_BACK, LINK, TAKE_HIT, *OF_THE_BOOK):
            assert redis.script_load(script.source) == script.sha
    async with proxied(port) as proxy:
        yield proxy
    assert keys_without_ttl([port]) == 0


@pytest.fixture
async def scene(proxy: Proxy) -> AsyncIterator[Scene]:
    """One replica that ends calls whose tokens are replayed: it takes every step there is."""
    url = f"redis://127.0.0.1:{proxy.port}/0"
    async with staged(url, clocks=[time.time], policy={"on_replay": "hangup"}) as scene:
        yield scene
        assert proxy.spoilt == 1, "the step was never taken"
        assert await scene.replicas[0].probe("readyz") == 200


def try_again(answered: Answered) -> bool:
    """503 in time, with Retry-After."""
    headers = answered.response.headers
    in_time = answered.seconds < BOUND_SECONDS
    return is_store_refusal(answered) and headers.get("retry-after") == "1" and in_time


@every_way
@pytest.mark.parametrize("step", ["ping", "take"])
async def test_nothing_is_minted_before_the_store_has_answered(
    scene: Scene, proxy: Proxy, step: str, how: How
) -> None:
    """The provider hears nothing of it, and the next mint is as good as any."""
    (replica,) = scene.replicas
    proxy.spoils(step, how)
    assert try_again(await replica.mint())
    assert scene.provider.requests == []
    assert (await replica.call(await replica.token())).status == 201


@every_way
async def test_a_grant_that_is_not_kept_is_no_token(scene: Scene, proxy: Proxy, how: How) -> None:
    """Nobody gets a token that nobody could use."""
    (replica,) = scene.replicas
    proxy.spoils("put_grant", how)
    refused = await replica.mint()
    assert try_again(refused)
    assert "value" not in refused.response.json()
    assert (await replica.call(await replica.token())).status == 201


@every_way
async def test_a_redemption_that_fails_begins_no_call(scene: Scene, proxy: Proxy, how: How) -> None:
    """Where Redis never ran it, the token is good for another try; otherwise it is spent."""
    (replica,) = scene.replicas
    token = await replica.token()
    proxy.spoils("redeem", how)
    assert try_again(await replica.call(token))
    assert scene.attempts_with(token) == 0
    again = [(await replica.call(token)).status for _ in range(2)]
    assert again == ([201, 401] if how.endswith("before") else [401, 401])
    scene.holds()


@every_way
@pytest.mark.parametrize("step", ["take", "begin"])
async def test_a_call_that_cannot_be_counted_costs_no_token(
    scene: Scene, proxy: Proxy, step: str, how: How
) -> None:
    """The token is given back, and begins one call after all."""
    (replica,) = scene.replicas
    token = await replica.token()
    proxy.spoils(step, how)
    assert try_again(await replica.call(token))
    assert scene.attempts_with(token) == 0
    assert [(await replica.call(token)).status for _ in range(2)] == [201, 401]
    scene.holds()


@every_way
async def test_a_token_that_is_not_given_back_is_lost_and_no_more(
    scene: Scene, proxy: Proxy, how: How
) -> None:
    """The client hears what the provider said; of one token there is one call at the most."""
    (replica,) = scene.replicas
    token = await replica.token()
    scene.provider.call.answers(429, provider_error("Slow down.", "rate_limit"), times=1)
    proxy.spoils("give_back", how)
    refused = await replica.call(token)
    assert (refused.status, refused.seconds < BOUND_SECONDS) == (429, True)
    again = [(await replica.call(token)).status for _ in range(2)]
    assert again == ([401, 401] if how.endswith("before") else [201, 401])


@every_way
@pytest.mark.parametrize("step", ["answered", "link"])
async def test_a_call_that_cannot_be_remembered_is_ended(
    scene: Scene, proxy: Proxy, step: str, how: How
) -> None:
    """Its token is spent, so the client is told not to send it again."""
    (replica,) = scene.replicas
    token = await replica.token()
    proxy.spoils(step, how)
    refused = await replica.call(token)
    assert is_store_refusal(refused)
    assert refused.response.headers["x-should-retry"] == "false"
    assert "retry-after" not in refused.response.headers
    assert scene.attempts_with(token) == 1
    assert scene.provider.live_calls == set()
    assert (await replica.call(token)).status == 401
    scene.holds()


@every_way
async def test_a_call_that_cannot_be_looked_up_goes_on_and_can_be_ended_later(
    scene: Scene, proxy: Proxy, how: How
) -> None:
    """The provider is not asked to end what nobody knows the owner of."""
    (replica,) = scene.replicas
    location = (await replica.call(await replica.token())).response.headers["location"]
    proxy.spoils("find", how)
    assert try_again(await replica.hang_up(location))
    assert len(scene.provider.live_calls) == 1
    assert (await replica.hang_up(location)).status == 200
    assert scene.provider.live_calls == set()


@every_way
async def test_a_replay_is_refused_though_its_call_cannot_be_looked_up(
    scene: Scene, proxy: Proxy, how: How
) -> None:
    """No second call; the next replay ends the first one."""
    (replica,) = scene.replicas
    token = await replica.token()
    assert (await replica.call(token)).status == 201
    proxy.spoils("find", how)
    assert try_again(await replica.call(token))
    assert (await replica.call(token)).status == 401
    assert scene.provider.live_calls == set()
    scene.holds()


@every_way
async def test_an_end_that_cannot_be_remembered_is_an_end(
    scene: Scene, proxy: Proxy, how: How
) -> None:
    """The call is over at the provider, and whoever asked for it is told so."""
    (replica,) = scene.replicas
    location = (await replica.call(await replica.token())).response.headers["location"]
    proxy.spoils("end", how)
    ended = await replica.hang_up(location)
    assert (ended.status, ended.seconds < BOUND_SECONDS) == (200, True)
    assert scene.provider.live_calls == set()


@every_way
async def test_a_revocation_that_fails_says_so(scene: Scene, proxy: Proxy, how: How) -> None:
    """Nobody believes a token dead that is not; asking again settles it."""
    (replica,) = scene.replicas
    token = await replica.token()
    proxy.spoils("revoke", how)
    assert try_again(await replica.revoke(token))
    assert (await replica.revoke(token)).status == 200
    assert (await replica.call(token)).status == 401
    assert scene.attempts_with(token) == 0


@every_way
async def test_a_token_that_cannot_be_looked_at_is_as_it_was(
    scene: Scene, proxy: Proxy, how: How
) -> None:
    """503, not "inactive": whoever asked would throw a good token away."""
    (replica,) = scene.replicas
    token = await replica.token()
    proxy.spoils("uses_left", how)
    assert try_again(await replica.introspect(token))
    assert (await replica.introspect(token)).response.json()["uses_left"] == 1
    assert (await replica.call(token)).status == 201


@every_way
async def test_readiness_is_red_and_liveness_green(scene: Scene, proxy: Proxy, how: How) -> None:
    """For as long as the store does not answer, and no longer."""
    (replica,) = scene.replicas
    proxy.spoils("ping", how)
    assert [await replica.probe(name) for name in ("healthz", "readyz", "healthz")] == [
        *(200, 503, 200)
    ]
    assert await replica.probe("readyz") == 200
