"""Several replicas before one provider and one Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.types import Receive, Scope, Send

from tests.replicas.configuration import Configuration
from tests.replicas.replica import IN_TIME, Replica, replicas_of
from tests.support.provider import FakeProvider
from tests.support.service import token_key
from tests.support.serving import serving


class ProviderOfTheTest:
    """One address for all tests; each has a provider without a past behind it."""

    def __init__(self) -> None:
        self.now = FakeProvider()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self.now.app(scope, receive, send)


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Replicas that share everything but their files."""

    replicas: list[Replica]
    configuration: Configuration
    upstream: ProviderOfTheTest

    @property
    def provider(self) -> FakeProvider:
        """What all of them talk to."""
        return self.upstream.now

    async def admits(self, *callers: Mapping[str, object]) -> None:
        """Return once every replica knows these callers, and no others."""
        self.configuration = self.with_callers(*callers)
        await asyncio.gather(*(each.reload(self.configuration) for each in self.replicas))

    def with_callers(self, *callers: Mapping[str, object]) -> Configuration:
        """The configuration, but for who may call."""
        return replace(self.configuration, callers=callers)


@contextlib.asynccontextmanager
async def fleet_of(
    count: int, folder: Path, redis_url: str, *, ahead: Mapping[int, int] = IN_TIME
) -> AsyncIterator[Fleet]:
    """So many replicas on one Redis; their only caller is the master.

    `ahead`: by how many seconds whose clock is ahead of the machine's.
    """
    upstream = ProviderOfTheTest()
    async with serving(upstream) as provider_url, contextlib.AsyncExitStack() as stack:
        configuration = Configuration(
            provider_url=provider_url,
            redis_url=redis_url,
            token_keys=(token_key().reveal(),),
        )
        replicas = await stack.enter_async_context(
            replicas_of(count, folder, configuration, ahead=ahead)
        )
        yield Fleet(replicas=replicas, configuration=configuration, upstream=upstream)
