"""The port of metrics: one for the whole service, however many processes it has."""

import asyncio
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.cli.client import client
from tests.cli.test_serving import NOWHERE, shared
from tests.support.process import config, run, served
from tests.support.provider import FakeProvider
from tests.support.redis import free_port
from tests.support.serving import serving


def faulty(path: Path) -> None:
    """Write a configuration that nothing can be served with."""
    path.write_text("model_list: 7")


def with_port(redis_url: str, port: int) -> str:
    """A configuration for several workers with a port for metrics."""
    return shared(redis_url).removesuffix("}") + f", metrics: {{port: {port}}}}}"


@pytest.mark.parametrize("workers", [1, 2])
async def test_it_counts_what_all_processes_did(
    tmp_path: Path, redis_url: str, workers: int
) -> None:
    """Whoever answered: each mint is there once."""
    provider, port = FakeProvider(), free_port()
    async with serving(provider.app) as provider_url:
        path = config(tmp_path, provider_url, with_port(redis_url, port))
        with served("--config", path, "--workers", str(workers)) as process:
            await asyncio.to_thread(process.ready, workers)
            async with client(process) as page, httpx.AsyncClient(timeout=30) as prometheus:
                for _ in range(20):
                    assert (await page.mint()).status_code == 200
                scraped = await prometheus.get(f"http://127.0.0.1:{port}/metrics")
    assert scraped.status_code == 200
    counted = [
        float(line.rpartition(" ")[2])
        for line in scraped.text.splitlines()
        if line.startswith("signaller_mints_total{")
    ]
    assert sum(counted) == 20


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_refused_reload_is_counted_once(
    tmp_path: Path, redis_url: str, workers: int
) -> None:
    """So that an alert can tell, however many processes keep the old configuration."""
    port = free_port()
    path = Path(config(tmp_path, NOWHERE, with_port(redis_url, port)))
    with served("--config", str(path), "--workers", str(workers)) as process:
        await asyncio.to_thread(process.ready, workers)
        faulty(path)
        process.send(signal.SIGHUP)
        await asyncio.to_thread(process.logged, "reload", outcome="refused")
        async with httpx.AsyncClient(timeout=30) as prometheus:
            scraped = await prometheus.get(f"http://127.0.0.1:{port}/metrics")
    assert 'signaller_reloads_total{outcome="failed"} 1.0' in scraped.text.splitlines()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_port_in_use_is_said(tmp_path: Path, redis_url: str, workers: int) -> None:
    """Exit status 2 and the place in the file."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = config(tmp_path, NOWHERE, with_port(redis_url, port))
        arguments = ("--config", path, "--port", "0", "--workers", str(workers))
        done = await asyncio.to_thread(run, *arguments)
    assert done.returncode == 2
    assert f"signaller.metrics.port: expected a free port, found 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
