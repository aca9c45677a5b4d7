"""`signaller calls`: lists, watches, shows and ends the calls of a running service, over HTTP."""

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

import click
import httpx
import httpx_sse

from signaller.secret import Secret
from signaller.strict_json import parse_object

DEFAULT_PORT = 4000
TIMEOUT_SECONDS = 30.0
"""A hang-up waits for the provider, for 20 s unless configured otherwise."""
SILENCE_SECONDS = 45.0
"""The feed says something every 15 s: three missed ones are a lost connection."""
RETRY_SECONDS = 1.0
MAX_SHOWN = 1000
"""Calls in a table that updates itself; the oldest leave first."""
MAX_KEY_BYTES = 16 * 1024
HEADINGS = ("ID", "STATUS", "CALLER", "MODEL", "STARTED", "UNTIL", "BY", "TOKENS", "USD")
LEAVE_FIRST = ("MODEL", "BY", "TOKENS", "STARTED", "UNTIL")
"""What a narrow terminal does without, in this order: who, how and how much it shows always."""

Call = Mapping[str, Any]


class Failed(click.ClickException):
    """What could not be done, in words; the process ends with 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """As every fault of `signaller` is shown."""
        click.echo(f"signaller: {self.message}", file=file, err=True)


class Lost(Failed):
    """The service cannot be reached, or not now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which calls are shown."""

    live: bool
    caller: str | None
    model: str | None

    def query(self) -> dict[str, str]:
        """As the service takes it."""
        given = {"status": "live" if self.live else None, "caller": self.caller}
        given["model"] = self.model
        return {name: value for name, value in given.items() if value is not None}

    def takes(self, call: Call) -> bool:
        """Whether it is one of them."""
        return (
            (not self.live or call.get("status") == "live")
            and self.caller in (None, call.get("caller"))
            and self.model in (None, call.get("model"))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service, and the key to it."""

    url: str
    key: Secret

    @contextlib.contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """What speaks to it. Raises Failed for whatever goes wrong on the way."""
        host = urlsplit(self.url).hostname or ""
        try:
            with httpx.Client(
                base_url=f"{self.url.rstrip('/')}/v1/realtime/",
                headers={"authorization": f"Bearer {self.key.reveal()}"},
                timeout=TIMEOUT_SECONDS,
                # A proxy for the internet does not lead to this machine.
                trust_env=host not in {"localhost", "127.0.0.1", "::1"},
            ) as client:
                yield client
        except httpx.TimeoutException as error:
            raise Lost(f"{self.url} did not answer in time") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Failed(f"--url: expected http://host:port, found {self.url}") from error
        except httpx.HTTPError as error:
            raise Lost(
                f"cannot reach {self.url}: {error}. Does the service run there? --url or "
                "SIGNALLER_URL says where it is"
            ) from error

    def asked(self, method: str, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """The body of a good answer. Raises Failed."""
        with self.client() as client:
            response = client.request(method, path, params=query)
            self.check(response)
            return response.content

    def check(self, response: httpx.Response) -> None:
        """Raise Failed for an answer that is none of what was asked for."""
        if response.is_success:
            return
        try:
            error = parse_object(response.content)["error"]
            told = str(error["message"]) if isinstance(error, dict) else ""
        except (ValueError, KeyError):
            told = ""
        if not told:
            raise Failed(f"{self.url} answered {response.status_code}: is that a signaller?")
        if seconds := response.headers.get("retry-after"):
            told += f" (Retry-After: {seconds})"  # sentences of the service speak of it
        kind = Lost if response.status_code in (429, 503) else Failed
        raise kind(f"{response.status_code}: {_printable(told)}")

    def calls(self, wanted: Filter, limit: int) -> tuple[list[Call], bool]:
        """The newest calls, and whether there are more."""
        found: list[Call] = []
        query, read = wanted.query(), set[str]()
        while True:
            query["limit"] = str(min(100, limit - len(found)))
            page = self._object(self.asked("GET", "calls", query))
            data, more = page.get("data"), bool(page.get("has_more"))
            if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
                raise Failed(f"{self.url} answered something else than calls")
            found += data
            if not more or len(found) >= limit:
                return found, more
            after = page.get("last_id")
            if not isinstance(after, str) or after in read:
                raise Failed(f"{self.url} says that there are more calls, and not which are next")
            read.add(after)
            query["after"] = after

    def call(self, call_id: str) -> Call:
        """One call."""
        return self._object(self.asked("GET", _path(call_id)))

    def end(self, call_id: str) -> None:
        """Hang up."""
        self.asked("DELETE", _path(call_id))

    def follow(
        self, after: str | None, begun: Callable[[], None]
    ) -> Iterator[httpx_sse.ServerSentEvent]:
        """Messages until the stream ends; `begun` is called once none is missed any more."""
        headers = {} if after is None else {"last-event-id": after}
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=SILENCE_SECONDS)
        with (
            self.client() as client,
            httpx_sse.connect_sse(
                client, "GET", "calls/events", headers=headers, timeout=timeout
            ) as source,
        ):
            if not source.response.is_success:
                source.response.read()
            self.check(source.response)
            begun()
            try:
                yield from source.iter_sse()
            except httpx_sse.SSEError as error:
                raise Failed(f"{self.url} answered something else than events") from error

    def _object(self, body: bytes) -> Call:
        try:
            return parse_object(body)
        except ValueError as error:
            raise Failed(f"{self.url} answered no JSON: is that a signaller?") from error


def _service(url: str | None, key_file: Path | None) -> Service:
    port = os.environ.get("PORT") or DEFAULT_PORT
    return Service(
        url=url or os.environ.get("SIGNALLER_URL") or f"http://127.0.0.1:{port}",
        key=_key(key_file),
    )


def _key(key_file: Path | None) -> Secret:
    """The key, which never stands on a command line: everybody on the machine can read those."""
    where = "--key-file"
    if key_file is None:
        if value := os.environ.get("SIGNALLER_MASTER_KEY"):
            return _usable(value.strip(), "SIGNALLER_MASTER_KEY")
        where = "SIGNALLER_MASTER_KEY_FILE"
        if not (path := os.environ.get(where)):
            raise Failed(
                "no key: set SIGNALLER_MASTER_KEY or SIGNALLER_MASTER_KEY_FILE, or give "
                "--key-file; a caller's own key shows and ends its own calls"
            )
        key_file = Path(path)
    try:
        with key_file.open(encoding="utf-8") as file:
            text = file.read(MAX_KEY_BYTES)
    except (OSError, ValueError) as error:  # UnicodeDecodeError and a NUL are ValueErrors
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise Failed(f"{where}: cannot read {key_file}: {why}") from error
    return _usable(text.strip(), where)


def _usable(key: str, where: str) -> Secret:
    if not key or not key.isascii() or not key.isprintable():
        raise Failed(f"{where}: expected a key in ASCII on one line")
    return Secret(key)


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
    service, wanted = _service(url, key_file), Filter(live=live, caller=caller, model=model)
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
    service = _service(url or given[0], key_file or given[1])
    click.echo(json.dumps(service.call(call_id), indent=2))


@calls.command()
@_connection
@click.argument("call_id", metavar="ID")
@click.pass_obj
def end(
    given: tuple[str | None, Path | None], url: str | None, key_file: Path | None, call_id: str
) -> None:
    """Hang up a call. "ended" is said only when the provider has confirmed it."""
    _service(url or given[0], key_file or given[1]).end(call_id)
    click.echo(f"ended {_printable(call_id)}")


class JsonLines:
    """One JSON object a line."""

    def print(self, found: Iterable[Call], *, headings: bool = True) -> None:
        """Of each call."""
        for call in found:
            click.echo(json.dumps(call))


class Table:
    """Columns as wide as any call has needed so far, and no wider than the terminal."""

    def __init__(self) -> None:
        self._widths = [len(heading) for heading in HEADINGS]
        self.left_out: list[str] = []
        """Columns for which there was no room."""

    def print(self, found: Iterable[Call], *, headings: bool = True) -> None:
        """A line for each call. Raises Failed for what is none."""
        rows = [_row(call) for call in found]
        for column, width in enumerate(self._widths):
            self._widths[column] = max(width, *(len(row[column]) for row in rows), 0)
        room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        columns = self._that_fit(room)
        for row in [HEADINGS, *rows] if headings else rows:
            cells = (row[column].ljust(self._widths[column]) for column in columns)
            click.echo("  ".join(cells).rstrip()[:room])

    def _that_fit(self, room: int | None) -> list[int]:
        columns = list(range(len(HEADINGS)))
        self.left_out = []
        for name in LEAVE_FIRST:
            needed = sum(self._widths[column] + 2 for column in columns) - 2
            if room is None or needed <= room:
                break
            columns.remove(HEADINGS.index(name))
            self.left_out.append(name)
        return columns


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


def _row(call: Call) -> tuple[str, ...]:
    usage, cost, ending = (_part(call, name) for name in ("usage", "cost", "ending"))
    counted = [usage.get(name) for name in ("input_tokens", "output_tokens")]
    tokens = "?" if None in counted else f"{_about(usage)}{counted[0]}+{counted[1]}"
    usd = "?" if cost.get("usd") is None else f"{_about(cost)}{cost['usd']}"
    status = "ending" if ending else call.get("status")
    by = call.get("ended_by") or ending.get("by") or ""
    until = "ends_by" if call.get("ended_at") is None else "ended_at"
    times = (_clock_time(call, name) for name in ("started_at", until))
    cells = (call.get("id"), status, call.get("caller"), call.get("model"), *times, by, tokens, usd)
    return tuple(_printable(str(cell)) for cell in cells)


def _about(counted: Call) -> str:
    return "~" if counted.get("label") == "partial" else ""


def _part(call: Call, name: str) -> Call:
    """An object in a call; empty where there is none. Raises Failed."""
    part = call.get(name) or {}
    if not isinstance(part, dict):
        raise Failed(f"the service told something else than a call: its {name} is no object")
    return part


def _clock_time(call: Call, name: str) -> str:
    """Today's as a time, with its date otherwise. Raises Failed."""
    seconds = call.get(name)
    if not isinstance(seconds, int):
        return ""
    try:
        at, now = time.localtime(seconds), time.localtime()
        same_day = at[:3] == now[:3]
        return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M", at)
    except (OSError, OverflowError, ValueError) as error:  # as the system's C library has it
        raise Failed(
            f"the service told something else than a call: its {name} is no time"
        ) from error


def _path(call_id: str) -> str:
    if call_id in {"", ".", ".."}:
        raise Failed("expected the id of a call, such as rtc_...")
    return f"calls/{quote(call_id, safe='')}"


def _printable(text: str) -> str:
    """What a terminal shows and does not obey."""
    return "".join(character if character.isprintable() else "?" for character in text)
