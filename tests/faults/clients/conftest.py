"""One service for the attacks of a module: each must leave it as it was for the next."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.clients.attacked import FAULT_LINES, Attacked, attacked

SPARE = 2
"""The honest client's own connection, made again; a file that is being read."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attacked]:
    """The service of a module."""
    async with attacked(tmp_path_factory.mktemp("attacked")) as service:
        await service.token()  # the first request to a provider opens what looks up names
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def service(module_service: Attacked) -> AsyncIterator[Attacked]:
    """The same, held afterwards to no fault, no open descriptor, and still serving."""
    await module_service.serves()
    before, descriptors = module_service.marks(), module_service.descriptors()
    yield module_service
    assert module_service.marks().fault_lines == before.fault_lines, module_service.process.lines(
        FAULT_LINES
    )
    await module_service.descriptors_at_most(descriptors + SPARE)
    await module_service.serves()
