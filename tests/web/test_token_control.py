"""Introspection and revocation of tokens."""

from typing import Any

import httpx
import pytest

from tests.support.service import MASTER_KEY, MODEL, Service, bearer, error, named, running

KEY, OTHER = "sk-sgn-canary-web-0123456789", "sk-sgn-canary-app-0123456789"
CALLERS = (
    named("web", KEY, token_uses=2, origins=("https://app.example",)),
    named("app", OTHER),
)


async def token_of(service: Service, key: str = KEY) -> str:
    """A fresh token of the caller with this key."""
    value: str = (await service.mint(headers=bearer(key))).json()["value"]
    return value


async def ask(service: Service, step: str, key: str = KEY, **body: Any) -> httpx.Response:
    """POST client_secrets/<step> with a form, or with whatever else is given."""
    path = f"/v1/realtime/client_secrets/{step}"
    return await service.client.post(path, headers=bearer(key), **body)


@pytest.mark.parametrize("form", ["data", "json"])
@pytest.mark.parametrize("key", [KEY, MASTER_KEY])
async def test_a_good_token_is_active_and_stays_so(form: str, key: str) -> None:
    """Its terms are told to who minted it and to the operator; looking consumes nothing."""
    async with running(callers=CALLERS) as service:
        token = await token_of(service)
        for _ in range(3):
            answer = await ask(service, "introspect", key, **{form: {"token": token}})
        found = answer.json()
        assert answer.headers["cache-control"] == "no-store"
        assert found["exp"] - found["iat"] == 600
        assert {
            name: found[name] for name in ("active", "caller", "model", "uses_left", "origins")
        } == {
            "active": True,
            "caller": "web",
            "model": MODEL,
            "uses_left": 2,
            "origins": ["https://app.example"],
        }
        await service.call(token, origin="https://app.example")
        assert (await ask(service, "introspect", json={"token": token})).json()["uses_left"] == 1


@pytest.mark.parametrize("what", ["another's", "used", "revoked", "forged", "empty prefix"])
async def test_all_else_is_inactive_and_nothing_more(what: str) -> None:
    """Whoever may not know of a token learns no more than who made one up (RFC 7662, 2.2)."""
    async with running(callers=CALLERS) as service:
        token, key = await token_of(service, OTHER), OTHER
        match what:
            case "another's":
                key = KEY
            case "used":
                await service.call(token)
            case "revoked":
                await ask(service, "revoke", OTHER, data={"token": token})
            case "forged":
                token = token[:-1] + ("A" if token[-1] != "A" else "B")
            case _:
                token = "ek_"
        answer = await ask(service, "introspect", key, data={"token": token})
    assert (answer.status_code, answer.json()) == (200, {"active": False})


@pytest.mark.parametrize("key", [KEY, MASTER_KEY])
async def test_a_revoked_token_starts_no_call(key: str) -> None:
    """Not even those of its uses that were left; revoking again is no error (RFC 7009, 2.2)."""
    async with running(callers=CALLERS) as service:
        token = await token_of(service)
        for _ in range(2):
            revoked = await ask(service, "revoke", key, data={"token": token})
            assert (revoked.status_code, revoked.content) == (200, b"")
        assert (await service.call(token, origin="https://app.example")).status_code == 401
        assert not service.provider.call.requests


async def test_nobody_revokes_anothers_token() -> None:
    """It is refused, and the token goes on."""
    async with running(callers=CALLERS) as service:
        token = await token_of(service)
        refused = await ask(service, "revoke", OTHER, data={"token": token})
        assert (refused.status_code, error(refused)["code"]) == (403, "not_allowed")
        assert (await service.call(token, origin="https://app.example")).status_code == 201


async def test_what_is_no_token_is_revoked_without_ado() -> None:
    """RFC 7009, 2.2: an invalid token is no error."""
    async with running(callers=CALLERS) as service:
        assert (await ask(service, "revoke", data={"token": "ek_x"})).status_code == 200


@pytest.mark.parametrize("step", ["introspect", "revoke"])
async def test_only_callers_may_ask(step: str) -> None:
    """A token's holder is not one: it could probe, or end what is another's."""
    async with running(callers=CALLERS) as service:
        token = await token_of(service)
        for key in ("nobody", token):
            answer = await ask(service, step, key, data={"token": token})
            assert answer.status_code == 401
        assert (await service.call(token, origin="https://app.example")).status_code == 201


@pytest.mark.parametrize("step", ["introspect", "revoke"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"data": {}}, id="no body"),
        pytest.param({"data": {"token": ""}}, id="empty"),
        pytest.param({"data": {"token": ["ek_a", "ek_b"]}}, id="twice"),
        pytest.param({"data": {f"field{n}": "x" for n in range(100)}}, id="many fields"),
        pytest.param({"json": {}}, id="no member"),
        pytest.param({"json": {"token": 7}}, id="a number"),
        pytest.param({"json": ["ek_a"]}, id="a list"),
        pytest.param(
            {"content": b"\xff", "headers": {"content-type": "application/x-www-form-urlencoded"}},
            id="not ASCII",
        ),
        pytest.param({"content": b"x", "headers": {"content-type": "text/plain"}}, id="text"),
        pytest.param({"data": {"token": "x" * 40_000}}, id="too large"),
    ],
)
async def test_a_bad_request_is_said(step: str, body: dict[str, Any]) -> None:
    """400, 413 or 415, in the shape of every error."""
    async with running(callers=CALLERS) as service:
        body["headers"] = bearer(KEY) | body.get("headers", {})
        answer = await service.client.post(f"/v1/realtime/client_secrets/{step}", **body)
        assert answer.status_code in (400, 413, 415)
        assert error(answer)["type"] == "invalid_request_error"
