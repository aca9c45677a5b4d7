"""rediss:// against a Redis that speaks TLS, and nothing else."""

import datetime
import ipaddress
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from signaller.errors import StoreUnavailable
from signaller.secret import Secret
from signaller.stores import RedisStore
from tests.support.redis import free_port, redis_server


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signaller test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    crt, pem = folder / "redis.crt", folder / "redis.key"
    crt.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return crt, pem


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_is_spoken_and_the_certificate_checked(tmp_path: Path, trusted: bool) -> None:
    """With the right CA the store answers; without it, StoreUnavailable."""
    crt, pem = certificate(tmp_path)
    port = free_port()
    options = {
        "--tls-port": str(port),
        "--tls-cert-file": str(crt),
        "--tls-key-file": str(pem),
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
