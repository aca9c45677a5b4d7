"""The feed over HTTP: server-sent events of calls, from any replica."""

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis.asyncio

from signaller.secret import Secret
from signaller.server.http1 import BoundedHttp
from signaller.stores import RedisStore
from signaller.stores.call_book import RedisCallBook
from signaller.web.routes import PREFIXES
from tests.support.calls import Following, Writer, following
from tests.support.process import served
from tests.support.redis import redis_server
from tests.support.service import MASTER_KEY, Service, bearer, error, named, running, token_key
from tests.support.sockets import sockets_to
from tests.web.reloading import reloadable

KEY, OTHER_KEY = "sk-canary-web-0123456789abcdef", "sk-canary-two-0123456789abcdef"
RING = (token_key(),)


@pytest.fixture(scope="module")
def calls_url() -> Iterator[str]:
    """A Redis of this module's own: the book has one name in each."""
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.asynccontextmanager
async def writing(url: str) -> AsyncIterator[Writer]:
    """Another replica that writes in an empty book."""
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.flushdb()
    store = RedisStore.from_url(Secret(url), timeout_seconds=5, clock=time.time)
    try:
        yield Writer(RedisCallBook(store.steps), RING)
    finally:
        await store.aclose()


def serving_calls(url: str, **changes: Any) -> contextlib.AbstractAsyncContextManager[Service]:
    """A service with two callers."""
    changes.setdefault("callers", (named("web", KEY), named("two", OTHER_KEY)))
    return running(redis_url=Secret(url), token_keys=RING, **changes)


async def heard(reader: Following, count: int) -> list[tuple[str, str]]:
    """So many of its next events: what of which call."""
    events = [await reader.next() for _ in range(count)]
    return [(event.event, json.loads(event.data).get("id", "")) for event in events]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_any_replica_tells_of_all_calls(calls_url: str, prefix: str) -> None:
    """What happens at one is heard at another, as the object that GET shows."""
    async with (
        writing(calls_url) as writer,
        serving_calls(calls_url) as service,
        following(service.client, MASTER_KEY, prefix=prefix) as reader,
    ):
        assert reader.response.headers["content-type"].startswith("text/event-stream")
        assert reader.response.headers["cache-control"] == "no-store"
        call = await writer.start(metadata={"customer": "Zoë"})
        event = await reader.next()
        path = f"/v1/realtime/calls/{call.id}"
        got = await service.client.get(path, headers=bearer(MASTER_KEY))
        assert (event.event, json.loads(event.data)) == ("call.started", got.json())
        await writer.update(call, 1)
        assert await heard(reader, 1) == [("call.updated", call.id)]
        await writer.end(call)
        assert await heard(reader, 1) == [("call.ended", call.id)]


async def test_a_caller_hears_of_its_own_calls_only(calls_url: str) -> None:
    """Nothing of others', not even that there are some."""
    async with (
        writing(calls_url) as writer,
        serving_calls(calls_url) as service,
        following(service.client, KEY) as mine,
        following(service.client, MASTER_KEY) as all_,
    ):
        theirs = await writer.start(caller="two")
        ours = await writer.start()
        assert await heard(mine, 1) == [("call.started", ours.id)]
        assert await heard(all_, 2) == [("call.started", theirs.id), ("call.started", ours.id)]


async def test_updates_of_a_call_are_told_every_two_seconds_at_most(calls_url: str) -> None:
    """The newest of them comes, however many there were."""
    async with (
        writing(calls_url) as writer,
        serving_calls(calls_url) as service,
        following(service.client, MASTER_KEY) as reader,
    ):
        call = await writer.start()
        for responses in range(1, 6):
            await writer.update(call, responses)
        await heard(reader, 2)
        first = time.monotonic()
        event = await reader.next()
        assert time.monotonic() - first > 1.5
        assert json.loads(event.data)["usage"]["responses"] == 5


async def test_whoever_comes_back_to_another_replica_misses_nothing(calls_url: str) -> None:
    """`Last-Event-ID` means the same at each of them."""
    async with (
        writing(calls_url) as writer,
        serving_calls(calls_url) as here,
        serving_calls(calls_url) as there,
    ):
        async with following(here.client, KEY) as reader:
            first = await writer.start()
            await heard(reader, 1)
        missed = [await writer.start() for _ in range(60)]
        async with following(there.client, KEY, after=reader.last_id) as again:
            assert await heard(again, 60) == [("call.started", call.id) for call in missed]
            await writer.end(first)
            assert await heard(again, 1) == [("call.ended", first.id)]


@pytest.mark.parametrize("place", ["never", "0" * 15 + "-" + "0" * 8 + "1"])
async def test_a_place_that_is_not_kept_is_answered_by_a_reset(calls_url: str, place: str) -> None:
    """First; then comes what is kept."""
    async with writing(calls_url) as writer, serving_calls(calls_url) as service:
        call = await writer.start()
        async with following(service.client, MASTER_KEY, after=place) as reader:
            assert await heard(reader, 2) == [("reset", ""), ("call.started", call.id)]


@pytest.mark.parametrize("asked", ["caller=web", "status=live", "lastEventId=1-1"])
async def test_a_filter_that_the_feed_does_not_have_is_refused(calls_url: str, asked: str) -> None:
    """By name: whoever believes to hear of one caller must not hear of all."""
    async with serving_calls(calls_url) as service:
        route = f"/v1/realtime/calls/events?{asked}"
        async with (
            httpx.AsyncClient(base_url=service.url) as client,  # a feed has no end to wait for
            client.stream("GET", route, headers=bearer(MASTER_KEY)) as response,
        ):
            assert response.status_code == 400
            await response.aread()
    found = error(response)
    assert (found["code"], found["param"]) == ("unknown_parameter", asked.partition("=")[0])
    assert "Last-Event-ID" in found["message"]


async def test_too_many_are_told_when_to_come_back(calls_url: str) -> None:
    """503 with Retry-After; and whoever closes its connection makes room."""
    async with (
        writing(calls_url),
        serving_calls(calls_url) as service,
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(25):
            last = await stack.enter_async_context(following(service.client, KEY))
        path = "/v1/realtime/calls/events"
        refused = await service.client.get(path, headers=bearer(KEY))
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "10"
        assert refused.json()["error"]["code"] == "too_many_followers"
        await last.response.aclose()
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(httpx.HTTPStatusError):
                    async with following(service.client, KEY):
                        break


async def test_a_reader_that_does_not_read_is_cut_off(
    calls_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is closed, and nothing is said of a fault."""
    monkeypatch.setattr(BoundedHttp, "unread_seconds", 0.5)
    async with writing(calls_url) as writer, serving_calls(calls_url) as service:
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await asyncio.to_thread(reader.connect, ("127.0.0.1", urlsplit(service.url).port or 0))
            reader.sendall(
                b"GET /v1/realtime/calls/events HTTP/1.1\r\nHost: voice\r\n"
                b"Authorization: Bearer " + MASTER_KEY.encode() + b"\r\n\r\n"
            )
            assert await asyncio.to_thread(reader.recv, 12) == b"HTTP/1.1 200"
            port = reader.getsockname()[1]
            assert sockets_to(port) == 1
            async with asyncio.timeout(60), following(service.client, MASTER_KEY) as other:
                while sockets_to(port):  # until the buffers of both sides are full for too long
                    await writer.start(metadata={"filler": "x" * 8000})
                    await other.next()
    faults = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert faults == []


async def test_a_shutdown_ends_the_feed_at_once(
    calls_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream ends as it should, so that its reader goes on elsewhere."""
    async with writing(calls_url) as writer, contextlib.AsyncExitStack() as stack:
        async with serving_calls(calls_url) as service:
            reader = await stack.enter_async_context(following(service.client, MASTER_KEY))
            call = await writer.start()
            await heard(reader, 1)
            began = time.monotonic()
        await reader.ended()
        assert time.monotonic() - began < 3
        async with serving_calls(calls_url) as heir:
            await writer.end(call)
            async with following(heir.client, MASTER_KEY, after=reader.last_id) as again:
                assert await heard(again, 1) == [("call.ended", call.id)]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_sigterm_ends_the_feed_within_the_drain(tmp_path: Path) -> None:
    """The process is gone in seconds, although somebody follows, and logs no fault."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "model_list:\n- {model_name: voice, litellm_params: {model: openai/v, api_key: sk-p}}\n"
        f"general_settings: {{master_key: {MASTER_KEY}}}\n"
    )
    with served("--config", str(path)) as process:
        url = await asyncio.to_thread(process.url)
        async with (
            httpx.AsyncClient(base_url=url) as client,
            following(client, MASTER_KEY) as reader,
        ):
            began = time.monotonic()
            process.process.terminate()
            await reader.ended()
            assert await asyncio.to_thread(process.ended) is not None
            assert time.monotonic() - began < 10
        assert [line for line in process.said if '"level": "error"' in line] == []


async def test_a_followers_line_says_who(calls_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """One audit line when it begins, as for all that is asked."""
    caplog.set_level(logging.INFO, "signaller.audit")
    async with serving_calls(calls_url) as service:
        async with following(service.client, KEY):
            pass
        await service.client.get("/v1/realtime/calls", headers=bearer(KEY))
        await service.client.get("/v1/realtime/calls/rtc_x", headers=bearer(KEY))
    lines = {record.msg: record.__dict__["fields"] for record in caplog.records}
    assert (lines["follow_calls"]["caller"], lines["follow_calls"]["resumed"]) == ("web", False)
    assert lines["list_calls"]["caller"] == "web"
    assert (lines["show_call"]["by"], lines["show_call"]["outcome"]) == ("web", "call_id_not_found")


async def test_a_reload_ends_the_feed_of_withdrawn_keys() -> None:
    """Whoever follows has to prove itself anew; its key is not known any more."""
    async with (
        reloadable("d1", callers=(named("web", KEY),)) as changing,
        following(changing.service.client, KEY) as reader,
    ):
        await changing.reload(callers=(named("web", OTHER_KEY),))
        await reader.ended()
        refused = await changing.service.client.get(
            "/v1/realtime/calls/events", headers=bearer(KEY)
        )
        assert refused.status_code == 401
