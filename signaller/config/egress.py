"""`egress`: the way out, from the file and from the environment's own variables."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, SSLError

from pydantic_core import PydanticCustomError

from signaller.config import forms
from signaller.config.declared import EgressKeys
from signaller.config.faults import UNREADABLE, Findings, file_named, shown
from signaller.config.values import Values
from signaller.secret import Secret
from signaller.settings import Egress

PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_AT = "signaller.egress"
_CERTIFICATES = "certificates in PEM"
_KEY = "the certificate's private key in PEM, without a password"
# The port of a scheme is not written in a URL, and so not compared.
_PASSED_BY = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/*\[\]]+)(:(?!(80|443)$)\d+)?", re.I)


def read(keys: EgressKeys, values: Values) -> Egress:
    """The section; a proxy of the environment only where it has none."""
    findings = values.findings
    proxy = http_proxy = keys.proxy
    no_proxy = ""
    if keys.environment:
        no_proxy = values.env.get("no_proxy", values.env.get("NO_PROXY", ""))
        if "proxy" not in keys.model_fields_set:
            https, http, both = PROXIES
            proxy = _proxy_of(values, https, both)
            http_proxy = _proxy_of(values, http, both)
    if proxy or http_proxy:
        _warn_of_entries(values, no_proxy)
    if value := values.env.get("SSL_CERT_FILE"):  # OpenSSL itself reads it
        _has_certificates(Path(value), "SSL_CERT_FILE", findings)
    cert, key = keys.client_cert, keys.client_key
    if keys.ca_file:
        _has_certificates(keys.ca_file, f"{_AT}.ca_file", findings)
    if cert and _has_certificates(cert, f"{_AT}.client_cert", findings):
        place = f"{_AT}.client_key" if key else f"{_AT}.client_cert"
        # An empty password: OpenSSL would ask for one at the terminal otherwise.
        load = partial(SSLContext.load_cert_chain, certfile=cert, keyfile=key, password="")
        _loads(load, key or cert, _KEY, place, findings)
    return Egress(
        proxy=proxy,
        http_proxy=http_proxy,
        no_proxy=no_proxy,
        ca_file=keys.ca_file,
        client_cert=cert,
        client_key=key,
    )


def _proxy_of(values: Values, *names: str) -> Secret | None:
    """The first of these that says something, as httpx reads them."""
    name, value = next(filter(None, (_said(values, name) for name in names)), ("", ""))
    if not value or value is UNREADABLE:
        return None
    # A proxy may be named without scheme.
    proxy = Secret(str(value) if "://" in str(value) else f"http://{value}")
    try:
        return forms.proxy_url(proxy)
    except PydanticCustomError as error:
        said = error.context or {}
        values.findings.fault(name, said["expected"], said["found"] or shown(proxy))
        return None


def _said(values: Values, name: str) -> tuple[str, object] | None:
    """A name in small letters rules over the one in capitals; an empty value is one too."""
    small = name.lower()
    if small in values.env:
        return small, values.env[small]
    return values.variable(name) or ((name, "") if name in values.env else None)


def _warn_of_entries(values: Values, no_proxy: str) -> None:
    """Other programs read more in them: without a word, nobody could tell who goes which way."""
    if no_proxy == "*":
        return
    name = "no_proxy" if "no_proxy" in values.env else "NO_PROXY"
    for entry in filter(None, map(str.strip, no_proxy.split(","))):
        if not _PASSED_BY.fullmatch(entry.lstrip(".")):
            values.findings.warn(
                name,
                f"{shown(entry)} has no effect: expected a host or the end of its name, perhaps "
                "with a port other than 80 and 443, or '*' alone",
            )


def _has_certificates(path: Path, place: str, findings: Findings) -> bool:
    load = partial(SSLContext.load_verify_locations, cafile=path)
    return _loads(load, path, _CERTIFICATES, place, findings)


def _loads(
    load: Callable[[SSLContext], None], path: Path, what: str, place: str, findings: Findings
) -> bool:
    """Whether OpenSSL takes what stands in a file; a fault otherwise."""
    if "-----BEGIN " in str(path):
        findings.fault(place, "the path of a file", "PEM itself")
        return False
    try:
        load(SSLContext(PROTOCOL_TLS_CLIENT))
    except SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        found = "the key of another certificate" if mismatch else f"none in {file_named(path)}"
        findings.fault(place, f"a file with {what}", found)
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        why = error.strerror if isinstance(error, OSError) else "no path"
        findings.fault(place, f"a readable file with {what}", f"{file_named(path)}: {why}")
    else:
        return True
    return False
