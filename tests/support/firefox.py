"""A real Firefox, Debian's, with a fake microphone and speaker, for as long as a test needs it.

Playwright drives an unpatched Firefox over WebDriver BiDi, but for two things that a relay between
them mends: it insists on a command that this release does not know, and overlooks downloads whose
navigation has no id. That command would choose the theme, which is therefore chosen at the start.
"""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import websockets
from playwright.async_api import Browser, async_playwright
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

UNKNOWN_TO_FIREFOX = "emulation.setMediaFeaturesOverride"
DOWNLOADS = '"method":"browsingContext.download'
PREFERENCES: dict[str, str | float | bool] = {
    "media.navigator.streams.fake": True,  # a microphone with a tone
    "media.navigator.permission.disabled": True,  # and no prompt for it
    "media.autoplay.default": 0,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "browser.download.alwaysOpenPanel": False,  # it would take the focus from the page
    "ui.prefersReducedMotion": 1,  # nothing is on its way when a test looks
}
THEME = "layout.css.prefers-color-scheme.content-override"
# Playwright connects to where Firefox says that it listens: the relay, with Firefox's port as path.
LAUNCHER = """#!/bin/bash
exec {binary} "$@" 2> >(exec sed -u 's#listening on ws://[^:]*:#&{relay}/#' >&2)
"""


@contextlib.asynccontextmanager
async def firefox(theme: str = "light") -> AsyncIterator[Browser]:
    """A headless browser that ends with the block."""
    preferences = {**PREFERENCES, THEME: ["dark", "light"].index(theme)}
    with TemporaryDirectory() as folder:
        launcher = Path(folder) / "firefox"
        async with (
            serve(partial(_relay, theme), "127.0.0.1", 0, max_size=None) as relay,
            _speaker(folder) as sound,
            async_playwright() as playwright,
        ):
            port = relay.sockets[0].getsockname()[1]
            launcher.write_text(LAUNCHER.format(binary=_installed("firefox-esr"), relay=port))
            launcher.chmod(0o700)
            browser = await playwright.firefox.launch(
                channel="moz-firefox",  # chooses BiDi
                executable_path=launcher,
                firefox_user_prefs=preferences,
                env={**os.environ, **sound},
            )
            try:
                yield browser
            finally:
                await browser.close()


@contextlib.asynccontextmanager
async def _speaker(folder: str) -> AsyncIterator[Mapping[str, str]]:
    """A sound card that nobody hears: without one Firefox runs no AudioContext."""
    server = f"unix:{folder}/sound"
    process = await asyncio.create_subprocess_exec(
        *(_installed("pulseaudio"), "-n", "--daemonize=no", "--use-pid-file=no"),
        *("--exit-idle-time=-1", "--load=module-null-sink"),
        f"--load=module-native-protocol-unix socket={folder}/sound auth-anonymous=1",
        env={**os.environ, "HOME": folder, "XDG_RUNTIME_DIR": folder},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield {"PULSE_SERVER": server}
    finally:
        process.terminate()
        await process.wait()


def _installed(name: str) -> str:
    binary = shutil.which(name)
    if binary is None:
        raise RuntimeError(f"{name} is not installed: run 'make test', or 'apt-get install {name}'")
    return binary


async def _relay(theme: str, playwright: ServerConnection) -> None:
    """Carry all that is said, but for those two things."""
    assert playwright.request is not None
    async with connect(
        "ws://127.0.0.1:" + playwright.request.path.lstrip("/"), max_size=None, compression=None
    ) as browser:
        answers = asyncio.create_task(_answers(browser, playwright))
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in playwright:
                command = json.loads(text)
                if command["method"] == UNKNOWN_TO_FIREFOX:
                    wanted = command["params"]["features"].get("prefers-color-scheme", theme)
                    refused = {"type": "error", "error": "unsupported", "message": f"not {theme}"}
                    done = {"type": "success", "result": {}} if wanted == theme else refused
                    await playwright.send(json.dumps({"id": command["id"], **done}))
                else:
                    await browser.send(text)
        answers.cancel()


async def _answers(browser: ClientConnection, playwright: ServerConnection) -> None:
    with contextlib.suppress(websockets.ConnectionClosed):
        async for text in browser:
            await playwright.send(_with_navigation(text) if DOWNLOADS in text else text)
    await playwright.close()


def _with_navigation(text: str | bytes) -> str:
    event = json.loads(text)
    event["params"]["navigation"] = event["params"]["navigation"] or event["params"]["url"]
    return json.dumps(event)
