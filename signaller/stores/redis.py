"""The shared store: a Redis, its Sentinels or a Cluster; every step is one bounded round trip."""

import asyncio
import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterError,
    ConnectionError,  # noqa: A004 - redis-py's name
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004 - redis-py's name
)

from signaller.errors import StoreUnavailable
from signaller.model import Grant, Hit, Peeked, Returned, Spent
from signaller.ports import Clock
from signaller.secret import Secret
from signaller.settings import RedisLogin
from signaller.stores.clients import Client, Word, connect
from signaller.stores.rates import Window
from signaller.stores.records import (
    grant_from_json,
    peeked_from_record,
    trail_from_lines,
    uses_from_count,
)
from signaller.stores.scripts import (
    DROP_WARM,
    GIVE_BACK,
    LINK,
    PUT_WARM,
    REDEEM,
    TAKE_HIT,
    Script,
)
from signaller.stores.urls import check_tls_files, parse_redis_url
from signaller.strict_json import write_json

PING_SECONDS = 5
"""How long the key lives that `ping` writes. Nothing reads this key; it only must not stay."""

COUNT_BYTES = 16
"""Of a grant's record: more than any count of uses has, with its colon."""

MAX_WARM_OF_ONE = 1024
MAX_WARM_BYTES_OF_ONE = 4 * 1024 * 1024
"""Warm secrets of one caller. Most take some 4 KB, so that both are reached together; it is a
sixteenth of the Redis in docker-compose.yml. Beyond it are those of end users who come once."""

MAX_AT_ONCE = 32
"""Steps of one process at one node, each on a connection of its own; more would cost CPU and save
no time. The others take their turn in the order in which they came, within their own time."""

ATTEMPTS = 4
REPEATS = Retry(
    ExponentialBackoff(base=0.005, cap=0.1),
    ATTEMPTS - 1,
    supported_errors=(ConnectionError, TimeoutError, ClusterError),
)
"""Of a step whose connection failed, and only of one that does no more if it runs twice: reading,
keeping or removing one record, linking a call, most steps of the book of calls, proving that Redis
writes. Never of what takes or gives back a use, a hit, a turn or a lease: it may have run, and
would count twice."""


class Steps:
    """Round trips to Redis: each has an end in time, or is StoreUnavailable."""

    def __init__(self, client: Client, timeout_seconds: float, replicas: int) -> None:
        """`replicas`: how many must have what `lasting` says, before it counts as done."""
        self._client = client
        self._replicas = replicas
        self._timeout_seconds = timeout_seconds
        # By node: those who wait for a silent one must not hold up the steps of the others.
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(MAX_AT_ONCE)
        )
        self._running = 0
        self._closed = False

    @property
    def patience_ms(self) -> int:
        """For how long a command may wait at Redis and still be one step."""
        return self._client.patience_ms

    async def command(
        self,
        name: str,
        key: str,
        *command: Word,
        lasting: bool = False,
        repeats: bool = False,
        waits: bool = False,
    ) -> Any:
        """The reply of the key's node. Raises StoreUnavailable, which tells the step's name.

        `repeats`: it may run twice. What fails before its reply may have run, so without this it
        is never sent again. `waits`: it waits at Redis (`patience_ms` at the most), so it takes
        none of the turns that others wait for.
        """

        def run() -> Awaitable[Any]:
            return self._ask(key, command, lasting)

        return await self._step(name, key, run, repeats=repeats, waits=waits)

    async def script(
        self,
        name: str,
        script: Script,
        key: str,
        *arguments: Word,
        lasting: bool = False,
        repeats: bool = False,
    ) -> Any:
        """The reply of a script on one key. Raises StoreUnavailable."""

        # One round trip; a second only after Redis has lost its scripts (restart, failover).
        # Not by redis-py's `register_script`: it loads a lost script at every node of a Cluster,
        # one that is down included, and cannot be used in a Cluster's pipelines.
        async def run() -> Any:
            command = (1, key, *arguments)
            try:
                return await self._ask(key, ("EVALSHA", script.sha, *command), lasting)
            except NoScriptError:  # nothing ran, so this is no repetition
                return await self._ask(key, ("EVAL", script.source, *command), lasting)

        return await self._step(name, key, run, repeats=repeats)

    async def aclose(self) -> None:
        """Close every connection; of steps that still run, the last closes what they made since."""
        self._closed = True
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._client.aclose()
        except (RedisError, OSError) as error:
            raise self._unavailable("aclose", error) from error

    async def _step(
        self,
        name: str,
        key: str,
        run: Callable[[], Awaitable[Any]],
        *,
        repeats: bool = False,
        waits: bool = False,
    ) -> Any:
        self._running += 1
        try:
            # redis-py closes the connection of a step that is cancelled: no late reply is left in
            # it for somebody else, and the other steps have connections of their own.
            node = self._client.node_of(key)
            turns = contextlib.nullcontext() if waits else self._turns[node]
            async with asyncio.timeout(self._timeout_seconds), turns:
                try:
                    if not repeats:
                        return await run()
                    return await REPEATS.call_with_retry(run, _again, _may_pass)
                except ReadOnlyError:
                    # No master any more: a new connection may lead to the one that is.
                    await self._client.drop_idle()
                    raise
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            raise self._unavailable(name, error) from error
        finally:
            self._running -= 1
            if self._closed and not self._running:
                with contextlib.suppress(StoreUnavailable):  # what the step came to stands
                    await self.aclose()

    def _ask(self, key: str, command: tuple[Word, ...], lasting: bool) -> Awaitable[Any]:
        if lasting and self._replicas:
            return self._acknowledged(key, command)
        return self._client.execute(key, command)

    async def _acknowledged(self, key: str, command: tuple[Word, ...]) -> Any:
        # What only the master has is undone by a failover, and a master that was given up while it
        # was frozen does not know that yet: both would let a token be redeemed twice.
        reply, have_it = await self._client.execute_and_wait(key, command, self._replicas)
        for each in (reply, have_it):
            if isinstance(each, Exception):
                raise each
        if have_it < self._replicas:
            raise StoreUnavailable(f"redis: {have_it} of {self._replicas} replicas have it")
        return reply

    def _unavailable(self, name: str, error: Exception) -> StoreUnavailable:
        reason = str(error) or f"no answer within {self._timeout_seconds} s"
        return StoreUnavailable(f"redis {name}: {type(error).__name__}: {reason}")


async def _again(_: Exception) -> None:
    """Nothing to clean up: redis-py has closed the connection that failed."""


def _may_pass(error: Exception) -> bool:
    """A password that is wrong stays wrong, and Redis counts who tries."""
    return not isinstance(error, AuthenticationError)


class RedisStore:
    """Grants that several replicas share."""

    def __init__(
        self, client: Client, *, timeout_seconds: float, clock: Clock, replicas: int = 0
    ) -> None:
        self.steps = Steps(client, timeout_seconds, replicas)
        """For what else is kept in the same Redis: the same connections, turns and bounds."""
        self._replicas = replicas
        self._clock = clock
        self._proved_at = -math.inf  # by the monotonic clock

    @classmethod
    def from_url(
        cls,
        url: Secret,
        *,
        timeout_seconds: float,
        clock: Clock,
        login: RedisLogin | None = None,
    ) -> "RedisStore":
        """A store for one of the URLs in `urls`; raises ConfigError, and connects to nothing."""
        address = parse_redis_url(url)
        if login is not None:
            address = address.with_login(login)
        check_tls_files(address)
        client = connect(address, timeout_seconds)
        return cls(client, timeout_seconds=timeout_seconds, clock=clock, replicas=address.replicas)

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant until `grant.terms.start_by`, in one command with its TTL."""
        key, record = _grant_key(grant.id), f"{grant.terms.uses}:{_json(grant)}"
        await self._set("put_grant", key, record, grant.terms.start_by)

    async def redeem(self, grant_id: str, *, withheld: int = 0) -> Grant | Spent | None:
        """Take one use, atomically; Spent if none is left, and from then on it is replayed."""
        key = _grant_key(grant_id)
        reply = await self.steps.script("redeem", REDEEM, key, withheld, lasting=True)
        if reply is None:
            return None
        if isinstance(reply, list):
            return Spent(call_ids=trail_from_lines(reply[0]))
        grant = grant_from_json(reply)
        # Redis expires by its own clock, which may be behind ours.
        return grant if self._clock() < grant.terms.start_by else None

    async def give_back(self, grant: Grant, *, at_most: int | None = None) -> Returned:
        """Undo one `redeem`; a grant never gets more uses than it was minted with."""
        if grant.terms.start_by <= self._clock():
            return Returned(given_back=False, uses_left=0)
        key, record = _grant_key(grant.id), _json(grant)
        bound = -1 if at_most is None else at_most
        given_back, uses_left = await self.steps.script(
            "give_back", GIVE_BACK, key, record, grant.terms.uses, bound
        )
        return Returned(given_back=bool(given_back), uses_left=uses_left)

    async def uses_left(self, grant_id: str) -> int:
        """How many more calls a grant may start, by Redis's clock; its body stays unread."""
        key = _grant_key(grant_id)
        count = ("GETRANGE", key, 0, COUNT_BYTES - 1)
        return uses_from_count(await self.steps.command("uses_left", key, *count, repeats=True))

    async def peek(self, grant_id: str) -> Peeked | None:
        """A grant that has uses left, by Redis's clock, without taking one."""
        key = _grant_key(grant_id)
        record = await self.steps.command("peek", key, "GET", key, repeats=True)
        return None if record is None else peeked_from_record(record)

    async def revoke(self, grant_id: str) -> None:
        """Let a grant be no more, its trail included; even a full Redis does."""
        key = _grant_key(grant_id)
        await self.steps.command("revoke", key, "DEL", key, lasting=True, repeats=True)

    async def link(self, grant: Grant, call_id: str) -> bool:
        """Remember, until the grant expires, that it began a call; False if it was replayed."""
        # Whether it has expired is for Redis alone to say: its clock also decides whether another
        # replica's replay still finds this call. Linked twice, the call is remembered once.
        reply = await self.steps.script("link", LINK, _grant_key(grant.id), call_id, repeats=True)
        return bool(reply)

    async def put_warm(self, name: str, sealed: str, until: int) -> bool:
        """Keep a sealed secret until then, and end the lease on it; False without room."""
        key, last_ms = _warm_list(name), until * 1000 - 1
        limits = (MAX_WARM_OF_ONE, MAX_WARM_BYTES_OF_ONE)
        reply = await self.steps.script(
            "put_warm", PUT_WARM, key, name, sealed, last_ms, *limits, repeats=True
        )
        return bool(reply)

    async def get_warm(self, name: str) -> str | None:
        """The sealed secret of that name, if it is still there."""
        key = _warm_key(name)
        reply = await self.steps.command("get_warm", key, "GET", key, repeats=True)
        return None if reply is None else reply.decode("ascii", "replace")

    async def drop_warm(self, record: str) -> None:
        """Forget it, unless another one has taken its place."""
        name, _, digest = record.rpartition(".")
        await self.steps.script(
            "drop_warm", DROP_WARM, _warm_list(name), name, digest, repeats=True
        )

    async def lease_warm(self, name: str, seconds: int) -> bool:
        """Be the one that makes it new: the first of all replicas, for so long."""
        key = f"{_warm_key(name)}:lease"
        reply = await self.steps.command("lease_warm", key, "SET", key, "", "NX", "EX", seconds)
        return reply is not None

    async def pause_warm(self, name: str, seconds: int) -> None:
        """Let nobody make it new for so long; 0: whoever asks next may."""
        key = f"{_warm_key(name)}:lease"
        pause = ("SET", key, "", "EX", seconds) if seconds else ("DEL", key)
        await self.steps.command("pause_warm", key, *pause, repeats=True)

    async def ping(self, *, within_seconds: float = 0) -> None:
        """Prove that Redis keeps a write: one that is full or a replica answers reads and PING."""
        # A master that kept a write a moment ago may have lost its replicas since.
        if not self._replicas and time.monotonic() < self._proved_at + within_seconds:
            return
        key = _grant_key("ping")
        proof = ("SET", key, "", "EX", PING_SECONDS)
        await self.steps.command("ping", key, *proof, lasting=True, repeats=True)
        self._proved_at = time.monotonic()

    async def take_hit(self, bucket: str, limit: int, *, count: bool = True) -> Window:
        """Count a hit unless there would be more than `limit` in a minute, by Redis's clock."""
        key, arguments = _bucket_key(bucket), (limit, int(count))
        allowed, left, wait_us, at = await self.steps.script("take", TAKE_HIT, key, *arguments)
        wait_seconds = wait_us / 1_000_000
        return Window(allowed=bool(allowed), remaining=left, wait_seconds=wait_seconds, at=at)

    async def take_hit_back(self, hit: Hit) -> None:
        """Take it out of its bucket again, if it is still there."""
        key = _bucket_key(hit.bucket)
        # Hits of the same microsecond are as good as each other.
        await self.steps.command("take_back", key, "LREM", key, 1, f"{hit.at:.0f}")

    async def aclose(self) -> None:
        """Close every connection."""
        await self.steps.aclose()

    async def _set(self, step: str, key: str, record: str, expires_at: int) -> None:
        # Redis keeps a key through the millisecond it expires in; ours are over when that begins.
        last_ms = expires_at * 1000 - 1
        try:
            command = ("SET", key, record, "PXAT", last_ms)
            await self.steps.command(step, key, *command, repeats=True)
        except StoreUnavailable:
            self._proved_at = -math.inf
            raise
        self._proved_at = time.monotonic()


def _json(record: Grant) -> str:
    return write_json(record).decode()


# The braces are a Cluster hash tag: whatever belongs to one id lives in one slot.
def _grant_key(grant_id: str) -> str:
    return f"signaller:{{{grant_id}}}:grant"


def _warm_list(name: str) -> str:
    """Lists one holder's warm secrets; they are in its slot, so that one script reaches all."""
    return f"signaller:{{{name.partition('.')[0]}}}:warm"


def _warm_key(name: str) -> str:
    return f"{_warm_list(name)}:{name}"


def _bucket_key(bucket: str) -> str:
    # Any text will do, braces included: a script touches this one key, so its slot is its own.
    return f"signaller:{{{bucket}}}:window"
