"""The README's browser code, unchanged, as a module of a page at an origin of its own."""

import asyncio
import json
import os
from typing import Any

import httpx
import pytest
from playwright.async_api import ConsoleMessage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from signaller.app import create_app
from signaller.loopback.app import create_loopback
from signaller.secret import Secret
from tests.docs.pages import codes, section
from tests.support.browser import chromium
from tests.support.service import MASTER_KEY, PROVIDER_KEY, deployment, settings
from tests.support.serving import serving

MODEL = "gpt-realtime"


class Backend:
    """What the reader of the README has: a page, its script, and a route that hands out tokens."""

    def __init__(self, script: str) -> None:
        self.service = ""
        self._script = script
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/voice.js", self._module),
                Route("/voice-token", self._token, methods=["POST"]),
            ]
        )

    async def _page(self, _: Request) -> Response:
        icon = '<link rel="icon" href="data:,">'
        (button,) = (code for code in codes(section("In the browser").text) if "<button" in code)
        return HTMLResponse(f"<title>app</title>{icon}{button}")

    async def _module(self, _: Request) -> Response:
        return Response(self._script, media_type="text/javascript")

    async def _token(self, _: Request) -> Response:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            minted = await client.post(
                f"{self.service}/v1/realtime/client_secrets",
                headers={"authorization": f"Bearer {MASTER_KEY}"},
                json={"model": MODEL},
            )
        return JSONResponse(minted.json(), minted.status_code)


async def test_the_snippet_talks_and_hangs_up() -> None:
    """Over CORS and real WebRTC: session.created, session.updated, sound, and hung up by DELETE."""
    (snippet,) = section("In the browser").blocks("js")
    # A module's names are its own: the last line lends two of them to the test.
    backend = Backend(f"{snippet}\nObject.assign(window, {{ peer, hangUp }});\n")
    async with (
        serving(backend.app) as page_url,
        serving(create_loopback(api_key=Secret(PROVIDER_KEY))) as provider_url,
        serving(
            create_app(
                settings(
                    deployment(provider_url, model_name=MODEL, upstream_model=MODEL),
                    cors_origins=(page_url,),
                )
            )
        ) as backend.service,
        chromium("--autoplay-policy=no-user-gesture-required") as browser,
    ):
        page = await browser.new_page()
        said: asyncio.Queue[str] = asyncio.Queue()

        def hear(message: ConsoleMessage) -> None:
            said.put_nowait(message.text)

        page.on("console", hear)
        page.on("pageerror", lambda error: said.put_nowait(f"failed: {error}"))
        await page.goto(page_url)
        await page.get_by_role("button").click()
        heard: list[str] = []
        async with asyncio.timeout(45):
            while not {"session.created", "session.updated"} <= set(heard):
                heard.append(await said.get())
                assert "failed" not in heard[-1].lower(), heard
        await page.wait_for_function(
            """async () => [...(await peer.getStats()).values()].some(
                 (stat) => stat.type === "inbound-rtp" && stat.totalAudioEnergy > 0.001)""",
            timeout=30_000,
        )
        async with page.expect_response(
            lambda response: response.request.method == "DELETE"
        ) as end:
            await page.evaluate("hangUp()")
        assert (await end.value).status == 200
        assert await page.evaluate("peer.connectionState") == "closed"


async def test_the_shown_route_hands_out_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend's lines, mounted as they stand: what the page asks for, or the refusal."""
    (snippet,) = section("The route of your backend").blocks("py")
    names: dict[str, Any] = {
        "os": os,
        "httpx": httpx,
        "Request": Request,
        "JSONResponse": JSONResponse,
    }
    exec(snippet, names)  # noqa: S102 - our own page
    backend = Starlette(routes=[Route("/voice-token", names["voice_token"], methods=["POST"])])
    async with (
        serving(create_loopback(api_key=Secret(PROVIDER_KEY))) as provider_url,
        serving(
            create_app(settings(deployment(provider_url, model_name=MODEL, upstream_model=MODEL)))
        ) as service,
        serving(backend) as url,
        httpx.AsyncClient(trust_env=False, timeout=20) as client,
    ):
        monkeypatch.setenv("SIGNALLER", service)
        monkeypatch.setenv("SIGNALLER_MASTER_KEY", MASTER_KEY)
        handed = await client.post(f"{url}/voice-token")
        monkeypatch.setenv("SIGNALLER_MASTER_KEY", "another")
        refused = await client.post(f"{url}/voice-token")
    assert {"value", "calls_url"} <= set(handed.json())
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


async def test_the_shown_answer_is_the_real_one() -> None:
    """The JSON in the README has the members that the service answers with."""
    (shown,) = section("With curl").blocks("json")
    backend = Backend("")
    async with (
        serving(create_loopback(api_key=Secret(PROVIDER_KEY))) as provider_url,
        serving(
            create_app(settings(deployment(provider_url, model_name=MODEL, upstream_model=MODEL)))
        ) as backend.service,
        serving(backend.app) as url,
        httpx.AsyncClient(trust_env=False, timeout=20) as client,
    ):
        real = (await client.post(f"{url}/voice-token")).json()
    example = json.loads(shown)
    assert list(example) == list(real)
    assert set(example["session"]) <= set(real["session"])
    assert set(example["client_secret"]) == set(real["client_secret"])
