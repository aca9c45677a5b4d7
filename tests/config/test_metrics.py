"""Who may read the metrics, and where."""

import pytest

from signaller.config import load_settings
from signaller.secret import Secret
from signaller.settings import MetricsSettings
from tests.config.reading import ENV, faults, service_file

KEY = "metrics-key-canary"
HOST = "an address or a host's name"
ELSEWHERE = "expected a key that stands nowhere else, found"


def metrics(section: str) -> MetricsSettings:
    """The settings of a section."""
    env = {**ENV, "METRICS_KEY": KEY}
    return load_settings(service_file(f"{{metrics: {section}}}"), env).metrics


@pytest.mark.parametrize("host", ["127.0.0.1", "::", "::1", "fe80::1%eth0", "metrics.internal"])
def test_every_key_arrives(host: str) -> None:
    """A key from the environment, a port, and an address of any kind."""
    assert metrics(f"{{key: os.environ/METRICS_KEY, port: 65535, host: '{host}'}}") == (
        MetricsSettings(key=Secret(KEY), port=65_535, host=host)
    )


def test_the_port_is_on_this_machine_unless_told_otherwise() -> None:
    """It asks for no key."""
    assert metrics("{port: 1}") == MetricsSettings(port=1, host="127.0.0.1")
    assert metrics("{}") == MetricsSettings()


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param("[]", ": expected a mapping, found a list", id="list"),
        pytest.param(
            "{port: 0}", ".port: expected a whole number from 1 to 65535, found 0", id="port-low"
        ),
        pytest.param(
            "{port: 65536}",
            ".port: expected a whole number from 1 to 65535, found 65536",
            id="port-high",
        ),
        pytest.param(
            "{host: 127.0.0.1}",
            ".port: expected the port to listen at, as there is a host, found nothing",
            id="host-alone",
        ),
        pytest.param(
            "{port: 9464, host: 'http://h'}", f".host: expected {HOST}, found 'http://h'", id="url"
        ),
        pytest.param(
            "{port: 9464, host: 'a b'}", f".host: expected {HOST}, found 'a b'", id="host-space"
        ),
        pytest.param(
            "{key: 'can ary'}",
            ".key: expected ASCII without spaces or line breaks, found others among 7 characters",
            id="key-space",
        ),
        pytest.param(
            f"{{key: 'sha256:{'0' * 64}'}}",
            ".key: expected the key itself, found what looks like a digest (sha256:...)",
            id="digest",
        ),
        pytest.param(
            "{key: sk-1234}",
            ".key: expected a key of your own that nobody guesses, "
            "found the publicly known sk-1234",
            id="public",
        ),
        pytest.param(
            f"{{key: {ENV['SIGNALLER_MASTER_KEY']}}}",
            f".key: {ELSEWHERE} the master key again",
            id="master",
        ),
        pytest.param(
            "{kye: canary}",
            ".kye: expected one of host, key, port, found another key",
            id="unknown",
        ),
    ],
)
def test_a_fault_in_metrics(section: str, expected: str) -> None:
    """Each is named by its path, and no key is shown."""
    assert faults(service_file(f"{{metrics: {section}}}")) == (f"signaller.metrics{expected}",)


def test_a_callers_key_does_not_open_the_metrics() -> None:
    """A scraper's configuration would hold what mints tokens."""
    assert faults(
        service_file(f"{{callers: [{{name: web, keys: [{KEY}]}}], metrics: {{key: {KEY}}}}}")
    ) == (f"signaller.metrics.key: {ELSEWHERE} the key at signaller.callers[0].keys[0] again",)
