"""The command line: serve, calls, demo, init, check, schema, keygen, offer."""

import contextlib
import logging
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from signaller import __version__
from signaller.calls_command import calls
from signaller.config import (
    describe,
    generate_caller_key,
    generate_token_key,
    initial_configuration,
    json_schema,
    what_is_missing,
)
from signaller.config.faults import shown
from signaller.errors import ConfigError
from signaller.logs import LogFormat, configure
from signaller.server.config_file import ConfigFile
from signaller.server.draining import ending_by_sigterm
from signaller.server.reload import hold_sighup, release_sighup
from signaller.server.run import ServiceConfig, run
from signaller.server.sockets import describe_listener, tcp_listeners, unix_listener

log = logging.getLogger("signaller")

PORT = 4000
EXIT_CONFIG = 2

Binding = AbstractContextManager[list[socket.socket]]
"""Listening sockets that are bound when the block begins, and closed when it ends."""


def _socket_mode(_: click.Context, __: click.Parameter, value: str) -> int:
    """Permissions in octal; without the owner's own nobody could stop or replace the service."""
    with contextlib.suppress(ValueError):
        mode = int(value, 8)
        if 0 <= mode <= 0o777 and mode & 0o600 == 0o600:
            return mode
    raise click.BadParameter(f"expected octal permissions such as 600, 660 or 666, found {value}")


def _schema(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """One word, as it goes into a comment: a line break would end that."""
    if value is None or re.fullmatch(r"[!-~]+", value):
        return value
    raise click.BadParameter("expected a path or URL in ASCII without spaces (%-encode them)")


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
    help="Accept 'sk-1234', which LiteLLM's documentation made known, or another key that anybody "
    "guesses as master key.",
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


class _Port(click.IntRange):
    """A port. PORT may be another program's, so it is judged when it is certain that we listen."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if ctx is None or ctx.get_parameter_source("port") is not ParameterSource.ENVIRONMENT:
            return super().convert(value, param, ctx)
        if isinstance(ctx.command, click.Group):
            return value  # a command may follow that listens nowhere
        return self.of_variable(value)

    def of_variable(self, value: Any) -> int:
        """The port that PORT names; it may be an address, or by mistake a key."""
        try:
            return int(super().convert(value, None, None))
        except click.BadParameter:
            expected = f"a port, a whole number from {self.min} to {self.max}"
            _fail(f"PORT: expected {expected}, found {shown(value)}")


_PORT = _Port(0, 65535)


host_option = click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="HOST",
    show_envvar=True,
    help="Address to listen on.",
)
port_option = click.option(
    "--port",
    type=_PORT,
    default=PORT,
    show_default=True,
    envvar="PORT",
    show_envvar=True,
    help="0: any free.",
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="signaller")
@config_option
@host_option
@port_option
@click.option(
    "--uds",
    type=click.Path(path_type=Path),
    help="Listen on a Unix socket instead (sidecars).",
)
@click.option(
    "--uds-mode",
    default="660",
    show_default=True,
    callback=_socket_mode,
    help="Who may connect to it: the socket's permissions, in octal.",
)
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
    uds: Path | None,
    uds_mode: int,
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
        release_sighup()  # whoever closes the terminal ends the demo
        return
    if uds is None:
        port = _PORT.of_variable(port)
    hold_sighup()
    form = log_format or _default_format()
    configure(log_level, form)
    file = ConfigFile(
        path=config_path, workers=workers, allow_public_master_key=allow_public_master_key
    )
    with _faults_are_said(), ending_by_sigterm():
        _serve(file, log_level, form, _listeners(host, port, uds, uds_mode))


def _serve(file: ConfigFile, log_level: str, log_format: LogFormat, binding: Binding) -> None:
    settings = file.read(again=file.workers > 1)  # each worker reads it too
    for kind, sentences in (("warning", settings.warnings), ("note", settings.notes)):
        for sentence in sentences:
            click.echo(f"{kind}: {sentence}", err=True)
    config = ServiceConfig(file, settings, log_level=log_level, log_format=log_format)
    with binding as listeners:
        for listener in listeners:
            log.info("listening", extra={"fields": {"at": describe_listener(listener)}})
        run(config, listeners, settings.metrics)


@main.command()
@config_option
@public_key_option
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
def check(config_path: Path | None, allow_public_master_key: bool, strict: bool) -> None:
    """Validate a configuration and say what was understood, secrets masked."""
    file = ConfigFile(path=config_path, allow_public_master_key=allow_public_master_key)
    with _faults_are_said():
        settings = file.read()
    click.echo(describe(settings, f"the file {config_path}"))
    if strict and settings.warnings:
        _fail(*(f"--strict: {warning}" for warning in settings.warnings))


@main.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="A new file for it, instead of standard output.",
)
@click.option("--force", is_flag=True, help="Replace the file of --output.")
@click.option(
    "--schema",
    callback=_schema,
    help="Where editors find the JSON Schema of the file: a path or URL for its first line.",
)
def init(output: Path | None, force: bool, schema: str | None) -> None:
    """Write a first configuration for what the environment holds, secrets as references."""
    if force and output is None:
        raise click.UsageError("--force: expected --output beside it, found none")
    text = initial_configuration(os.environ, Path.cwd(), schema)
    missing = what_is_missing(os.environ, Path.cwd())
    for sentence in missing:
        click.echo(f"note: {sentence}", err=True)
    if missing:
        again = f"signaller init --force --output {output}" if output else "signaller init"
        click.echo(f"note: once that is set, run it again: {again}", err=True)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
        click.echo(f"written; see what it means: signaller check --config {output}")
    except FileExistsError:
        _fail(f"--output: expected a new file (--force replaces one), found {output}")
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        why = error.strerror if isinstance(error, OSError) else "no path"
        _fail(f"--output: expected a file that can be written, found {output}: {why}")


@main.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors and other tools."""
    click.echo(json_schema())


@main.command()
@click.option("--caller", is_flag=True, help="A key for one of signaller.callers instead.")
def keygen(caller: bool) -> None:
    """Print a new key for signaller.token_keys (32 random bytes, base64url), or a master key."""
    if not caller:
        click.echo(generate_token_key())
        return
    key, digest = generate_caller_key()
    click.echo(f"for the caller:      {key}")
    click.echo(f"for callers[].keys:  {digest}")


@main.command()
def offer() -> None:
    """Print an SDP offer, audio and a data channel, to try a call with curl."""
    try:
        from signaller.loopback.offer import make_offer  # noqa: PLC0415 - aiortc is an extra
    except ModuleNotFoundError:
        made = (resources.files("signaller") / "offer.sdp").read_bytes()
    else:
        made = make_offer().encode()
    click.echo(made, nl=False)  # bytes: the line ends of SDP are part of it


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
            f"the demo needs its extra 'demo' ({missing.name} is missing): run 'make demo', or "
            "'pip install .[demo]', where the source is"
        )
    configure(log_level, log_format or _default_format())
    with _faults_are_said():
        run_demo(host, port, redis_url=redis_url)


main.add_command(calls)


@contextlib.contextmanager
def _faults_are_said() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        _fail(*error.faults)


def _fail(*faults: str) -> NoReturn:
    for fault in faults:
        click.echo(f"signaller: {fault}", err=True)
    sys.exit(EXIT_CONFIG)


def _listeners(host: str, port: int, uds: Path | None, uds_mode: int) -> Binding:
    if uds is None:
        return tcp_listeners(host, port)
    if uds_mode & 0o002:
        click.echo(
            f"note: --uds-mode {uds_mode:o}: every user of this machine may connect, and is "
            "believed whatever a gateway is believed on this socket",
            err=True,
        )
    return unix_listener(uds, uds_mode)


def _default_format() -> LogFormat:
    return "console" if sys.stderr.isatty() else "json"
