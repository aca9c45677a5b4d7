"""Dashboard and alerts over what a real service has counted in two processes."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.cli.client import Client, client
from tests.cli.test_metrics_port import faulty
from tests.cli.test_serving import shared
from tests.metrics.scene import RULES
from tests.metrics.test_dashboard import PANELS
from tests.support.process import Running, config, served
from tests.support.prometheus import Prometheus, Target, prometheus_server
from tests.support.provider import FakeProvider
from tests.support.provider import error as provider_error
from tests.support.redis import free_port
from tests.support.service import bearer
from tests.support.serving import serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),  # the provider lives on that loop
    pytest.mark.timeout(400),  # two workers and a Prometheus, calls watched, beside other tests
]

KEY, MINTS, WORKERS = "sk-sgn-canary-web-0123456789", 8, 2
KIOSK, GUARD = "sk-sgn-canary-kiosk-0123456789", "sk-sgn-canary-guard-0123456789"
"""Keys of callers whose calls are watched, or must be."""
ROUNDS = 2
"""A series that appears with its first count has grown only with its second."""
STILL = {
    *("Resting deployments", "Store errors per second", "Unknown calls by caller"),
    "Tokens on warm secrets per second",
}
"""Panels that may show zeros: nothing is wrong now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A service with a past, and the Prometheus that saw it."""

    process: Running
    page: Client
    provider: FakeProvider
    prometheus: Prometheus

    async def seen(self, expression: str) -> list[dict[str, Any]]:
        """The result of an expression, once it has one."""
        return await asyncio.to_thread(self.prometheus.wait_for, expression)

    async def stands(self, alert: str, state: str) -> None:
        """Return once an alert is in this state."""
        await asyncio.to_thread(
            self.prometheus.wait_until, lambda: self.prometheus.rule(alert)["state"] == state
        )

    async def mint(self) -> httpx.Response:
        """Ask for a token as `web`."""
        return await self.page.mint(authorization=f"Bearer {KEY}")

    async def live(self) -> None:
        """An ordinary morning, with one token used twice and one call hung up."""
        for _ in range(MINTS):
            minted = await self.mint()
            assert minted.status_code == 200, minted.text
        token = minted.json()["value"]
        begun = await self.page.call(token)
        assert begun.status_code == 201
        assert (await self.page.call(token)).status_code == 401
        ended = await self.page.http.delete(begun.headers["location"], headers=bearer(KEY))
        assert ended.status_code == 200
        path = "/v1/realtime/client_secrets/revoke"
        revoked = await self.page.http.post(path, json={"token": token}, headers=bearer(KEY))
        assert revoked.status_code == 200

    async def began(self, key: str) -> tuple[str, str]:
        """A call of another caller: where it is, and the provider's id."""
        minted = await self.page.mint(authorization=f"Bearer {key}")
        before = set(self.provider.live_calls)
        begun = await self.page.call(minted.json()["value"])
        assert begun.status_code == 201, begun.text
        (theirs,) = self.provider.live_calls - before
        await self.provider.sidebands.attached(theirs)
        return begun.headers["location"], theirs

    async def talk(self, times: int) -> None:
        """A watched call to which all happens that can; it is the `times`th."""
        location, theirs = await self.began(KIOSK)
        bands = self.provider.sidebands
        bands.responds(theirs)
        bands.tells(theirs, {"type": "error", "error": {"code": "insufficient_quota"}})
        bands.tells(theirs, '{"type": "response.done", ')
        await self.seen(f"signaller_sideband_frames_unread_total == {times}")
        handshakes = len(bands.handshakes)
        bands.drops(theirs)
        await bands.dialled(handshakes + 1)
        await self.seen(f"signaller_watch_gaps_total == {times}")
        # The clock asks for it again, a second later.
        self.provider.hangup.answers(500, provider_error("down"), times=1)
        refused = await self.page.http.delete(location, headers=bearer(KIOSK))
        assert refused.status_code == 502
        await self.seen(f"sum(signaller_call_tokens_total{{kind='output_audio'}}) == {100 * times}")
        await self.seen(f"sum(signaller_calls_ended_total{{caller='kiosk'}}) == {times}")
        await self.seen("sum(signaller_calls_watched) == 0")

    async def go_unwatched(self, times: int) -> None:
        """A call that has to be watched, and is not."""
        self.provider.sidebands.refuses(503, times=2)
        minted = await self.page.mint(authorization=f"Bearer {GUARD}")
        assert (await self.page.call(minted.json()["value"])).status_code == 502
        await self.seen(f'signaller_refusals_total{{reason="supervision_unavailable"}} == {times}')

    async def suffer(self) -> None:
        """The provider fails once."""
        self.provider.mint.answers(500, provider_error("down"), times=1)
        assert (await self.mint()).status_code == 500


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Watched]:
    """Two workers and their metrics' port, scraped before anything happens and after all of it."""
    provider, port = FakeProvider(), free_port()
    ours = shared(redis_url).removesuffix("}")
    ours += f""", metrics: {{port: {port}}}, callers: [
        {{name: web, keys: [{KEY}]}},
        {{name: kiosk, keys: [{KIOSK}], supervision: best_effort}},
        {{name: guard, keys: [{GUARD}], supervision: required}},
        ]}}"""
    async with serving(provider.app) as provider_url:
        path = Path(config(tmp_path_factory.mktemp("watched"), provider_url, ours))
        with (
            served("--config", str(path), "--workers", str(WORKERS)) as process,
            prometheus_server(
                Target(url=f"http://127.0.0.1:{port}/metrics"), rules=[RULES]
            ) as prometheus,
        ):
            await asyncio.to_thread(process.ready, WORKERS)
            async with client(process) as page:
                scene = Watched(
                    process=process, page=page, provider=provider, prometheus=prometheus
                )
                # An increase is seen only by who has seen what was before it.
                await scene.seen("signaller_reloads_total == 0")
                for times in range(1, ROUNDS + 1):
                    await scene.live()
                    await scene.suffer()
                    await scene.seen(f"signaller_revocations_total == {times}")
                    await scene.seen(f'signaller_provider_errors_total{{step="mint"}} == {times}')
                    await scene.talk(times)
                    await scene.go_unwatched(times)
                await scene.began(KIOSK)  # and it goes on
                await scene.seen('signaller_calls_watched{state="watched"} == 1')
                await scene.seen('signaller_calls_live{caller="kiosk"} == 1')
                faulty(path)
                process.send(signal.SIGHUP)
                await asyncio.to_thread(process.logged, "reload", outcome="refused")
                await scene.seen('signaller_reloads_total{outcome="failed"} == 1')
                yield scene


@pytest.mark.parametrize(
    ("series", "each_round"),
    [
        ('mints_total{caller="web",deployment!=""}', MINTS),
        ('calls_total{caller="web",deployment!=""}', 1),
        ('calls_total{caller="kiosk",deployment!=""}', 1 + 1 / ROUNDS),
        ('replays_total{caller="web"}', 1),
        ('revocations_total{caller="web"}', 1),
        ("hangups_total", 1),
        ('refusals_total{step="call",reason="token_rejected"}', 1),
        ('refusals_total{step="call",reason="supervision_unavailable"}', 1),
        ('refusals_total{step="hangup",reason="hangup_unconfirmed"}', 1),
        ('calls_ended_total{caller="kiosk",reason="caller"}', 1),
        ('call_tokens_total{caller="kiosk",model="voice",kind="output_audio"}', 100),
        ('calls_unknown_total{caller="kiosk",model="voice"}', 0),
        ("watch_gaps_total", 1),
        ("insufficient_quota_total", 1),
        ('sideband_frames_unread_total{event="response.done"}', 1),
        ('refusals_total{step="mint",reason="upstream_unavailable"}', 1),
        ('provider_errors_total{step="mint",reason="upstream_unavailable"}', 1),
        ('provider_seconds_count{step="mint"}', MINTS + 3 + 1 / ROUNDS),
        ('provider_seconds_count{step="call"}', 3 + 1 / ROUNDS),
        ('store_seconds_count{step="redeem"}', 4 + 1 / ROUNDS),
        ('store_errors_total{step="redeem"}', 0),
        ('reloads_total{outcome="failed"}', 1 / ROUNDS),
        ('reloads_total{outcome="ok"}', 0),
    ],
)
async def test_two_workers_counted_what_was_done(
    watched: Watched, series: str, each_round: float
) -> None:
    """All of it, whoever of them did it, once."""
    (found,) = await watched.seen(f"signaller_{series}")
    assert float(found["value"][1]) == each_round * ROUNDS
    assert found["metric"]["job"] == "signaller"


@pytest.mark.parametrize(
    ("title", "expression"),
    [
        pytest.param(panel["title"], target["expr"], id=f"{panel['title']} {target['refId']}")
        for panel in PANELS
        for target in panel["targets"]
    ],
)
async def test_the_dashboard_shows_the_service(
    watched: Watched, title: str, expression: str
) -> None:
    """Every line has moved, and has each label that its sum is by."""
    # Longer than the tests of this file take.
    found = await watched.seen(expression.replace("$__rate_interval", "10m"))
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    labels = set(re.findall(r"\w+", " ".join(grouped))) - {"le"}
    for each in found:
        assert each["metric"].keys() == labels
        assert all(each["metric"].values())
    assert title in STILL or any(float(each["value"][1]) > 0 for each in found)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
async def test_every_series_of_a_panel_is_there(watched: Watched, panel: dict[str, Any]) -> None:
    """By its very name in what the service exposes."""
    names = set(re.findall(r"signaller_\w+", json.dumps(panel["targets"])))
    assert names
    for name in names:
        assert await watched.seen(f'{name}{{job="signaller"}}')


@pytest.mark.parametrize("name", ["SignallerReplays", "SignallerReloadFailed"])
async def test_an_alert_fires(watched: Watched, name: str) -> None:
    """At once: one replay, and one configuration that was refused, are enough."""
    await watched.stands(name, "firing")
    assert watched.prometheus.rule(name)["health"] == "ok"


async def test_the_alert_for_replays_sees_the_first_and_every_later_one(watched: Watched) -> None:
    """Its two halves: a series that has just begun, and one that has grown."""
    halves = re.split(r"\sor\s", watched.prometheus.rule("SignallerReplays")["query"])
    assert len(halves) == 2
    for half in halves:
        (found,) = await watched.seen(half)
        assert found["metric"] == {"caller": "web"}


async def test_the_alert_for_replays_names_the_caller(watched: Watched) -> None:
    """Whoever is woken knows whose tokens they are."""
    await watched.stands("SignallerReplays", "firing")
    (alert,) = watched.prometheus.rule("SignallerReplays")["alerts"]
    assert alert["labels"]["caller"] == "web"


async def test_a_provider_that_goes_on_failing_raises_an_alarm(watched: Watched) -> None:
    """Pending for the deployment that fails; it fires after the minutes that it asks for."""
    rules, over = ("SignallerProviderErrors", "SignallerDeploymentResting"), asyncio.Event()
    watched.provider.mint.answers(500, provider_error("down"))

    async def keep_minting() -> None:
        while not over.is_set():
            assert (await watched.mint()).status_code == 500

    async with asyncio.TaskGroup() as group:
        group.create_task(keep_minting())
        for name in rules:
            await watched.stands(name, "pending")
        over.set()
    for name in rules:
        (alert,) = watched.prometheus.rule(name)["alerts"]
        assert alert["labels"]["deployment"]
