"""A service that dies while the provider answers: nobody sends the call again."""

import asyncio
import signal

import pytest

from tests.gateways.gate import gate
from tests.gateways.recipe import at, nginx_recipe, without_authentication
from tests.support.service import error, token_key

CAREFUL = without_authentication(nginx_recipe())
# What an operator writes who wants every request to succeed.
CARELESS = at(CAREFUL, {"proxy_next_upstream off;": "proxy_next_upstream error non_idempotent;"})


@pytest.mark.parametrize("recipe", [CAREFUL, CARELESS], ids=["off", "non_idempotent"])
async def test_a_call_is_sent_to_the_provider_once(recipe: str, redis_url: str) -> None:
    """nginx has a spare replica, and leaves it alone; if told not to, the spare refuses."""
    ours = f"signaller: {{redis_url: {redis_url}, token_keys: [{token_key().reveal()}]}}"
    async with gate(recipe, ours, replicas=2) as one:
        token = await one.token()
        one.provider.call.holds()
        calling = asyncio.create_task(one.call(token))
        await one.provider.call.arrived()
        one.replicas[0].send(signal.SIGKILL)
        answer = await calling
        assert len(one.provider.call.requests) == 1
        if recipe is CAREFUL:
            assert answer.status_code == 502
            assert one.replicas[1].lines("call") == []
        else:
            assert (answer.status_code, error(answer)["code"]) == (401, "token_rejected")
        # The spare serves: it is not for want of one that nobody was asked.
        one.provider.call.release()
        assert (await one.call(await one.token())).status_code == 201
