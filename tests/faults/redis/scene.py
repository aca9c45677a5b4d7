"""Replicas on one Redis, before a provider that tells which token began which call."""

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from signaller.app import create_app
from signaller.ports import Clock
from signaller.secret import Secret
from signaller.settings import Timeouts
from tests.faults.redis.replica import (
    BOUND_SECONDS,
    CALLER_KEY,
    STORE_SECONDS,
    Answered,
    Replica,
    is_store_refusal,
    name_of,
    token_named_in,
)
from tests.support.provider import FakeProvider
from tests.support.service import MASTER_KEY, deployment, named, settings
from tests.support.serving import serving

PLENTY = 60_000
"""A rate that is counted, and never in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a test plays with."""

    replicas: tuple[Replica, ...]
    provider: FakeProvider

    @property
    def attempts(self) -> Counter[str]:
        """How often the provider was asked for a call, by the token it was asked with."""
        return Counter(token_named_in(each.body) for each in self.provider.call.requests)

    def attempts_with(self, token: str) -> int:
        """How often it was asked with this one."""
        return self.attempts[name_of(token)]

    @property
    def answered(self) -> list[Answered]:
        """Everything that the replicas ever said."""
        return [each for replica in self.replicas for each in replica.answered]

    def holds(self) -> None:
        """What no fault of Redis may break."""
        assert max(self.attempts.values(), default=0) <= 1
        for each in self.answered:
            assert each.seconds < BOUND_SECONDS, each
            if each.status >= 500:
                assert is_store_refusal(each), each.response.text


@contextlib.asynccontextmanager
async def staged(
    redis_url: str | None,
    *,
    clocks: Iterable[Clock] = (time.time, time.time),
    policy: Mapping[str, Any] | None = None,
    store_seconds: float = STORE_SECONDS,
) -> AsyncIterator[Scene]:
    """A replica for each clock, all on one Redis; without one, each has its own memory."""
    name = f"caller-{secrets.token_hex(8)}"  # nobody has counted anything under it before
    rates = {"mints_per_minute": PLENTY, "calls_per_minute": PLENTY}
    provider = FakeProvider()
    async with serving(provider.app) as provider_url, contextlib.AsyncExitStack() as stack:
        made = settings(
            deployment(provider_url),
            master_key=Secret(MASTER_KEY),
            redis_url=Secret(redis_url) if redis_url else None,
            callers=(named(name, CALLER_KEY, **(rates | dict(policy or {}))),),
            timeouts=Timeouts(store_seconds=store_seconds),
        )
        replicas = []
        for clock in clocks:
            url = await stack.enter_async_context(serving(create_app(made, clock=clock)))
            client = httpx.AsyncClient(base_url=url, timeout=30)
            replicas.append(Replica(client=await stack.enter_async_context(client)))
        yield Scene(replicas=tuple(replicas), provider=provider)
