"""Calls in a book, as another replica writes them; and whoever follows their events."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent

from signaller.model import CallEntry, CallFacts, CallState, Ending, Watching
from signaller.ports import CallBook
from signaller.realtime.call_records import CallRecord, CallRecords
from signaller.secret import Secret

NO_END = CallState(ending=None, ended_at=None, ended_by=None)


def facts(**changes: Any) -> CallFacts:
    """Of a call that the provider has answered now."""
    now = int(time.time())
    values: dict[str, Any] = {
        "id": f"rtc_{secrets.token_urlsafe(18)}",
        "caller": "web",
        "model": "voice",
        "deployment_id": "d1",
        "upstream_model": "gpt-realtime-2",
        "credential_fingerprint": "c" * 16,
        "grant_id": None,
        "metadata": {},
        "started_at": now,
        "ends_by": now + 3600,
        "limited": False,
        "answered": True,
        "provider_call_id": "rtc_theirs",
        "watching": Watching(),
    }
    return CallFacts(**(values | changes))


class Writer:
    """Who starts, watches and ends calls."""

    def __init__(self, book: CallBook, ring: Sequence[Secret]) -> None:
        self.book = book
        self.records = CallRecords(ring)
        self._fences: dict[str, int] = {}

    async def intend(self, **changes: Any) -> CallFacts:
        """A call that nobody has answered yet."""
        intent = facts(answered=False, provider_call_id=None, **changes)
        sealed = self.records.seal_facts(intent)
        assert await self.book.begin(entry(intent), sealed, at_most=None) is None
        return intent

    async def start(self, **changes: Any) -> CallFacts:
        """A call that is answered."""
        intent = await self.intend(**changes)
        answered = replace(intent, answered=True, provider_call_id="rtc_theirs")
        told = self.records.seal_event("call.started", _record(answered))
        await self.book.answered(entry(answered), self.records.seal_facts(answered), told)
        return answered

    async def update(self, call: CallFacts, responses: int) -> None:
        """What the watch has seen: so many responses."""
        if call.id not in self._fences:
            fence = await self.book.lease(call.id, "writer", seconds=60)
            assert fence is not None
            self._fences[call.id] = fence
        seen: dict[str, object] = {
            "supervision": "watched",
            "usage": {"label": "complete", "responses": responses},
        }
        told = self.records.seal_event("call.updated", _record(call, seen=seen))
        sealed = self.records.seal_seen(call.id, seen)
        assert await self.book.saw(call.id, sealed, fence=self._fences[call.id], event=told)

    async def end(self, call: CallFacts) -> None:
        """The provider has confirmed its end."""
        now = int(time.time())
        state = CallState(ending=Ending(by="caller", since=now), ended_at=now, ended_by="caller")
        told = self.records.seal_event("call.ended", _record(call, state))
        sealed = self.records.seal_state(call.id, state)
        assert await self.book.end(entry(call), sealed, kept_seconds=3600, event=told)


def entry(call: CallFacts) -> CallEntry:
    """What the store knows of it."""
    return CallEntry(
        id=call.id,
        caller=call.caller,
        model=call.model,
        began_at=call.started_at,
        ends_by=call.ends_by,
    )


def _record(
    call: CallFacts, state: CallState = NO_END, *, seen: dict[str, object] | None = None
) -> CallRecord:
    return CallRecord(facts=call, state=state, seen=seen or {})


@dataclass
class Following:
    """A client of the feed."""

    response: httpx.Response
    _events: AsyncIterator[ServerSentEvent]
    last_id: str = ""
    seen: list[ServerSentEvent] = field(default_factory=list)

    async def next(self, seconds: float = 20) -> ServerSentEvent:
        """The next event, what is none passed over."""
        async with asyncio.timeout(seconds):
            while True:
                message = await anext(self._events)
                self.last_id = message.id or self.last_id
                if message.data:
                    self.seen.append(message)
                    return message

    async def ended(self, seconds: float = 20) -> None:
        """Return once the server has ended the stream."""
        async with asyncio.timeout(seconds):
            async for message in self._events:
                self.last_id = message.id or self.last_id


@contextlib.asynccontextmanager
async def following(
    client: httpx.AsyncClient, key: str, *, after: str | None = None, prefix: str = "/v1"
) -> AsyncIterator[Following]:
    """Follow the feed, from the moment at which the service has said so."""
    headers = {"authorization": f"Bearer {key}"} | ({"last-event-id": after} if after else {})
    # Each with a client of its own: hooks that read whole responses would read for ever.
    async with (
        httpx.AsyncClient(base_url=client.base_url, timeout=60) as own,
        own.stream("GET", f"{prefix}/realtime/calls/events", headers=headers) as response,
    ):
        if response.status_code != 200:
            await response.aread()
            raise httpx.HTTPStatusError("refused", request=response.request, response=response)
        events = EventSource(response).aiter_sse()
        first = await anext(events)  # no event: where the feed is
        try:
            yield Following(response, events, first.id)
        finally:
            await events.aclose()
