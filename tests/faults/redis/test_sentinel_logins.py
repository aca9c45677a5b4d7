"""Sentinels and servers that all speak TLS and want a login, while the master is lost."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from signaller.errors import StoreUnavailable
from signaller.model import Grant, Spent
from signaller.secret import Secret
from signaller.settings import RedisLogin
from signaller.stores import RedisStore
from tests.faults.redis.servers import kill
from tests.stores.making import SetClock, make_grant
from tests.stores.servers import Server, asking, started, wait_until
from tests.support.certificate import Certificate, self_signed
from tests.support.redis import free_port, tls_options

PASSWORD, OTHER = "canary-of-the-masters", "canary-of-the-sentinels"
HEALS_SECONDS = 60


class Watched:
    """A master, its replica and a Sentinel: TLS between all of them, and logins."""

    def __init__(self, stack: ExitStack, directory: Path, files: Certificate) -> None:
        self._stack, self._directory, self._files = stack, directory, files
        self.master_port, self.sentinel_port = free_port(), free_port()
        self.master = self._redis("master", self.master_port)
        following = ("--replicaof", "127.0.0.1", str(self.master_port))
        self.replica = self._redis("replica", free_port(), *following)
        with asking(self.master.port, PASSWORD) as redis:
            wait_until(lambda: redis.wait(1, 1000) == 1)
        self._watch()

    def _redis(self, name: str, port: int, *arguments: str) -> Server:
        (folder := self._directory / name).mkdir()
        tls = tls_options(port, self._files.certificate, self._files.key)
        # A Sentinel tells clients, and other servers, this port.
        announced = ("--tls-replication", "yes", "--repl-diskless-sync-delay", "0")
        logins = ("--requirepass", PASSWORD, "--masterauth", PASSWORD)
        return self._stack.enter_context(started(folder, *tls, *announced, *logins, *arguments))

    def _watch(self) -> None:
        configuration = self._directory / "sentinel.conf"
        configuration.write_text(
            f"sentinel monitor voice 127.0.0.1 {self.master_port} 1\n"
            f"sentinel auth-pass voice {PASSWORD}\n"
            "sentinel down-after-milliseconds voice 500\n"
            "sentinel failover-timeout voice 3000\n"
            f"tls-replication yes\nrequirepass {OTHER}\n"
        )
        tls = tls_options(self.sentinel_port, self._files.certificate, self._files.key)
        sentinel = self._stack.enter_context(
            started(self._directory, str(configuration), "--sentinel", *tls)
        )
        with asking(sentinel.port, OTHER) as asked:
            wait_until(lambda: asked.info("sentinel")["master0"]["slaves"] == 1)


async def test_a_master_is_lost_behind_tls_and_logins(tmp_path: Path) -> None:
    """The store finds the new one through a Sentinel that lets nobody in without a password."""
    clock, files = SetClock(), self_signed(tmp_path)
    with ExitStack() as stack:
        watched = Watched(stack, tmp_path, files)
        query = f"ssl_ca_certs={files.certificate}&sentinel_password={OTHER}"
        store = RedisStore.from_url(
            Secret(f"rediss+sentinel://127.0.0.1:{watched.sentinel_port}/voice/0?{query}"),
            timeout_seconds=1,
            clock=clock,
            login=RedisLogin(password=Secret(PASSWORD)),
        )
        before = make_grant(clock, lives_seconds=600)
        await store.put_grant(before)
        assert await store.redeem(before.id) == before
        with asking(watched.master.port, PASSWORD) as redis:
            assert redis.wait(1, 5000) == 1
        kill(watched.master)
        after = await heal(store, clock)
        assert await store.redeem(after.id) == after
        for grant in (before, after):
            assert await store.redeem(grant.id) == Spent()
        await store.aclose()


async def heal(store: RedisStore, clock: SetClock) -> Grant:
    """A grant that could be kept again; until then every step fails as it should."""
    grant = make_grant(clock, lives_seconds=600)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as failed:
        await store.put_grant(grant)
    while True:
        assert time.monotonic() - began < HEALS_SECONDS, failed
        try:
            await store.put_grant(grant)
        except StoreUnavailable:
            continue
        return grant
