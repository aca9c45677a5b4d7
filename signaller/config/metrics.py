"""`metrics`: who may read them, and where else they are served."""

import re

from signaller.config.caller_keys import DIGEST, KnownKeys
from signaller.config.section import Section
from signaller.secret import Secret
from signaller.settings import MetricsSettings

KEYS = ("key", "port", "host")
MAX_PORT = 65_535
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,15})?")


def read_metrics(section: Section, known_keys: KnownKeys) -> MetricsSettings:
    """The section; a key of somebody else's would let its bearer do more than read."""
    section.unknown(KEYS, refuse=True)
    port = section.whole("port", 1, MAX_PORT)
    host = section.text("host")
    if host and not _HOST.fullmatch(host.value):
        host.fault("an address or a host's name")
    if "host" in section and "port" not in section:
        section.fault("port", "the port to listen at, as there is a host", "nothing")
    return MetricsSettings(
        key=_key(section, known_keys),
        port=port,
        host=host.value if host else MetricsSettings().host,
    )


def _key(section: Section, known_keys: KnownKeys) -> Secret | None:
    text = section.text("key", secret=True)
    if text and text.value.lower().startswith(DIGEST):
        text.fault("the key itself", f"what looks like a digest ({DIGEST}...)")
        return None
    return known_keys.read_key(text) if text else None
