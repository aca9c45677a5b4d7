"""A service behind a gateway that vouches for its callers: with a JWT, a header, or both."""

import contextlib
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

from signaller.settings import ClaimNames, Gateway, HeaderSettings
from tests.callers.issuing import Issuer, jwt_settings, signing_key
from tests.support.service import Service, running
from tests.support.serving import serving

CALLER, PERSON = "x-consumer-id", "x-end-user"


def trusting(issuer: Issuer, *networks: str, **claims: Any) -> Gateway:
    """JWTs of this issuer; the header from these networks, or else from this machine."""
    return Gateway(
        jwt=jwt_settings(jwks_url=issuer.url, claims=ClaimNames(**claims)),
        header=HeaderSettings(
            name=CALLER,
            networks=tuple(ip_network(each) for each in networks or ("127.0.0.1/32",)),
            trust_unix=False,
            end_user=PERSON,
        ),
    )


@contextlib.asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """An issuer that publishes `signing_key()`."""
    issuer = Issuer()
    async with serving(issuer) as url:
        issuer.url = f"{url}/jwks.json"
        yield issuer


@contextlib.asynccontextmanager
async def behind_gateway(
    *networks: str, claims: dict[str, Any] | None = None, **changes: Any
) -> AsyncIterator[Service]:
    """A running service; `claims` are fields of ClaimNames, `changes` of Settings."""
    async with issuing() as issuer:
        gateway = trusting(issuer, *networks, **(claims or {}))
        async with running(gateway=gateway, **changes) as service:
            yield service


def vouched(**claims: Any) -> dict[str, str]:
    """The header that brings a JWT with these claims."""
    return {"authorization": f"Bearer {signing_key().sign(claims)}"}


def passed_on(caller: str, person: str | None = None) -> dict[str, str]:
    """What a gateway says of a request that it passes on."""
    return {CALLER: caller} | ({PERSON: person} if person is not None else {})
