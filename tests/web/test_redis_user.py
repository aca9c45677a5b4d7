"""A user of Redis's own with the rights that docs/operate.md names, and not one more."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signaller.errors import StoreUnavailable
from signaller.secret import Secret
from signaller.settings import RedisLogin, WarmSettings
from signaller.stores import RedisCallBook, RedisStore
from tests.docs.pages import section
from tests.stores.books import STEPS
from tests.stores.making import SetClock
from tests.stores.servers import asking, cluster_url, port_of, sentinel_url, started
from tests.support.service import MODEL, bearer, named, running, token_key

KEY = "sk-sgn-canary-web-0123456789"
LOGIN = RedisLogin(username="signaller", password=Secret("hunter2"))


def rights(topology: str) -> list[str]:
    """What the page says that a user needs."""
    text = section("Redis and replicas").text
    found = re.search(r"`(~signaller:\* [^`]+)`; in a Cluster `([^`]+)`", text)
    assert found is not None
    return [*found[1].split(), *(found[2].split() if topology == "cluster" else ())]


@pytest.fixture(params=["redis", "sentinel", "cluster"])
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, list[int]]]:
    """The URL of a Redis with such a user, and the ports of all that keep keys."""

    def admit(ports: list[int]) -> list[int]:
        for port in ports:
            with asking(port) as redis:
                user = ("SETUSER", "signaller", "on", ">hunter2", *rights(request.param))
                redis.execute_command("ACL", *user)
                redis.execute_command("ACL", "LOG", "RESET")
        return ports

    match request.param:
        case "redis":
            with started(tmp_path) as server:
                yield f"redis://127.0.0.1:{server.port}/1", admit([server.port])
        case "sentinel":
            with sentinel_url(tmp_path) as url:
                with asking(port_of(url)) as sentinel:
                    master = sentinel.sentinel_master("voice")["port"]
                yield url, admit([master])
        case _:
            with cluster_url(tmp_path) as url:
                with asking(port_of(url)) as redis:
                    nodes = redis.cluster("NODES")
                yield url, admit([port_of(at) for at in nodes])


async def test_a_user_of_redis_needs_no_more_than_the_page_says(
    limited: tuple[str, list[int]],
) -> None:
    """For mints, calls, rates, warm secrets, hang-ups and revocations: Redis denied nothing."""
    url, ports = limited
    changes: dict[str, Any] = {
        "redis_url": Secret(url),
        "redis": LOGIN,
        "token_keys": (token_key(),),
        "warm_secrets": WarmSettings(seconds=600),
        "callers": (named("web", KEY, mints_per_minute=9, calls_per_minute=9),),
    }
    async with running(**changes) as service:
        for _ in range(3):
            minted = await service.mint({"model": MODEL}, headers=bearer(KEY))
            assert minted.status_code == 200, minted.text
            token = minted.json()["value"]
            assert (await service.call(token)).status_code == 201
            assert (await service.call(token)).status_code == 401
        assert len(service.provider.mint.requests) == 1
    waiting = RedisStore.from_url(
        Secret(f"{url}?replicas=1"), timeout_seconds=1, clock=SetClock(), login=LOGIN
    )
    with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
        await waiting.revoke("any")
    await waiting.aclose()
    for port in ports:
        with asking(port) as redis:
            assert redis.acl_log() == []
            if len(ports) > 1:  # while a slot moves
                assert redis.execute_command("ACL", "DRYRUN", "signaller", "ASKING") == "OK"


async def test_that_user_may_keep_the_book_of_calls(limited: tuple[str, list[int]]) -> None:
    """Each step, the wait for the feed included: Redis denied nothing."""
    url, ports = limited
    store = RedisStore.from_url(Secret(url), timeout_seconds=5, clock=SetClock(), login=LOGIN)
    book = RedisCallBook(store.steps)
    for step in STEPS.values():
        await step(book)
    assert await book.events(None, at_most=1, wait_seconds=0.1) == ()
    await store.aclose()
    for port in ports:
        with asking(port) as redis:
            assert redis.acl_log() == []
