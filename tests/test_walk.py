"""How many files of the service a reader has to follow a request through."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType

import pytest

import signaller
from signaller.secret import Secret
from signaller.supervision.clock import TASK
from tests.docs.pages import codes, section
from tests.support.redis import redis_server
from tests.support.service import Service, running

PACKAGE = Path(signaller.__file__).parent
MOST = 25
TABLE = section("The two walks").table("A mint")


class Walk:
    """The files in which a function runs, in the order in which each is met."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def __enter__(self) -> "Walk":
        sys.setprofile(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _seen(self, frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if (task := asyncio.current_task()) is not None and task.get_name() == TASK:
            return  # the clock goes on meanwhile: it is no part of the request
        if event == "call" and path.is_relative_to(PACKAGE):
            name = str(path.relative_to(PACKAGE))
            if name not in self.files:
                self.files.append(name)


async def minted(service: Service) -> Walk:
    """The way of a mint."""
    with Walk() as walk:
        response = await service.mint()
    assert response.status_code == 200
    return walk


async def called(service: Service) -> Walk:
    """The way of a call."""
    token = await service.token()
    with Walk() as walk:
        response = await service.call(token)
    assert response.status_code == 201
    return walk


@pytest.mark.parametrize(("follow", "column"), [(minted, "A mint"), (called, "A call")])
async def test_a_request_is_followed_through_few_files(
    follow: Callable[[Service], Awaitable[Walk]], column: str
) -> None:
    """A mint and a call pass through 25 files at most, and docs/develop.md names them."""
    with redis_server() as port:
        async with running(redis_url=Secret(f"redis://127.0.0.1:{port}/0")) as service:
            await service.call(await service.token())  # connections are open, scripts are known
            walk = await follow(service)
    named = {name for row in TABLE for name in codes(row[column])}
    assert set(walk.files) == named
    assert len(walk.files) <= MOST
