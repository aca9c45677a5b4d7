"""rediss:// against a Redis that speaks TLS, and nothing else."""

import time
from pathlib import Path

import pytest

from signaller.errors import StoreUnavailable
from signaller.secret import Secret
from signaller.stores import RedisStore
from tests.support.certificate import self_signed
from tests.support.redis import free_port, redis_server


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_is_spoken_and_the_certificate_checked(tmp_path: Path, trusted: bool) -> None:
    """With the right CA the store answers; without it, StoreUnavailable."""
    files = self_signed(tmp_path)
    crt = files.certificate
    port = free_port()
    options = {
        "--tls-port": str(port),
        "--tls-cert-file": str(crt),
        "--tls-key-file": str(files.key),
        "--tls-ca-cert-file": str(crt),
        "--tls-auth-clients": "no",
    }
    with redis_server(*(part for option in options.items() for part in option)):
        query = f"?ssl_ca_certs={crt}" if trusted else ""
        url = Secret(f"rediss://127.0.0.1:{port}/0{query}")
        store = RedisStore.from_url(url, timeout_seconds=5, clock=time.time)
        try:
            if trusted:
                await store.ping()
                assert await store.redeem("nothing") is None
            else:
                with pytest.raises(StoreUnavailable):
                    await store.ping()
        finally:
            await store.aclose()
