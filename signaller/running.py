"""One process of the service under uvicorn: the only one, or one of several workers."""

import contextlib
import gc
import math
import socket
import sys
from collections.abc import Callable, Iterator, Sequence

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from signaller.app import create_app
from signaller.draining import DrainingServer
from signaller.errors import ConfigError
from signaller.handover import Handover
from signaller.heads import BoundedHttp
from signaller.listening import BACKLOG
from signaller.logs import LogFormat, configure
from signaller.metrics import serve, take_slot
from signaller.metrics.exposition import Exposition
from signaller.reloading import pinned
from signaller.settings import MetricsSettings, Settings
from signaller.signals import end_with_parent, let_hangup_through
from signaller.source import Source
from signaller.web.handlers import InForce

KEEP_ALIVE_SECONDS = 75  # longer than nginx's and Envoy's 60: the gateway closes first
SHUTDOWN_MARGIN_SECONDS = 5
# uvicorn's 5 are less than a worker's imports take on a busy machine: it would be killed, and the
# next one, for as long as the machine is busy.
WORKER_ANSWER_SECONDS = 30


class ServiceConfig(uvicorn.Config):
    """uvicorn's, and how a process makes the application; it travels to workers by pickle."""

    def __init__(
        self, source: Source, settings: Settings, *, log_level: str, log_format: LogFormat
    ) -> None:
        self.source = source
        self.handover: Handover | None = None
        """Where a worker reads, other than a process that is alone."""
        self._log_level, self._log_format = log_level, log_format
        self._settings: Settings | None = settings
        super().__init__(
            "",  # `load_app` makes it
            workers=source.workers,
            http=BoundedHttp,
            ws="websockets-sansio",
            # A handshake with extensions it cannot read it would answer by itself.
            ws_per_message_deflate=False,
            lifespan="on",
            backlog=BACKLOG,
            # Who opened the connection must stay visible: a header is believed from few.
            proxy_headers=False,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=shutdown_seconds(settings),
            timeout_worker_healthcheck=WORKER_ANSWER_SECONDS,
        )

    def __getstate__(self) -> dict[str, object]:
        # Secrets do not travel: a worker reads for itself.
        return self.__dict__ | {"_settings": None}

    def configure_logging(self) -> None:
        """As uvicorn does, once in each process."""
        configure(self._log_level, self._log_format)
        super().configure_logging()

    def load_app(self) -> Starlette:
        """The application, which reads its source again at every SIGHUP."""
        end_with_parent()
        settings = self._settings or self._read_as_worker()
        app = let_hangup_through(create_app(settings, reload=self.read_again))
        # What is there by now stays until the end: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
        return app

    def _read_as_worker(self) -> Settings:
        if self.handover is None:
            raise RuntimeError("a worker without a parent's configuration")
        take_slot()
        # One that is started late must agree with its siblings about what needs a restart.
        first, current = self.handover.first.get(), self.handover.read()
        settings = self.source.understood(first)
        if current != first:  # thousands of callers take seconds to read
            settings = pinned(settings, self.source.understood(current))
        self.allow_for(settings)
        return settings

    def read_again(self) -> Settings:
        """The configuration as it is now. Raises ConfigError."""
        if self.handover is None:
            settings = self.source.read(again=True)
        else:
            self.handover.check_refusal()
            settings = self.source.understood(self.handover.read())
        self.allow_for(settings)
        return settings

    def allow_for(self, settings: Settings) -> None:
        """Shut down later than these settings' slowest call, and than any that runs already."""
        self.timeout_graceful_shutdown = max(
            self.timeout_graceful_shutdown or 0, shutdown_seconds(settings)
        )


def run_alone(
    config: ServiceConfig, listeners: Sequence[socket.socket], metrics: MetricsSettings
) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigError if metrics have no port to be read at."""
    server = DrainingServer(config, listeners)

    def exposition() -> Exposition:
        if not server.started:
            return "text/plain", b""  # nothing has happened yet
        in_force: InForce = server.lifespan.state["in_force"]
        return in_force.service.exposition()

    with metrics_port(metrics, exposition), contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=list(listeners))
    if not server.started:
        sys.exit(STARTUP_FAILURE)


@contextlib.contextmanager
def metrics_port(settings: MetricsSettings, exposition: Callable[[], Exposition]) -> Iterator[None]:
    """The listener for metrics, if one is configured. Raises ConfigError."""
    if settings.port is None:
        yield
        return
    try:
        listener = serve(settings.host, settings.port, exposition)
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        raise ConfigError(
            [f"signaller.metrics.port: expected a free port, found {place}: {error.strerror}"]
        ) from error
    with listener:
        yield


def shutdown_seconds(settings: Settings) -> int:
    """How long calls in flight may take to finish: none takes longer than its time-outs."""
    timeouts = settings.timeouts
    slowest = [deployment.timeout_seconds or 0 for deployment in settings.deployments]
    provider = max(timeouts.mint_seconds, timeouts.call_seconds, *slowest)
    # Redeem, answer, remember; and if the client has gone meanwhile, hang up and remember that.
    return math.ceil(2 * provider + 3 * timeouts.store_seconds) + SHUTDOWN_MARGIN_SECONDS
