"""An issuer of JWTs that publishes its key."""

import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

KEY_ID = "of-the-test"


class Issuer:
    """The documentation's https://id.example; `app` serves its JWKS (RFC 7517)."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.app = Starlette(routes=[Route("/jwks.json", self._jwks)])

    def jwt(self, subject: str, *, audience: str = "voice") -> str:
        """A JWT that is good for a minute."""
        claims = {
            "iss": "https://id.example",
            "aud": audience,
            "sub": subject,
            "exp": int(time.time()) + 60,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": KEY_ID})

    async def _jwks(self, _: Request) -> JSONResponse:
        key = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**key, "kid": KEY_ID, "use": "sig", "alg": "ES256"}]})
