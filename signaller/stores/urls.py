"""Reads `signaller.redis_url`; the password it may hold never appears in a message."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from signaller.errors import ConfigError
from signaller.secret import Secret
from signaller.settings import RedisLogin

Topology = Literal["single", "unix", "sentinel", "cluster"]

_SCHEMES: Mapping[str, tuple[Topology, bool]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("unix", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_DEFAULT_PORTS: Mapping[Topology, int] = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"})
_SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
_CERT_REQS = ("required", "optional", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where Redis is and how to log in."""

    topology: Topology
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    """The socket's, with `unix`."""
    service: str = ""
    """The master's name, with `sentinel`."""
    db: int = 0
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    tls_options: Mapping[str, str] = field(default_factory=dict)
    sentinel_username: str | None = None
    sentinel_password: Secret | None = None
    """The Sentinels' own; None: those of the master, where a Sentinel asks for any."""
    replicas: int = 0
    """How many must have a redemption or a revocation before it counts."""

    def with_login(self, login: RedisLogin) -> "RedisAddress":
        """The same, and where it does not say who we are, as the configuration says."""
        return replace(
            self,
            username=self.username or login.username,
            password=self.password or login.password,
        )


def parse_redis_url(url: Secret) -> RedisAddress:
    """The address, or ConfigError that says what was expected instead."""
    try:
        parts = urlsplit(url.reveal())
    except ValueError as error:  # an unbalanced [ of an IPv6 address
        raise _fault("a URL", "one whose host cannot be read") from error
    known = _SCHEMES.get(parts.scheme)
    if known is None:
        # Without a scheme the whole text may be a password: say nothing of it.
        expected = "one of " + ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        raise _fault(expected, f"{parts.scheme}://" if "://" in url.reveal() else "no scheme")
    topology, tls = known
    userinfo, _, hosts = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    path = unquote(parts.path)
    db, replicas = options.pop("db", ""), options.pop("replicas", "0")
    service = ""
    if topology == "unix":
        if not path.strip("/") or hosts:
            raise _fault("unix:///path/to/redis.sock", "no absolute path to a socket")
    elif topology == "sentinel":
        service, _, db = path.lstrip("/").partition("/")
        if not service:
            raise _fault(
                "redis+sentinel://host:26379/<name of the master>", "no name of the master"
            )
    else:
        db = path.strip("/") or db
    _check_options(options, topology, tls=tls)
    sentinel_username = options.pop("sentinel_username", "")
    sentinel_password = options.pop("sentinel_password", "")
    if not (len(replicas) == 1 and replicas in "0123456789"):
        raise _fault("replicas=<how many must know, 0 to 9>", "something else")
    if topology == "cluster" and db not in ("", "0"):
        raise _fault("database 0, the only one of a cluster", "another one")
    return RedisAddress(
        topology=topology,
        hosts=() if topology == "unix" else _hosts(hosts, _DEFAULT_PORTS[topology], topology),
        path=path if topology == "unix" else "",
        service=service,
        db=_database(db),
        username=unquote(user) or None,
        password=Secret(unquote(password)) if password else None,
        tls=tls,
        tls_options=options,
        sentinel_username=sentinel_username or None,
        sentinel_password=Secret(sentinel_password) if sentinel_password else None,
        replicas=int(replicas),
    )


def _check_options(options: Mapping[str, str], topology: Topology, *, tls: bool) -> None:
    known = (_SENTINEL_OPTIONS if topology == "sentinel" else frozenset()) | (
        _TLS_OPTIONS if tls else frozenset()
    )
    if unknown := sorted(set(options) - known):
        allowed = "no option but db and replicas"
        if known:
            allowed = "only db and " + ", ".join((*sorted(known), "replicas"))
        raise _fault(f"{allowed} after '?'", ", ".join(unknown))
    if options.get("sentinel_username") and not options.get("sentinel_password"):
        raise _fault("sentinel_password beside sentinel_username", "none")
    if options.get("ssl_cert_reqs", "required") not in _CERT_REQS:
        expected = f"ssl_cert_reqs to be {', '.join(_CERT_REQS)} (which verifies nobody)"
        raise _fault(expected, "another value")


def check_tls_files(address: RedisAddress) -> None:
    """Raise ConfigError for files that no connection could use: it would fail for ever."""
    context = ssl.create_default_context()
    certificate, key = (address.tls_options.get(name) for name in ("ssl_certfile", "ssl_keyfile"))
    try:
        if (ca_certs := address.tls_options.get("ssl_ca_certs")) is not None:
            name, found = "ssl_ca_certs", ca_certs
            context.load_verify_locations(cafile=ca_certs)
        if key is not None and certificate is None:
            raise _fault("ssl_certfile beside ssl_keyfile", "none")
        if certificate is not None:
            name, found = "ssl_certfile", certificate
            if key is not None:
                name, found = "ssl_certfile and ssl_keyfile", f"{certificate} and {key}"
            # A password is only asked for where the key has one; an empty one asks nobody.
            context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError):  # a NUL in a path is a ValueError
        raise _fault(f"PEM that can be used at {name}", found or "nothing") from None
    except OSError as error:
        raise _fault(f"readable files at {name}", f"{found}: {error.strerror}") from None


def _hosts(listed: str, default_port: int, topology: Topology) -> tuple[tuple[str, int], ...]:
    names = listed.split(",")
    if topology == "single" and len(names) > 1:
        raise _fault("one host (several: redis+sentinel:// or redis+cluster://)", "several")
    return tuple(_host(name, default_port) for name in names)


def _host(text: str, default_port: int) -> tuple[str, int]:
    """`host`, `host:port`, `[::1]` or `[::1]:port`."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif ":" in text:
        host, _, port = text.partition(":")
    if not host:
        raise _fault("a host, as in redis://127.0.0.1:6379/0", "none")
    if not port:
        return host, default_port
    # The text after a colon may be a password whose '@' was forgotten: it is not repeated.
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise _fault(
            "a port from 1 to 65535 after the host's ':' (a user and password before '@' are "
            "%-encoded, or stand in signaller.redis)",
            "something else",
        )
    return host, int(port)


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise _fault("a database number, as in redis://127.0.0.1:6379/0", "something else")
    return int(text)


def _fault(expected: str, found: str) -> ConfigError:
    return ConfigError([f"signaller.redis_url: expected {expected}, found {found}"])
