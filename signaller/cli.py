"""The command line: serve, demo, check, keygen."""

import functools
import math
import os
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

import click
import uvicorn
from starlette.applications import Starlette

from signaller import __version__
from signaller.app import create_app, open_store
from signaller.config import describe, generate_token_key, load_settings
from signaller.errors import ConfigError
from signaller.logs import LogFormat, configure
from signaller.settings import Settings

PORT = 4000
KEEP_ALIVE_SECONDS = 75  # longer than nginx's and Envoy's 60: the gateway closes first
SHUTDOWN_MARGIN_SECONDS = 5
EXIT_CONFIG = 2

# Workers are separate processes: what they serve reaches them through the environment.
WORKER_CONFIG, WORKER_PUBLIC_KEY = "SIGNALLER_WORKER_CONFIG", "SIGNALLER_WORKER_PUBLIC_MASTER_KEY"
WORKER_LOG = "SIGNALLER_WORKER_LOG"

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="LiteLLM's config.yaml, ours under 'signaller:'. Without it OPENAI_API_KEY, or "
    "AZURE_API_KEY with AZURE_API_BASE, is enough.",
)
public_key_option = click.option(
    "--allow-public-master-key",
    is_flag=True,
    help="Accept 'sk-1234' as master key, which everybody knows from LiteLLM's documentation.",
)
log_level_option = click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Least severe lines to log.",
)
log_format_option = click.option(
    "--log-format",
    type=click.Choice(["json", "console"]),
    default=None,
    help="JSON for machines, console for people; by default console on a terminal.",
)
host_option = click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on."
)
port_option = click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any free."
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="signaller")
@config_option
@host_option
@port_option
@click.option("--uds", type=click.Path(), help="Listen on a Unix socket instead (sidecars).")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes; 2 or more need Redis.",
)
@log_level_option
@log_format_option
@public_key_option
@click.pass_context
def main(  # noqa: PLR0917 - click passes them by name
    context: click.Context,
    config_path: Path | None,
    host: str,
    port: int,
    uds: str | None,
    workers: int,
    log_level: str,
    log_format: LogFormat | None,
    allow_public_master_key: bool,
) -> None:
    """Hand out short-lived tokens for OpenAI's and Azure's realtime models, and relay SDP offers.

    Without a command it serves:

    \b
      signaller --config config.yaml
      OPENAI_API_KEY=sk-... SIGNALLER_MASTER_KEY=... signaller
    """
    if context.invoked_subcommand is not None:
        return
    form = log_format or _default_format()
    configure(log_level, form)
    settings = _settings(config_path, workers, allow_public_master_key)
    for note in settings.notes:
        click.echo(f"note: {note}", err=True)
    if uds is None and not _can_listen(host, port):
        _fail(f"--port: expected a free port, found {host}:{port} in use")
    run = functools.partial(
        uvicorn.run,
        host=host,
        port=port,
        uds=uds,
        # Whoever reaches the socket is the gateway; over TCP only 127.0.0.1 is believed.
        forwarded_allow_ips="*" if uds else None,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        # Calls in flight finish: none may take longer than its time-outs.
        timeout_graceful_shutdown=_shutdown_seconds(settings),
    )
    if workers == 1:
        run(create_app(settings))
        return
    os.environ[WORKER_CONFIG] = str(config_path or "")
    os.environ[WORKER_PUBLIC_KEY] = "1" if allow_public_master_key else ""
    os.environ[WORKER_LOG] = f"{log_level} {form}"
    run("signaller.cli:worker", factory=True, workers=workers)


def worker() -> Starlette:
    """The application of one of several worker processes."""
    level, _, form = os.environ[WORKER_LOG].partition(" ")
    configure(level, "json" if form == "json" else "console")
    path = os.environ[WORKER_CONFIG]
    public = bool(os.environ[WORKER_PUBLIC_KEY])
    # The master process has refused 2 or more workers without Redis already.
    return create_app(_settings(Path(path) if path else None, 1, public))


@main.command()
@config_option
@public_key_option
def check(config_path: Path | None, allow_public_master_key: bool) -> None:
    """Validate a configuration and say what was understood, secrets masked."""
    click.echo(describe(_settings(config_path, 1, allow_public_master_key)))


@main.command()
def keygen() -> None:
    """Print a new token key for signaller.token_keys (32 random bytes, base64url)."""
    click.echo(generate_token_key())


@main.command()
@host_option
@port_option
@click.option("--redis-url", default=None, help="Keep grants and calls in Redis instead of memory.")
@log_level_option
@log_format_option
def demo(
    host: str, port: int, redis_url: str | None, log_level: str, log_format: LogFormat | None
) -> None:
    """Run the service with a provider on this machine: no key, no network, real WebRTC."""
    try:
        from signaller.demo import run_demo  # noqa: PLC0415 - aiortc comes with an extra
    except ModuleNotFoundError as missing:
        _fail(
            f"the demo needs its extra ({missing.name} is missing): pip install 'signaller[demo]'"
        )
    configure(log_level, log_format or _default_format())
    if not _can_listen(host, port):
        _fail(f"--port: expected a free port, found {host}:{port} in use; try --port 0")
    run_demo(host, port, redis_url=redis_url)


def _settings(path: Path | None, workers: int, allow_public_master_key: bool) -> Settings:
    try:
        text = None if path is None else path.read_text("utf-8")
        settings = load_settings(
            text, os.environ, workers=workers, allow_public_master_key=allow_public_master_key
        )
        open_store(settings, time.time)  # connects to nothing yet; a bad URL is said now
    except ConfigError as error:
        _fail(*error.faults)
    except UnicodeDecodeError:
        _fail(f"--config: expected a YAML file in UTF-8, found other bytes in {path}")
    except OSError as error:
        _fail(f"--config: expected a readable file, found {path}: {error.strerror}")
    return settings


def _fail(*faults: str) -> NoReturn:
    for fault in faults:
        click.echo(f"signaller: {fault}", err=True)
    sys.exit(EXIT_CONFIG)


def _shutdown_seconds(settings: Settings) -> int:
    timeouts = settings.timeouts
    slowest = [deployment.timeout_seconds or 0 for deployment in settings.deployments]
    provider = max(timeouts.mint_seconds, timeouts.call_seconds, *slowest)
    # Redeem, answer, remember; and if the client has gone meanwhile, hang up and remember that.
    return math.ceil(2 * provider + 3 * timeouts.store_seconds) + SHUTDOWN_MARGIN_SECONDS


def _can_listen(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _default_format() -> LogFormat:
    return "console" if sys.stderr.isatty() else "json"
