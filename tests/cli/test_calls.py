"""`signaller calls` against a running service: lists, watches, shows and ends."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from signaller.calls_command.table import HEADINGS
from signaller.secret import Secret
from signaller.stores import RedisStore
from signaller.stores.call_book import RedisCallBook
from tests.support.calls import Writer
from tests.support.process import PATIENCE_SECONDS, environment, run
from tests.support.redis import free_port, redis_server
from tests.support.service import MASTER_KEY, Service, bearer, named, running
from tests.support.serving import serving

KEY = "sk-canary-web-0123456789abcdef"


@pytest.fixture(scope="module")
def calls_url() -> Iterator[str]:
    """A Redis of this module's own: the book has one name in each."""
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.asynccontextmanager
async def booked(url: str) -> AsyncIterator[tuple[Service, Writer]]:
    """A service with a caller, and another replica that writes in its book."""
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.flushdb()
    store = RedisStore.from_url(Secret(url), timeout_seconds=5, clock=time.time)
    try:
        async with running(redis_url=Secret(url), callers=(named("web", KEY),)) as service:
            yield service, Writer(RedisCallBook(store.steps), service.settings.token_keys)
    finally:
        await store.aclose()


async def asked(
    url: str, *arguments: str, key: str = MASTER_KEY
) -> subprocess.CompletedProcess[str]:
    """What `signaller calls ...` says."""
    return await asyncio.to_thread(
        run, "calls", *arguments, SIGNALLER_URL=url, SIGNALLER_MASTER_KEY=key
    )


async def test_it_lists_what_the_key_may_see(calls_url: str) -> None:
    """A table with the newest first; a caller's own key shows its own."""
    async with booked(calls_url) as (service, writer):
        mine, theirs = await writer.start(), await writer.start(caller="two")
        await writer.end(mine)
        done = await asked(service.url)
        assert done.returncode == 0, done.stderr
        head, *rows = [line.split() for line in done.stdout.splitlines()]
        assert head[:4] == ["ID", "STATUS", "CALLER", "MODEL"]
        assert [row[:4] for row in rows] == [
            [theirs.id, "live", "two", "voice"],
            [mine.id, "ended", "web", "voice"],
        ]
        assert theirs.id not in (await asked(service.url, key=KEY)).stdout
        live = await asked(service.url, "--live", "--json")
        assert [json.loads(line)["id"] for line in live.stdout.splitlines()] == [theirs.id]
        of_web = await asked(service.url, "--caller", "web", "--model", "voice", "--json")
        assert [json.loads(line)["id"] for line in of_web.stdout.splitlines()] == [mine.id]


async def test_it_reads_as_many_pages_as_it_was_told(calls_url: str) -> None:
    """And says that there are more."""
    async with booked(calls_url) as (service, writer):
        for _ in range(130):
            await writer.start()
        done = await asked(service.url, "--json", "--limit", "120")
        assert len({json.loads(line)["id"] for line in done.stdout.splitlines()}) == 120
        assert "more than these 120" in done.stderr


async def test_it_shows_one_call(calls_url: str) -> None:
    """All that is known of it, as JSON."""
    async with booked(calls_url) as (service, writer):
        call = await writer.start(metadata={"customer": "7"})
        done = await asked(service.url, "show", call.id)
        got = await service.client.get(f"/v1/realtime/calls/{call.id}", headers=bearer(MASTER_KEY))
        assert json.loads(done.stdout) == got.json()


async def test_it_ends_a_call() -> None:
    """The provider has confirmed it when it says so."""
    async with running() as service:
        location = (await service.call(await service.token())).headers["location"]
        call_id = location.rpartition("/")[2]
        done = await asked(service.url, "end", call_id)
        assert (done.returncode, done.stdout) == (0, f"ended {call_id}\n")
        assert service.provider.live_calls == set()


async def test_an_end_that_is_not_confirmed_is_not_said() -> None:
    """The provider's failure, in words, and a status that scripts see."""
    async with running() as service:
        location = (await service.call(await service.token())).headers["location"]
        service.provider.hangup.answers(500, {}, times=1)
        done = await asked(service.url, "end", location.rpartition("/")[2])
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("signaller: 502: ")
        assert "(Retry-After: 1)" in done.stderr


async def test_it_watches(calls_url: str) -> None:
    """What is there, then each change as it happens."""
    async with booked(calls_url) as (service, writer):
        first = await writer.start()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "signaller", "calls", "--watch", "--json"),
            env=environment(SIGNALLER_URL=service.url, SIGNALLER_MASTER_KEY=MASTER_KEY),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout
            found = []
            async with asyncio.timeout(PATIENCE_SECONDS):
                found.append(json.loads(await process.stdout.readline()))
                second = await writer.start()
                found.append(json.loads(await process.stdout.readline()))
                await writer.end(first)
                found.append(json.loads(await process.stdout.readline()))
        finally:
            process.terminate()
            await process.wait()
        assert [(call["id"], call["status"]) for call in found] == [
            (first.id, "live"),
            (second.id, "live"),
            (first.id, "ended"),
        ]


async def test_a_table_on_a_terminal_updates_itself(calls_url: str) -> None:
    """The whole of it is drawn anew with each change."""
    async with booked(calls_url) as (service, writer):
        ours, theirs = os.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "signaller", "calls", "--watch", "--live"),
            env=environment(
                SIGNALLER_URL=service.url, SIGNALLER_MASTER_KEY=MASTER_KEY, TERM="xterm"
            ),
            stdout=theirs,
        )
        os.close(theirs)
        said = b""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while b"STARTED" not in said:
                    said += await asyncio.to_thread(os.read, ours, 65536)
                call = await writer.start()
                while call.id.encode() not in said:
                    said += await asyncio.to_thread(os.read, ours, 65536)
                await writer.end(call)
                said = b""
                while b"STARTED" not in said:
                    said += await asyncio.to_thread(os.read, ours, 65536)
        finally:
            process.terminate()
            await process.wait()
            os.close(ours)
        assert call.id.encode() not in said


async def test_what_a_pipe_is_told_stays_in_its_columns(calls_url: str) -> None:
    """A change stands in line with those before it: a column may grow, and never shrinks."""
    async with booked(calls_url) as (service, writer):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "signaller", "calls", "--watch"),
            env=environment(SIGNALLER_URL=service.url, SIGNALLER_MASTER_KEY=MASTER_KEY),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout
            lines = []
            async with asyncio.timeout(PATIENCE_SECONDS):
                await process.stdout.readline()
                first = await writer.start(model="a model with a long name")
                lines.append((await process.stdout.readline()).decode())
                second = await writer.start()
                lines.append((await process.stdout.readline()).decode())
        finally:
            process.terminate()
            await process.wait()
        assert [line.split()[0] for line in lines] == [first.id, second.id]
        assert len({line.index("?") for line in lines}) == 1, lines


async def on_a_terminal(url: str, columns: int, *arguments: str) -> tuple[list[str], str]:
    """What `signaller calls` writes on a terminal so wide, and what beside it."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "signaller", "calls", *arguments),
        env=environment(
            SIGNALLER_URL=url, SIGNALLER_MASTER_KEY=MASTER_KEY, TERM="xterm", COLUMNS=""
        ),
        stdout=theirs,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(theirs)
    said = b""
    # The end of a terminal that nobody writes to any more is an error on Linux.
    with contextlib.suppress(OSError):
        while more := await asyncio.to_thread(os.read, ours, 65536):
            said += more
    os.close(ours)
    _, errors = await process.communicate()
    return said.decode().splitlines(), errors.decode()


async def test_a_narrow_terminal_keeps_each_call_on_one_line(calls_url: str) -> None:
    """Columns leave, by name, before an id or a cost would be cut."""
    async with booked(calls_url) as (service, writer):
        call = await writer.start(model="a-model-with-a-long-name")
        wide, said = await on_a_terminal(service.url, 140)
        assert wide[0].split() == [*HEADINGS]
        assert said == ""
        narrow, said = await on_a_terminal(service.url, 80)
        assert narrow[0].split() == ["ID", "STATUS", "CALLER", "STARTED", "UNTIL", "TOKENS", "USD"]
        assert narrow[1].startswith(call.id)
        assert said == "note: no room for MODEL, BY; a wider terminal or --json has all\n"
        tiny, _ = await on_a_terminal(service.url, 30)
        assert {len(line) for line in tiny} <= set(range(31))
        assert len(tiny) == 2


async def test_a_table_says_until_when_and_what_is_partial() -> None:
    """A live call's deadline, an ended one's end; a tilde before numbers that may be too low."""
    now = int(time.time())
    live = {
        "id": "rtc_live",
        "status": "live",
        "caller": "web",
        "model": "voice",
        "started_at": now - 3 * 86400,
        "ended_at": None,
        "ends_by": now - 2 * 86400,
        "usage": {"label": "partial", "input_tokens": 5, "output_tokens": 7},
        "cost": {"usd": "0.0012", "label": "partial"},
    }
    ended = {**live, "id": "rtc_done", "status": "ended", "ended_at": now - 86400}
    body = json.dumps({"data": [live, ended], "has_more": False}).encode()
    async with answering(body) as url:
        done = await asked(url)
    _, *rows = [line.split("  ") for line in done.stdout.splitlines()]
    days = [time.strftime("%Y-%m-%d %H:%M", time.localtime(now - n * 86400)) for n in (3, 2, 1)]
    shown = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert shown == [
        ["rtc_live", "live", "web", "voice", days[0], days[1], "~5+7", "~0.0012"],
        ["rtc_done", "ended", "web", "voice", days[0], days[2], "~5+7", "~0.0012"],
    ]


@pytest.mark.parametrize(
    "option", [("--live",), ("--caller", "web"), ("--limit", "1"), ("--json",)]
)
def test_an_option_of_lists_is_not_lost_before_a_command(option: tuple[str, ...]) -> None:
    """Whoever believes to end a caller's calls only is told, before anything is ended."""
    done = run("calls", *option, "end", "rtc_x", SIGNALLER_MASTER_KEY="k")
    assert done.returncode == 2
    assert f"{option[0]} is for lists; it has no effect on 'end'." in done.stderr


async def test_nothing_a_caller_wrote_moves_the_terminal(calls_url: str) -> None:
    """What does not print is shown as a question mark."""
    async with booked(calls_url) as (service, writer):
        await writer.start(model="voice\x1b[2J\u202e")
        done = await asked(service.url)
        assert "voice?[2J?" in done.stdout
        assert "\x1b" not in done.stdout


async def test_the_key_may_stand_in_a_file(tmp_path: Path) -> None:
    """By an option or a variable; the command line has no place for the key itself."""
    path = tmp_path / "key"
    path.write_text(f"{MASTER_KEY}\n")
    async with running() as service:
        by_option = await asyncio.to_thread(
            run, "calls", "--url", service.url, "--key-file", str(path)
        )
        by_variable = await asyncio.to_thread(
            run, "calls", SIGNALLER_URL=service.url, SIGNALLER_MASTER_KEY_FILE=str(path)
        )
        port = service.url.rpartition(":")[2]
        of_command = await asyncio.to_thread(
            run, "calls", "show", "rtc_x", "--key-file", str(path), PORT=port
        )
    assert by_option.returncode == by_variable.returncode == 0
    assert of_command.stderr.startswith("signaller: 404: There is no such call")


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        ((), {}, "no key: set SIGNALLER_MASTER_KEY"),
        (("--key-file", "/nowhere"), {}, "--key-file: cannot read /nowhere: No such file"),
        ((), {"SIGNALLER_MASTER_KEY_FILE": "/"}, "SIGNALLER_MASTER_KEY_FILE: cannot read /"),
        (("--url", "nonsense"), {"SIGNALLER_MASTER_KEY": "k"}, "--url: expected http://host:port"),
        (("--url", "ftp://x"), {"SIGNALLER_MASTER_KEY": "k"}, "--url: expected http://host:port"),
        (("show", ".."), {"SIGNALLER_MASTER_KEY": "k"}, "expected the id of a call"),
        ((), {"SIGNALLER_MASTER_KEY": "k\nk"}, "SIGNALLER_MASTER_KEY: expected a key in ASCII"),
    ],
)
def test_each_fault_is_said(arguments: tuple[str, ...], env: dict[str, str], said: str) -> None:
    """In one line, without a traceback; status 1."""
    done = run("calls", *arguments, **env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"signaller: {said}"), done.stderr
    assert done.stderr.count("\n") == 1


async def test_where_no_service_runs_it_says_so() -> None:
    """And where it has looked."""
    url = f"http://127.0.0.1:{free_port()}"
    for more in ((), ("--watch",)):
        done = await asked(url, *more)
        assert done.returncode == 1
        assert done.stderr.startswith(f"signaller: cannot reach {url}: ")
        assert "Traceback" not in done.stderr


async def test_a_wrong_key_is_told_by_the_service() -> None:
    """Its own sentence, and never the key."""
    async with running() as service:
        for more in ((), ("--watch",), ("end", "rtc_x")):
            done = await asked(service.url, *more, key="sk-wrong-0123456789")
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith("signaller: 401: The API key is missing or wrong.")
            assert "sk-wrong" not in done.stderr


async def test_another_kind_of_server_is_recognised() -> None:
    """What answers at that address is no signaller."""
    async with running() as service:
        for more in ((), ("--watch",)):
            done = await asked(f"{service.url}/css", *more)
            assert done.returncode == 1
            assert done.stderr.startswith("signaller: ")
            assert "Traceback" not in done.stderr


@contextlib.asynccontextmanager
async def answering(*bodies: bytes) -> AsyncIterator[str]:
    """Where a server answers with these in turn, and with the last one from then on."""
    left = list(bodies)

    async def answer(_: Request) -> Response:
        return Response(left.pop(0) if len(left) > 1 else left[0], media_type="application/json")

    async with serving(Starlette(routes=[Route("/v1/realtime/calls", answer)])) as url:
        yield url


@pytest.mark.parametrize(
    ("bodies", "said"),
    [
        ([b'{"data":[],"has_more":true}'], "{url} says that there are more calls, and not"),
        ([b'{"data":[],"has_more":true,"last_id":7}'], "{url} says that there are more calls"),
        ([b'{"data":[],"has_more":true,"last_id":"a"}'], "{url} says that there are more calls"),
        (
            [b'{"data":[],"has_more":true,"last_id":"%c"}' % each for each in b"aba"],
            "{url} says that there are more calls",
        ),
        ([b'{"data":[1]}'], "{url} answered something else than calls"),
        ([b'{"data":[{"usage":[1]}]}'], "the service told something else than a call: its usage"),
        ([b'{"data":[{"usage":"7"}]}'], "the service told something else than a call: its usage"),
        ([b'{"data":[{"cost":[1]}]}'], "the service told something else than a call: its cost"),
        ([b'{"data":[{"ending":1}]}'], "the service told something else than a call: its ending"),
        *(
            (
                [b'{"data":[{"%s":%d}]}' % (name.encode(), seconds)],
                f"the service told something else than a call: its {name} is no time",
            )
            for name in ("started_at", "ended_at")
            for seconds in (99999999999999999, -99999999999999999, 10**30)
        ),
    ],
)
async def test_an_answer_that_makes_no_sense_is_said(bodies: list[bytes], said: str) -> None:
    """In one line, without a traceback, and it comes to an end."""
    async with answering(*bodies) as url:
        done = await asked(url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"signaller: {said.format(url=url)}"), done.stderr
    assert done.stderr.count("\n") == 1
