"""Certificates, each with one thing wrong."""

from pathlib import Path

from tests.support.certificate import Certificate, self_signed


def made(folder: Path, kind: str) -> Certificate:
    """A self-signed one for 127.0.0.1: `over`, `not-yet`, for `another-name`, or nothing wrong."""
    return self_signed(
        folder,
        name=kind,
        address="127.0.0.9" if kind == "another-name" else "127.0.0.1",
        hours_ahead={"over": -24, "not-yet": 24}.get(kind, 0),
    )
