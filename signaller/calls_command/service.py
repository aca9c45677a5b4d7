"""A running service, as its API tells its calls, and what goes wrong on the way to it."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
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
MAX_KEY_BYTES = 16 * 1024

Call = Mapping[str, Any]
"""A `realtime.call` object, unchecked."""


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
        raise kind(f"{response.status_code}: {printable(told)}")

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


def service_at(url: str | None, key_file: Path | None) -> Service:
    """The one that options name, or else the environment. Raises Failed."""
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


def _path(call_id: str) -> str:
    if call_id in {"", ".", ".."}:
        raise Failed("expected the id of a call, such as rtc_...")
    return f"calls/{quote(call_id, safe='')}"


def printable(text: str) -> str:
    """What a terminal shows and does not obey."""
    return "".join(character if character.isprintable() else "?" for character in text)
