"""The way out through a proxy, with certificates of one's own: to providers, issuers, Entra ID."""

import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from signaller import __version__
from signaller.errors import ConfigError
from signaller.model import EntraCredential
from signaller.providers import http_client
from signaller.secret import Secret
from signaller.settings import Egress, Gateway, JwtSettings, Timeouts
from tests.callers.issuing import AUDIENCE, ISSUER, Issuer, signing_key
from tests.providers.raw import raw_server, says, says_and_stalls
from tests.support.certificate import Certificate, self_signed
from tests.support.outside import (
    CANARY,
    ID,
    LOGIN,
    PROVIDER,
    Outside,
    outside,
    self_signed_for_all,
    served_with,
)
from tests.support.proxy import forward_proxy, secured
from tests.support.redis import free_port
from tests.support.service import MASTER_KEY, Service, bearer, deployment, error, running
from tests.support.serving import serving
from tests.web.test_canary import shown

UNREACHABLE = (502, "upstream_unreachable")
TENANT = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """For every host of these tests; who has issued it is known to nobody."""
    return self_signed_for_all(tmp_path)


def starting(place: Outside, egress: Egress) -> contextlib.AbstractAsyncContextManager[Service]:
    """A service whose provider is at a name."""
    one = deployment(f"https://{PROVIDER}")
    return running(place.provider, deployments=(one,), egress=egress)


async def test_a_mint_and_a_call_go_through_the_proxy(certificate: Certificate) -> None:
    """By CONNECT, so that the proxy sees no more than the name; it is the one to look that up."""
    async with outside(certificate) as place, starting(place, place.egress) as service:
        assert (await service.call(await service.token())).status_code == 201
        assert set(place.proxy.asked) == {f"CONNECT {PROVIDER}:443"}
        assert place.requests == ["client_secrets", "calls"]


async def test_a_proxy_gets_its_password(certificate: Certificate) -> None:
    """The proxy, and nobody behind it; an odd one is written with % in the configuration."""
    async with (
        outside(certificate, password=CANARY) as place,
        starting(place, place.egress) as service,
    ):
        assert (await service.call(await service.token())).status_code == 201
        assert (place.proxy.refused, place.requests) == (0, ["client_secrets", "calls"])


@pytest.mark.parametrize("login", ["", "user:canary@"], ids=["without-password", "with-password"])
async def test_a_proxy_hears_who_we_are(certificate: Certificate, login: str) -> None:
    """The name of this service, and not of the libraries below it."""
    refuses = says(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    async with outside(certificate) as place, raw_server(refuses) as proxy:
        url = Secret(proxy.url.replace("//", f"//{login}"))
        async with starting(place, replace(place.egress, proxy=url)) as service:
            assert (await service.mint()).status_code == 502
    (asked,) = proxy.received
    fields = asked.decode().lower().split("\r\n")
    agents = [field for field in fields if field.startswith("user-agent")]
    assert agents == [f"user-agent: signaller/{__version__}"]


@pytest.mark.parametrize(
    "url", ["http://u%3Ax:canary@proxy:3128", "http://u:canary@1.2.3.999:1", "http://u:canary@xn--"]
)
def test_a_proxy_that_cannot_be_used_stops_the_start(url: str) -> None:
    """One line that names where it may stand, and not its password."""
    for egress, name in (
        (Egress(proxy=Secret(url)), "HTTPS_PROXY"),
        (Egress(http_proxy=Secret(url)), "HTTP_PROXY"),
    ):
        with pytest.raises(ConfigError) as caught:
            http_client(egress)
        (fault,) = caught.value.faults
        assert fault.startswith(f"signaller.egress.proxy (or {name} or ALL_PROXY): expected a host")
        assert "canary" not in fault


async def test_a_wrong_password_is_the_proxys_to_refuse(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing reaches the provider; the log names the proxy and what it said."""
    async with outside(certificate, password=CANARY) as place:
        wrong = Secret(place.proxy.with_password("wrong-" + CANARY))
        async with starting(place, replace(place.egress, proxy=wrong)) as service:
            response = await service.mint()
    assert (response.status_code, error(response)["code"]) == UNREACHABLE
    assert (place.proxy.refused, place.requests) == (1, [])
    assert f"through the proxy {place.proxy.host}: CONNECT was answered with 407" in shown(
        (), caplog.records
    )


async def test_a_refused_call_leaves_its_token_unspent(certificate: Certificate) -> None:
    """Nothing was sent, and it starts its call once the proxy lets it through."""
    async with (
        outside(certificate, password=CANARY) as place,
        starting(place, place.egress) as service,
    ):
        token = await service.token()
        await place.proxy.cut()
        place.proxy.password = "another"
        refused = await service.call(token)
        assert (refused.status_code, error(refused)["code"]) == UNREACHABLE
        assert error(refused)["token"] == "unspent"
        place.proxy.password = CANARY
        assert (await service.call(token)).status_code == 201
        assert place.requests == ["client_secrets", "calls"]


async def test_a_proxy_that_is_down_is_named(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    """As an unreachable provider to clients; the operator reads which proxy it is."""
    port = free_port()
    down = Secret(f"http://user:{quote(CANARY, safe='')}@127.0.0.1:{port}")
    async with (
        outside(certificate) as place,
        starting(place, replace(place.egress, proxy=down)) as service,
    ):
        response = await service.mint()
        assert (response.status_code, error(response)["code"]) == UNREACHABLE
        assert str(port) not in response.text
        log = shown((), caplog.records)
        assert f"through the proxy 127.0.0.1:{port}:" in log


async def test_a_proxy_that_says_nothing_is_left_in_time(certificate: Certificate) -> None:
    """Its answer to CONNECT is a part of connecting, and holds up nobody who is asked directly."""
    async with outside(certificate) as place, raw_server(says_and_stalls()) as silent:
        egress = replace(place.egress, proxy=Secret(silent.url), no_proxy="127.0.0.1")
        both = (deployment(place.url), deployment(f"https://{PROVIDER}", id="d2", model_name="far"))
        timeouts = Timeouts(connect_seconds=1)
        async with running(
            place.provider, deployments=both, egress=egress, timeouts=timeouts
        ) as service:
            response = await service.mint({"model": "far"})
            assert (response.status_code, error(response)["code"]) == (504, "upstream_timeout")
            assert (await service.mint()).status_code == 200
        assert silent.received[0].startswith(f"CONNECT {PROVIDER}:443 ".encode())
        assert place.requests == ["client_secrets"]


async def test_behind_a_dead_proxy_a_deployment_rests(certificate: Certificate) -> None:
    """One that NO_PROXY names is asked in its place, and the first not again at once."""
    async with outside(certificate) as place:
        place.proxy.password = "nobody knows it"
        both = (
            deployment(f"https://{PROVIDER}", id="behind"),
            deployment(place.url, id="beside", weight=0),
        )
        egress = replace(place.egress, no_proxy="127.0.0.1")
        async with running(place.provider, deployments=both, egress=egress) as service:
            for _ in range(3):
                assert (await service.mint()).status_code == 200
        assert place.proxy.asked == [f"CONNECT {PROVIDER}:443"]
        assert place.requests == ["client_secrets"] * 3


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "a.example, 127.0.0.1", "*"])
async def test_no_proxy_is_honoured(certificate: Certificate, no_proxy: str) -> None:
    """Whom it names is asked directly."""
    async with outside(certificate) as place:
        egress = replace(place.egress, no_proxy=no_proxy)
        direct = (deployment(place.url),)
        async with running(place.provider, deployments=direct, egress=egress) as service:
            assert (await service.mint()).status_code == 200
        assert place.proxy.asked == []


async def test_each_scheme_has_its_proxy(certificate: Certificate) -> None:
    """HTTPS_PROXY does not stand in the way of a provider at http://; HTTP_PROXY is for that."""
    async with outside(certificate) as place, running(place.provider, egress=place.egress) as one:
        assert (await one.mint()).status_code == 200
        assert place.proxy.asked == []
    async with forward_proxy(password=CANARY) as proxy:
        async with running(egress=Egress(http_proxy=Secret(proxy.url))) as service:
            assert (await service.call(await service.token())).status_code == 201
            (where,) = {each.base_url for each in service.settings.deployments}
        paths = ("client_secrets", "calls")
        assert proxy.asked == [f"POST {where}/v1/realtime/{path}" for path in paths]
        assert proxy.refused == 0


async def test_an_unknown_authority_is_not_believed(certificate: Certificate) -> None:
    """The proxy is only asked for the way: who is at its end is proved by the certificate."""
    async with (
        outside(certificate) as place,
        starting(place, replace(place.egress, ca_file=None)) as service,
    ):
        response = await service.mint()
        assert (response.status_code, error(response)["code"]) == UNREACHABLE
        assert (place.proxy.asked, place.requests) == ([f"CONNECT {PROVIDER}:443"], [])


async def test_a_provider_may_demand_a_certificate(certificate: Certificate) -> None:
    """Ours is shown to it, through the proxy too; without one nothing is answered."""
    ours = self_signed(certificate.key.parent, name="ours")
    async with outside(certificate, demands=ours.certificate) as place:
        shows = replace(place.egress, client_cert=ours.certificate, client_key=ours.key)
        async with starting(place, shows) as service:
            assert (await service.call(await service.token())).status_code == 201
        async with starting(place, place.egress) as service:
            assert (await service.mint()).status_code == 502
        assert place.requests == ["client_secrets", "calls"]


async def test_an_issuers_keys_come_through_the_proxy(certificate: Certificate) -> None:
    """The same way as everything else."""
    jwks_url = f"https://{ID}/jwks.json"
    jwt = JwtSettings(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), jwks_url=jwks_url)
    issuer = Issuer()
    async with (
        outside(certificate, password=CANARY) as place,
        serving(issuer) as plain,
        secured(plain, served_with(certificate)) as url,
    ):
        place.proxy.routes[f"{ID}:443"] = url
        gateway = Gateway(jwt=jwt)
        async with running(place.provider, egress=place.egress, gateway=gateway) as service:
            assert (await service.mint(headers=bearer(signing_key().sign()))).status_code == 200
        assert (place.proxy.asked, issuer.fetches) == ([f"CONNECT {ID}:443"], 1)


async def issue(request: Request) -> JSONResponse:
    """Entra ID's token for a service principal."""
    form = (await request.body()).decode()
    assert "grant_type=client_credentials" in form
    return JSONResponse({"access_token": "entra-token", "expires_in": 3600, "token_type": "Bearer"})


@contextlib.asynccontextmanager
async def with_entra(place: Outside, egress: Egress) -> AsyncIterator[Service]:
    """A service whose deployment gets its tokens from Entra ID, beyond the same proxy."""
    entra = Starlette(routes=[Route(f"/{TENANT}/oauth2/v2.0/token", issue, methods=["POST"])])
    principal = EntraCredential(tenant_id=TENANT, client_id="app", client_secret=Secret("secret"))
    one = deployment(f"https://{PROVIDER}", provider="azure", api_key=None, entra=principal)
    async with (
        serving(entra) as plain,
        secured(plain, served_with(place.certificate)) as url,
    ):
        place.proxy.routes[f"{LOGIN}:443"] = url
        async with running(place.provider, deployments=(one,), egress=egress) as service:
            yield service


async def test_entra_id_is_asked_through_the_proxy(certificate: Certificate) -> None:
    """With the same password, trusting the same authority."""
    async with (
        outside(certificate, password=CANARY) as place,
        with_entra(place, place.egress) as service,
    ):
        assert (await service.mint()).status_code == 200
        asked = [f"CONNECT {LOGIN}:443", f"CONNECT {PROVIDER}:443"]
        assert (place.proxy.asked, place.proxy.refused) == (asked, 0)
        (request,) = place.provider.requests
        assert request.headers["authorization"] == "Bearer entra-token"


async def test_a_proxy_that_keeps_entra_id_away_is_named(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    """One that refuses, and one that is down: no token, and no provider is asked."""
    async with outside(certificate, password=CANARY) as place:
        port = free_port()
        wrong = place.proxy.with_password("wrong-" + CANARY)
        down = place.proxy.url.replace(place.proxy.host, f"127.0.0.1:{port}")
        for url in (wrong, down):
            async with with_entra(place, replace(place.egress, proxy=Secret(url))) as service:
                response = await service.mint()
                assert (response.status_code, error(response)["code"]) == UNREACHABLE
        assert place.requests == []
    log = shown((), caplog.records)
    assert "no Entra ID token for deployment d1: the proxy answered CONNECT with 407" in log
    assert f"no Entra ID token for deployment d1: the proxy 127.0.0.1:{port} cannot be" in log
    assert "canary" not in log


async def test_the_proxys_password_comes_out_nowhere(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it is right or wrong, the proxy up or down, and if a provider should know it."""
    caplog.set_level(logging.DEBUG)
    seen: list[httpx.Response] = []
    async with outside(certificate, password=CANARY) as place:
        down = f"127.0.0.1:{free_port()}"
        urls = (
            place.proxy.url,
            place.proxy.url.replace(place.proxy.host, down),
            place.proxy.with_password("wrong" + CANARY),
        )
        for egress in (replace(place.egress, proxy=Secret(url)) for url in urls):
            async with starting(place, egress) as service:
                quoted = {"error": {"message": f"no {CANARY}", "code": CANARY}}
                token = (await service.mint()).json().get("value", "ek_none")
                place.provider.mint.answers(400, quoted, times=1)
                await service.mint(headers={"authorization": f"Bearer {CANARY}"})
                await service.mint()
                await service.call(token)
                for path in ("/metrics", "/readyz", "/v1/models", f"/{CANARY}"):
                    await service.client.get(path, headers=bearer(MASTER_KEY))
                seen += service.seen
        everything = shown(seen, caplog.records)
        assert f"through the proxy {down}" in everything
        assert f"through the proxy {place.proxy.host}: CONNECT was answered with 407" in everything
        forms = {CANARY, place.proxy.url.partition("@")[0].rpartition(":")[2], "canary%2Fof"}
        assert [form for form in forms if form in everything] == []
