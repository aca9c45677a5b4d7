"""uvicorn as this service runs it: in one process, in several, or within a larger program."""

import asyncio
import contextlib
import gc
import math
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from signaller.app import create_app
from signaller.errors import ConfigError
from signaller.logs import LogFormat, configure
from signaller.metrics import Collect, Collected, of_workers, serve, take_slot
from signaller.server.config_file import ConfigFile
from signaller.server.draining import DrainingServer, end_if_told, tell_leaving
from signaller.server.http1 import BoundedHttp
from signaller.server.reload import WiredOnce, reloading
from signaller.server.sockets import BACKLOG
from signaller.server.workers import counts_directory, end_with_parent, read_as_worker, run_workers
from signaller.settings import MetricsSettings, Settings
from signaller.web.state import InForce

KEEP_ALIVE_SECONDS = 75  # longer than nginx's and Envoy's 60: the gateway closes first
SHUTDOWN_MARGIN_SECONDS = 5
# uvicorn's 5 are less than a worker's imports take on a busy machine: it would be killed, and the
# next one, for as long as the machine is busy.
WORKER_ANSWER_SECONDS = 30


class ServerConfig(uvicorn.Config):
    """uvicorn's, as every server of this project has it."""

    def __init__(self, app: ASGIApp | str, **more: Any) -> None:
        super().__init__(
            app,
            http=BoundedHttp,
            ws="websockets-sansio",
            # With it, `websockets` itself answers a handshake whose extensions it cannot parse.
            ws_per_message_deflate=False,
            lifespan="on",
            # Who opened the connection must stay visible: a header is believed from few.
            proxy_headers=False,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            **more,
        )


class ServiceConfig(ServerConfig):
    """How a process makes the application; it travels to workers by pickle."""

    def __init__(
        self, file: ConfigFile, settings: Settings, *, log_level: str, log_format: LogFormat
    ) -> None:
        self.file = file
        self._log_level, self._log_format = log_level, log_format
        self._settings: Settings | None = settings
        self._wired = WiredOnce.of(settings)
        super().__init__(
            "",  # `load_app` makes it
            workers=file.workers,
            backlog=BACKLOG,
            timeout_graceful_shutdown=shutdown_seconds(settings),
            timeout_worker_healthcheck=WORKER_ANSWER_SECONDS,
        )

    def __getstate__(self) -> dict[str, object]:
        # A worker reads the file for itself.
        return self.__dict__ | {"_settings": None}

    def configure_logging(self) -> None:
        """As uvicorn does, once in each process."""
        configure(self._log_level, self._log_format)
        super().configure_logging()

    def load_app(self) -> Starlette:
        """The application, which reads its file again at every SIGHUP."""
        end_with_parent()
        app = reloading(create_app(self._settings or self._read_as_worker()), self._read_again)
        # What is there by now stays until the end. A full collection that looked at all of it would
        # hold up requests for some 30 ms, again and again.
        gc.collect()
        gc.freeze()
        return app

    def _read_as_worker(self) -> Settings:
        # One that is started late must agree with the others about what needs a restart.
        settings = self._wired.kept_in(read_as_worker(self.file))
        take_slot()
        self._allow_for(settings)
        return settings

    def _read_again(self) -> Settings:
        settings = self.file.read(again=True)
        self._allow_for(settings)
        return settings

    def _allow_for(self, settings: Settings) -> None:
        """Shut down later than these settings' slowest call, and than any that runs already."""
        self.timeout_graceful_shutdown = max(
            self.timeout_graceful_shutdown or 0, shutdown_seconds(settings)
        )


class EmbeddedServer(uvicorn.Server):
    """One whose owner handles signals, awaits `ready`, and stops it by setting `should_exit`."""

    def __init__(self, app: ASGIApp, *, shutdown_seconds: int) -> None:
        super().__init__(ServerConfig(app, timeout_graceful_shutdown=shutdown_seconds))
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        for listener in sockets or ():
            # asyncio sets it only on sockets made with IPPROTO_TCP. Without it a response of two
            # writes waits 40 ms for the client's delayed acknowledgement.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await super().startup(sockets=sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down, after the application was told of it."""
        tell_leaving(self)
        await super().shutdown(sockets=sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to the owner."""
        yield


def run(
    config: ServiceConfig, listeners: Sequence[socket.socket], metrics: MetricsSettings
) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigError if metrics have no port to be read at."""
    end_if_told()
    if config.workers == 1:
        _run_alone(config, listeners, metrics)
        return
    with counts_directory(), _metrics_port(metrics, of_workers):
        run_workers(config, listeners, config.file)


def _run_alone(
    config: ServiceConfig, listeners: Sequence[socket.socket], metrics: MetricsSettings
) -> None:
    server = DrainingServer(config, listeners)

    def collect() -> Collected:
        if not server.started:
            return ()  # nothing has happened yet
        in_force: InForce = server.lifespan.state["in_force"]
        return in_force.service.collect()

    with _metrics_port(metrics, collect), contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=list(listeners))
    if not server.started:
        sys.exit(STARTUP_FAILURE)


@contextlib.contextmanager
def _metrics_port(settings: MetricsSettings, collect: Collect) -> Iterator[None]:
    if settings.port is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(serve(settings.host, settings.port, collect))
        except OSError as error:
            place = f"{settings.host}:{settings.port}"
            raise ConfigError(
                [f"signaller.metrics.port: expected a free port, found {place}: {error.strerror}"]
            ) from error
        yield


def shutdown_seconds(settings: Settings) -> int:
    """How long calls in flight may take to finish: none takes longer than its time-outs."""
    timeouts = settings.timeouts
    slowest = [deployment.timeout_seconds or 0 for deployment in settings.deployments]
    provider = max(timeouts.mint_seconds, timeouts.call_seconds, *slowest)
    # Redeem, answer, remember; and if the client has gone meanwhile, hang up and remember that.
    return math.ceil(2 * provider + 3 * timeouts.store_seconds) + SHUTDOWN_MARGIN_SECONDS
