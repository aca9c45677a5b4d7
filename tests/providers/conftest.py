"""Deployments, requests and a client that ends with its test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import httpx
import pytest
import uvloop

from signaller.providers.http import http_client
from tests.support.provider import FakeProvider
from tests.support.serving import serving


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The client runs on the service's own loop, and on that of everybody else's tests."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


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
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """The client under test."""
    async with http_client() as opened:
        yield opened
