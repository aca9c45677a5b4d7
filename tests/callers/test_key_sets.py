"""When an issuer is asked for its keys, over HTTP, and what happens while it does not answer."""

import asyncio
import contextlib
import gzip
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest

from signaller.callers import FrontDesk, KeySets, jwks
from signaller.callers.jwks import FLOOR_SECONDS, FRESH_SECONDS, TRUSTED_SECONDS
from signaller.errors import InvalidJwt, IssuerUnavailable
from signaller.model import Caller
from signaller.providers import http
from tests.callers.issuing import Issuer, SetClock, SigningKey, bearing, jwt_desk, signing_key

OLD, NEW = signing_key(), signing_key(number=2)


@pytest.fixture
def desk(key_sets: KeySets, issuer: Issuer) -> FrontDesk:
    """A desk that has not asked the issuer yet."""
    return jwt_desk(key_sets, jwks_url=issuer.url)


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What was logged about the issuer."""
    return [each for each in caplog.records if each.getMessage() == "issuer's keys not fetched"]


async def ask(desk: FrontDesk, key: SigningKey = OLD, **header: Any) -> Caller:
    """Bring a JWT signed with a key."""
    return await desk.identify(bearing(key.sign(**header)))


async def test_keys_are_fetched_on_first_need_and_kept(desk: FrontDesk, issuer: Issuer) -> None:
    """Not before, and once."""
    assert issuer.fetches == 0
    for _ in range(3):
        assert (await ask(desk)).name == "ada"
    assert issuer.fetches == 1
    assert issuer.headers["accept-encoding"] == "identity"
    assert "authorization" not in issuer.headers
    assert "cookie" not in issuer.headers


async def test_those_who_come_first_share_one_fetch(
    desk: FrontDesk, issuer: Issuer, clock: SetClock
) -> None:
    """However many there are, and however long it takes."""
    issuer.holds()
    asking = [asyncio.create_task(ask(desk)) for _ in range(50)]
    await issuer.asked(1)
    clock.now += FLOOR_SECONDS
    asking += [asyncio.create_task(ask(desk)) for _ in range(50)]
    await asyncio.sleep(0)  # lets them come in while the fetch is under way
    issuer.release()
    assert {caller.name for caller in await asyncio.gather(*asking)} == {"ada"}
    assert issuer.fetches == 1


async def test_whoever_stops_waiting_does_not_stop_the_fetch(
    desk: FrontDesk, issuer: Issuer
) -> None:
    """A client that hangs up leaves the others their answer."""
    issuer.holds()
    first, second = (asyncio.create_task(ask(desk)) for _ in range(2))
    await issuer.asked(1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    issuer.release()
    assert (await second).name == "ada"
    assert issuer.fetches == 1


async def test_a_storm_of_unknown_keys_costs_one_fetch(
    desk: FrontDesk, issuer: Issuer, clock: SetClock
) -> None:
    """Anybody can invent key ids; 200 of them at once, with and without keys in the house."""
    for fetches in (1, 2):
        storm = [ask(desk, NEW, kid=f"made-up-{number}") for number in range(200)]
        results = await asyncio.gather(*storm, return_exceptions=True)
        assert {type(result) for result in results} == {InvalidJwt}
        with pytest.raises(InvalidJwt, match="kid"):
            await ask(desk, NEW)
        assert issuer.fetches == fetches
        clock.now += FLOOR_SECONDS
    assert (await ask(desk)).name == "ada"


async def test_an_issuer_that_takes_a_new_key_is_followed(
    desk: FrontDesk, issuer: Issuer, clock: SetClock
) -> None:
    """One fetch brings the new key, and the old one is no more."""
    await ask(desk)
    issuer.publishes(NEW)
    with pytest.raises(InvalidJwt):
        await ask(desk, NEW)  # too soon after the last fetch
    clock.now += FLOOR_SECONDS
    assert (await ask(desk, NEW)).name == "ada"
    assert issuer.fetches == 2
    with pytest.raises(InvalidJwt):
        await ask(desk, OLD)


async def test_keys_are_refreshed_behind_the_back_of_those_who_ask(
    desk: FrontDesk, issuer: Issuer, clock: SetClock
) -> None:
    """After ten minutes; nobody whose key is known waits for it."""
    await ask(desk)
    clock.now += FRESH_SECONDS - 1
    await ask(desk)
    assert issuer.fetches == 1
    issuer.publishes(NEW)
    issuer.holds()
    clock.now += 1
    for _ in range(3):
        assert (await ask(desk, OLD)).name == "ada"
    await issuer.asked(2)
    issuer.release()
    assert (await ask(desk, NEW)).name == "ada"  # joins the fetch under way
    assert issuer.fetches == 2
    with pytest.raises(InvalidJwt):
        await ask(desk, OLD)


async def test_an_issuer_that_is_down_keeps_the_keys_it_had(
    desk: FrontDesk, issuer: Issuer, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    """For as long as it is down, with one warning for each attempt and the floor between them."""
    await ask(desk)
    issuer.answers(503)
    clock.now += FRESH_SECONDS
    for attempts in (1, 2, 3):
        for _ in range(5):
            assert (await ask(desk)).name == "ada"
            with pytest.raises(InvalidJwt):
                await ask(desk, NEW)  # waits for the attempt under way
        assert issuer.fetches == 1 + attempts
        assert len(warnings(caplog)) == attempts
        clock.now += FLOOR_SECONDS
    issuer.publishes(OLD, NEW)
    assert (await ask(desk, NEW)).name == "ada"


NONE_LEFT = json.dumps({"keys": []})
NONE_USABLE = json.dumps({"keys": [OLD.jwk(use="enc")]})


@pytest.mark.parametrize("body", [NONE_LEFT, NONE_USABLE], ids=["empty", "none usable"])
async def test_an_issuer_that_withdraws_its_last_key_is_followed(
    desk: FrontDesk,
    issuer: Issuer,
    clock: SetClock,
    caplog: pytest.LogCaptureFixture,
    body: str,
) -> None:
    """A set without a key is an answer: what it had signed is refused, until there is a new key."""
    await ask(desk)
    issuer.answers(200, body)
    clock.now += FRESH_SECONDS
    assert (await ask(desk)).name == "ada"
    with pytest.raises(InvalidJwt):
        await ask(desk, NEW)  # waits for the fetch under way
    with pytest.raises(InvalidJwt, match="kid"):
        await ask(desk)
    assert warnings(caplog) == []
    (said,) = [each for each in caplog.records if "no usable key" in each.getMessage()]
    assert vars(said)["fields"] == {"url": issuer.url}
    issuer.publishes(NEW)
    clock.now += FLOOR_SECONDS
    assert (await ask(desk, NEW, with_id=False)).name == "ada"


@pytest.mark.parametrize("with_id", [True, False])
async def test_an_issuer_that_never_had_a_key_refuses(
    desk: FrontDesk, issuer: Issuer, with_id: bool
) -> None:
    """It has answered, so the JWT is judged: 401, not 503; asked once."""
    issuer.answers(200, NONE_LEFT)
    for _ in range(3):
        with pytest.raises(InvalidJwt, match="names no key"):
            await ask(desk, with_id=with_id)
    assert issuer.fetches == 1


async def test_old_keys_wait_for_new_ones(desk: FrontDesk, issuer: Issuer, clock: SetClock) -> None:
    """After twice the time no request is judged by keys that may have been withdrawn since."""
    await ask(desk)
    issuer.publishes(NEW)
    issuer.holds()
    clock.now += TRUSTED_SECONDS
    asking = [asyncio.create_task(ask(desk)) for _ in range(20)]
    await issuer.asked(2)
    assert not any(each.done() for each in asking)
    issuer.release()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(each) for each in results} == {InvalidJwt}
    assert issuer.fetches == 2


async def test_keys_are_not_waited_for_a_moment_sooner(
    desk: FrontDesk, issuer: Issuer, clock: SetClock
) -> None:
    """Up to twice the time the fetch is in the background."""
    await ask(desk)
    issuer.holds()
    clock.now += TRUSTED_SECONDS - 1
    async with asyncio.timeout(20):
        assert (await ask(desk)).name == "ada"
    await issuer.asked(2)


async def test_old_keys_serve_while_their_issuer_is_down(
    desk: FrontDesk, issuer: Issuer, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    """However old: each attempt is waited for, and its failure logged."""
    await ask(desk)
    issuer.answers(404)
    clock.now += 10 * TRUSTED_SECONDS
    for attempts in (1, 2):
        for _ in range(3):
            assert (await ask(desk)).name == "ada"
        assert issuer.fetches == 1 + attempts
        assert [vars(each)["fields"]["keys_kept"] for each in warnings(caplog)] == [1] * attempts
        clock.now += FLOOR_SECONDS


async def test_without_any_keys_nobody_is_judged(
    desk: FrontDesk, issuer: Issuer, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    """503 and not 401, with the time of the next attempt; after it all is well."""
    issuer.answers(503)
    storm = await asyncio.gather(*(ask(desk) for _ in range(20)), return_exceptions=True)
    assert {type(each) for each in storm} == {IssuerUnavailable}
    assert issuer.fetches == 1
    clock.now += FLOOR_SECONDS - 4
    with pytest.raises(IssuerUnavailable) as unavailable:
        await ask(desk)
    assert unavailable.value.retry_after == pytest.approx(4)
    assert (issuer.fetches, len(warnings(caplog))) == (1, 1)
    issuer.publishes(OLD)
    clock.now += 4
    assert (await ask(desk)).name == "ada"


async def test_a_clock_that_is_set_back_does_not_stop_refreshing(
    desk: FrontDesk, issuer: Issuer, clock: SetClock
) -> None:
    """Neither age nor floor last for as long as the clock was wrong."""
    await ask(desk)
    issuer.publishes(NEW)
    clock.now -= 86_400
    assert (await ask(desk, NEW)).name == "ada"


async def test_a_new_configuration_finds_the_keys_there(
    key_sets: KeySets, issuer: Issuer, desk: FrontDesk
) -> None:
    """A desk is built anew with each; the issuer is not asked anew."""
    await ask(desk)
    assert (await ask(jwt_desk(key_sets, jwks_url=issuer.url))).name == "ada"
    assert issuer.fetches == 1


async def test_each_issuer_has_keys_of_its_own(key_sets: KeySets, issuer: Issuer) -> None:
    """And so do more of them than are kept: the first is asked again."""
    urls = [f"{issuer.url}?{number}" for number in range(jwks.MAX_SETS + 1)]
    for url in (*urls, urls[-1], urls[0]):
        await ask(jwt_desk(key_sets, jwks_url=url))
    assert issuer.fetches == len(urls) + 1


async def test_a_jwt_without_a_key_id_is_taken_from_an_issuer_with_one_key(
    desk: FrontDesk, issuer: Issuer
) -> None:
    """One that is for signatures: others do not count."""
    other = signing_key("RS256").jwk(use="enc")
    issuer.answers(200, json.dumps({"keys": [other, OLD.jwk(kid=None)]}))
    assert (await ask(desk, with_id=False)).name == "ada"


async def test_a_jwt_without_a_key_id_is_refused_where_there_are_more(
    desk: FrontDesk, issuer: Issuer
) -> None:
    """Keys are not tried one after the other."""
    issuer.publishes(OLD, NEW)
    with pytest.raises(InvalidJwt) as refused:
        await ask(desk, with_id=False)
    assert "more than one" in refused.value.public
    assert (await ask(desk)).name == "ada"


async def test_a_key_id_of_another_type_of_key_is_refused(
    key_sets: KeySets, issuer: Issuer
) -> None:
    """The header's algorithm has to fit the key; ids may be shared by types (RFC 7517, 4.5)."""
    rsa = signing_key("RS256")
    desk = jwt_desk(key_sets, jwks_url=issuer.url, algorithms=("RS256", "ES256"))
    with pytest.raises(InvalidJwt, match="not for the algorithm"):
        await ask(desk, rsa, kid=OLD.id)
    issuer.answers(200, json.dumps({"keys": [OLD.jwk(kid="k"), rsa.jwk(kid="k")]}))
    other = jwt_desk(key_sets, jwks_url=f"{issuer.url}?2", algorithms=("RS256", "ES256"))
    assert (await ask(other, rsa, kid="k")).name == "ada"
    assert (await ask(other, OLD, kid="k")).name == "ada"


async def test_a_symmetric_key_in_the_set_signs_nothing(key_sets: KeySets, issuer: Issuer) -> None:
    """HS256 is not among the algorithms, whatever the issuer publishes."""
    issuer.answers(
        200, json.dumps({"keys": [{"kty": "oct", "kid": "s", "k": "A" * 43}, OLD.jwk()]})
    )
    desk = jwt_desk(key_sets, jwks_url=issuer.url, algorithms=("ES256", "HS256"))
    token = OLD.sign(kid="s")
    with pytest.raises(InvalidJwt):
        await desk.identify(bearing(token))


GOOD = json.dumps({"keys": [OLD.jwk()]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """An answer that brings no keys."""

    name: str
    status: int = 200
    body: str | bytes = GOOD
    headers: Mapping[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    "answer",
    [
        Hostile(name="404", status=404),
        Hostile(name="500", status=500),
        Hostile(name="redirect", status=302, headers={"location": "/elsewhere"}),
        Hostile(name="empty", body=""),
        Hostile(name="html", body="<html>", headers={"content_type": "text/html"}),
        Hostile(name="bytes", body=b"\xff\xfe"),
        Hostile(name="no list", body='{"keys": {}}'),
        Hostile(name="deep", body="[" * 100_000),
        Hostile(name="long", body=GOOD.ljust(256 * 1024 + 1)),
        Hostile(
            name="gzip", body=gzip.compress(GOOD.encode()), headers={"content_encoding": "gzip"}
        ),
    ],
    ids=lambda answer: answer.name,
)
async def test_an_answer_that_is_no_key_set_is_a_failed_attempt(
    desk: FrontDesk, issuer: Issuer, caplog: pytest.LogCaptureFixture, answer: Hostile
) -> None:
    """One warning, which holds nothing of the body; and nothing is followed."""
    issuer.answers(answer.status, answer.body, **answer.headers)
    with pytest.raises(IssuerUnavailable):
        await ask(desk)
    (warning,) = warnings(caplog)
    said = vars(warning)["fields"]
    assert (said["url"], said["keys_kept"]) == (issuer.url, 0)
    assert len(said["reason"]) <= 200
    assert OLD.id not in said["reason"]
    assert issuer.fetches == 1


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
BROKEN = {
    "silence": b"",
    "garbage": b"\x16\x03\x01\x02garbage\r\n\r\n",
    "no status": b"HTTP/1.1 fine\r\n\r\n",
    "a head without an end": b"HTTP/1.1 200 OK\r\n"
    + b"x-filler: aaaaaaaaaaaaaaaaaaaaaa\r\n" * 5000,
    "a field without an end": b"HTTP/1.1 200 OK\r\nx-filler: " + b"a" * 100_000,
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "a body cut short": b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + GOOD.encode(),
    "chunks cut short": CHUNKED + b"2\r\n{}\r\n",
    "chunks of no size": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_breaks_http_is_a_failed_attempt(
    key_sets: KeySets, caplog: pytest.LogCaptureFixture, answer: bytes
) -> None:
    """The caller gets 503, and the log one warning, which holds nothing of the answer."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(IssuerUnavailable):
            await ask(jwt_desk(key_sets, jwks_url=f"http://127.0.0.1:{port}/?key=canary"))
    (warning,) = warnings(caplog)
    reason = vars(warning)["fields"]["reason"]
    assert reason
    assert not [said for said in ("canary", "filler", "garbage", OLD.id) if said in reason]


@pytest.mark.parametrize("status", [200, 203])
async def test_any_2xx_up_to_the_cap_is_an_answer(
    desk: FrontDesk, issuer: Issuer, status: int
) -> None:
    """256 KiB, the last byte included."""
    issuer.answers(status, GOOD.ljust(256 * 1024))
    assert (await ask(desk)).name == "ada"


async def test_an_issuer_that_does_not_answer_is_given_up(
    desk: FrontDesk, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first requests do not wait for ever."""
    monkeypatch.setattr(http, "FETCH_SECONDS", 0.1)
    issuer.holds()
    with pytest.raises(IssuerUnavailable):
        await ask(desk)


async def test_an_issuer_that_never_comes_to_an_end_is_given_up(
    desk: FrontDesk, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is for the whole answer: a byte now and then does not extend it."""
    monkeypatch.setattr(http, "FETCH_SECONDS", 0.3)
    issuer.drips()
    async with asyncio.timeout(10):
        with pytest.raises(IssuerUnavailable):
            await ask(desk)


async def test_an_issuer_that_cannot_be_reached_is_a_failed_attempt(
    key_sets: KeySets, caplog: pytest.LogCaptureFixture
) -> None:
    """Port 1 of this machine answers nobody. What the URL's query says stays out of the log."""
    with pytest.raises(IssuerUnavailable) as unavailable:
        await ask(jwt_desk(key_sets, jwks_url="http://127.0.0.1:1/jwks.json?key=canary"))
    (warning,) = warnings(caplog)
    assert vars(warning)["fields"]["url"] == "http://127.0.0.1:1/jwks.json"
    assert "canary" not in f"{vars(warning)} {unavailable.value}"


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://id.example/jwks.json", True),
        ("http://localhost/jwks.json", True),
        ("http://127.9.9.9/jwks.json", True),
        ("http://[::1]/jwks.json", True),
        ("http://id.example/jwks.json", False),
        ("http://10.0.0.1/jwks.json", False),
        ("http://localhost.example/jwks.json", False),
        ("ftp://localhost/jwks.json", False),
        ("http://[::1", False),
        ("", False),
    ],
)
async def test_keys_come_over_tls_or_from_this_machine(
    clock: SetClock, url: str, asked: bool
) -> None:
    """Nothing is sent anywhere else."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(404)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        with pytest.raises(IssuerUnavailable):
            await ask(jwt_desk(KeySets(partial(http.fetch, client), clock), jwks_url=url))
    assert bool(requests) == asked


async def test_closing_gives_up_what_is_under_way(
    desk: FrontDesk, key_sets: KeySets, issuer: Issuer
) -> None:
    """Nothing is left behind when the service stops."""
    issuer.holds()
    asking = asyncio.create_task(ask(desk))
    await issuer.asked(1)
    await key_sets.aclose()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await key_sets.aclose()
