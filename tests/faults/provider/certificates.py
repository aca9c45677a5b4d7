"""Certificates, each with one thing wrong."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.certificate import Certificate

HOUR = datetime.timedelta(hours=1)


def made(folder: Path, kind: str) -> Certificate:
    """A self-signed one for 127.0.0.1: `over`, `not-yet`, for `another-name`, or nothing wrong."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, kind)])
    address = ipaddress.ip_address("127.0.0.9" if kind == "another-name" else "127.0.0.1")
    now = datetime.datetime.now(datetime.UTC)
    now += {"over": -24 * HOUR, "not-yet": 24 * HOUR}.get(kind, 0 * HOUR)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - HOUR)
        .not_valid_after(now + HOUR)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(certificate=folder / f"{kind}.pem", key=folder / f"{kind}.key")
    files.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
