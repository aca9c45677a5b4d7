"""The service under test, on a real port, before a provider of the test's own."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from signaller.app import create_app
from signaller.model import Deployment
from signaller.policy import Policy
from signaller.secret import Secret
from signaller.settings import NamedCaller, Settings, Timeouts
from tests.support.provider import FakeProvider
from tests.support.serving import serving

PROVIDER_KEY = "sk-canary-provider-0123456789abcdef"
MASTER_KEY = "sk-canary-master-0123456789abcdef"
MODEL, UPSTREAM_MODEL = "voice", "gpt-realtime-2"
PATIENT_SECONDS = 10
"""For one step of Redis: other tests may hold it up for longer than what is usual."""

OFFER = (
    b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    b"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\n"
    b"a=rtpmap:111 opus/48000/2\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\n"
)


def token_key() -> Secret:
    """A master key for a token ring."""
    return Secret(base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode())


def deployment(url: str, **changes: Any) -> Deployment:
    """A deployment at `url`, OpenAI's unless told otherwise."""
    values: dict[str, Any] = {
        "id": "d1",
        "model_name": MODEL,
        "provider": "openai",
        "upstream_model": UPSTREAM_MODEL,
        "base_url": url,
        "api_key": Secret(PROVIDER_KEY),
    }
    return Deployment(**(values | changes))


def named(name: str, *keys: str, **policy: Any) -> NamedCaller:
    """A caller with these keys and this policy."""
    digests = tuple(hashlib.sha256(key.encode()).digest() for key in keys)
    return NamedCaller(name=name, key_digests=digests, policy=Policy(**policy))


def bearer(key: str) -> dict[str, str]:
    """The header that brings a key."""
    return {"authorization": f"Bearer {key}"}


def settings(*deployments: Deployment, **changes: Any) -> Settings:
    """Settings on the memory store."""
    values: dict[str, Any] = {
        "deployments": deployments,
        "master_key": Secret(MASTER_KEY),
        "token_keys": (token_key(),),
        "timeouts": Timeouts(store_seconds=PATIENT_SECONDS),
    }
    return Settings(**(values | changes))


@dataclass
class Service:
    """A running service and a client that speaks to it."""

    client: httpx.AsyncClient
    provider: FakeProvider
    url: str
    settings: Settings
    seen: list[httpx.Response] = field(default_factory=list)

    async def mint(self, body: object = None, **options: Any) -> httpx.Response:
        """POST client_secrets as the master, for the test's model unless a body says otherwise."""
        options.setdefault("headers", {"authorization": f"Bearer {MASTER_KEY}"})
        if "content" not in options:
            options["json"] = {"model": MODEL} if body is None else body
        return await self.client.post("/v1/realtime/client_secrets", **options)

    async def token(self, body: object = None) -> str:
        """A fresh token."""
        response = await self.mint(body)
        assert response.status_code == 200, response.text
        value: str = response.json()["value"]
        return value

    async def call_with(
        self, credential: str, session: object, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """POST calls as SDKs do where a session is given: two parts without file names."""
        given = {
            "sdp": (None, OFFER, "application/sdp"),
            "session": (None, json.dumps(session).encode(), "application/json"),
        }
        return await self.client.post(
            "/v1/realtime/calls", files=given, headers=bearer(credential) | dict(headers or {})
        )

    async def call(
        self, token: str, offer: bytes = OFFER, *, path: str = "/v1/realtime/calls", **headers: str
    ) -> httpx.Response:
        """POST calls with an offer as application/sdp."""
        given = {"authorization": f"Bearer {token}", "content-type": "application/sdp"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, content=offer, headers=given)

    async def ended(self, location: str, credential: str) -> int:
        """The status of a hang-up, asked for again as long as it says to wait."""
        async with asyncio.timeout(20):
            while True:
                response = await self.client.delete(location, headers=bearer(credential))
                if "retry-after" not in response.headers:
                    return response.status_code


@contextlib.asynccontextmanager
async def running(
    provider: FakeProvider | None = None, *, azure: bool = False, **changes: Any
) -> AsyncIterator[Service]:
    """A service with one deployment at a fake provider; `changes` are fields of its Settings."""
    provider = provider or FakeProvider()
    async with serving(provider.app) as provider_url:
        one = deployment(provider_url, provider="azure" if azure else "openai")
        made = settings(*changes.pop("deployments", (one,)), **changes)
        async with (
            serving(create_app(made)) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as client,
        ):
            service = Service(client, provider, url, made)

            async def record(response: httpx.Response) -> None:
                await response.aread()
                service.seen.append(response)

            client.event_hooks["response"].append(record)
            yield service


def error(response: httpx.Response) -> dict[str, Any]:
    """The error of a response: OpenAI's shape, what became of a token, and nothing else."""
    body = response.json()
    assert set(body) == {"error"}, body
    found: dict[str, Any] = body["error"]
    assert set(found) - {"token"} == {"message", "type", "code", "param"}, found
    assert found.get("token") in {None, "unspent", "spent"}, found
    assert found["message"]
    return found
