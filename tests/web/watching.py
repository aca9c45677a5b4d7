"""Watched calls of a running service, and what is told of them."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support.service import MASTER_KEY, Service, bearer

Told = dict[str, Any]


async def begun(service: Service, mint: object = None) -> tuple[str, str]:
    """A new call: our id, and the provider's; `mint` is what its token was asked for with."""
    before = set(service.provider.live_calls)
    response = await service.call(await service.token(mint))
    assert response.status_code == 201, response.text
    (theirs,) = service.provider.live_calls - before
    return response.headers["location"].rpartition("/")[2], theirs


async def shown(service: Service, call_id: str) -> Told:
    """The call, as the API tells it."""
    url = f"/v1/realtime/calls/{call_id}"
    response = await service.client.get(url, headers=bearer(MASTER_KEY))
    assert response.status_code == 200, response.text
    found: Told = response.json()
    return found


async def until(
    service: Service, call_id: str, holds: Callable[[Told], bool], *, seconds: float = 20
) -> Told:
    """The same, as soon as something holds of it."""
    found: Told = {}
    try:
        async with asyncio.timeout(seconds):
            while not holds(found := await shown(service, call_id)):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never so: {found}") from None
    return found


def ended(call: Told) -> bool:
    """Whether it is over."""
    return bool(call["status"] == "ended")
