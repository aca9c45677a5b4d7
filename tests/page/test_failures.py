"""What the page says when something fails."""

import json
import re

import pytest
from playwright.async_api import Page, Route, expect
from starlette.responses import Response

from tests.e2e.tester import button, events, field, logged, status, view
from tests.e2e.tester import failure as sheet
from tests.page.conftest import TOKEN, Service, failure

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

MESSAGE = "The sentence the server chose."


async def connect(service: Service, page: Page) -> None:
    """Open the page and press Connect."""
    await page.goto(service.url)
    await expect(page.locator("#key")).to_have_value("sk-page")
    await button(page, "Connect").click()


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        (failure(404, "model_not_found", MESSAGE), "Choose another model"),
        (failure(429, "rate_limited", MESSAGE, retry_after="7"), "Wait 7 seconds"),
        (failure(503, "store_unavailable", MESSAGE, retry_after="1"), "Wait 1 second,"),
        (failure(418, "unheard_of", MESSAGE), "The message names"),
        (failure(418, "constructor", MESSAGE), "The message names"),
    ],
    ids=["404", "429", "503", "unknown", "inherited"],
)
async def test_a_refused_mint_is_explained(
    service: Service, page: Page, refusal: Response, advice: str
) -> None:
    """The server's own sentence, its code and request id, and what to do."""
    service.mint = refusal
    await connect(service, page)
    error = sheet(page)
    for text in [MESSAGE, str(refusal.status_code), "req_of_this_test", advice]:
        await expect(error).to_contain_text(text)
    await expect(page.locator('[data-step="token"]')).to_have_attribute("data-state", "failed")
    await expect(page.locator('[data-step="token"] .step-note')).to_contain_text(advice)
    await expect(status(page)).to_contain_text("Could not connect")
    await expect(button(page, "Connect")).to_be_focused()
    assert service.offers == []


async def test_a_refused_offer_is_explained_at_its_own_step(service: Service, page: Page) -> None:
    """The token was good, the call was not: the ladder shows where it broke."""
    service.call = failure(401, "token_rejected", "Send it as 'Authorization: Bearer ek_...'.")
    await connect(service, page)
    await expect(sheet(page)).to_contain_text("The token is expired, used or not known.")
    await expect(sheet(page)).not_to_contain_text("Bearer")
    await expect(sheet(page)).to_contain_text("fresh token")
    for step, state in {
        "key": "done",
        "microphone": "done",
        "token": "done",
        "offer": "done",
        "answer": "failed",
        "ice": "pending",
    }.items():
        await expect(page.locator(f'[data-step="{step}"]')).to_have_attribute("data-state", state)
    elapsed = await page.locator('[data-step="token"]').get_attribute("data-ms")
    assert elapsed is not None
    assert float(elapsed) > 0
    assert service.authorizations == ["Bearer sk-page", f"Bearer {TOKEN}"]
    assert service.offers[0].startswith(b"v=0")
    assert b"m=audio" in service.offers[0]


async def test_the_time_of_a_step_that_fails_counts(service: Service, page: Page) -> None:
    """Gateway and provider have had it: what a refused mint took is not left out."""
    spent = {"server_timing": "gateway;dur=4.0, provider;dur=10000.0"}
    service.mint = failure(504, "upstream_timeout", MESSAGE, **spent)
    await connect(service, page)
    await expect(sheet(page)).to_contain_text(MESSAGE)
    await expect(page.locator("#time-gateway")).to_have_text("4.0\u00a0ms")
    await expect(page.locator("#time-provider")).to_have_text("10.0\u00a0s")
    service.mint = failure(400, "x", "Another one.")
    await button(page, "Connect").click()
    await expect(sheet(page)).to_contain_text("Another one.")
    await expect(page.locator("#time-provider")).not_to_contain_text("s")


async def test_the_networks_share_is_what_nobody_else_took(service: Service, page: Page) -> None:
    """Of the whole exchange; where nobody told a share it is not known, and never below nothing."""
    await page.goto(service.url)
    shares = await page.evaluate(
        """async (all) => {
          const { serverTiming } = await import("/js/api.js");
          return all.map(([told, whole]) => serverTiming(told, whole).network);
        }""",
        [
            ["gateway;dur=3, provider;dur=41", 60],
            ["provider;dur=41", 60],
            ["gateway;dur=3.5", 60],
            ["gateway;dur=3, provider;dur=59", 60],
            ["cdn;dur=5", 60],
            [None, 60],
        ],
    )
    assert shares == [16, 19, 56.5, 0, None, None]


async def test_an_offer_that_cannot_be_made_is_explained(service: Service, page: Page) -> None:
    """At its own rung, with what the browser said; tried again, the call goes on from there."""
    await page.add_init_script(
        """
        const real = RTCPeerConnection.prototype.setLocalDescription;
        RTCPeerConnection.prototype.setLocalDescription = function () {
          RTCPeerConnection.prototype.setLocalDescription = real;
          return Promise.reject(new DOMException("No codec is left.", "OperationError"));
        };
        """
    )
    await connect(service, page)
    await expect(page.locator('[data-step="offer"]')).to_have_attribute("data-state", "failed")
    for said in ("No offer", "No codec is left."):
        await expect(sheet(page)).to_contain_text(said)
    assert service.offers == []
    await sheet(page).get_by_role("button", name="Try again").click()
    await expect(page.locator('[data-step="offer"]')).to_have_attribute("data-state", "done")
    assert len(service.offers) == 1


async def test_an_answer_that_is_not_ours_is_still_explained(service: Service, page: Page) -> None:
    """A proxy in between answers in HTML; nothing of it is parsed as markup."""
    service.mint = Response("<b id=injected>Bad gateway</b>", 502, media_type="text/html")
    await connect(service, page)
    await expect(sheet(page)).to_contain_text("answered 502 without a reason")
    await expect(sheet(page)).to_contain_text("Try again.")


async def test_a_hostile_message_is_shown_as_text(service: Service, page: Page) -> None:
    """Markup in a message stays text."""
    service.mint = failure(400, "x", "<img id=injected src=x onerror=alert(1)>")
    await connect(service, page)
    await expect(sheet(page)).to_contain_text("<img id=injected")
    assert await page.locator("#injected").count() == 0


async def test_a_service_that_is_gone_is_explained(service: Service, page: Page) -> None:
    """No answer at all is said in words, not as a TypeError."""
    await page.goto(service.url)
    await expect(page.locator("#key")).to_have_value("sk-page")
    await page.route("**/client_secrets", lambda route: route.abort())
    await button(page, "Connect").click()
    await expect(sheet(page)).to_contain_text("The service did not answer.")
    await expect(sheet(page)).to_contain_text("Check that the service runs")


async def test_a_refused_microphone_is_explained_and_can_be_gone_without(
    service: Service, page: Page
) -> None:
    """No token is spent; the page offers to connect without a microphone, and then does."""

    async def refuse(route: Route) -> None:
        document = await route.fetch()
        headers = {**document.headers, "permissions-policy": "microphone=()"}
        await route.fulfill(response=document, headers=headers)

    await page.route(f"{service.url}/", refuse)
    await connect(service, page)
    error = sheet(page)
    await expect(error).to_contain_text("The microphone was refused.")
    await expect(error).to_contain_text("address bar")
    assert service.minted == []
    await error.get_by_role("button", name="Connect without a microphone").click()
    await expect(error).to_contain_text("No provider in this test.")
    skipped = page.locator('[data-step="microphone"]')
    await expect(skipped).to_have_attribute("data-state", "skipped")
    assert b"m=audio" in service.offers[0]


async def test_plain_http_from_afar_is_explained(service: Service, page: Page) -> None:
    """Browsers hide their devices from insecure pages; the page says why there is no microphone."""
    await page.add_init_script(
        "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})"
    )
    await connect(service, page)
    await expect(sheet(page)).to_contain_text("secure pages only")


async def test_the_microphone_is_released_after_a_failure(service: Service, page: Page) -> None:
    """The browser's recording sign goes out: every track is stopped."""
    await page.add_init_script(
        """
        globalThis.streams = [];
        const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => {
          const stream = await real(wanted);
          streams.push(stream);
          return stream;
        };
        """
    )
    await connect(service, page)
    await expect(sheet(page)).to_be_visible()
    states = "streams.flatMap((stream) => stream.getTracks()).map((track) => track.readyState)"
    assert await page.evaluate(states) == ["ended"]
    meter = page.get_by_role("meter", name="Sound sent")
    await expect(meter).to_have_attribute("aria-valuenow", "0")


async def test_the_key_and_token_stay_out_of_the_log(service: Service, page: Page) -> None:
    """The event log shows requests, never what authorised them."""
    await connect(service, page)
    await view(page, "Events")
    await expect(events(page)).to_have_count(4)  # the line where the call begins is one
    text = ""
    for each in await events(page).all():
        await each.click()
        text += await page.locator("#events").inner_text()
    text += json.dumps(await logged(page))
    assert re.search(r"POST /v1/realtime/calls\s+503", text)
    assert "sk-page" not in text
    assert TOKEN not in text


async def test_a_wrong_key_stops_before_the_microphone_is_asked_for(
    service: Service, page: Page
) -> None:
    """Said beside the key, in words; neither the device nor the provider is asked."""
    await page.add_init_script(
        """
        globalThis.asked = 0;
        navigator.mediaDevices.getUserMedia = () => { asked += 1; return new Promise(() => {}); };
        """
    )
    service.known = failure(401, "invalid_api_key", "Send it as 'Authorization: Bearer <key>'.")
    await connect(service, page)
    await expect(sheet(page)).to_contain_text("This service does not know the key.")
    for text in ("this service's key", "401 invalid_api_key", "req_of_this_test"):
        await expect(sheet(page)).to_contain_text(text)
    await expect(sheet(page)).not_to_contain_text("Bearer")
    await expect(page.locator('[data-step="key"]')).to_have_attribute("data-state", "failed")
    await expect(page.locator('[data-step="microphone"]')).to_have_attribute(
        "data-state", "pending"
    )
    await expect(field(page, "Key")).to_have_attribute("aria-invalid", "true")
    await expect(field(page, "Key")).to_have_accessible_description(
        "This service does not know the key."
    )
    await expect(button(page, "Connect")).to_be_focused()
    assert await page.evaluate("asked") == 0
    assert service.minted == []


async def test_a_gateway_that_lets_nobody_list_calls_is_no_obstacle(
    service: Service, page: Page
) -> None:
    """404 says nothing about the key: the rung is skipped, and the mint decides."""
    service.known = failure(404, "not_found", "No such route.")
    await connect(service, page)
    await expect(sheet(page)).to_contain_text("No provider in this test.")
    await expect(page.locator('[data-step="key"]')).to_have_attribute("data-state", "skipped")
    assert len(service.minted) == 1


async def test_a_failure_can_be_dismissed_and_leaves_the_focus(
    service: Service, page: Page
) -> None:
    """The sheet goes; the focus is where one would go on."""
    service.mint = failure(503, "store_unavailable", MESSAGE)
    await connect(service, page)
    await button(page, "Dismiss").press("Enter")
    await expect(sheet(page)).to_have_count(0)
    await expect(button(page, "Connect")).to_be_focused()
