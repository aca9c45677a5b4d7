"""Every fault under `signaller:` is one line: the path, what was expected, what was found."""

import pytest

from tests.config.reading import KEY, entry, faults, service_file

ORIGIN = "an origin such as https://app.example (no path, no trailing slash), or '*'"
SECONDS = "a number of seconds above 0, up to 600"
REDIS = (
    "a URL that starts with redis://, rediss:// or unix://, "
    "or with redis(s)+sentinel:// or redis(s)+cluster://"
)
TOKEN_KEY = "32 bytes in base64url, as 'signaller keygen' makes them"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param("[1]", ": expected a mapping, found a list", id="not-a-mapping"),
        pytest.param(
            "{token: {ttl_seconds: 1m}}",
            ".token.ttl_seconds: expected a whole number from 10 to 7200, found '1m'",
            id="ttl-text",
        ),
        pytest.param(
            "{token: {ttl_seconds: 9}}",
            ".token.ttl_seconds: expected a whole number from 10 to 7200, found 9",
            id="ttl-low",
        ),
        pytest.param(
            "{token: {uses: true}}",
            ".token.uses: expected a whole number from 1 to 100, found true",
            id="uses-bool",
        ),
        pytest.param(
            "{token: {lifetime: 9}}",
            ".token.lifetime: expected one of ttl_seconds, uses, found another key",
            id="token-key",
        ),
        pytest.param(
            "{token: {ttl: 5m}}",
            ".token.ttl: expected a known key (did you mean ttl_seconds?), found another",
            id="token-key-without-its-unit",
        ),
        pytest.param(
            "{timeouts: {mint_second: 9}}",
            ".timeouts.mint_second: expected a known key (did you mean mint_seconds?), "
            "found another",
            id="timeouts-key",
        ),
        pytest.param(
            "{timeouts: {mint_seconds: }}",
            f".timeouts.mint_seconds: expected {SECONDS}, found nothing",
            id="no-value",
        ),
        pytest.param(
            "{timeouts: {call_seconds: .inf}}",
            f".timeouts.call_seconds: expected {SECONDS}, found a number beyond all bounds",
            id="infinite",
        ),
        pytest.param(
            "{tokn_keys: []}",
            ".tokn_keys: expected a known key (did you mean token_keys?), found another",
            id="misspelt",
        ),
        pytest.param(
            f"{{redis_url: 'http://:canary@h', token_keys: [{KEY}]}}",
            f".redis_url: expected {REDIS}, found a string of 16 characters",
            id="redis-scheme",
        ),
        pytest.param(
            f"{{redis_url: 'redis://[canary', token_keys: [{KEY}]}}",
            f".redis_url: expected {REDIS}, found a string of 15 characters",
            id="redis-bracket",
        ),
        pytest.param(
            f"{{redis_url: 'redis://:canary@h', redis: {{password: canary}}, token_keys: [{KEY}]}}",
            ".redis.password: expected one here or in signaller.redis_url, found both",
            id="redis-two-passwords",
        ),
        pytest.param(
            f"{{redis_url: 'redis://me@h', redis: {{username: me, password: canary}}, "
            f"token_keys: [{KEY}]}}",
            ".redis.username: expected one here or in signaller.redis_url, found both",
            id="redis-two-users",
        ),
        pytest.param(
            f"{{redis_url: 'redis://h', redis: {{username: me}}, token_keys: [{KEY}]}}",
            ".redis.password: expected it beside username, found nothing",
            id="redis-user-alone",
        ),
        pytest.param(
            "{redis: {password: canary}}",
            ".redis_url: expected a Redis URL beside signaller.redis, found nothing",
            id="redis-password-alone",
        ),
        pytest.param(
            "{redis_url: redis://h}",
            ".token_keys: expected at least one key, as all replicas on one Redis must share "
            "them ('signaller keygen' makes one), found nothing",
            id="redis-without-keys",
        ),
        pytest.param(
            "{token_keys: canary-canary}",
            ".token_keys: expected a list of keys, found a string of 13 characters",
            id="keys-not-a-list",
        ),
        pytest.param(
            "{token_keys: []}",
            ".token_keys: expected a list of keys, at least 1, found an empty list",
            id="keys-empty",
        ),
        pytest.param(
            f"{{token_keys: [{KEY}, canary]}}",
            f".token_keys[1]: expected {TOKEN_KEY}, found a string of 6 characters",
            id="key-short",
        ),
        pytest.param(
            "{token_keys: [aaaaa]}",
            f".token_keys[0]: expected {TOKEN_KEY}, found a string of 5 characters",
            id="key-not-base64",
        ),
        pytest.param(
            f"{{token_keys: [{KEY}, '{KEY}=']}}",
            ".token_keys[1]: expected each key once, found one given before",
            id="key-twice",
        ),
        pytest.param(
            "{cors_origins: ['https://a/']}",
            f".cors_origins[0]: expected {ORIGIN}, found 'https://a/'",
            id="origin-slash",
        ),
        pytest.param(
            "{cors_origins: ['https://*.example']}",
            f".cors_origins[0]: expected {ORIGIN}, found 'https://*.example'",
            id="origin-pattern",
        ),
        pytest.param(
            "{cors_origins: ['https://a:99999']}",
            f".cors_origins[0]: expected {ORIGIN}, found 'https://a:99999'",
            id="origin-port",
        ),
        pytest.param(
            "{cors_origins: 'https://a'}",
            ".cors_origins: expected a list of origins, found a string of 9 characters",
            id="origins-not-a-list",
        ),
        pytest.param(
            "{public_url: voice.example}",
            ".public_url: expected an http(s) URL without user, password and query, "
            "found 'voice.example'",
            id="public-url",
        ),
        pytest.param(
            "{public_url: 'https://h/p?canary=1'}",
            ".public_url: expected an http(s) URL without user, password and query, "
            "found a string of 20 characters",
            id="public-url-query",
        ),
    ],
)
def test_a_fault_in_our_section(section: str, expected: str) -> None:
    """Each is named by its path, and no value that may be secret is shown."""
    assert faults(service_file(section)) == (f"signaller{expected}",)


def test_several_workers_need_redis() -> None:
    """Two processes with a memory store each would know half of the grants."""
    assert faults(entry(), workers=2) == (
        "signaller.redis_url: expected a Redis URL, as 2 workers must share one store, found none",
    )


def test_one_fault_hides_no_other() -> None:
    """Neither of the same caller, nor of another one, nor of the same section."""
    text = service_file(
        "{callers: [{name: 'a b', keys: [goodkey-12345678xx]}, {name: c, keys: [password]}, "
        "{name: c, keys: ['sha256:zz']}], metrics: {port: 99999999, host: 'a b', key: password}, "
        "egress: {proxy: 'https://x', ca_file: /nope, foo: 1}}"
    )
    places = {fault.partition(":")[0].removeprefix("signaller.") for fault in faults(text)}
    assert places == {
        *("callers[0].name", "callers[1].keys[0]", "callers[2].name", "callers[2].keys[0]"),
        *("metrics.port", "metrics.host", "metrics.key"),
        *("egress.proxy", "egress.ca_file", "egress.foo"),
    }


def test_half_of_a_surrogate_pair_is_no_key() -> None:
    """YAML can spell it, and UTF-8 cannot."""
    for section in ('"\\ud800": 1', 'token: {"\\ud800": 1}'):
        (fault,) = faults(service_file(f"{{{section}}}"))
        assert "expected names as keys" in fault
