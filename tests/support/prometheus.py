"""A Prometheus of the tests' own, on a free port, that looks several times a second.

Its methods block: with a service on the test's own event loop, await them in a thread.
"""

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support.redis import free_port

INTERVAL = "200ms"
PATIENCE_SECONDS = 60
"""For what takes one or two intervals; the first scrape comes after 5 s, whatever is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is scraped: a URL with its path, and what it wants as a bearer token."""

    url: str
    token: str | None = None
    job: str = "signaller"
    """The label; several may share it."""

    def scrape_config(self, name: str) -> dict[str, object]:
        """One entry of `scrape_configs`, each of which needs a name of its own."""
        url = urlsplit(self.url)
        config: dict[str, object] = {
            "job_name": name,
            "scheme": url.scheme,
            "metrics_path": url.path,
            "static_configs": [{"targets": [url.netloc], "labels": {"job": self.job}}],
        }
        if self.token is not None:
            config["authorization"] = {"credentials": self.token}
        return config


class Prometheus:
    """The HTTP API of a running Prometheus."""

    def __init__(self, url: str, alive: Callable[[], None]) -> None:
        self._client = httpx.Client(
            base_url=f"{url}/api/v1", timeout=PATIENCE_SECONDS, trust_env=False
        )
        self._alive = alive

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector of an expression, labels under `metric`; ValueError if it has none."""
        response = self._client.get("/query", params={"query": expression})
        body = response.json()
        if body["status"] != "success" or body["data"]["resultType"] != "vector":
            raise ValueError(f"{expression}: {body}")
        vector: list[dict[str, Any]] = body["data"]["result"]
        return vector

    def rule(self, name: str) -> dict[str, Any]:
        """A rule as it stands: `state`, `health`, `lastError`, `alerts`."""
        groups = self._client.get("/rules").json()["data"]["groups"]
        (rule,) = [rule for group in groups for rule in group["rules"] if rule["name"] == name]
        found: dict[str, Any] = rule
        return found

    def wait_until(
        self, holds: Callable[[], object], *, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Return once something holds, acting before each look at it; else TimeoutError."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._alive()
            meanwhile()
            if holds():
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"it never came true in {PATIENCE_SECONDS} s")
            time.sleep(0.05)  # Prometheus sends no notice

    def wait_for(
        self, expression: str, *, meanwhile: Callable[[], object] = lambda: None
    ) -> list[dict[str, Any]]:
        """The result of an expression, once it has one."""
        self.wait_until(lambda: self.query(expression), meanwhile=meanwhile)
        return self.query(expression)

    def scrapes(self) -> None:
        """Return once every target has been scraped, whether it answered or not."""
        self.wait_until(self._all_scraped)

    def is_ready(self) -> bool:
        """It answers queries."""
        with contextlib.suppress(httpx.TransportError):
            return self._client.get("/status/runtimeinfo").is_success
        return False

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _all_scraped(self) -> bool:
        targets = self._client.get("/targets").json()["data"]["activeTargets"]
        return bool(targets) and all(target["health"] != "unknown" for target in targets)


@contextlib.contextmanager
def prometheus_server(*targets: Target, rules: Sequence[Path] = ()) -> Iterator[Prometheus]:
    """A running Prometheus that scrapes `targets` and evaluates `rules`; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="prometheus-") as folder:
        home = Path(folder)
        (home / "prometheus.yml").write_text(json.dumps(_configuration(targets, rules)))
        port = free_port()
        with (home / "log").open("w") as log:
            process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
                [
                    binary("prometheus"),
                    f"--config.file={home / 'prometheus.yml'}",
                    f"--storage.tsdb.path={home / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

        def alive() -> None:
            if process.poll() is not None:
                raise RuntimeError(f"prometheus has ended: {(home / 'log').read_text()}")

        prometheus = Prometheus(f"http://127.0.0.1:{port}", alive)
        try:
            prometheus.wait_until(prometheus.is_ready)
            yield prometheus
        finally:
            prometheus.close()
            process.terminate()
            process.wait(20)


def binary(name: str) -> str:
    """The path of a program of Debian's package `prometheus`."""
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(
            f"{name} is not installed: run 'make test', or 'apt-get install prometheus'"
        )
    return path


def _configuration(targets: Sequence[Target], rules: Sequence[Path]) -> dict[str, object]:
    # JSON is YAML.
    return {
        "global": {
            "scrape_interval": INTERVAL,
            "scrape_timeout": INTERVAL,
            "evaluation_interval": INTERVAL,
        },
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [
            target.scrape_config(str(number)) for number, target in enumerate(targets)
        ],
    }
