"""The session form in front of a service that a test controls."""

import json
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect
from starlette.responses import JSONResponse

from tests.e2e.tester import button, copied, failure, field, may_copy, view
from tests.page.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

KEPT: dict[str, Any] = {
    "type": "realtime",
    "model": "gpt-realtime",
    "audio": {
        "input": {"noise_reduction": {"type": "near_field"}},
        "output": {"voice": {"id": "voice_1"}, "speed": 1.2},
    },
    "tool_choice": "required",
}
"""What the form has no field for."""
TOOL = '[{"type": "function", "name": "now"}]'
SECRET = {"type": "mcp", "server_url": "https://tools.example", "authorization": "letmein"}


@pytest.fixture
def note(page: Page) -> Locator:
    """The line below the session's heading."""
    return page.locator(".session-note")


async def opened(service: Service, page: Page, link: str = "") -> None:
    """The page, once it knows the models."""
    await page.goto(service.url + link)
    await expect(page.locator("#key")).to_have_value("sk-page")


async def to_the_calls_and_back(page: Page) -> None:
    """By the links at the top; the form is in front again."""
    await page.get_by_role("link", name="Calls").click()
    await expect(page.locator("#calls")).to_be_visible()
    await page.get_by_role("link", name="Tester").click()
    await expect(page.locator("#calls")).to_be_hidden()


async def asked_for(service: Service, page: Page) -> Any:
    """The session that goes with the mint."""
    await button(page, "Connect").click()
    await expect(failure(page)).to_be_visible()
    return service.minted[-1]["session"]  # type: ignore[index]  # that is what the page sends


async def test_only_what_is_filled_in_is_sent(service: Service, page: Page) -> None:
    """What was chosen and given up again leaves no trace."""
    await opened(service, page)
    await field(page, "Turn detection").select_option("server_vad")
    await field(page, "Threshold").fill("0.7")
    await field(page, "Turn detection").select_option("")
    await expect(field(page, "Threshold")).to_be_hidden()
    await field(page, "Transcription").fill("gpt-4o-transcribe")
    await field(page, "Transcription").fill("")
    assert await asked_for(service, page) == {"type": "realtime", "model": "gpt-realtime"}


async def test_a_way_through_another_kind_loses_no_figure(service: Service, page: Page) -> None:
    """Arrow keys pass by the other kinds of turn detection."""
    await opened(service, page)
    turns = field(page, "Turn detection")
    await turns.select_option("server_vad")
    await field(page, "Silence").fill("900")
    await turns.select_option("semantic_vad")
    await expect(field(page, "Silence")).to_be_hidden()
    await turns.select_option("server_vad")
    session = await asked_for(service, page)
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "silence_duration_ms": 900,
    }
    await view(page, "Setup")
    await turns.select_option("semantic_vad")
    await field(page, "Eagerness").select_option("Low")
    session = await asked_for(service, page)
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "low",
    }


async def test_a_field_that_is_typed_into_stays(service: Service, page: Page) -> None:
    """Emptied, a language says nothing any more; its field goes once it is left."""
    await opened(service, page)
    await field(page, "Transcription").fill("gpt-4o-transcribe")
    await field(page, "Language").fill("d")
    await field(page, "Transcription").fill("")
    await field(page, "Language").fill("")
    await expect(field(page, "Language")).to_be_focused()
    await field(page, "Voice").press("m")
    await expect(field(page, "Language")).to_be_hidden()


async def test_the_form_as_json_and_back_loses_nothing(service: Service, page: Page) -> None:
    """What no field has stays; what a field cannot show says so, and stays."""
    await opened(service, page)
    await button(page, "JSON").click()
    await expect(field(page, "Voice")).to_be_hidden()
    await field(page, "Session as JSON").fill(json.dumps(KEPT))
    await button(page, "JSON").click()
    voice = field(page, "Voice")
    await expect(voice).to_have_value("")
    await expect(voice).to_have_attribute("placeholder", "As the JSON says")
    await field(page, "Instructions").fill("Be brief.")
    await button(page, "JSON").click()
    written = json.loads(await field(page, "Session as JSON").input_value())
    assert written == {**KEPT, "instructions": "Be brief."}
    assert await asked_for(service, page) == written


@pytest.mark.parametrize("how", ["JSON", "Connect", "Copy link"])
@pytest.mark.parametrize(
    ("written", "why"),
    [
        pytest.param(
            '{\n  "model" "gpt-realtime"\n}',
            'Line 2, column 11: a colon should stand here, not “"”.',
            id="no colon",
        ),
        pytest.param(
            '{"a":' * 9000 + "1" + "}" * 9000,
            "It is nested too deeply: more than 60 levels.",
            id="too deep",
        ),
    ],
)
async def test_a_fault_in_the_json_is_said_beside_it(
    service: Service, page: Page, how: str, written: str, why: str
) -> None:
    """It has the focus, nothing is sent or lost; typing takes the complaint away."""
    await opened(service, page)
    await button(page, "JSON").click()
    editor = field(page, "Session as JSON")
    await editor.fill(written)
    await button(page, how).click()
    await expect(editor).to_be_focused()
    await expect(editor).to_have_attribute("aria-invalid", "true")
    await expect(editor).to_have_accessible_description(why)
    await expect(button(page, "JSON")).to_have_attribute("aria-pressed", "true")
    assert service.authorizations == []
    await editor.fill("{}")
    await expect(editor).not_to_have_attribute("aria-invalid", "true")


async def test_json_without_a_model_asks_for_one(service: Service, page: Page) -> None:
    """Beside the JSON, where it belongs."""
    await opened(service, page)
    await button(page, "JSON").click()
    editor = field(page, "Session as JSON")
    await editor.fill("{}")
    await button(page, "Connect").click()
    await expect(editor).to_be_focused()
    await expect(editor).to_have_accessible_description("Name a model first.")
    assert service.minted == []


@pytest.mark.parametrize("member", ["model", "type"])
async def test_a_name_that_is_no_text_is_said(service: Service, page: Page, member: str) -> None:
    """It goes nowhere."""
    await opened(service, page)
    await button(page, "JSON").click()
    editor = field(page, "Session as JSON")
    await editor.fill(json.dumps({"model": "gpt-realtime", member: 42}))
    await button(page, "Connect").click()
    await expect(editor).to_be_focused()
    await expect(editor).to_have_accessible_description(
        f"“{member}” has to be a text, in double quotes."
    )
    assert service.minted == []


async def test_the_bar_has_a_voice_or_says_so(service: Service, page: Page) -> None:
    """One's own goes by its id; what is no voice is none."""
    await opened(service, page)
    await button(page, "JSON").click()
    for voice, said in (("marin", "marin"), ({"id": "voice_1"}, "voice_1"), ({}, "default voice")):
        wanted = {"model": "gpt-realtime", "audio": {"output": {"voice": voice}}}
        await field(page, "Session as JSON").fill(json.dumps(wanted))
        await expect(page.locator(".call-bar-who")).to_contain_text(said)


async def test_a_fault_in_the_tools_is_said_beside_them(service: Service, page: Page) -> None:
    """As soon as the field is left; it keeps from connecting, and shows itself."""
    await opened(service, page)
    await page.get_by_text("More", exact=True).first.click()
    tools = field(page, "Tools")
    await tools.fill('[{"type": "function"}]')
    await tools.blur()
    await field(page, "Voice").fill("marin")
    await expect(tools).to_have_accessible_description("Tool 1: “name” is missing.")
    await page.get_by_text("More", exact=True).first.click()
    await expect(tools).to_be_hidden()
    await view(page, "Talk")
    await button(page, "Connect").click()
    await expect(tools).to_be_focused()
    assert service.authorizations == []
    await tools.fill(TOOL)
    assert (await asked_for(service, page))["tools"] == json.loads(TOOL)


@pytest.mark.in_firefox
async def test_an_example_is_added_to_the_tools(service: Service, page: Page) -> None:
    """To those that are there; what is no list is not touched."""
    await opened(service, page)
    await page.get_by_text("More", exact=True).first.click()
    tools = field(page, "Tools")
    await tools.fill("[")
    await button(page, "Add an example").click()
    await expect(tools).to_have_value("[")
    await expect(tools).to_be_focused()
    await expect(tools).to_have_attribute("aria-invalid", "true")
    await tools.fill(TOOL)
    await button(page, "Add an example").click()
    names = [tool["name"] for tool in (await asked_for(service, page))["tools"]]
    assert names == ["now", "get_weather"]


async def test_a_link_is_written_when_a_field_is_left(service: Service, page: Page) -> None:
    """Not at each key, and the way back stays as long as it was."""
    await opened(service, page)
    began = page.url
    length = await page.evaluate("history.length")
    await field(page, "Voice").press_sequentially("marin")
    assert page.url == began
    await field(page, "Voice").press("Tab")
    assert page.url == f"{service.url}/#/talk?model=gpt-realtime&voice=marin"
    await field(page, "Instructions").fill("Be brief.")
    await field(page, "Instructions").blur()
    assert page.url.endswith("&instructions=Be+brief.&voice=marin")
    assert await page.evaluate("history.length") == length


async def test_the_link_to_the_talk_keeps_the_settings(service: Service, page: Page) -> None:
    """To the calls and back, the form is as it was."""
    await opened(service, page)
    await field(page, "Voice").fill("marin")
    await to_the_calls_and_back(page)
    await expect(field(page, "Voice")).to_have_value("marin")
    assert page.url.endswith("voice=marin")


async def test_what_a_link_cannot_say_is_still_there(service: Service, page: Page) -> None:
    """To the calls and back: credentials of a tool, and what is half typed."""
    await opened(service, page)
    await page.get_by_text("More", exact=True).first.click()
    tools = field(page, "Tools")
    await tools.fill(json.dumps([SECRET]))
    await to_the_calls_and_back(page)
    await expect(tools).to_have_value(json.dumps([SECRET]))
    await tools.fill("[")
    await to_the_calls_and_back(page)
    await expect(tools).to_have_value("[")
    await tools.fill(json.dumps([SECRET]))
    assert (await asked_for(service, page))["tools"] == [SECRET]
    assert "letmein" not in page.url


async def test_credentials_that_no_link_carries_are_named(
    service: Service, page: Page, note: Locator
) -> None:
    """When the page is loaded anew: a mask in their place would go to the provider."""
    await opened(service, page)
    await page.get_by_text("More", exact=True).first.click()
    await field(page, "Tools").fill(json.dumps([SECRET]))
    await field(page, "Tools").blur()
    await page.reload()
    await expect(page.locator("#key")).to_have_value("sk-page")
    await expect(note).to_contain_text("Tool 1 came without its authorization")
    bare = {name: value for name, value in SECRET.items() if name != "authorization"}
    assert (await asked_for(service, page))["tools"] == [bare]


async def test_the_way_back_leads_to_what_stood_there(service: Service, page: Page) -> None:
    """A link that was followed is an address of its own."""
    await opened(service, page)
    await field(page, "Voice").fill("marin")
    await field(page, "Voice").blur()
    await page.goto(f"{service.url}/#/talk?voice=cedar")
    await expect(field(page, "Voice")).to_have_value("cedar")
    await page.go_back()
    await expect(field(page, "Voice")).to_have_value("marin")


async def test_a_key_leaves_the_address_on_the_way_from_the_calls(
    service: Service, page: Page, note: Locator
) -> None:
    """And does not come back with the link to the talk."""
    await opened(service, page, "/#/calls")
    await page.goto(f"{service.url}/#/talk?key=sk-page&voice=cedar")
    await expect(note).to_contain_text("“key” is no setting.")
    talk = page.get_by_role("link", name="Tester")
    await expect(talk).to_have_attribute("href", "#/talk?model=gpt-realtime&voice=cedar")
    assert "sk-page" not in page.url


async def test_a_link_fills_the_form(service: Service, page: Page) -> None:
    """At once, and when it is followed later: then it replaces all that stood there."""
    await opened(service, page, "/#/talk?model=gpt-realtime-mini&voice=cedar&output=text")
    await expect(field(page, "Model")).to_have_value("gpt-realtime-mini")
    await expect(field(page, "Voice")).to_have_value("cedar")
    await expect(field(page, "Output")).to_have_value("text")
    await expect(page.get_by_role("banner")).to_contain_text("cedar")
    await page.goto(f"{service.url}/#/talk?turns=off&instructions=One%0Atwo")
    await expect(field(page, "Turn detection")).to_have_value("off")
    await expect(field(page, "Voice")).to_have_value("")
    assert await asked_for(service, page) == {
        "type": "realtime",
        "model": "gpt-realtime-mini",
        "instructions": "One\ntwo",
        "audio": {"input": {"turn_detection": None}},
    }


async def test_a_transcription_gains_no_model(service: Service, page: Page) -> None:
    """The one that writes down is all it needs; it is named below."""
    audio = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
    wanted = {"type": "transcription", "audio": audio}
    await opened(service, page, f"/#/talk?session={json.dumps(wanted)}")
    await expect(field(page, "Model")).to_have_value("")
    assert await asked_for(service, page) == wanted
    await page.goto(f"{service.url}/#/talk?model=gpt-realtime-mini")
    await expect(field(page, "Model")).to_have_value("gpt-realtime-mini")
    await page.goto(f"{service.url}/#/talk?session={json.dumps(wanted)}")
    await expect(field(page, "Transcription")).to_have_value("gpt-4o-transcribe")
    await expect(field(page, "Model")).to_have_value("")


async def test_what_a_link_says_wrongly_is_left_out_with_a_word(
    service: Service, page: Page, note: Locator
) -> None:
    """And leaves the address: it may have been a key."""
    deep = "%5B" * 2000 + "%5D" * 2000
    link = f"voice=cedar&model=other&key=sk-page&tools=%7B&output=loud&session={deep}"
    await opened(service, page, f"/#/talk?{link}")
    for said in (
        "Left out of the link:",
        "“key” is no setting.",
        "“tools”: Line 1, column 2: a name in double quotes should stand here, but it ends.",
        "“output”: Choose one of audio, text.",
        "There is no model “other” here.",
        "“session”: It is nested too deeply: more than 60 levels.",
    ):
        await expect(note).to_contain_text(said)
    assert page.url == f"{service.url}/#/talk?model=gpt-realtime&voice=cedar"
    await field(page, "Voice").fill("marin")
    await expect(note).to_have_text("Sent with the token. What is empty is left to the provider.")


@pytest.mark.parametrize("kind", ["constructor", "__proto__", "toString", "valueOf"])
async def test_a_choice_that_every_object_has_is_none(
    service: Service, page: Page, note: Locator, kind: str
) -> None:
    """A link may say anything: the page is whole, and says what it left out."""
    await opened(service, page, f"/#/talk?turns={kind}&voice=cedar")
    await expect(note).to_contain_text("“turns”: Choose one of")
    await expect(field(page, "Turn detection")).to_have_value("")
    await expect(field(page, "Voice")).to_have_value("cedar")


@pytest.mark.in_firefox
async def test_a_copied_link_opens_the_same_session(
    service: Service, page: Page, browser: Browser
) -> None:
    """The whole of it, and no key."""
    await may_copy(page)
    await opened(service, page)
    await button(page, "JSON").click()
    await field(page, "Session as JSON").fill(json.dumps(KEPT))
    place = await button(page, "Copy link").bounding_box()
    await button(page, "Copy link").click()
    await expect(button(page, "Copy link")).to_have_text("Copied")
    assert await button(page, "Copy link").bounding_box() == place
    link = await copied(page)
    assert "sk-page" not in link
    other = await browser.new_page()
    await other.goto(link)
    await expect(other.locator("#key")).to_have_value("sk-page")
    assert await asked_for(service, other) == KEPT
    await other.close()


async def test_a_link_is_copied_whole_or_not_at_all(service: Service, page: Page) -> None:
    """What is complained of would be missing in it: the field is pointed out instead."""
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=service.url)
    await opened(service, page)
    await page.evaluate("navigator.clipboard.writeText('before')")
    await field(page, "Turn detection").select_option("server_vad")
    await field(page, "Threshold").fill("7")
    await button(page, "Copy link").click()
    await expect(field(page, "Threshold")).to_be_focused()
    await expect(field(page, "Threshold")).to_have_accessible_description("Only 0 to 1.")
    await expect(button(page, "Copy link")).to_have_text("Copy link")
    assert await page.evaluate("navigator.clipboard.readText()") == "before"
    await field(page, "Threshold").fill("0.7")
    await button(page, "Copy link").click()
    await expect(button(page, "Copy link")).to_have_text("Copied")
    assert "threshold=0.7" in await page.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize(
    ("param", "name", "remedy"),
    [
        ("session.model", "Model", "Choose another model"),
        ("session.audio.output.voice", "Voice", "Choose another voice"),
        ("session.instructions", "Instructions", "Correct the instructions"),
        ("session.tools[0].name", "Tools", "Correct the tools"),
        ("session.audio.input.turn_detection.type", "Turn detection", "Correct the turn detection"),
        ("session.audio.input.turn_detection.threshold", "Threshold", "Correct the threshold"),
        ("session.audio.input.transcription.model", "Transcription", "Correct the transcription"),
        ("session.audio.input.transcription.language", "Language", "Correct the language"),
        ("session.audio.output.speed", "Session as JSON", "Correct the session"),
    ],
)
async def test_what_the_provider_refuses_is_pointed_out(
    service: Service, page: Page, param: str, name: str, remedy: str
) -> None:
    """With its own sentence, and a button that goes there."""
    said = {"message": "This one will not do.", "type": "invalid_request_error", "param": param}
    service.mint = JSONResponse({"error": {**said, "code": "invalid_value"}}, 400)
    await opened(service, page, "/#/talk?turns=server_vad&transcription=whisper-1&language=de")
    await button(page, "Connect").click()
    refused = field(page, name)
    await expect(refused).to_have_attribute("aria-invalid", "true")
    await expect(refused).to_have_accessible_description("This one will not do.")
    await button(page, remedy).click()
    await expect(refused).to_be_focused()
    await expect(page.get_by_role("tab", name="Setup", exact=True)).to_have_attribute(
        "aria-selected", "true"
    )


async def test_what_no_field_has_is_corrected_in_the_json(service: Service, page: Page) -> None:
    """Though the fields are in front again."""
    said = {"message": "Too fast.", "param": "session.audio.output.speed", "type": "t"}
    service.mint = JSONResponse({"error": {**said, "code": "invalid_value"}}, 400)
    await opened(service, page)
    await button(page, "Connect").click()
    await expect(field(page, "Session as JSON")).to_be_visible()
    await button(page, "JSON").click()
    await expect(field(page, "Session as JSON")).to_be_hidden()
    await button(page, "Correct the session").click()
    await expect(field(page, "Session as JSON")).to_be_focused()


async def test_no_tab_is_clipped(service: Service, page: Page) -> None:
    """All the inspector's, from a small desk to a wide one; and in the drawer of a tablet."""
    await opened(service, page)
    for width in (820, 1024, 1240, 1280, 1366, 1440, 1600, 1920):
        await page.set_viewport_size({"width": width, "height": 720})
        if width < 1240:
            await button(page, "Inspector").click()
        tabs = page.locator("#inspector-tabs")
        room = await tabs.evaluate("(tabs) => tabs.scrollWidth - tabs.clientWidth")
        assert room == 0, width
        (head, last) = [await each.bounding_box() for each in (tabs, tabs.get_by_role("tab").last)]
        assert head is not None
        assert last is not None
        assert last["x"] + last["width"] <= head["x"] + head["width"] + 0.5, width
        if width < 1240:
            await page.keyboard.press("Escape")
