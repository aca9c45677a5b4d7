"""One replica as its clients see it, and how long each answer took."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.service import MODEL, OFFER, bearer, error
from tests.support.timing import own_time

STORE_SECONDS = 0.5
MAX_STEPS = 7
"""Of a call that fails late: redeem, one for its rate, begin, answered, link, two for its end."""
MARGIN_SECONDS = 3
"""For everything that is not the store, on a machine that is busy with other tests."""
BOUND_SECONDS = STORE_SECONDS * MAX_STEPS + MARGIN_SECONDS
CALLER_KEY = "sk-sgn-canary-caller-of-the-faults-0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A response, and how long it took; waiting for a core does not count."""

    response: httpx.Response
    seconds: float

    @property
    def status(self) -> int:
        """Of HTTP."""
        return self.response.status_code


@dataclass(slots=True, kw_only=True)
class Replica:
    """One service and its client."""

    client: httpx.AsyncClient
    answered: list[Answered] = field(default_factory=list)
    """Everything it ever said."""

    async def mint(self, **body: object) -> Answered:
        """POST client_secrets as the caller."""
        return await self._post("client_secrets", CALLER_KEY, json={"model": MODEL, **body})

    async def token(self, **body: object) -> str:
        """A fresh token."""
        minted = await self.mint(**body)
        assert minted.status == 200, minted.response.text
        return token_in(minted)

    async def call(self, token: str) -> Answered:
        """POST calls with an offer that names the token."""
        kind = {"content-type": "application/sdp"}
        return await self._post("calls", token, content=offer_of(token), headers=kind)

    async def hang_up(self, location: str) -> Answered:
        """POST hangup as the caller."""
        return await self._post(location.removeprefix("/v1/realtime/") + "/hangup", CALLER_KEY)

    async def introspect(self, token: str) -> Answered:
        """What is left of a token."""
        return await self._post("client_secrets/introspect", CALLER_KEY, json={"token": token})

    async def revoke(self, token: str) -> Answered:
        """Take a token back."""
        return await self._post("client_secrets/revoke", CALLER_KEY, json={"token": token})

    async def probe(self, name: str) -> int:
        """The status of /healthz or /readyz."""
        return (await self._timed("GET", f"/{name}")).status

    async def ready(self, status: int = 200, *, seconds: float = 60) -> None:
        """Return once /readyz says so."""
        async with asyncio.timeout(seconds):
            while await self.probe("readyz") != status:
                pass  # asking takes its time

    async def _post(self, path: str, credential: str, **options: Any) -> Answered:
        options["headers"] = bearer(credential) | options.get("headers", {})
        answered = await self._timed("POST", f"/v1/realtime/{path}", **options)
        self.answered.append(answered)
        return answered

    async def _timed(self, method: str, path: str, **options: Any) -> Answered:
        began = own_time()
        response = await self.client.request(method, path, **options)
        return Answered(response=response, seconds=own_time() - began)


def is_store_refusal(answered: Answered) -> bool:
    """503 that says when to try again, or that it is no use: a call that was begun and ended."""
    if answered.status != 503 or error(answered.response)["code"] != "store_unavailable":
        return False
    headers = answered.response.headers
    advice = (headers.get("retry-after"), headers.get("x-should-retry"))
    return advice in {("1", None), (None, "false")}


def token_in(minted: Answered) -> str:
    """What was minted."""
    value: str = minted.response.json()["value"]
    return value


def offer_of(token: str) -> bytes:
    """An offer that reaches the provider as it is, with the token's name for its session id."""
    return OFFER.replace(b"o=- 1 ", f"o=- {name_of(token)} ".encode())


def token_named_in(offer: bytes) -> str:
    """The name again."""
    return offer.split(b"o=- ")[1].split(b" ")[0].decode()


def name_of(token: str) -> str:
    """A number that stands for a token."""
    # RFC 8866, 5.2: a session id is a number.
    return str(int(hashlib.sha256(token.encode()).hexdigest()[:15], 16))
