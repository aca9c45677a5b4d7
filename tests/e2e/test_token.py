"""The token of a call: what it is good for, taking it back, and the one use too many."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.e2e.looks import clean, inspected
from tests.e2e.tester import button, connect, connect_at, fill_in, hang_up, status, view
from tests.support.browser import CHROMIUMS_OWN
from tests.support.service import MASTER_KEY, MODEL, UPSTREAM_MODEL, bearer, named
from tests.support.stage import PATIENCE_SECONDS, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

SHOP, KIOSK = "sk-of-the-shop", "sk-of-the-kiosk"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The shop has its calls hung up when a token is replayed; others' replays are refused."""
    callers = (named("shop", SHOP, on_replay="hangup"), named("kiosk", KIOSK))
    async with staged(callers=callers) as stage:
        yield stage


def panel(page: Page) -> Locator:
    """What the tab shows."""
    return page.get_by_role("tabpanel", name="Token")


async def spent(page: Page, word: str) -> None:
    """Nothing is left in the ring but why: its time counts for nothing any more."""
    ring = page.locator(".token-ring")
    await expect(ring).to_have_text(word)
    await expect(ring.locator(".token-arc")).to_have_css(
        "stroke-dasharray", re.compile(r"^0(px)?, 1")
    )


def fact(page: Page, name: str) -> Locator:
    """One of the token's facts."""
    return panel(page).locator(f'[data-fact="{name}"]')


async def replays(stage: Stage, caller: str) -> float:
    """As the service's metrics count them."""
    async with httpx.AsyncClient(base_url=stage.url, timeout=PATIENCE_SECONDS) as client:
        text = (await client.get("/metrics", headers=bearer(MASTER_KEY))).text
    found = re.search(rf'^signaller_replays_total{{caller="{caller}"}} (\S+)$', text, re.M)
    return float(found[1]) if found else 0.0


async def minted(page: Page, action: Locator) -> str:
    """The token that pressing something brings."""
    async with page.expect_response("**/v1/realtime/client_secrets") as answered:
        await action.click()
    value: str = (await (await answered.value).json())["value"]
    return value


async def test_what_a_token_is_good_for(stage: Stage, page: Page) -> None:
    """Who has it, for what and for how long; its value is nowhere."""
    begun = len(stage.provider.calls)
    await page.goto(stage.url)
    await fill_in(page, KIOSK)
    await view(page, "Token")
    token = await minted(page, button(page, "Get a token"))
    await expect(panel(page)).to_contain_text("Not used yet")
    await expect(fact(page, "uses")).to_have_text("1")
    await expect(fact(page, "caller")).to_have_text("kiosk")
    await expect(fact(page, "model")).to_have_text(MODEL)
    await expect(fact(page, "origins")).to_have_text("any page")
    await expect(fact(page, "name")).to_have_text(f"{token[:12]}…")
    await expect(panel(page).get_by_text(re.compile(r"^9:\d\d$|^10:00$"))).to_be_visible()
    await panel(page).get_by_text("Terms").click()
    terms = json.loads(await page.get_by_role("region", name="Terms").inner_text())
    assert terms["model"] == UPSTREAM_MODEL
    assert token[:20] not in await page.content()
    assert len(stage.provider.calls) == begun


async def test_origins_metadata_and_further_uses_are_told(stage: Stage, page: Page) -> None:
    """Whatever introspection tells of a token."""
    told = {
        "active": True,
        "jti": "g1",
        "caller": "app",
        "model": "m",
        "iat": 1000,
        "exp": 1030,
        "uses_left": 2,
        "origins": ["https://app.example"],
        "metadata": {"order": "4711"},
    }

    async def tell(route: Route) -> None:
        await route.fulfill(json=told)

    await page.route("**/introspect", tell)
    await page.clock.install()
    await connect(stage, page)
    await view(page, "Token")
    await expect(panel(page)).to_contain_text("Used, and good for more")
    await expect(fact(page, "uses")).to_have_text("1")
    await expect(fact(page, "origins")).to_have_text("https://app.example")
    await expect(fact(page, "metadata")).to_have_text("order: 4711")
    await expect(button(page, "Use it again")).to_be_disabled()
    await expect(panel(page)).not_to_contain_text("Expired")
    await page.clock.fast_forward(30_000)  # its time runs out under the eye
    await expect(panel(page)).to_contain_text("Expired")
    await expect(button(page, "Use it again")).to_be_enabled()


async def test_the_use_too_many_is_refused_as_it_should_be(stage: Stage, page: Page) -> None:
    """The 401 is a success, the operator's counter shows it, and the call goes on."""
    await connect(stage, page)
    begun, counted = len(stage.provider.calls), await replays(stage, "master")
    await view(page, "Token")
    await expect(panel(page)).to_contain_text("Spent by this call")
    await expect(fact(page, "uses")).to_have_text("0")
    await spent(page, "spent")
    await expect(panel(page)).to_contain_text("on_replay: hangup")
    await button(page, "Use it again").click()
    await expect(panel(page)).to_contain_text("Refused, as it should be")
    answer = "401 token_rejected The token is expired, used or not known."
    await expect(panel(page)).to_contain_text(answer)
    seen = f"signaller_replays_total {counted:.0f} → {counted + 1:.0f}"
    await expect(panel(page)).to_contain_text(seen)
    assert await replays(stage, "master") == counted + 1
    assert len(stage.provider.calls) == begun
    await expect(status(page)).to_have_attribute("data-state", "connected")


@pytest.mark.in_firefox
async def test_a_replay_may_end_the_call(stage: Stage, page: Page) -> None:
    """As the button's text has said before, where the caller's policy is so."""
    await connect_at(stage.url, page, SHOP)
    await view(page, "Token")
    hint = panel(page).get_by_text("on_replay: hangup, it also ends the call")
    await expect(hint).to_be_visible()
    await expect(button(page, "Use it again")).to_have_accessible_description(
        re.compile("it also ends the call")
    )
    await button(page, "Use it again").click()
    await expect(panel(page)).to_contain_text("Refused, as it should be")
    await expect(panel(page)).to_contain_text("one more in signaller_replays_total")
    await expect(status(page)).to_contain_text("token used again")
    await view(page, "Usage")
    usage = page.get_by_role("tabpanel", name="Usage")
    await expect(usage).to_contain_text("Endedtoken used again")


@pytest.mark.in_firefox
async def test_a_token_is_taken_back(stage: Stage, page: Page) -> None:
    """Revoked before it was used it starts no call; to the operator that is no replay."""
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await view(page, "Token")
    begun, counted = len(stage.provider.calls), await replays(stage, "master")
    token = await minted(page, button(page, "Get a token"))
    await expect(panel(page)).to_contain_text("Not used yet")
    await expect(button(page, "Use it again")).to_be_disabled()
    await button(page, "Revoke").click()
    await expect(panel(page)).to_contain_text("Revoked")
    await spent(page, "revoked")
    await expect(button(page, "Revoke")).to_be_disabled()
    looked = await stage.post("client_secrets/introspect", json={"token": token})
    assert looked.json() == {"active": False}
    await button(page, "Use it again").click()
    await expect(panel(page)).to_contain_text("Refused, as it should be")
    await expect(panel(page)).to_contain_text("No replay")
    assert (len(stage.provider.calls), await replays(stage, "master")) == (begun, counted)


async def test_a_call_goes_on_when_its_token_is_taken_back(stage: Stage, page: Page) -> None:
    """As the button says; after the call another token can be had."""
    await connect(stage, page)
    await view(page, "Token")
    await expect(button(page, "Get a token")).to_be_disabled()
    await button(page, "Revoke").click()
    await expect(panel(page)).to_contain_text("Revoked")
    await expect(status(page)).to_have_attribute("data-state", "connected")
    await hang_up(page)
    await button(page, "Get a token").click()
    await expect(panel(page)).to_contain_text("Not used yet")


async def test_what_the_service_does_not_do_is_said(stage: Stage, page: Page) -> None:
    """A key that is wrong by now, and one that is missing."""
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await view(page, "Token")

    async def refuse(route: Route) -> None:
        refusal = {"error": {"message": "Not with this key.", "code": "not_allowed"}}
        await route.fulfill(status=403, json=refusal)

    await page.route("**/revoke", refuse)
    await page.route("**/introspect", lambda route: route.fulfill(json={"active": False}))
    await button(page, "Get a token").click()
    await expect(panel(page).get_by_text("Spent", exact=True)).to_be_visible()  # by no call of ours
    await button(page, "Revoke").click()
    await expect(panel(page)).to_contain_text("It was not revoked. Not with this key.")
    await expect(button(page, "Revoke")).to_be_enabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_about_the_token(
    stage: Stage, browser: Browser, scheme: Any
) -> None:
    """Without a token, with one, after its replay and revoked; and the focus is never lost."""
    async with inspected(browser, tolerated=CHROMIUMS_OWN, color_scheme=scheme) as page:
        await page.goto(stage.url)
        await clean(page, "none", "Token")
        await connect(stage, page)
        await clean(page, "spent", "Token")
        await button(page, "Use it again").press("Enter")
        await expect(panel(page)).to_contain_text("Refused")
        await clean(page, "replayed", "Token")
        await button(page, "Revoke").press("Enter")
        await expect(panel(page)).to_contain_text("Revoked")
        assert await page.evaluate("document.activeElement !== document.body")
        await clean(page, "revoked", "Token")
