"""Calls as they are shown over HTTP: who may see which, and lists in OpenAI's form."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import redis.asyncio

from signaller.secret import Secret
from signaller.stores import RedisStore
from signaller.stores.call_book import RedisCallBook
from signaller.tokens.tokens import Tokens
from signaller.web.routes import PREFIXES
from tests.support.calls import Writer
from tests.support.redis import redis_server
from tests.support.service import MASTER_KEY, Service, bearer, error, named, running

KEY, OTHER_KEY = "sk-canary-web-0123456789abcdef", "sk-canary-two-0123456789abcdef"


@pytest.fixture(scope="module")
def calls_url() -> Iterator[str]:
    """A Redis of this module's own: the book has one name in each."""
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.asynccontextmanager
async def booked(url: str, **changes: Any) -> AsyncIterator[tuple[Service, Writer]]:
    """A service with two callers, and another replica that writes in its book."""
    changes.setdefault("callers", (named("web", KEY), named("two", OTHER_KEY)))
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.flushdb()
    store = RedisStore.from_url(Secret(url), timeout_seconds=5, clock=time.time)
    try:
        async with running(redis_url=Secret(url), **changes) as service:
            yield service, Writer(RedisCallBook(store.steps), service.settings.token_keys)
    finally:
        await store.aclose()


async def shown(
    service: Service, call_id: str, key: str, prefix: str = "/v1", **headers: str
) -> httpx.Response:
    """GET a call."""
    path = f"{prefix}/realtime/calls/{call_id}"
    return await service.client.get(path, headers=bearer(key) | headers)


async def listed(service: Service, key: str = MASTER_KEY, **query: str) -> httpx.Response:
    """GET a list."""
    return await service.client.get("/v1/realtime/calls", params=query, headers=bearer(key))


def ids(response: httpx.Response) -> list[str]:
    """Of the calls on a page."""
    assert response.status_code == 200, response.text
    return [call["id"] for call in response.json()["data"]]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_its_caller_and_the_operator_see_a_call(calls_url: str, prefix: str) -> None:
    """The whole object, wherever it was begun, under every prefix; never kept by a cache."""
    async with booked(calls_url) as (service, writer):
        call = await writer.start(metadata={"customer": "7"})
        await writer.update(call, 3)
        for key in (KEY, MASTER_KEY):
            response = await shown(service, call.id, key, prefix)
            assert response.status_code == 200
            assert response.headers["cache-control"] == "no-store"
            body = response.json()
            assert body["usage"] == {"label": "complete", "responses": 3}
            assert (body["object"], body["status"]) == ("realtime.call", "live")
            assert body["metadata"] == {"customer": "7"}


async def test_its_token_sees_a_call_even_when_it_has_expired(calls_url: str) -> None:
    """The grant is what counts, and no other token's."""
    async with booked(calls_url) as (service, writer):
        token, other = await service.token(), await service.token()
        tokens = Tokens(service.settings.token_keys, time.time)
        claims = tokens.read(Secret(token))
        call = await writer.start(caller=claims.caller, grant_id=claims.grant_id)
        expired = tokens.mint(replace(claims, expires_at=int(time.time()) - 1)).reveal()
        for good in (token, expired):
            assert (await shown(service, call.id, good)).json()["id"] == call.id
        refused = await shown(service, call.id, other)
        assert (refused.status_code, error(refused)["code"]) == (404, "call_id_not_found")


async def test_anothers_call_is_as_if_it_were_not_there(calls_url: str) -> None:
    """The same answer, to the letter, as for a call that nobody made."""
    async with booked(calls_url) as (service, writer):
        call = await writer.start()
        theirs = await shown(service, call.id, OTHER_KEY)
        none = await shown(service, "rtc_" + "x" * 24, OTHER_KEY)
        odd = await shown(service, "%00", OTHER_KEY)
        assert theirs.status_code == none.status_code == odd.status_code == 404
        assert theirs.json() == none.json() == odd.json()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "invalid_api_key"),
        ({"authorization": "Bearer nope"}, "invalid_api_key"),
        ({"authorization": "Bearer ek_nope"}, "token_rejected"),
    ],
)
@pytest.mark.parametrize("place", ["", "/events", "/rtc_" + "x" * 24])
async def test_without_a_proof_nothing_is_shown(
    headers: dict[str, str], code: str, place: str
) -> None:
    """401 on each of the three routes."""
    async with running() as service:
        response = await service.client.get(f"/v1/realtime/calls{place}", headers=headers)
        assert (response.status_code, error(response)["code"]) == (401, code)


@pytest.mark.parametrize("place", ["", "/events"])
async def test_a_token_gets_no_lists_and_no_events(place: str) -> None:
    """It is for one call, and the answer says so."""
    async with running() as service:
        headers = bearer(await service.token())
        response = await service.client.get(f"/v1/realtime/calls{place}", headers=headers)
        assert response.status_code == 401
        assert "shows its own call only" in error(response)["message"]


async def test_a_changed_record_is_not_there(calls_url: str) -> None:
    """404 for that call, and the others of its list are shown."""
    async with booked(calls_url) as (service, writer):
        kept, changed = await writer.start(), await writer.start()
        async with redis.asyncio.Redis.from_url(calls_url) as client:
            (key,) = await client.keys(f"*{changed.id}*")
            await client.hset(key, "facts", writer.records.seal_facts(kept))
        assert (await shown(service, changed.id, MASTER_KEY)).status_code == 404
        assert ids(await listed(service)) == [kept.id]


async def test_the_newest_calls_come_first_page_by_page(calls_url: str) -> None:
    """OpenAI's list form, read to its end."""
    async with booked(calls_url) as (service, writer):
        made = [(await writer.start()).id for _ in range(7)][::-1]
        pages, query = [], {"limit": "3"}
        while True:
            page = (await listed(service, KEY, **query)).json()
            assert page["object"] == "list"
            found = [call["id"] for call in page["data"]]
            assert (page["first_id"], page["last_id"]) == (found[0], found[-1])
            pages.append(found)
            query["after"] = page["last_id"]
            if not page["has_more"]:
                break
        assert pages == [made[:3], made[3:6], made[6:]]


async def test_an_exact_page_has_no_more(calls_url: str) -> None:
    """`has_more` is known, not guessed."""
    async with booked(calls_url) as (service, writer):
        for _ in range(2):
            await writer.start()
        assert (await listed(service, limit="2")).json()["has_more"] is False


async def test_a_page_has_twenty_calls_and_a_hundred_at_most(calls_url: str) -> None:
    """As OpenAI's lists: so many where nobody says how many, and where the most is asked for."""
    async with booked(calls_url) as (service, writer):
        made = [(await writer.start()).id for _ in range(101)][::-1]
        for query, count in (({}, 20), ({"limit": "100"}, 100)):
            page = await listed(service, **query)
            assert ids(page) == made[:count]
            assert page.json()["has_more"] is True


async def test_lists_are_of_the_status_that_is_asked_for(calls_url: str) -> None:
    """Live, ended, and unknown: an intent that nobody answered."""
    async with booked(calls_url) as (service, writer):
        live, over, intent = await writer.start(), await writer.start(), await writer.intend()
        await writer.end(over)
        for status, call in (("live", live), ("ended", over), ("unknown", intent)):
            assert ids(await listed(service, status=status)) == [call.id]
        assert len(ids(await listed(service, status=""))) == 3


async def test_lists_are_of_the_model_that_is_asked_for(calls_url: str) -> None:
    """However many others there are."""
    async with booked(calls_url) as (service, writer):
        wanted = await writer.start(model="rare")
        for _ in range(30):
            await writer.start()
        for key in (KEY, MASTER_KEY):
            assert ids(await listed(service, key, model="rare", limit="1")) == [wanted.id]
        assert ids(await listed(service, model="none")) == []


async def test_a_caller_sees_its_own_and_nobody_elses(calls_url: str) -> None:
    """Another's list is empty; the master key sees all, or one caller's."""
    async with booked(calls_url) as (service, writer):
        mine, theirs = await writer.start(), await writer.start(caller="two")
        assert ids(await listed(service, KEY)) == [mine.id]
        assert ids(await listed(service, KEY, caller="web")) == [mine.id]
        empty = await listed(service, KEY, caller="two")
        assert empty.json() == {
            "object": "list",
            "data": [],
            "first_id": None,
            "last_id": None,
            "has_more": False,
        }
        assert ids(await listed(service)) == [theirs.id, mine.id]
        assert ids(await listed(service, caller="web")) == [mine.id]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("status=over", "status"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%C2%B2", "limit"),
        ("limit=" + "9" * 200, "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=rtc_" + "x" * 24, "after"),
        ("after=*", "after"),
        ("caller=" + "x" * 257, "caller"),
        ("model=%00" + "x" * 300, "model"),
        ("order=asc", "order"),
    ],
)
@pytest.mark.parametrize("key", [KEY, MASTER_KEY])
async def test_an_odd_value_is_refused_by_name(query: str, param: str, key: str) -> None:
    """400 with the parameter; nothing that is asked for is lost in silence."""
    async with running(callers=(named("web", KEY),)) as service:
        response = await service.client.get(f"/v1/realtime/calls?{query}", headers=bearer(key))
        assert (response.status_code, error(response)["param"]) == (400, param)


async def test_anothers_call_is_no_place_to_go_on_from(calls_url: str) -> None:
    """As unknown as one that nobody made: its id tells nothing."""
    async with booked(calls_url) as (service, writer):
        mine, theirs = await writer.start(), await writer.start(caller="two")
        refused = await listed(service, KEY, after=theirs.id)
        unknown = await listed(service, KEY, after="rtc_" + "x" * 24)
        assert refused.status_code == unknown.status_code == 400
        assert refused.json() == unknown.json()
        assert ids(await listed(service, after=theirs.id)) == [mine.id]


async def test_what_others_wrote_is_masked(calls_url: str) -> None:
    """A caller's name and metadata that hold a key of this service show it to nobody."""
    async with booked(calls_url) as (service, writer):
        call = await writer.start(caller=f"x {MASTER_KEY}", metadata={"note": f"see {MASTER_KEY}"})
        for response in (await shown(service, call.id, MASTER_KEY), await listed(service)):
            assert response.status_code == 200
            assert MASTER_KEY not in response.text
            assert call.id in response.text


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_events_is_no_calls_id(prefix: str) -> None:
    """The feed answers, and a HEAD of it ends."""
    async with running() as service:
        path = f"{prefix}/realtime/calls/events"
        response = await service.client.head(path, headers=bearer(MASTER_KEY))
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")


async def test_a_wrong_method_is_told_all_that_there_are() -> None:
    """405 with a whole Allow."""
    async with running() as service:
        for path, allowed in (
            ("/v1/realtime/calls", {"GET", "HEAD", "POST", "OPTIONS"}),
            ("/v1/realtime/calls/rtc_x", {"GET", "HEAD", "DELETE"}),
        ):
            response = await service.client.patch(path)
            assert response.status_code == 405
            assert set(response.headers["allow"].split(", ")) == allowed


async def test_without_its_store_nothing_is_shown(calls_url: str) -> None:
    """503 with Retry-After, on each of the three routes."""
    with redis_server() as port:
        url = f"redis://127.0.0.1:{port}/0"
    async with running(redis_url=Secret(url)) as service:
        for place in ("", "/events", "/rtc_" + "x" * 24):
            path = f"/v1/realtime/calls{place}"
            response = await service.client.get(path, headers=bearer(MASTER_KEY))
            assert (response.status_code, error(response)["code"]) == (503, "store_unavailable")
            assert response.headers["retry-after"]
