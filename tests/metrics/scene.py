"""A service's metrics before a real Prometheus, and what may happen to it."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import signaller
from signaller.errors import (
    ConfigError,
    InvalidApiKey,
    StoreUnavailable,
    SupervisionUnavailable,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
)
from signaller.metrics import Metrics, serve
from tests.metrics.doubles import (
    REQUEST,
    TRACE,
    FakeStore,
    FakeUpstream,
    deployment,
    naming_everybody,
)
from tests.metrics.text import samples, series
from tests.support.calls import facts
from tests.support.prometheus import Prometheus, Target, prometheus_server

FILES = Path(signaller.__file__).parent / "monitoring"
RULES = FILES / "alerts.yml"
WEB = {"caller": "web", "deployment": "d1"}
CALL = facts(caller="web", model="voice", deployment_id="d1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A service's metrics, scraped by a Prometheus that has the alert rules."""

    metrics: Metrics
    prometheus: Prometheus
    spare: contextlib.ExitStack
    """A second replica, which may go down."""

    def ordinary(self) -> None:
        """A little of everything, and of what is no cause for an alarm."""
        for event in ("mint", "call", "hangup", "revoke", "reload"):
            self.metrics.observe(event, WEB, None)
        self.metrics.observe("mint", WEB | {"caller": 'o"d\\d\n\ud800'}, None)
        self.refuse(1)
        self.talk()
        self.metrics.rests("d1", time.time() - 600)
        self.ask_the_store(None)
        self.ask("d1", None)
        for _ in range(20):
            self.ask("d1", UpstreamRefused(status=400, type=None, code=None))

    def talk(self) -> None:
        """A watched call that ends, beside one that goes on; a frame and some seconds are lost."""
        self.metrics.live_calls({("web", "voice"): 1})
        self.metrics.watches({"watched": 1})
        self.metrics.frame_unread(CALL, "response.done")
        self.metrics.watch_missed(CALL)
        self.end(answered=True)

    def end(self, *, answered: bool) -> None:
        """End a call; or forget one of which nobody knows whether it began."""
        ended = {"model": "voice", "answered": answered, "ended_by": "client", "seconds": 30}
        if answered:
            ended["billed"] = {"tokens": {"output_audio": 100}, "usd": "0.01"}
        self.metrics.observe("call_ended", WEB | ended, None)

    def ordinary_twice(self) -> None:
        """The same again once Prometheus has seen the first: a rate needs two values."""
        for _ in range(2):
            self.ordinary()
            hangups = samples(self.metrics.exposition())[series("signaller_hangups_total")]
            self.prometheus.wait_for(f"signaller_hangups_total == {hangups}")

    def replay(self) -> None:
        """Use a token again."""
        self.metrics.observe("replay", WEB, None)

    def fail_to_reload(self) -> None:
        """Read a configuration with faults."""
        self.metrics.observe("reload", {}, ConfigError(["no model_list"]))

    def rest(self) -> None:
        """Let a deployment rest for as long as one that says nothing."""
        self.metrics.rests("d2", time.time() + 5)

    def refuse(self, times: int = 20) -> None:
        """Refuse somebody; more often than anybody does by mistake."""
        for _ in range(times):
            self.metrics.observe("mint", {}, InvalidApiKey())

    def time_out(self) -> None:
        """Have a provider fail."""
        self.ask("d2", UpstreamTimeout("slow"))

    def lose_the_store(self) -> None:
        """Have the store fail."""
        self.ask_the_store(StoreUnavailable("gone"))

    def lose_calls(self) -> None:
        """Ask for more calls in vain than may happen by accident."""
        for _ in range(4):
            self.end(answered=False)

    def listen_badly(self) -> None:
        """Let the watch miss something in many calls."""
        for _ in range(30):
            self.metrics.watch_missed(CALL)

    def run_out_of_credit(self) -> None:
        """Have a provider say so."""
        self.metrics.out_of_credit(CALL)

    def fail_to_hang_up(self) -> None:
        """Have a provider confirm no end."""
        upstream = FakeUpstream()
        upstream.error = UpstreamTimeout("slow")
        with contextlib.suppress(UpstreamError):
            metered = self.metrics.metered_upstream(upstream)
            asyncio.run(metered.hang_up(deployment("d3"), "theirs", TRACE))

    def refuse_unwatched(self) -> None:
        """Have a provider let nobody listen to a call that has to be watched."""
        self.metrics.observe("call", WEB, SupervisionUnavailable("no sideband"))

    def ask(self, id: str, error: UpstreamError | None) -> None:
        """Mint at a deployment."""
        upstream = FakeUpstream()
        upstream.error = error
        with contextlib.suppress(UpstreamError):
            asyncio.run(self.metrics.metered_upstream(upstream).mint(deployment(id), REQUEST))

    def ask_the_store(self, error: StoreUnavailable | None) -> None:
        """Take one step of the store."""
        store = FakeStore()
        store.error = error
        with contextlib.suppress(StoreUnavailable):
            asyncio.run(self.metrics.metered_store(store).ping())


PROVOCATIONS: dict[str, Callable[[Scene], None]] = {
    "SignallerDown": lambda scene: scene.spare.close(),
    "SignallerReplays": Scene.replay,
    "SignallerProviderErrors": Scene.time_out,
    "SignallerDeploymentResting": Scene.rest,
    "SignallerStoreErrors": Scene.lose_the_store,
    "SignallerRefusalsJump": Scene.refuse,
    "SignallerReloadFailed": Scene.fail_to_reload,
    "SignallerUnknownCalls": Scene.lose_calls,
    "SignallerWatchGaps": Scene.listen_badly,
    "SignallerInsufficientQuota": Scene.run_out_of_credit,
    "SignallerEndsNotConfirmed": Scene.fail_to_hang_up,
    "SignallerSupervisionUnavailable": Scene.refuse_unwatched,
}
ONCE = {
    *("SignallerDown", "SignallerReplays"),
    *("SignallerUnknownCalls", "SignallerWatchGaps", "SignallerInsufficientQuota"),
}
REPEATED = PROVOCATIONS.keys() - ONCE
"""What is down is down; and the first count of some must do."""


@contextlib.contextmanager
def guarded(metrics: Metrics) -> Iterator[Target]:
    """A target that answers to one token only."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content_type, body = metrics.exposition()
            self.send_response(200 if self.headers["authorization"] == "Bearer canary" else 401)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/metrics"
            yield Target(url=url, token="canary", job="guarded")
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def staged() -> Iterator[Scene]:
    """A Prometheus that has seen some ordinary traffic."""
    metrics, other = naming_everybody(), naming_everybody()
    metrics.name_deployments(["d1"])
    with contextlib.ExitStack() as spare:
        spare_port = spare.enter_context(serve("127.0.0.1", 0, other.collect))
        with (
            serve("127.0.0.1", 0, metrics.collect) as port,
            guarded(other) as asking,
            prometheus_server(
                Target(url=f"http://127.0.0.1:{port}/metrics"),
                Target(url=f"http://127.0.0.1:{spare_port}/metrics"),
                asking,
                rules=[RULES],
            ) as prometheus,
        ):
            scene = Scene(metrics=metrics, prometheus=prometheus, spare=spare)
            scene.ordinary_twice()
            yield scene
