"""Tokens bound to the web pages of their caller, as a real browser meets them."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.async_api import Browser, Page

from signaller.policy import Policy
from signaller.settings import NamedCaller
from tests.support.pages.serving import pages
from tests.support.service import MODEL
from tests.support.serving import serving
from tests.support.stage import PATIENCE_SECONDS, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

BOUND_KEY, FREE_KEY = "sk-sgn-canary-bound-0123456789", "sk-sgn-canary-free-0123456789"

MINT = """
async ({ url, key, model }) => {
  const response = await fetch(`${url}/v1/realtime/client_secrets`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model }),
  });
  const { value, error } = await response.json();
  return { status: response.status, token: value ?? null, code: error?.code ?? null };
}
"""
CALL = """
async ({ url, token }) => {
  const peer = new RTCPeerConnection();
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  peer.addTrack(microphone.getTracks()[0]);
  const connected = new Promise((resolve) => {
    peer.addEventListener("connectionstatechange", () => {
      if (peer.connectionState === "connected") resolve();
    });
  });
  await peer.setLocalDescription(await peer.createOffer());
  const response = await fetch(`${url}/v1/realtime/calls`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" },
    body: peer.localDescription.sdp,
  });
  if (response.status !== 201) {
    const { error } = await response.json();
    return { status: response.status, code: error.code };
  }
  await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
  await connected;
  return { status: response.status, code: null };
}
"""
STARTED = {"status": 201, "code": None}
REFUSED = {"status": 403, "code": "origin_not_allowed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPages:
    """The same application at two origins; one caller is bound to the first of them."""

    stage: Stage
    first: Page
    second: Page

    async def backend_mints(self, key: str) -> str:
        """A token from the application's server, which has no origin."""
        async with httpx.AsyncClient(base_url=self.stage.url, timeout=PATIENCE_SECONDS) as client:
            response = await client.post(
                "/v1/realtime/client_secrets",
                json={"model": MODEL},
                headers={"authorization": f"Bearer {key}"},
            )
        assert response.status_code == 200, response.text
        token: str = response.json()["value"]
        return token

    async def mint(self, page: Page, key: str) -> dict[str, str | int | None]:
        """What a page gets that mints for itself."""
        arguments = {"url": self.stage.url, "key": key, "model": MODEL}
        minted: dict[str, str | int | None] = await page.evaluate(MINT, arguments)
        return minted

    async def call(self, page: Page, token: object) -> dict[str, str | int | None]:
        """What becomes of a call from a page."""
        arguments = {"url": self.stage.url, "token": token}
        called: dict[str, str | int | None] = await page.evaluate(CALL, arguments)
        return called


@contextlib.asynccontextmanager
async def tab(browser: Browser, origin: str) -> AsyncIterator[Page]:
    """A page of the application."""
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    await page.goto(origin)
    assert await page.evaluate("location.origin") == origin
    yield page
    await page.close()


@contextlib.asynccontextmanager
async def two_pages(browser: Browser) -> AsyncIterator[TwoPages]:
    """Both origins may make cross-origin requests: what is refused, the policy refuses."""
    async with serving(pages()) as one, serving(pages()) as second:
        first = one.replace("127.0.0.1", "localhost")
        callers = (
            named_caller("bound", BOUND_KEY, Policy(origins=(first,))),
            named_caller("free", FREE_KEY, Policy()),
        )
        async with (
            staged(cors_origins=(first, second), callers=callers) as stage,
            tab(browser, first) as first_page,
            tab(browser, second) as second_page,
        ):
            yield TwoPages(stage=stage, first=first_page, second=second_page)


def named_caller(name: str, key: str, policy: Policy) -> NamedCaller:
    """A caller with one key."""
    digest = hashlib.sha256(key.encode()).digest()
    return NamedCaller(name=name, key_digests=(digest,), policy=policy)


async def test_a_backends_token_works_on_the_callers_own_page_only(browser: Browser) -> None:
    """Another origin is refused before the token is spent, so the right page still succeeds."""
    async with two_pages(browser) as both:
        token = await both.backend_mints(BOUND_KEY)
        assert await both.call(both.second, token) == REFUSED
        assert both.stage.provider.calls == []
        assert await both.call(both.first, token) == STARTED
        assert len(both.stage.provider.calls) == 1
        assert (await both.call(both.first, token))["code"] == "token_rejected"


async def test_a_page_mints_for_itself_if_it_is_the_callers(browser: Browser) -> None:
    """Its token is good on that page; elsewhere the mint is refused, and the provider not asked."""
    async with two_pages(browser) as both:
        refused = await both.mint(both.second, BOUND_KEY)
        assert refused == {**REFUSED, "token": None}
        assert both.stage.provider.exchanges == []
        minted = await both.mint(both.first, BOUND_KEY)
        assert minted["status"] == 200
        assert await both.call(both.second, minted["token"]) == REFUSED
        assert await both.call(both.first, minted["token"]) == STARTED


async def test_a_caller_without_origins_is_bound_to_none(browser: Browser) -> None:
    """Its tokens start calls on either page, wherever they were minted."""
    async with two_pages(browser) as both:
        minted = await both.mint(both.first, FREE_KEY)
        assert await both.call(both.second, minted["token"]) == STARTED
        assert await both.call(both.first, await both.backend_mints(FREE_KEY)) == STARTED
