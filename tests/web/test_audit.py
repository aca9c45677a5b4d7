"""Audit lines: who did what, with which token, on which terms, and what came of it.

A line is compared whole: a field that is dropped, or that slips in, fails.
"""

import hashlib
import logging
import time
from typing import Any

import httpx
import pytest

from signaller.secret import Secret
from signaller.tokens.tokens import TokenClaims, Tokens
from tests.support.provider import error as provider_error
from tests.support.service import MASTER_KEY, MODEL, OFFER, Service, bearer, named, running

KEY, OTHER = "sk-sgn-canary-web-0123456789", "sk-sgn-canary-app-0123456789"
PAGE = "https://app.example"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
ASKED = {"x-request-id": "req-of-the-test", "traceparent": PARENT}
JOINED = {"request_id": "req-of-the-test", "trace_id": TRACE_ID, "total_ms": float}
"""What every line of a request that was ASKED for has."""


def calling(**policy: Any) -> Any:
    """A running service with the callers `web`, who has this policy, and `app`."""
    return running(callers=(named("web", KEY, **policy), named("app", OTHER)))


@pytest.fixture(autouse=True)
def audit(caplog: pytest.LogCaptureFixture) -> None:
    """Have lines of all levels kept."""
    caplog.set_level(logging.INFO, "signaller.audit")


def line(caplog: pytest.LogCaptureFixture, event: str) -> dict[str, Any]:
    """The fields of the only audit line of an event; of a duration, its type alone."""
    (record,) = [
        each for each in caplog.records if (each.name, each.msg) == ("signaller.audit", event)
    ]
    fields: dict[str, Any] = record.__dict__["fields"]
    return {name: type(value) if name.endswith("_ms") else value for name, value in fields.items()}


async def minted(service: Service, key: str = KEY, **headers: str) -> str:
    """A token of the holder of a key."""
    response = await service.mint(headers=bearer(key) | ASKED | headers)
    assert response.status_code == 200, response.text
    token: str = response.json()["value"]
    return token


async def called(service: Service, token: str, **headers: str) -> httpx.Response:
    """What an offer with this token is answered."""
    return await service.call(token, OFFER, **(ASKED | headers))


async def controlled(service: Service, step: str, key: str, token: str) -> httpx.Response:
    """`introspect` or `revoke` a token."""
    path = f"/v1/realtime/client_secrets/{step}"
    return await service.client.post(path, json={"token": token}, headers=bearer(key) | ASKED)


def inside(service: Service, token: str) -> TokenClaims:
    """What a token says of itself."""
    return Tokens(service.settings.token_keys, time.time).read(Secret(token))


async def test_a_mint_says_who_on_which_terms(caplog: pytest.LogCaptureFixture) -> None:
    """The caller and which of its keys, the page, the terms, and the token's id."""
    async with calling(origins=(PAGE,), token_uses=3) as service:
        claims = inside(service, await minted(service, origin=PAGE))
    assert line(caplog, "mint") == {
        **JOINED,
        "caller": "web",
        "credential_id": claims.credential_id,
        "model": MODEL,
        "warm": False,
        "deployment": "d1",
        "origin": PAGE,
        "origins": (PAGE,),
        "uses": 3,
        "expires_at": claims.expires_at,
        "grant": claims.grant_id,
        "provider_ms": float,
        "outcome": "ok",
    }


async def test_lines_tell_two_keys_of_a_caller_apart(caplog: pytest.LogCaptureFixture) -> None:
    """By names that are neither the key nor its plain digest."""
    keys = (KEY, OTHER)
    async with running(callers=(named("web", *keys),)) as service:
        for key in keys:
            await minted(service, key)
    used = [record.__dict__["fields"]["credential_id"] for record in caplog.records]
    assert len(set(used)) == 2
    for key in keys:
        digest = hashlib.sha256(key.encode()).hexdigest()
        assert not any(key in name or digest[:12] in name for name in used)


async def test_a_mint_without_a_page_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """A token for anywhere, asked for by a backend."""
    async with calling() as service:
        await minted(service)
    found = line(caplog, "mint")
    assert (found["origin"], found["origins"], found["uses"]) == (None, (), 1)


async def test_a_call_says_with_which_token(caplog: pytest.LogCaptureFixture) -> None:
    """The grant of its mint, on its terms, and the call under its id here and at the provider."""
    async with calling(origins=(PAGE,)) as service:
        token = await minted(service)
        location = (await called(service, token, origin=PAGE)).headers["location"]
        claims, (provider_call,) = inside(service, token), service.provider.live_calls
    assert line(caplog, "call") == {
        **JOINED,
        "caller": "web",
        "grant": claims.grant_id,
        "model": MODEL,
        "expires_at": claims.expires_at,
        "origin": PAGE,
        "origins": (PAGE,),
        "deployment": "d1",
        "call": location.rpartition("/")[2],
        "provider_call": provider_call,
        "provider_ms": float,
        "outcome": "ok",
    }
    assert line(caplog, "mint")["grant"] == claims.grant_id


async def test_a_hangup_says_who_ended_whose_call(caplog: pytest.LogCaptureFixture) -> None:
    """The operator may end what is another's."""
    async with calling() as service:
        location = (await called(service, await minted(service))).headers["location"]
        await service.client.delete(location, headers=bearer(MASTER_KEY) | ASKED)
    assert line(caplog, "hangup") == {
        **JOINED,
        "by": "master",
        "caller": "web",
        "call": location.rpartition("/")[2],
        "deployment": "d1",
        "outcome": "ok",
    }


async def test_a_stranger_is_refused_with_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """Why; there is nobody to name."""
    async with calling() as service:
        await service.mint(headers=bearer("sk-nobody") | ASKED)
    assert line(caplog, "mint") == {
        **JOINED,
        "outcome": "invalid_api_key",
        "status": 401,
        "detail": "not a credential known here",
    }


async def test_a_refused_mint_says_who_was_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Which credential, which page it asked for, and why not."""
    async with calling(origins=(PAGE,)) as service:
        claims = inside(service, await minted(service))
        caplog.clear()
        evil = {"origin": "https://evil.example"}
        await service.mint(headers=bearer(KEY) | ASKED | evil)
    found = line(caplog, "mint")
    assert "'origins' of your policy" in found.pop("detail")
    assert found == {
        **JOINED,
        "caller": "web",
        "credential_id": claims.credential_id,
        "origin": "https://evil.example",
        "outcome": "origin_not_allowed",
        "status": 403,
    }


async def test_a_model_that_is_refused_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """With whom it was refused to."""
    async with calling(models=(("gpt-*",),)) as service:
        await service.mint(headers=bearer(KEY) | ASKED)
    found = line(caplog, "mint")
    assert found["credential_id"].startswith("key:")
    assert (found["caller"], found["model"]) == ("web", MODEL)
    assert (found["outcome"], found["status"]) == ("model_not_allowed", 403)


async def test_a_provider_that_fails_a_mint_shows(caplog: pytest.LogCaptureFixture) -> None:
    """Which deployment, and how; there are no terms and no token."""
    async with calling() as service:
        service.provider.mint.answers(500, provider_error("no", "their_code"))
        await service.mint(headers=bearer(KEY) | ASKED)
    found = line(caplog, "mint")
    assert (found["caller"], found["deployment"], found["status"]) == ("web", "d1", 500)
    assert found["provider_ms"] is float
    assert not {"grant", "expires_at", "uses"} & found.keys()


async def test_a_forged_token_is_refused_with_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that it says of itself is repeated."""
    async with calling() as service:
        await called(service, "ek_nonsense")
    found = line(caplog, "call")
    assert "ek_nonsense" not in found.pop("detail")
    assert found == {**JOINED, "outcome": "token_rejected", "status": 401}


async def test_a_token_on_another_page_shows(caplog: pytest.LogCaptureFixture) -> None:
    """Whose token, where it belongs and where it was used."""
    async with calling(origins=(PAGE,)) as service:
        token = await minted(service)
        await called(service, token, origin="https://evil.example")
        claims = inside(service, token)
    found = line(caplog, "call")
    assert found.pop("detail")
    assert found == {
        **JOINED,
        "caller": "web",
        "grant": claims.grant_id,
        "model": MODEL,
        "expires_at": claims.expires_at,
        "origins": (PAGE,),
        "origin": "https://evil.example",
        "outcome": "origin_not_allowed",
        "status": 403,
    }


async def test_a_replay_says_whose_token(caplog: pytest.LogCaptureFixture) -> None:
    """The caller, the token's id and the trace; the call's own line says that it was refused."""
    async with calling() as service:
        token = await minted(service)
        await called(service, token)
        caplog.clear()
        await called(service, token)
        grant = inside(service, token).grant_id
    replay = {name: value for name, value in JOINED.items() if name != "total_ms"}
    assert line(caplog, "replay") == {**replay, "caller": "web", "grant": grant}
    refused = line(caplog, "call")
    assert refused["detail"] == f"grant {grant}: no uses left"
    assert (refused["caller"], refused["grant"]) == ("web", grant)
    assert (refused["outcome"], refused["status"]) == ("token_rejected", 401)


async def test_a_replay_without_a_trace_has_none(caplog: pytest.LogCaptureFixture) -> None:
    """An id that nobody sent would join nothing."""
    async with calling() as service:
        token = await service.token()
        for _ in range(2):
            await service.call(token, x_request_id="req-of-the-test")
        grant = inside(service, token).grant_id
    assert line(caplog, "replay") == {
        "request_id": "req-of-the-test",
        "caller": "master",
        "grant": grant,
    }


async def test_a_call_that_a_replay_ended_says_why(caplog: pytest.LogCaptureFixture) -> None:
    """Under the trace of the request that ended it."""
    async with calling(on_replay="hangup") as service:
        token = await minted(service)
        location = (await called(service, token)).headers["location"]
        await called(service, token)
    assert line(caplog, "abandoned") == {
        **JOINED,
        "caller": "web",
        "call": location.rpartition("/")[2],
        "deployment": "d1",
        "why": "its token was replayed",
        "outcome": "ok",
    }


async def test_introspection_says_who_looked_at_whose_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The operator at a caller's, which is good."""
    async with calling() as service:
        token = await minted(service)
        await controlled(service, "introspect", MASTER_KEY, token)
        grant = inside(service, token).grant_id
    assert line(caplog, "introspect") == {
        **JOINED,
        "by": "master",
        "caller": "web",
        "grant": grant,
        "active": True,
        "outcome": "ok",
    }


async def test_a_look_at_anothers_token_shows(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever looks learns nothing; the operator learns that they tried."""
    async with calling() as service:
        token = await minted(service)
        await controlled(service, "introspect", OTHER, token)
        grant = inside(service, token).grant_id
    assert line(caplog, "introspect") == {
        **JOINED,
        "by": "app",
        "caller": "web",
        "grant": grant,
        "active": False,
        "outcome": "ok",
    }


async def test_revocation_says_who_took_back_whose_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The operator a caller's."""
    async with calling() as service:
        token = await minted(service)
        await controlled(service, "revoke", MASTER_KEY, token)
        grant = inside(service, token).grant_id
    assert line(caplog, "revoke") == {
        **JOINED,
        "by": "master",
        "caller": "web",
        "grant": grant,
        "outcome": "ok",
    }


async def test_a_refused_revocation_says_whose_token(caplog: pytest.LogCaptureFixture) -> None:
    """And who may not take it back."""
    async with calling() as service:
        token = await minted(service)
        await controlled(service, "revoke", OTHER, token)
        grant = inside(service, token).grant_id
    found = line(caplog, "revoke")
    assert found.pop("detail")
    assert found == {
        **JOINED,
        "by": "app",
        "caller": "web",
        "grant": grant,
        "outcome": "not_allowed",
        "status": 403,
    }


@pytest.mark.parametrize("step", ["introspect", "revoke"])
async def test_a_stranger_at_a_token_is_refused_with_a_line(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Before the token is looked at: the line names none."""
    async with calling() as service:
        await controlled(service, step, "sk-nobody", await minted(service))
    assert line(caplog, step) == {
        **JOINED,
        "outcome": "invalid_api_key",
        "status": 401,
        "detail": "not a credential known here",
    }


@pytest.mark.parametrize(("path", "event"), [("/v1/models", "models"), ("/metrics", "metrics")])
async def test_only_a_refused_reader_has_a_line(
    path: str, event: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Reading changes nothing; guessing keys does not go unseen."""
    async with calling() as service:
        assert (await service.client.get(path, headers=bearer(MASTER_KEY))).status_code == 200
        assert not caplog.records
        await service.client.get(path, headers=bearer("sk-nobody") | ASKED)
    found = line(caplog, event)
    assert found == {
        "request_id": "req-of-the-test",
        "trace_id": TRACE_ID,
        "outcome": "invalid_api_key",
        "status": 401,
        "detail": "not a credential known here",
    }
