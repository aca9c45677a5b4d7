"""What `signaller calls` does: list, watch, show and end."""

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from signaller.calls_command.service import (
    Call,
    Failed,
    Filter,
    Lost,
    Service,
    printable,
    service_at,
)
from signaller.calls_command.table import JsonLines, Table
from signaller.strict_json import parse_object

RETRY_SECONDS = 1.0
MAX_SHOWN = 1000
"""Calls in a table that updates itself; the oldest leave first."""


def _connection(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which service, and with which key."""
    for option in (
        click.option(
            "--key-file",
            type=click.Path(path_type=Path),
            help="A file with the key; otherwise SIGNALLER_MASTER_KEY or its _FILE.",
        ),
        click.option(
            "--url",
            help="Where the service is; otherwise SIGNALLER_URL, or this machine at PORT or 4000.",
        ),
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@_connection
@click.option("--live", is_flag=True, help="Only calls that go on.")
@click.option("--caller", help="Only this caller's.")
@click.option("--model", help="Only of this model.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_SHOWN),
    default=100,
    show_default=True,
    help="At most so many, the newest.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
@click.option("--watch", is_flag=True, help="Go on, and show each change.")
@click.pass_context
def calls(  # noqa: PLR0917 - click passes them by name
    context: click.Context,
    url: str | None,
    key_file: Path | None,
    live: bool,
    caller: str | None,
    model: str | None,
    limit: int,
    as_json: bool,
    watch: bool,
) -> None:
    """List, watch, show and end the calls of a running service.

    UNTIL is when a call has ended; of one that goes on, when it will be ended at the latest. A `~`
    stands before what is partial, a `?` for what nobody knows: `show` tells more.
    """
    if command := context.invoked_subcommand:
        _refuse_options_of_lists(context, command)
        context.obj = (url, key_file)
        return
    service, wanted = service_at(url, key_file), Filter(live=live, caller=caller, model=model)
    out = JsonLines() if as_json else Table()
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(service, wanted, limit, out)
        return
    found, more = service.calls(wanted, limit)
    out.print(found)
    if isinstance(out, Table) and out.left_out:
        named = ", ".join(out.left_out)
        click.echo(f"note: no room for {named}; a wider terminal or --json has all", err=True)
    if more:
        click.echo(f"note: there are more than these {len(found)}; see --limit", err=True)


def _refuse_options_of_lists(context: click.Context, command: str) -> None:
    """Whoever filters what a command ends must not believe that it has been heard."""
    for option in ("live", "caller", "model", "limit", "as_json", "watch"):
        if context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE:
            name = option.removeprefix("as_")
            raise click.UsageError(f"--{name} is for lists; it has no effect on '{command}'.")


@calls.command()
@_connection
@click.argument("call_id", metavar="ID")
@click.pass_obj
def show(
    given: tuple[str | None, Path | None], url: str | None, key_file: Path | None, call_id: str
) -> None:
    """Show one call with all that is known of it, as JSON."""
    service = service_at(url or given[0], key_file or given[1])
    click.echo(json.dumps(service.call(call_id), indent=2))


@calls.command()
@_connection
@click.argument("call_id", metavar="ID")
@click.pass_obj
def end(
    given: tuple[str | None, Path | None], url: str | None, key_file: Path | None, call_id: str
) -> None:
    """Hang up a call. "ended" is said only when the provider has confirmed it."""
    service_at(url or given[0], key_file or given[1]).end(call_id)
    click.echo(f"ended {printable(call_id)}")


def _watch(service: Service, wanted: Filter, limit: int, out: Table | JsonLines) -> None:
    """Show changes until somebody stops it; a lost connection is made anew."""
    shown: dict[str, Call] = {}
    redraws = isinstance(out, Table) and sys.stdout.isatty()
    place: str | None = None

    def draw() -> None:
        """The newest that fit on the terminal."""
        room = max(1, shutil.get_terminal_size().lines - 2)
        click.clear()
        out.print(list(shown.values())[::-1][:room])

    def read_anew() -> None:
        """The calls as they are now: what happens from here on comes as events."""
        shown.clear()
        found, _ = service.calls(wanted, limit)
        shown.update((str(call.get("id")), call) for call in reversed(found))
        draw() if redraws else out.print(shown.values())

    while True:
        try:
            for message in service.follow(place, read_anew if place is None else lambda: None):
                place = message.id or place
                if message.event == "reset":
                    read_anew()
                elif message.data:
                    call = parse_object(message.data.encode())
                    if _take(shown, call, wanted) and not redraws:
                        out.print([call], headings=False)
                if redraws:
                    draw()
        except Lost as lost:
            if place is None:
                raise
            click.echo(f"signaller: {lost.message}; trying again", err=True)
        except ValueError as error:
            raise Failed(f"{service.url} sent an event that is no JSON") from error
        time.sleep(RETRY_SECONDS)


def _take(shown: dict[str, Call], call: Call, wanted: Filter) -> bool:
    """Whether it changes what is shown."""
    call_id = str(call.get("id"))
    fits = wanted.takes(call)
    if not fits and call_id not in shown:
        return False
    if fits:
        shown[call_id] = call
        if len(shown) > MAX_SHOWN:
            del shown[next(iter(shown))]
    else:
        del shown[call_id]  # no longer live, and only those are wanted
    return True
