"""rediss:// against Redis and Sentinels that speak TLS, and nothing else."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from signaller.errors import ConfigError, StoreUnavailable
from signaller.secret import Secret
from signaller.stores import RedisStore
from tests.stores.servers import asking, started, wait_until
from tests.support.certificate import Certificate, self_signed
from tests.support.redis import free_port, redis_server, tls_options

PASSWORD, OTHER = "canary-of-the-master", "canary-of-the-sentinels"


@contextlib.asynccontextmanager
async def stored(url: str) -> AsyncIterator[RedisStore]:
    """A store until the block ends."""
    store = RedisStore.from_url(Secret(url), timeout_seconds=5, clock=time.time)
    try:
        yield store
    finally:
        await store.aclose()


@pytest.mark.parametrize(
    ("query", "answers"),
    [
        pytest.param("?ssl_ca_certs={ca}", True, id="trusted"),
        pytest.param("?ssl_ca_certs={ca}&ssl_cert_reqs=required", True, id="required"),
        pytest.param("?ssl_ca_certs={ca}&ssl_cert_reqs=optional", True, id="optional"),
        pytest.param("", False, id="unknown"),
        pytest.param("?ssl_cert_reqs=optional", False, id="unknown, optional"),
        pytest.param("?ssl_cert_reqs=none", True, id="unverified"),
    ],
)
async def test_tls_is_spoken_and_the_certificate_checked(
    tmp_path: Path, query: str, answers: bool
) -> None:
    """With the right CA the store answers; without it only where nobody is to be verified."""
    files, port = self_signed(tmp_path), free_port()
    with redis_server(*tls_options(port, files.certificate, files.key)):
        url = f"rediss://127.0.0.1:{port}/0{query.format(ca=files.certificate)}"
        async with stored(url) as store:
            if answers:
                await store.ping()
                assert await store.redeem("nothing") is None
            else:
                with pytest.raises(StoreUnavailable):
                    await store.ping()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A master and its Sentinel, both behind TLS."""

    sentinel_port: int
    files: Certificate

    def url(self, userinfo: str, more: str = "") -> str:
        """Where the store finds them."""
        query = f"?ssl_ca_certs={self.files.certificate}{more}"
        return f"rediss+sentinel://{userinfo}127.0.0.1:{self.sentinel_port}/voice/0{query}"


@contextlib.contextmanager
def watched(directory: Path, *, sentinels_password: str | None) -> Iterator[Watched]:
    """The master wants PASSWORD; the Sentinel speaks nothing but TLS."""
    files, ports = self_signed(directory), [free_port() for _ in range(4)]
    master_tls, sentinel_tls, master_plain, sentinel_plain = ports
    with started(
        directory,
        *tls_options(master_tls, files.certificate, files.key),
        *("--requirepass", PASSWORD),
        port=master_plain,
    ):
        configuration = directory / "sentinel.conf"
        configuration.write_text(
            f"sentinel monitor voice 127.0.0.1 {master_tls} 1\n"
            f"sentinel auth-pass voice {PASSWORD}\n"
            "tls-replication yes\n"
            + (f"requirepass {sentinels_password}\n" if sentinels_password else "")
        )
        tls = tls_options(sentinel_tls, files.certificate, files.key)
        with started(directory, str(configuration), "--sentinel", *tls, port=sentinel_plain):
            with asking(sentinel_plain, sentinels_password) as sentinel:
                wait_until(lambda: sentinel.info("sentinel")["master0"]["status"] == "ok")
            yield Watched(sentinel_port=sentinel_tls, files=files)


@pytest.mark.parametrize(
    ("sentinels_password", "more"),
    [
        pytest.param(PASSWORD, "", id="the same password"),
        pytest.param(OTHER, f"&sentinel_password={OTHER}", id="one of its own"),
        pytest.param(
            OTHER, f"&sentinel_username=default&sentinel_password={OTHER}", id="with a name"
        ),
        pytest.param(None, "", id="none"),
    ],
)
async def test_sentinels_speak_tls_and_want_a_login(
    tmp_path: Path, sentinels_password: str | None, more: str
) -> None:
    """The store finds the master through them, with the URL's own password where they want one."""
    with watched(tmp_path, sentinels_password=sentinels_password) as servers:
        for userinfo in (f":{PASSWORD}@", f"default:{PASSWORD}@"):
            async with stored(servers.url(userinfo, more)) as store:
                await store.ping()
                assert await store.redeem("nothing") is None


async def test_a_wrong_password_at_a_sentinel_finds_nothing(tmp_path: Path) -> None:
    """And it does not hang."""
    with watched(tmp_path, sentinels_password=OTHER) as servers:
        async with stored(servers.url(f":{PASSWORD}@")) as store:
            with pytest.raises(StoreUnavailable):
                await store.ping()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ssl_ca_certs={folder}/missing.pem", "readable files at ssl_ca_certs"),
        ("ssl_ca_certs={folder}", "readable files at ssl_ca_certs"),
        ("ssl_ca_certs=", "at ssl_ca_certs"),
        ("ssl_ca_certs=%00", "PEM that can be used at ssl_ca_certs"),
        ("ssl_ca_certs={key}", "PEM that can be used at ssl_ca_certs"),
        ("ssl_certfile={folder}/missing.pem", "readable files at ssl_certfile"),
        ("ssl_certfile={crt}", "PEM that can be used at ssl_certfile"),
        ("ssl_certfile={crt}&ssl_keyfile={folder}/x", "readable files at ssl_certfile and ssl_key"),
        ("ssl_certfile={crt}&ssl_keyfile={other}", "PEM that can be used at ssl_certfile and"),
        ("ssl_keyfile={key}", "ssl_certfile beside ssl_keyfile"),
        ("ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs to be required, optional, none"),
        ("ssl_cert_reqs=", "ssl_cert_reqs to be required, optional, none"),
        ("ssl_cert_reqs=false", "ssl_cert_reqs to be required, optional, none"),
    ],
)
@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel", "rediss+cluster"])
def test_what_can_never_connect_is_a_fault_at_once(
    tmp_path: Path, scheme: str, query: str, expected: str
) -> None:
    """It would be a 503 for ever; the file and the reason are named."""
    files, others = self_signed(tmp_path), self_signed(tmp_path, name="other")
    written = query.format(folder=tmp_path, crt=files.certificate, key=files.key, other=others.key)
    path = "/voice" if "sentinel" in scheme else ""
    with pytest.raises(ConfigError) as refused:
        RedisStore.from_url(
            Secret(f"{scheme}://:canary@h{path}?{written}"), timeout_seconds=1, clock=time.time
        )
    (fault,) = refused.value.faults
    assert fault.startswith("signaller.redis_url: expected ")
    assert expected in fault
    assert "canary" not in fault


def test_a_certificate_with_its_key_is_taken(tmp_path: Path) -> None:
    """In one file, or in two."""
    files = self_signed(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
    for query in (
        f"ssl_certfile={files.certificate}&ssl_keyfile={files.key}",
        f"ssl_certfile={both}",
    ):
        url = Secret(f"rediss://h?{query}")
        RedisStore.from_url(url, timeout_seconds=1, clock=time.time)
