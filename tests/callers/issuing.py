"""An issuer of JWTs with a real HTTP server for its keys, and desks that believe it."""

import asyncio
import base64
import contextlib
import functools
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import AllowedPrivateKeys, get_default_algorithms
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from signaller.callers import FrontDesk, KeySets
from signaller.model import Evidence
from signaller.secret import Secret
from signaller.settings import Gateway, JwtSettings, Settings

ISSUER = "https://id.example"
AUDIENCE = "voice"
MASTER_KEY = "sk-master-0123456789"
ABSENT = "(absent)"
"""The value of a claim that is left out; None is null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key pair of an issuer."""

    id: str
    algorithm: str
    private: AllowedPrivateKeys

    @property
    def pem(self) -> str:
        """The public half."""
        public = self.private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """The public half, with members changed; None leaves one out."""
        known = get_default_algorithms()[self.algorithm]
        jwk = known.to_jwk(self.private.public_key(), as_dict=True)
        jwk = {**jwk, "kid": self.id, "use": "sig", "alg": self.algorithm} | changes
        return {name: value for name, value in jwk.items() if value is not None}

    def sign(
        self, claims: Mapping[str, Any] | None = None, *, with_id: bool = True, **header: Any
    ) -> str:
        """A JWT of good claims, but for those that are changed."""
        good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 3600}
        payload = {
            name: value for name, value in {**good, **(claims or {})}.items() if value != ABSENT
        }
        headers = ({"kid": self.id} if with_id else {}) | header
        # Through json and jwt's lower half: jwt.encode would itself check some of the claims.
        body = json.dumps(payload).encode()
        return jwt.api_jws.encode(body, self.private, algorithm=self.algorithm, headers=headers)


@functools.cache
def signing_key(algorithm: str = "ES256", number: int = 1) -> SigningKey:
    """One key for each algorithm and number: making RSA keys takes a while."""
    private: AllowedPrivateKeys
    if algorithm.startswith(("RS", "PS")):
        private = rsa.generate_private_key(65537, 2048)
    elif algorithm.startswith("ES"):
        curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
        private = ec.generate_private_key(curves[algorithm])
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    return SigningKey(id=f"{algorithm}-{number}", algorithm=algorithm, private=private)


@dataclass(slots=True)
class SetClock:
    """A clock that moves only when told."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now


class Issuer:
    """Publishes keys, or whatever it is told to; an ASGI application."""

    def __init__(self) -> None:
        self.url = ""
        self.fetches = 0
        self.headers: dict[str, str] = {}
        self._status, self._body, self._extra = 200, b"", dict[str, str]()
        self._free, self._arrival = asyncio.Event(), asyncio.Condition()
        self._free.set()
        self._drips = False
        self.publishes(signing_key())

    def publishes(self, *keys: SigningKey) -> None:
        """Serve a set of these keys from now on."""
        self.answers(200, json.dumps({"keys": [key.jwk() for key in keys]}))

    def answers(self, status: int, body: str | bytes = b"", **headers: str) -> None:
        """Serve this from now on."""
        self._status = status
        self._body = body.encode() if isinstance(body, str) else body
        self._extra = {name.replace("_", "-"): value for name, value in headers.items()}

    def holds(self) -> None:
        """Answer nothing before `release`."""
        self._free.clear()

    def drips(self) -> None:
        """Answer a space now and then, and nothing else before `release`."""
        self.holds()
        self._drips = True

    def release(self) -> None:
        """Answer what was held."""
        self._free.set()

    async def asked(self, count: int) -> None:
        """Return once the keys were asked for so many times in all."""
        async with asyncio.timeout(20), self._arrival:
            await self._arrival.wait_for(lambda: self.fetches >= count)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        async with self._arrival:
            self.fetches += 1
            self.headers = dict(Request(scope).headers)
            self._arrival.notify_all()
        if self._drips:
            await StreamingResponse(self._drops())(scope, receive, send)
            return
        await self._free.wait()
        await Response(self._body, self._status, self._extra)(scope, receive, send)

    async def _drops(self) -> AsyncIterator[bytes]:
        while not self._free.is_set():
            yield b" "
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await self._free.wait()


async def _lifespan(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


def settings(**changes: Any) -> Settings:
    """Settings with a master key."""
    values: dict[str, Any] = {
        "deployments": (),
        "master_key": Secret(MASTER_KEY),
        "token_keys": (Secret("A" * 43),),
    }
    return Settings(**(values | changes))


def jwt_settings(**changes: Any) -> JwtSettings:
    """A gateway that signs with `signing_key()`."""
    values: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": ("ES256",),
    }
    if "jwks_url" not in changes:
        values["public_key"] = signing_key().pem
    return JwtSettings(**(values | changes))


def jwt_desk(key_sets: KeySets, made: Settings | None = None, **changes: Any) -> FrontDesk:
    """A desk behind a gateway that signs; `changes` are fields of its JwtSettings."""
    made = made or settings()
    gateway = Gateway(jwt=jwt_settings(**changes), header=made.gateway.header)
    values = {name: getattr(made, name) for name in made.__slots__}
    return FrontDesk(Settings(**(values | {"gateway": gateway})), key_sets)


def segment(value: object) -> str:
    """A segment of a JWT, of JSON or of bytes."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def bearing(text: str) -> Evidence:
    """A request with this credential."""
    return Evidence(secret=Secret(text))
