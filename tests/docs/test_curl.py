"""The shell blocks of the README, run as they stand."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from signaller.app import create_app
from tests.docs.readme import WHOLE, section
from tests.support.provider import ANSWER, FakeProvider
from tests.support.service import MASTER_KEY, OFFER, UPSTREAM_MODEL, deployment, settings
from tests.support.serving import serving


@dataclass
class Shell:
    """A directory to run the README's commands in, and the provider behind the service."""

    provider: FakeProvider
    url: str
    directory: Path

    async def run(self, *blocks: str) -> str:
        """What one shell that runs all blocks says; a command that fails ends it, and the test."""
        assert shutil.which("curl"), "curl is not installed: apt-get install curl"
        # --fail makes curl tell an error of the service by its exit status.
        script = "\n".join(
            ("curl() { command curl --fail-with-body --noproxy '*' \"$@\"; }", *blocks)
        )
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script),
            cwd=self.directory,
            env={
                "PATH": os.environ["PATH"],
                "SIGNALLER": self.url,
                "SIGNALLER_MASTER_KEY": MASTER_KEY,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, output.decode()
        return output.decode()


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    """A running service that serves the README's model, and an offer beside."""
    (tmp_path / "offer.sdp").write_bytes(OFFER)
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        made = settings(deployment(provider_url, model_name="gpt-realtime"))
        async with serving(create_app(made)) as url:
            yield Shell(provider, url, tmp_path)


async def test_mint_call_and_hang_up(shell: Shell) -> None:
    """Three blocks in a row: a token, the answer byte for byte, and a call that has ended."""
    blocks = section("With curl").blocks("sh")
    assert len(blocks) == 3
    await shell.run(*blocks)
    assert [request.path.split("/")[-1] for request in shell.provider.requests] == [
        *("client_secrets", "calls", "hangup"),
    ]
    assert shell.provider.mint.requests[0].json()["session"]["model"] == UPSTREAM_MODEL
    assert shell.provider.call.requests[0].body == OFFER
    assert (shell.directory / "answer.sdp").read_bytes() == ANSWER
    assert shell.provider.live_calls == set()


async def test_a_multipart_offer(shell: Shell) -> None:
    """The form that carries a session: the offer's bytes arrive unchanged."""
    mint = section("With curl").blocks("sh")[0]
    (multipart,) = section("The wire").blocks("sh")
    shell.provider.call.answers(201, ANSWER, headers={"location": "/v1/realtime/calls/rtc_1"})
    await shell.run(mint, multipart)
    body = shell.provider.call.requests[0].body
    assert OFFER in body
    assert b"Be brief." in body
    assert (shell.directory / "answer.sdp").read_bytes() == ANSWER


async def test_a_token_is_looked_at_and_taken_back(shell: Shell) -> None:
    """The two commands, in their order: it is active, and then it starts no call."""
    mint, call, _ = section("With curl").blocks("sh")
    (control,) = section("Tokens under control").blocks("sh")
    output = await shell.run(mint, control, f"{call.strip()} || cat answer.sdp")
    assert '"active":true' in output
    assert "token_rejected" in output
    assert not shell.provider.call.requests


def test_every_shell_block_is_run() -> None:
    """What is marked `sh` runs here, or is the two commands that run this test and the demo."""
    titles = ("With curl", "The wire", "Tokens under control")
    ran = [block for title in titles for block in section(title).blocks("sh")]
    (start,) = (block for block in WHOLE.blocks("sh") if block not in ran)
    assert [line.split("#")[0].strip() for line in start.splitlines()] == ["make demo", "make test"]
