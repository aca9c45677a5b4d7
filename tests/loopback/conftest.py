"""A running loopback provider."""

from collections.abc import AsyncIterator

import httpx
import pytest

from signaller.loopback.app import create_loopback
from signaller.secret import Secret
from tests.support.serving import serving

API_KEY = "sk-loopback-canary"


@pytest.fixture
async def openai() -> AsyncIterator[httpx.AsyncClient]:
    """A client, with the standing key, of a provider that plays OpenAI."""
    async with (
        serving(create_loopback(api_key=Secret(API_KEY))) as url,
        httpx.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {API_KEY}"}, timeout=20
        ) as client,
    ):
        yield client
