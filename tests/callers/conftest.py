"""An issuer that runs, and what is known of its keys."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from signaller.callers import KeySets
from signaller.providers.http import fetch, http_client
from tests.callers.issuing import Issuer, SetClock
from tests.support.serving import serving


@pytest.fixture
def clock() -> SetClock:
    """Time as the test sets it."""
    return SetClock()


@pytest.fixture
async def key_sets(clock: SetClock) -> AsyncIterator[KeySets]:
    """Key sets over the service's own client."""
    async with http_client() as client:
        sets = KeySets(partial(fetch, client), clock)
        yield sets
        await sets.aclose()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer that publishes `signing_key()`."""
    running = Issuer()
    async with serving(running) as url:
        running.url = f"{url}/jwks.json"
        yield running
        running.release()
