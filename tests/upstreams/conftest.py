"""Deployments, requests and a client that ends with its test."""

from collections.abc import AsyncIterator

import pytest

from signaller.upstreams.transport import ProviderClient, http_client
from tests.support.provider import FakeProvider
from tests.support.serving import serving


@pytest.fixture
def provider() -> FakeProvider:
    """A provider that behaves until told otherwise."""
    return FakeProvider()


@pytest.fixture
async def url(provider: FakeProvider) -> AsyncIterator[str]:
    """Where it is served."""
    async with serving(provider.app) as base:
        yield base


@pytest.fixture
async def client() -> AsyncIterator[ProviderClient]:
    """The client under test."""
    async with http_client() as opened:
        yield opened
