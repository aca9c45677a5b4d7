"""Who is measured: how each is started, and how requests for it are made."""

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.configuration import MASTER_KEY, MODEL
from bench.processes import Process, running, wait_until_healthy
from bench.provider import OFFER
from bench.wire import Answer, WrongAnswer, closed_loop

Step = Literal["mint", "call", "introspect", "hangup"]
LOCATION = re.compile(rb"(?im)^location: *(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server that has not been started; `{folder}` in its command is a folder of its own."""

    name: str
    command: tuple[str, ...]
    files: Mapping[str, str]
    """Name in its folder -> content."""
    port: int
    environment: Mapping[str, str]
    own_tokens: bool = False
    """Whether its calls take only tokens that it minted itself, once each."""
    health: str = "/healthz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A contender that runs."""

    contender: Contender
    process: Process

    @property
    def name(self) -> str:
        """Of the contender."""
        return self.contender.name

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.contender.port

    def expected(self, step: Step) -> int:
        """The status of a success."""
        return 201 if step == "call" else 200

    async def requests(self, step: Step, count: int) -> list[bytes]:
        """So many requests, their tokens (a new one each) minted already."""
        if step == "mint":
            return [mint_request()] * count
        if not self.contender.own_tokens:
            return [call_request("ek_any")] * count
        # 32 connections: no faster with more, and the provider has as many ready afterwards.
        minted = await closed_loop(self.port, [mint_request()] * count, 32, 200)
        tokens = [json.loads(answer.body)["value"] for answer in minted]
        if step == "introspect":
            return [introspect_request(token) for token in tokens]
        calls = [call_request(token) for token in tokens]
        if step == "call":
            return calls
        return [hangup_request(answer) for answer in await closed_loop(self.port, calls, 32, 201)]


@contextlib.contextmanager
def started(contender: Contender, core: int) -> Iterator[Server]:
    """The contender, healthy, until the block ends."""
    with prepared(contender, core) as process:
        wait_until_healthy(process, contender.health)
        yield Server(contender=contender, process=process)


@contextlib.contextmanager
def prepared(contender: Contender, core: int) -> Iterator[Process]:
    """The contender, just started, in a folder of its own that goes with it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's workers are somebody else when root starts it
        for file, content in contender.files.items():
            (folder / file).write_text(content)
        command = [part.replace("{folder}", name) for part in contender.command]
        with running(
            command,
            port=contender.port,
            core=core,
            log=folder / "log",
            environment=contender.environment,
        ) as process:
            yield process


def mint_request() -> bytes:
    """One POST for a token."""
    body = json.dumps({"model": MODEL, "session": {"type": "realtime", "model": MODEL}}).encode()
    return _post("/v1/realtime/client_secrets", MASTER_KEY, "application/json", body)


def call_request(token: str) -> bytes:
    """One POST of an offer."""
    return _post("/v1/realtime/calls", token, "application/sdp", OFFER)


def introspect_request(token: str) -> bytes:
    """One POST of a token to look at."""
    form = f"token={token}".encode()
    path = "/v1/realtime/client_secrets/introspect"
    return _post(path, MASTER_KEY, "application/x-www-form-urlencoded", form)


def hangup_request(started: Answer) -> bytes:
    """One POST that ends the call of an answer."""
    location = LOCATION.search(started.head)
    if location is None:
        raise WrongAnswer(f"a call without a Location: {started.head!r}")
    return _post(f"{location[1].decode()}/hangup", MASTER_KEY, "application/json", b"")


def _post(path: str, credential: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {credential}\r\n"
        f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
