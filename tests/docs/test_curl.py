"""The shell blocks of the documentation, typed as they stand by somebody who has nothing else."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from signaller.app import create_app
from signaller.config import load_settings
from signaller.realtime.offers import parse_offer
from tests.docs.pages import PAGES, blocks, codes, page, section
from tests.packaging.tree import ROOT, run
from tests.support.process import PATIENCE_SECONDS
from tests.support.provider import ANSWER, FakeProvider
from tests.support.service import (
    MASTER_KEY,
    MODEL,
    OFFER,
    UPSTREAM_MODEL,
    deployment,
    running,
    settings,
)
from tests.support.serving import serving

MINT, CALL, HANG_UP = section("With curl").blocks("sh")


@dataclass
class Shell:
    """A directory with `.venv`, as `make demo` leaves it, to type the README's commands in."""

    directory: Path
    variables: dict[str, str] = field(default_factory=dict)

    async def type(self, *blocks: str) -> tuple[int, str]:
        """The status of the first block that fails, or 0, and what one shell said to all of them.

        No option of a shell, and no alias, helps a block to fail.
        """
        assert shutil.which("curl"), "curl is not installed: apt-get install curl"
        script = "\n".join(f"{block}\nended=$?; [ $ended = 0 ] || exit $ended" for block in blocks)
        process = await asyncio.create_subprocess_exec(
            *("bash", "--norc", "-c", script),
            cwd=self.directory,
            env={"PATH": os.environ["PATH"], "no_proxy": "*", **self.variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, output.decode()

    async def run(self, *blocks: str) -> str:
        """What is said when all goes well."""
        status, output = await self.type(*blocks)
        assert status == 0, output
        return output

    def read(self, name: str) -> bytes:
        """A file that a command has written."""
        return (self.directory / name).read_bytes()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """One that knows no service yet."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return Shell(tmp_path)


@pytest.fixture
async def provider(shell: Shell) -> AsyncIterator[FakeProvider]:
    """Behind a running service that serves the README's model, and that the shell knows."""
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        made = settings(deployment(provider_url, model_name="gpt-realtime"))
        async with serving(create_app(made)) as url:
            shell.variables = {"SIGNALLER": url, "SIGNALLER_MASTER_KEY": MASTER_KEY}
            yield provider


async def test_mint_call_and_hang_up(shell: Shell, provider: FakeProvider) -> None:
    """Three blocks in a row: a token, the answer byte for byte, and a call that has ended."""
    await shell.run(MINT, CALL, HANG_UP)
    assert [request.path.split("/")[-1] for request in provider.requests] == [
        *("client_secrets", "calls", "hangup"),
    ]
    assert provider.mint.requests[0].json()["session"]["model"] == UPSTREAM_MODEL
    assert provider.call.requests[0].body == shell.read("offer.sdp")
    assert parse_offer(shell.read("offer.sdp")).session is None
    assert shell.read("answer.sdp") == ANSWER
    assert provider.live_calls == set()


async def test_the_variables_of_the_start_are_a_configuration(shell: Shell) -> None:
    """All lines of it but the last, which serves; the key that is made and shown is a good one."""
    (start,) = section("With a key of your own").blocks("console")
    *lines, serve = start.splitlines()
    assert serve.split()[0] == ".venv/bin/signaller"
    output = await shell.run("\n".join(lines), ".venv/bin/signaller check")
    assert len(output.splitlines()[0]) == 43


async def test_the_command_is_found_by_its_name(shell: Shell) -> None:
    """Once the environment is activated, as the text says."""
    activate = ". .venv/bin/activate"
    assert f"`{activate}`" in section("Install").text
    assert "signaller" in await shell.run(activate, "signaller --version")


def test_the_source_is_where_the_next_commands_are_typed(tmp_path: Path) -> None:
    """After `git clone` and `cd` there is a Makefile that knows `make demo`."""
    source, placeholder = tmp_path / "repository", "<the URL of this repository>"
    source.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, source)
    by = "-c user.name=a -c user.email=a@example.com -c commit.gpgsign=false"
    commit = f"git init --quiet && git add . && git {by} commit --quiet -m a"
    run("bash", "-c", commit, cwd=source)
    (clone,) = section("Start").blocks("console")
    assert placeholder in clone
    script = f"set -e\n{clone.replace(placeholder, str(source))}\nmake --dry-run demo"
    run("bash", "-c", script, cwd=tmp_path)


@contextlib.asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """The lines that it prints to be pasted."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "signaller", "demo", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            printed = await process.stdout.readuntil(b"OPENAI_API_KEY=")
            printed += await process.stdout.readline()
        yield "\n".join(re.findall(r"^ +(export .*)$", printed.decode(), re.M))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_the_demo_takes_them_too(shell: Shell) -> None:
    """With what it prints, and nothing else: a real answer to the offer, and a real end."""
    async with demo() as exports:
        await shell.run(exports, MINT, CALL, HANG_UP)
    assert shell.read("answer.sdp").startswith(b"v=0\r\n")


async def test_the_demo_is_a_provider_too(shell: Shell) -> None:
    """A service of the reader's own, with the two variables of docs/clients.md, asks the demo.

    Its calls begin only once they are watched: the demo lets it attach to them.
    """
    async with demo() as exports:
        printed = dict(re.findall(r"export (OPENAI_\w+)=(\S+)", exports))
        assert all(f"export {name}=" in page("docs/clients.md").text for name in printed)
        env = {
            **printed,
            "SIGNALLER_MASTER_KEY": MASTER_KEY,
            "SIGNALLER_SUPERVISION": "required",
        }
        async with serving(create_app(load_settings(None, env))) as own:
            shell.variables = {"SIGNALLER": own, "SIGNALLER_MASTER_KEY": MASTER_KEY}
            await shell.run(MINT, CALL, HANG_UP)
    assert shell.read("answer.sdp").startswith(b"v=0\r\n")


async def test_a_refused_mint_fails(shell: Shell, provider: FakeProvider) -> None:
    """With a status of its own, and the reason where the text says; no token is taken from it."""
    shell.variables["SIGNALLER_MASTER_KEY"] = "sk-wrong"
    status, output = await shell.type(MINT)
    assert (status, "401" in output, "Traceback" in output) == (22, True, False)
    assert b"invalid_api_key" in shell.read("token.json")
    assert not provider.requests


async def test_a_refused_call_fails(shell: Shell, provider: FakeProvider) -> None:
    """A token that is used already; the error is where the answer would be."""
    await shell.run(MINT, CALL)
    status, output = await shell.type('TOKEN=$(sed "s/.*\\(ek_[^\\"]*\\).*/\\1/" token.json)', CALL)
    assert (status, "401" in output) == (22, True)
    assert b"token_rejected" in shell.read("answer.sdp")
    assert len(provider.call.requests) == 1


async def test_nothing_is_hung_up_after_a_refused_call(
    shell: Shell, provider: FakeProvider
) -> None:
    """Whoever goes on all the same is told that there is no call, and asks nobody."""
    await shell.type(CALL)
    status, output = await shell.type(HANG_UP)
    assert status != 0
    assert "no call was begun" in output
    assert not provider.requests


async def test_a_hang_up_that_fails_says_so(shell: Shell, provider: FakeProvider) -> None:
    """A provider that does not end the call: it goes on, and the status tells."""
    provider.hangup.answers(500)
    status, output = await shell.type(MINT, CALL, HANG_UP)
    assert (status, "502" in output) == (22, True)


async def test_a_multipart_offer(shell: Shell, provider: FakeProvider) -> None:
    """The form that carries a session: the offer's bytes arrive unchanged."""
    (multipart,) = section("The wire").blocks("sh")
    (shell.directory / "offer.sdp").write_bytes(OFFER)
    provider.call.answers(201, ANSWER, headers={"location": "/v1/realtime/calls/rtc_1"})
    await shell.run(MINT, multipart)
    body = provider.call.requests[0].body
    assert OFFER in body
    assert b"Be brief." in body
    assert shell.read("answer.sdp") == ANSWER


@pytest.mark.parametrize("text", [code for code in codes(section("A mint").text) if '": ' in code])
async def test_a_shown_body_gets_a_token(text: str) -> None:
    """Each form of a mint, with a model's name in the place of the dots."""
    body = json.loads(text.replace("...", json.dumps(MODEL)))
    async with running() as service:
        assert (await service.mint(body)).status_code == 200


async def test_a_token_is_looked_at_and_taken_back(shell: Shell, provider: FakeProvider) -> None:
    """The two commands, in their order: it is active, and then it starts no call."""
    (control,) = section("Tokens under control").blocks("sh")
    status, output = await shell.type(MINT, control, CALL)
    assert '"active":true' in output
    assert status == 22
    assert b"token_rejected" in shell.read("answer.sdp")
    assert not provider.call.requests


def test_every_shell_block_is_run() -> None:
    """What is marked `sh` runs here, or is the two commands that run this test and the demo."""
    titles = ("With curl", "The wire", "Tokens under control")
    ran = [block for title in titles for block in section(title).blocks("sh")]
    (start,) = (block for block in blocks("sh") if block not in ran)
    assert [line.split("#")[0].strip() for line in start.splitlines()] == ["make demo", "make test"]


@pytest.mark.parametrize("text", blocks("console"))
def test_a_shell_reads_what_is_to_be_typed(text: str) -> None:
    """What the tests cannot type here, such as `systemctl`, is at least a shell's language."""
    run("bash", "-n", "-c", text)


def test_every_curl_tells_a_failure_by_its_status() -> None:
    """Without `--fail-with-body` it ends with 0 whatever the service says."""
    text = "".join(each.text for each in PAGES.values())
    commands = re.findall(r"^curl .*$", text, re.M)
    assert len(commands) > 5
    assert [line for line in commands if "--fail-with-body" not in line] == []
