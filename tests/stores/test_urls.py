"""Which Redis URLs are understood, and that a fault never shows the password."""

import pytest

from signaller.errors import ConfigError
from signaller.secret import Secret
from signaller.stores.urls import RedisAddress, parse_redis_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", RedisAddress(topology="single", hosts=(("h", 6379),))),
        ("redis://h:1/2", RedisAddress(topology="single", hosts=(("h", 1),), db=2)),
        ("redis://h?db=2", RedisAddress(topology="single", hosts=(("h", 6379),), db=2)),
        ("redis://[::1]:7/0", RedisAddress(topology="single", hosts=(("::1", 7),))),
        ("redis://[::1]", RedisAddress(topology="single", hosts=(("::1", 6379),))),
        (
            "redis://u:p%40ss@h",
            RedisAddress(
                topology="single", hosts=(("h", 6379),), username="u", password=Secret("p@ss")
            ),
        ),
        (
            "redis://:p@h",
            RedisAddress(topology="single", hosts=(("h", 6379),), password=Secret("p")),
        ),
        (
            "rediss://h?ssl_ca_certs=/ca.pem",
            RedisAddress(
                topology="single",
                hosts=(("h", 6379),),
                tls=True,
                tls_options={"ssl_ca_certs": "/ca.pem"},
            ),
        ),
        ("unix:///run/r.sock", RedisAddress(topology="unix", path="/run/r.sock")),
        (
            "unix://:p@/run/r.sock?db=1",
            RedisAddress(topology="unix", path="/run/r.sock", db=1, password=Secret("p")),
        ),
        (
            "redis+sentinel://u:p@a,b:2/voice/3",
            RedisAddress(
                topology="sentinel",
                hosts=(("a", 26379), ("b", 2)),
                service="voice",
                db=3,
                username="u",
                password=Secret("p"),
            ),
        ),
        (
            "redis+cluster://a:1,b",
            RedisAddress(topology="cluster", hosts=(("a", 1), ("b", 6379))),
        ),
        (
            "rediss+cluster://a",
            RedisAddress(topology="cluster", hosts=(("a", 6379),), tls=True),
        ),
    ],
)
def test_a_url_is_understood(url: str, address: RedisAddress) -> None:
    """Every form in the documentation."""
    assert parse_redis_url(Secret(url)) == address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "redis://"),
        ("hunter2", "redis://"),
        ("http://:hunter2@h", "redis://"),
        ("redis://:hunter2@", "a host"),
        ("redis://:hunter2@:6379", "a host"),
        ("redis://u:hunter2", "a port"),
        ("redis://:hunter2@h:0", "a port"),
        ("redis://user:hunter2#ss@h:6379/0", "before '@' are %-encoded, or stand in signaller."),
        ("redis://:hunter2@h:65536", "a port"),
        ("redis://:hunter2@h:" + "9" * 5000, "a port"),
        ("redis://:hunter2@h/x", "a database number"),
        ("redis://:hunter2@h/1/2", "a database number"),
        ("redis://:hunter2@a,b", "one host"),
        ("redis://:hunter2@[::1", "a URL"),
        ("redis://:hunter2@h?socket_timeout=9", "no option but db"),
        ("redis://:hunter2@h?ssl_ca_certs=x", "no option but db"),
        ("rediss://:hunter2@h?x=1", "only db and ssl_"),
        ("unix://:hunter2@", "unix:///"),
        ("redis+sentinel://:hunter2@h", "name of the master"),
        ("redis+sentinel://:hunter2@h/voice/x", "a database number"),
        ("redis+cluster://:hunter2@h/1", "database 0"),
    ],
)
def test_a_wrong_url_says_what_was_expected(url: str, expected: str) -> None:
    """One fault, named by its path, with what was expected, without the password."""
    with pytest.raises(ConfigError) as refused:
        parse_redis_url(Secret(url))
    (fault,) = refused.value.faults
    assert fault.startswith("signaller.redis_url: expected ")
    assert expected in fault
    assert "hunter2" not in fault


def test_an_address_does_not_show_its_password() -> None:
    """repr masks it."""
    assert "hunter2" not in repr(parse_redis_url(Secret("redis://:hunter2@h")))
