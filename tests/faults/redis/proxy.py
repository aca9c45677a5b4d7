"""Stands before a Redis and spoils one step of the store, before or after Redis has run it.

async with proxied(port) as proxy:
    proxy.spoils("redeem", "cut after")             # the next one, and no other
    assert proxy.spoilt == 1
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from hashlib import sha1
from typing import Literal

from signaller.stores import call_scripts
from signaller.stores.redis import ATTEMPTS
from signaller.stores.scripts import GIVE_BACK, LINK, REDEEM, TAKE_HIT

How = Literal[
    "cut before", "cut after", "error before", "error after", "silence before", "silence after"
]
"""What becomes of a step: the connection, the reply or the patience ends, and when."""

STEP_OF_SCRIPT = {
    REDEEM.sha: "redeem",
    GIVE_BACK.sha: "give_back",
    LINK.sha: "link",
    TAKE_HIT.sha: "take",
    call_scripts.BEGIN.sha: "begin",
    call_scripts.ANSWERED.sha: "answered",
    call_scripts.WITHDRAW.sha: "withdraw",
    call_scripts.BEGIN_ENDING.sha: "begin_ending",
    call_scripts.END.sha: "end",
    call_scripts.LEASE.sha: "lease",
    call_scripts.SAW.sha: "saw",
    call_scripts.DUE.sha: "due",
}
REPEATED = {
    *("ping", "put_grant", "peek", "uses_left", "revoke", "link"),
    *("begin", "answered", "withdraw", "find", "end", "lease", "saw"),
}
"""Steps that are tried again where a connection ends."""
STEP_OF_COMMAND = {
    "SET grant": "put_grant",
    "GET grant": "peek",
    "GETRANGE grant": "uses_left",
    "DEL grant": "revoke",
}


def step_of(command: list[bytes]) -> str:
    """The step of the store that a command is; its own name if it is none."""
    name = command[0].decode().upper()
    if name == "EVALSHA":
        return STEP_OF_SCRIPT.get(command[1].decode(), name)
    if name == "EVAL":
        digest = sha1(command[1], usedforsecurity=False).hexdigest()
        return STEP_OF_SCRIPT.get(digest, name)
    if len(command) == 1 or not command[1].startswith(b"signaller:"):
        return name
    if command[1] == b"signaller:{ping}:grant":
        return "ping"
    if name == "HMGET" and command[1].startswith(b"signaller:{calls}:call:"):
        return "find"
    kind = command[1].rpartition(b":")[2].decode()
    return STEP_OF_COMMAND.get(f"{name} {kind}", name)


class Proxy:
    """One address before one Redis."""

    def __init__(self, redis_port: int) -> None:
        self.port = 0
        self.spoilt = 0
        """How many steps so far."""
        self._redis_port = redis_port
        self._plan: tuple[str, How] | None = None
        self._attempts = 0

    def spoils(self, step: str, how: How, *, attempts: int | None = None) -> None:
        """The next such step goes wrong, whenever it is tried unless its `attempts` are given."""
        tried = ATTEMPTS if step in REPEATED and how.startswith("cut") else 1
        self._plan, self._attempts = (step, how), attempts or tried

    async def serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        """One connection, until either side is gone or a step is cut."""
        redis, commands = await asyncio.open_connection("127.0.0.1", self._redis_port)
        try:
            # A client that hangs up, or this proxy's end, is how a connection ends.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._relay(client, answers, redis, commands):
                    pass
        finally:
            commands.close()
            answers.close()

    async def _relay(
        self,
        client: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        redis: asyncio.StreamReader,
        commands: asyncio.StreamWriter,
    ) -> bool:
        raw, command = await _read_command(client)
        how = self._fate_of(command)
        if how is None or how.endswith("after"):
            commands.write(raw)
            reply = await _read_reply(redis)
        if how is None:
            answers.write(reply)
        elif how.startswith("error"):
            answers.write(b"-ERR spoilt\r\n")
        elif how.startswith("silence"):
            await client.read()  # until the client has had enough
        return how is None or how.startswith("error")

    def _fate_of(self, command: list[bytes]) -> How | None:
        if self._plan is None or self._plan[0] != step_of(command):
            return None
        _, how = self._plan
        self._attempts -= 1
        if not self._attempts:
            self._plan, self.spoilt = None, self.spoilt + 1
        return how


async def _read_command(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes]]:
    """One command (RESP2: an array of bulk strings), raw and parsed."""
    raw = head = await reader.readuntil(b"\n")
    words = []
    for _ in range(int(head[1:])):
        length = await reader.readuntil(b"\n")
        word = await reader.readexactly(int(length[1:]) + 2)
        raw += length + word
        words.append(word[:-2])
    return raw, words


async def _read_reply(reader: asyncio.StreamReader) -> bytes:
    """One reply of those that Redis gives here (RESP3, and RESP2 before HELLO), raw."""
    raw = await reader.readuntil(b"\n")
    kind, rest = raw[:1], raw[1:-2]
    if kind == b"$" and rest != b"-1":
        return raw + await reader.readexactly(int(rest) + 2)
    if kind in (b"*", b"%") and rest != b"-1":
        count = int(rest) * (2 if kind == b"%" else 1)
        return raw + b"".join([await _read_reply(reader) for _ in range(count)])
    return raw


@contextlib.asynccontextmanager
async def proxied(redis_port: int) -> AsyncIterator[Proxy]:
    """A proxy until the block ends, by when its clients must have gone."""
    proxy = Proxy(redis_port)
    running: set[asyncio.Task[None]] = set()

    async def accept(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(client, answers))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await asyncio.gather(*running)
