"""The tab of examples: the same as in the documentation, with the page's settings, and they run."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.docs.pages import page as documented
from tests.docs.pages import section
from tests.e2e.looks import clean, inspected
from tests.e2e.tester import button, copied, example, field, fill_in, may_copy, view
from tests.support.service import MASTER_KEY, MODEL, UPSTREAM_MODEL
from tests.support.serving import serving
from tests.support.stage import PATIENCE_SECONDS, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

LANGUAGES = ("curl", "Browser", "Node", "Python", "Swift", "Kotlin", "Dart", "React Native")
INSTRUCTIONS = 'Don\'t say "no".\nNever {{url}}, \\n or $HOME; it\u2028ends.'
"""What would break a string of a shell, of Python or of JavaScript, or a comment."""
HEARD = """async () => [...(await peer.getStats()).values()].some(
  (stat) => stat.type === "inbound-rtp" && stat.totalAudioEnergy > 0.001)"""
IN_A_BROWSER = """const mediaDevices = navigator.mediaDevices;
const { RTCPeerConnection, RTCSessionDescription } = globalThis;"""
"""What react-native-webrtc exports, by the browser's own."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider; pages from anywhere may call."""
    async with staged(cors_origins=("*",)) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def shown(stage: Stage, page: Page) -> Page:
    """The tab, with a session that is hard to quote."""
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await field(page, "Voice").fill("marin")
    await field(page, "Instructions").fill(INSTRUCTIONS)
    await view(page, "Code")
    return page


def session() -> dict[str, Any]:
    """What the page would ask for."""
    voice = {"output": {"voice": "marin"}}
    return {"type": "realtime", "model": MODEL, "instructions": INSTRUCTIONS, "audio": voice}


async def test_settings_are_filled_in_and_the_key_is_not(stage: Stage, shown: Page) -> None:
    """Address, model and voice in each language, and a variable where the key belongs."""
    for language in LANGUAGES:
        code = await example(shown, language)
        assert MASTER_KEY not in code
        assert "marin" in code
        if language == "Browser":  # it asks its backend, which knows the rest
            continue
        assert stage.url in code
        assert MODEL in code
        assert "SIGNALLER_MASTER_KEY" in code
    await view(shown, "Setup")
    await field(shown, "Voice").fill("cedar")
    assert "cedar" in await example(shown, "Dart")


async def test_they_are_fetched_when_they_are_opened(stage: Stage, page: Page) -> None:
    """The first load has none of them."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(stage.url)
    await page.wait_for_load_state("networkidle")
    assert [url for url in asked if "code" in url] == []
    await view(page, "Code")
    await expect(page.get_by_role("region", name="Code")).to_contain_text("curl")
    assert [url for url in asked if "/js/code/curl" in url]


async def test_they_are_those_of_the_documentation(shown: Page) -> None:
    """Word for word, but for names, address and session."""
    for language in ("Swift", "Kotlin", "Dart"):
        (block,) = documented("docs/clients.md").blocks(language.lower())
        assert block.rstrip() in await example(shown, language)

    curl = await example(shown, "curl")
    for block in section("With curl").blocks("sh"):
        parts = block.replace(".venv/bin/signaller", "signaller").split(
            """'{"model": "gpt-realtime"}'"""
        )
        assert all(part.rstrip() in curl for part in parts)

    (block,) = section("In the browser").blocks("js")
    before, after = block.split(
        '{ type: "realtime", instructions: "Answer in one short sentence." }'
    )
    browser = await example(shown, "Browser")
    assert before in browser
    assert after.rstrip() in browser

    (route,) = section("The route of your backend").blocks("py")
    ours = route.replace("os.environ['SIGNALLER']", "SIGNALLER")
    assert ours.replace('{"model": "gpt-realtime"}', '{"session": SESSION}') in await example(
        shown, "Python"
    )


@pytest.mark.in_firefox
async def test_one_press_copies(shown: Page) -> None:
    """The whole example, as it stands there."""
    await may_copy(shown)
    code = await example(shown, "Node")
    await button(shown, "Copy the code").click()
    await expect(button(shown, "Copy the code")).to_have_text("Copied")
    assert await copied(shown) == code


async def test_curl_runs(stage: Stage, shown: Page, tmp_path: Path) -> None:
    """The three steps in one shell: a token with the session, a call, and its end."""
    begun = len(stage.provider.calls)
    status, said = await typed(await example(shown, "curl"), tmp_path)
    assert status == 0, said
    assert json.loads((tmp_path / "token.json").read_text())["session"]["instructions"] == (
        INSTRUCTIONS
    )
    assert (tmp_path / "answer.sdp").read_bytes().startswith(b"v=0\r\n")
    (call,) = stage.provider.calls[begun:]
    await stage.provider.asked_to_hang_up(call)


async def typed(script: str, directory: Path) -> tuple[int, str]:
    """A script as it stands, in a shell that knows the key."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "--norc", "-ec", script),
        cwd=directory,
        env={**environment(), "SIGNALLER_MASTER_KEY": MASTER_KEY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 3 * PATIENCE_SECONDS)
    return process.returncode or 0, output.decode()


def environment() -> dict[str, str]:
    """With the `signaller` that is under test, and no proxy."""
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "no_proxy": "*"}


@contextlib.asynccontextmanager
async def backend(language: str, code: str, directory: Path) -> AsyncIterator[str]:
    """A program of the tab that runs, and the address of its route."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name, program = (
        ("backend.mjs", "node") if language == "Node" else ("backend.py", sys.executable)
    )
    (directory / name).write_text(code)
    found = shutil.which(program)
    assert found, f"{program} is not installed"
    process = await asyncio.create_subprocess_exec(
        *(found, name),
        cwd=directory,
        env={**environment(), "SIGNALLER_MASTER_KEY": MASTER_KEY, "PORT": str(port)},
    )
    try:
        yield f"http://127.0.0.1:{port}/voice-token"
    finally:
        process.terminate()
        await process.wait()


async def handed_out(url: str) -> dict[str, Any]:
    """What a backend answers, as soon as it listens."""
    async with (
        asyncio.timeout(3 * PATIENCE_SECONDS),
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        while True:
            with contextlib.suppress(httpx.ConnectError):
                answer = await client.post(url)
                assert answer.status_code == 200, answer.text
                token: dict[str, Any] = answer.json()
                return token
            await asyncio.sleep(0.1)  # nothing tells when a program listens


@pytest.mark.parametrize("language", ["Node", "Python"])
async def test_a_backend_runs(shown: Page, tmp_path: Path, language: str) -> None:
    """It hands out a token for the session of the page, to the letter."""
    async with backend(language, await example(shown, language), tmp_path) as url:
        token = await handed_out(url)
    assert token["value"].startswith("ek_")
    assert token["session"]["model"] == UPSTREAM_MODEL
    assert token["session"]["instructions"] == INSTRUCTIONS
    assert token["session"]["audio"]["output"]["voice"] == "marin"


def app(stage: Stage, modules: dict[str, str]) -> Starlette:
    """An app's page with its modules, and a backend's route."""

    async def start(_: Request) -> Response:
        return HTMLResponse('<title>app</title><link rel="icon" href="data:,">')

    async def module(request: Request) -> Response:
        return Response(modules[request.path_params["name"]], media_type="text/javascript")

    async def token(_: Request) -> Response:
        minted = await stage.post("client_secrets", json={"session": session()})
        return Response(minted.content, minted.status_code, media_type="application/json")

    return Starlette(
        routes=[
            Route("/", start),
            Route("/voice-token", token, methods=["POST"]),
            Route("/{name}", module),
        ]
    )


async def test_the_browsers_example_talks(stage: Stage, shown: Page, browser: Browser) -> None:
    """As a module of an app's own page: heard, and hung up."""
    code = await example(shown, "Browser")
    lent = f"{code}\nObject.assign(window, {{ peer, hangUp }});\n"
    await talks(stage, browser, {"voice.js": lent}, "import('./voice.js')")


async def test_react_natives_example_talks(stage: Stage, shown: Page, browser: Browser) -> None:
    """With the browser's own WebRTC in the place of its package."""
    code = await example(shown, "React Native")
    package = re.compile(r'^import .* from "react-native-webrtc";$', re.M)
    assert package.search(code)
    script = """(async () => {
      const { call } = await import("./call.js");
      const { value, calls_url } = await (await fetch("/voice-token", { method: "POST" })).json();
      Object.assign(window, await call(value, calls_url));
    })()"""
    await talks(stage, browser, {"call.js": package.sub(IN_A_BROWSER, code)}, script)


async def talks(stage: Stage, browser: Browser, modules: dict[str, str], script: str) -> None:
    """A page runs the script, hears the model, and ends the call for good."""
    begun = len(stage.provider.calls)
    async with serving(app(stage, modules)) as url:
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        await page.goto(url)
        await page.evaluate(f"{script}.then(() => true)")
        await page.wait_for_function(HEARD)
        await page.evaluate("hangUp()")
        assert await page.evaluate("peer.connectionState") == "closed"
        await page.close()
    (call,) = stage.provider.calls[begun:]
    await stage.provider.asked_to_hang_up(call)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_in_code(stage: Stage, browser: Browser, scheme: Any) -> None:
    """On a phone and on a desk."""
    async with inspected(browser, color_scheme=scheme) as page:
        await page.goto(stage.url)
        await fill_in(page, MASTER_KEY)
        await view(page, "Code")
        for language in ("curl", "Kotlin"):
            await example(page, language)
            await clean(page, language, "Code")
