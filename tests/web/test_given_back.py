"""What becomes of a token whose call did not begin, and that the client is told."""

import asyncio
import contextlib
from typing import Any
from uuid import uuid4

import httpx
import pytest

from signaller.secret import Secret
from signaller.settings import Timeouts, TokenSettings
from tests.support.provider import FakeProvider
from tests.support.service import (
    MODEL,
    OFFER,
    Service,
    bearer,
    deployment,
    error,
    named,
    running,
)
from tests.support.serving import serving
from tests.web.reloading import reloadable

KEY, OTHER_KEY = "sk-canary-web-0123456789abcdef", "sk-canary-two-0123456789abcdef"
SDP = {"content-type": "application/sdp"}
STORES = pytest.mark.parametrize("redis", [False, True], ids=["memory", "redis"])
REFUSALS = 4
"""A token is given back three times, so four requests reach the provider."""


def fate(response: httpx.Response) -> tuple[int, Any]:
    """The status, and what the error says of the token."""
    return response.status_code, error(response).get("token")


async def token_of(service: Service, key: str = KEY) -> str:
    """A token that a caller minted."""
    minted = await service.mint(headers=bearer(key))
    value: str = minted.json()["value"]
    return value


@STORES
@pytest.mark.parametrize("status", [400, 429, 500])
async def test_a_token_is_given_back_three_times(redis: bool, redis_url: str, status: int) -> None:
    """The fourth refusal of the provider spends it, and says so; a fifth try is a replay."""
    async with running(redis_url=Secret(redis_url) if redis else None) as service:
        token = await service.token()
        service.provider.call.answers(status, {})
        refused = [await service.call(token) for _ in range(REFUSALS)]
        assert [fate(each) for each in refused] == [(status, "unspent")] * 3 + [(status, "spent")]
        assert "spent" in error(refused[-1])["message"]
        assert refused[-1].headers["x-should-retry"] == "false"
        assert fate(await service.call(token)) == (401, "spent")
        assert len(service.provider.call.requests) == REFUSALS


@STORES
async def test_a_token_that_was_given_back_still_starts_a_call(redis: bool, redis_url: str) -> None:
    """Three refusals cost nothing but time."""
    async with running(redis_url=Secret(redis_url) if redis else None) as service:
        token = await service.token()
        service.provider.call.answers(400, {}, times=3)
        for _ in range(3):
            await service.call(token)
        assert (await service.call(token)).status_code == 201


@STORES
async def test_many_at_once_do_not_get_more(redis: bool, redis_url: str) -> None:
    """However the tries fall, a provider that refuses hears of four."""
    async with running(redis_url=Secret(redis_url) if redis else None) as service:
        token = await service.token()
        service.provider.call.answers(400, {})
        for _ in range(8):
            await asyncio.gather(*(service.call(token) for _ in range(8)))
        assert len(service.provider.call.requests) <= REFUSALS


@STORES
async def test_a_refused_call_counts_against_no_rate(redis: bool, redis_url: str) -> None:
    """One user's bad offers do not lock out the caller's other users."""
    # A name of its own: other tests count in the same Redis.
    callers = (named(f"web-{uuid4().hex}", KEY, calls_per_minute=2),)
    url = Secret(redis_url) if redis else None
    async with running(redis_url=url, callers=callers) as service:
        bad, good = await token_of(service), await token_of(service)
        service.provider.call.answers(400, {}, times=3)
        for _ in range(3):
            await service.call(bad)
        accepted = await service.call(good)
        assert accepted.status_code == 201
        assert accepted.headers["x-ratelimit-remaining-requests"] == "1"


async def test_a_spent_token_costs_its_hit() -> None:
    """The fourth refusal counts: otherwise a caller's requests to the provider had no bound."""
    async with running(callers=(named("web", KEY, calls_per_minute=1),)) as service:
        bad, good = await token_of(service), await token_of(service)
        service.provider.call.answers(400, {}, times=REFUSALS)
        for _ in range(REFUSALS):
            await service.call(bad)
        assert fate(await service.call(good)) == (429, "unspent")


async def test_a_rate_that_is_reached_never_spends_a_token() -> None:
    """Its refusals ask nothing of the provider, so they are not counted."""
    async with running(callers=(named("web", KEY, calls_per_minute=1),)) as service:
        first, second = await token_of(service), await token_of(service)
        assert (await service.call(first)).status_code == 201
        for _ in range(6):
            assert fate(await service.call(second)) == (429, "unspent")
        looked = await service.client.post(
            "/v1/realtime/client_secrets/introspect", json={"token": second}, headers=bearer(KEY)
        )
        assert looked.json()["uses_left"] == 1


async def test_nothing_that_is_known_before_costs_a_use() -> None:
    """Azure takes no session with an offer; nor does it hear of it, nor does the rate."""
    callers = (named("web", KEY, calls_per_minute=1),)
    async with running(azure=True, callers=callers) as service:
        token = await token_of(service)
        for _ in range(REFUSALS + 1):
            refused = await service.call_with(token, {})
            assert fate(refused) == (400, "unspent")
            assert error(refused)["code"] == "not_supported_by_provider"
        assert service.provider.call.requests == []
        assert (await service.call(token)).status_code == 201


async def test_an_unreachable_provider_leaves_the_token_unspent() -> None:
    """Nothing was sent; it serves as soon as the provider is there again."""
    gone = contextlib.AsyncExitStack()
    url = await gone.enter_async_context(serving(FakeProvider().app))
    async with running(deployments=(deployment(url),)) as service:
        token = await service.token()
        await gone.aclose()
        refused = await service.call(token)
        assert fate(refused) == (502, "unspent")
        assert error(refused)["code"] == "upstream_unreachable"


async def test_a_silent_provider_leaves_it_spent() -> None:
    """Whether a call began is not known."""
    provider = FakeProvider()
    async with running(provider, timeouts=Timeouts(call_seconds=0.3)) as service:
        token = await service.token()
        provider.call.holds()
        assert fate(await service.call(token)) == (504, "spent")


@pytest.mark.parametrize("body", [b"", b"hello"])
async def test_a_bad_offer_says_that_the_token_is_good(body: bytes) -> None:
    """It was not even redeemed."""
    async with running() as service:
        token = await service.token()
        assert fate(await service.call(token, body)) == (400, "unspent")
        assert (await service.call(token)).status_code == 201


async def test_errors_without_a_token_do_not_speak_of_one() -> None:
    """A mint has none."""
    async with running() as service:
        assert "token" not in error(await service.mint({"model": 7}))


async def test_hangups_of_one_call_are_spaced() -> None:
    """A provider that fails is asked once, then after a pause; the pause is told."""
    async with reloadable() as reloads:
        service = reloads.service
        token = await service.token()
        location = (await service.call(token)).headers["location"]
        service.provider.hangup.answers(500, {})
        first = await service.client.delete(location, headers=bearer(token))
        assert (first.status_code, first.headers["retry-after"]) == (502, "1")
        refused = await asyncio.gather(
            *(service.client.delete(location, headers=bearer(token)) for _ in range(40))
        )
        assert len(service.provider.hangup.requests) == 1
        assert {(each.status_code, error(each)["code"]) for each in refused} == {
            (502, "hangup_unconfirmed")
        }
        assert {each.headers["retry-after"] for each in refused} == {"1"}
        service.provider.hangup.behaves()
        reloads.clock.now += 1
        assert await service.ended(location, token) == 200
        assert service.provider.live_calls == set()


async def test_whoever_ends_a_call_together_hears_the_same() -> None:
    """One hang-up at the provider, and both are told that it is over."""
    async with running() as service:
        token = await service.token()
        location = (await service.call(token)).headers["location"]
        service.provider.hangup.holds()
        asking = [
            asyncio.create_task(service.client.delete(location, headers=bearer(token)))
            for _ in range(2)
        ]
        await service.provider.hangup.arrived()
        service.provider.hangup.release()
        assert [(await each).status_code for each in asking] == [200, 200]
        assert len(service.provider.hangup.requests) == 1


@STORES
async def test_a_token_of_several_uses_is_not_called_spent_too_early(
    redis: bool, redis_url: str
) -> None:
    """A use that is lost is one of several: only the last one spends the token."""
    url = Secret(redis_url) if redis else None
    async with running(redis_url=url, token=TokenSettings(uses=3)) as service:
        token = await service.token()
        service.provider.call.answers(400, {})
        fates = [fate(await service.call(token)) for _ in range(6)]
        assert fates == [(400, "unspent")] * 5 + [(400, "spent")]
        assert fate(await service.call(token)) == (401, "spent")


async def test_what_nobody_knows_is_not_said() -> None:
    """A time-out with a token of several uses: some may be left."""
    provider = FakeProvider()
    several = {"token": TokenSettings(uses=3), "timeouts": Timeouts(call_seconds=1)}
    async with running(provider, **several) as service:  # type: ignore[arg-type]  # of both kinds
        token = await service.token()
        provider.call.holds()
        assert fate(await service.call(token)) == (504, None)
        provider.call.release()
        assert (await service.call(token)).status_code == 201


@pytest.mark.parametrize("credential", ["", "junk", "sk-nobody-0123456789"])
async def test_who_sent_no_token_hears_of_none(credential: str) -> None:
    """The same 401, without a word on what was not there."""
    async with running() as service:
        headers = bearer(credential) if credential else {}
        refused = await service.client.post(
            "/v1/realtime/calls", content=OFFER, headers=headers | SDP
        )
        assert fate(refused) == (401, None)
        assert fate(await service.call("ek_junk")) == (401, "spent")


async def test_a_model_of_the_session_is_refused_before_redeeming() -> None:
    """What the policy of now forbids need not be asked of the store."""
    callers = (named("web", KEY, models=((MODEL,),)), named("two", OTHER_KEY))
    async with running(callers=callers) as service:
        token = await token_of(service)
        nested = {"input_audio_transcription": {"model": "whisper-1"}}
        refused = await service.call_with(token, nested)
        assert fate(refused) == (403, "unspent")
        assert error(refused)["param"] == "session.input_audio_transcription.model"
        assert (await service.call(token)).status_code == 201
