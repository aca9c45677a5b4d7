"""Providers whose certificate proves nothing: no request is ever sent to them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio

from tests.faults.provider.certificates import made
from tests.faults.provider.scene import minted
from tests.providers.raw import http, read_request
from tests.support.certificate import Certificate
from tests.support.process import MASTER, PATIENCE_SECONDS, config, served
from tests.support.provider import ANSWER
from tests.support.service import OFFER, bearer, error

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNREACHABLE = (502, "upstream_unreachable")
KINDS = ("another-name", "over", "not-yet", "unknown-issuer")


@dataclass(slots=True, kw_only=True)
class Secure:
    """A service before a provider that shows whichever certificate it is told to."""

    context: ssl.SSLContext
    files: dict[str, Certificate]
    client: httpx.AsyncClient = field(init=False)
    received: list[bytes] = field(default_factory=list)

    def shows(self, kind: str) -> None:
        """From the next handshake on."""
        self.context.load_cert_chain(self.files[kind].certificate, self.files[kind].key)

    async def mint(self) -> httpx.Response:
        """POST client_secrets."""
        return await self.client.post(
            "/v1/realtime/client_secrets", json={"model": "voice"}, headers=bearer(MASTER)
        )

    async def call(self, token: str) -> httpx.Response:
        """POST calls."""
        headers = bearer(token) | {"content-type": "application/sdp"}
        return await self.client.post("/v1/realtime/calls", content=OFFER, headers=headers)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, answered well."""
        self.received.append(await read_request(reader))
        is_mint = b"/client_secrets " in self.received[-1].partition(b"\r\n")[0]
        writer.write(minted() if is_mint else http("201 Created", ANSWER))
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secure(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secure]:
    """A process that trusts all of these certificates but that of the unknown issuer."""
    folder = tmp_path_factory.mktemp("tls")
    files = {kind: made(folder, kind) for kind in ("good", *KINDS)}
    trusted = folder / "trusted.pem"
    kept = [files[kind].certificate.read_text() for kind in files if kind != "unknown-issuer"]
    trusted.write_text("".join(kept))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found = Secure(context=context, files=files)
    found.shows("good")
    server = await asyncio.start_server(found.answer, "127.0.0.1", 0, ssl=context)
    async with server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with served("--config", config(folder, address), SSL_CERT_FILE=str(trusted)) as process:
            url = await asyncio.to_thread(process.url)
            await asyncio.to_thread(process.ready)
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
                found.client = client
                yield found


@pytest.mark.parametrize("kind", KINDS)
async def test_a_certificate_that_proves_nothing_gets_nothing(secure: Secure, kind: str) -> None:
    """502 for mint and call, nothing sent, and the token starts its call once all is well."""
    secure.shows("good")
    token = (await secure.mint()).json()["value"]
    before = len(secure.received)
    secure.shows(kind)
    for response in (await secure.mint(), await secure.call(token)):
        assert (response.status_code, error(response)["code"]) == UNREACHABLE
    assert len(secure.received) == before
    secure.shows("good")
    assert (await secure.call(token)).status_code == 201
    assert len(secure.received) == before + 1
