"""`signaller` behind an egress proxy, as its environment says."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.support.outside import CANARY, outside, self_signed_for_all
from tests.support.process import MASTER, PATIENCE_SECONDS, config, served
from tests.support.service import bearer


@pytest.mark.parametrize(
    ("section", "no_proxy", "by_proxy"),
    [
        pytest.param("{}", "", True, id="heard"),
        pytest.param("{}", "127.0.0.1", False, id="NO_PROXY"),
        pytest.param("{environment: false}", "", False, id="switched off"),
    ],
)
async def test_a_process_hears_its_environment(
    tmp_path: Path, section: str, no_proxy: str, by_proxy: bool
) -> None:
    """HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE, as every other program does."""
    certificate = self_signed_for_all(tmp_path)
    async with outside(certificate, password=CANARY) as place:
        path = config(tmp_path, place.url, f"signaller: {{egress: {section}}}")
        with served(
            *("--config", path),
            HTTPS_PROXY=place.proxy.url,
            NO_PROXY=no_proxy,
            SSL_CERT_FILE=str(certificate.certificate),
        ) as process:
            url = await asyncio.to_thread(process.url)
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
                minted = await client.post(
                    "/v1/realtime/client_secrets", json={"model": "voice"}, headers=bearer(MASTER)
                )
        assert minted.status_code == 200
        host = place.url.removeprefix("https://")
        assert place.proxy.asked == ([f"CONNECT {host}"] if by_proxy else [])
        assert "canary" not in "\n".join(process.said)
