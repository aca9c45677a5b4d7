"""`gateway`: what stands in front of the service, and how it says who calls."""

from signaller.config.gateway_header import KEYS as HEADER_KEYS
from signaller.config.gateway_header import read_header
from signaller.config.gateway_jwt import CLAIM_KEYS, read_jwt
from signaller.config.gateway_jwt import KEYS as JWT_KEYS
from signaller.config.section import Section
from signaller.settings import Gateway

__all__ = ["CLAIM_KEYS", "HEADER_KEYS", "JWT_KEYS", "KEYS", "names_callers", "read_gateway"]

WAYS = ("jwt", "header")
KEYS = (*WAYS, "only_listed")


def read_gateway(section: Section) -> Gateway:
    """Whichever of the two ways are configured."""
    section.unknown(KEYS, refuse=True)
    return Gateway(
        jwt=read_jwt(section.section("jwt")) if "jwt" in section else None,
        header=read_header(section.section("header")) if "header" in section else None,
        only_listed=section.flag("only_listed") or False,
    )


def names_callers(section: Section) -> bool:
    """Whether a gateway is meant to, with or without faults."""
    return any(key in section for key in WAYS)
