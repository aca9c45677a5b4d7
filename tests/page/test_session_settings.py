"""The session as form, JSON and link: the pure modules, without a form."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from signaller.strict_json import parse_object
from tests.page.conftest import Service
from tests.support.serving import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

WRITE = """async ([base, changes]) => {
  const { read, write } = await import("/js/session/settings.js");
  const { session, complaints } = write(base, { ...read(base), ...changes });
  return [session, Object.fromEntries(complaints)];
}"""
LINK = """async (session) => {
  const { linkTo, readLink } = await import("/js/session/link.js");
  const link = linkTo(session);
  return [link, readLink(link)];
}"""
READ_LINK = 'async (hash) => (await import("/js/session/link.js")).readLink(hash)'
FAULT = """async ([reader, written]) => {
  try { (await import("/js/session/json.js"))[reader](written); }
  catch (error) { return error.message; }
}"""
FIELD_AT = 'async (param) => (await import("/js/session/settings.js")).fieldAt(param)'

TURNS = {"type": "server_vad", "threshold": 0.6, "create_response": False, "idle_timeout_ms": 9000}
STRANGE: dict[str, Any] = {
    "type": "realtime",
    "model": "gpt-realtime",
    "instructions": "One\r\ntwo ",
    "audio": {
        "input": {"noise_reduction": {"type": "near_field"}, "turn_detection": TURNS},
        "output": {"voice": {"id": "voice_1"}, "speed": 1.2},
    },
    "output_modalities": ["audio", "text"],
    "reasoning": None,
    "tools": {"not": "a list"},
    "tool_choice": "required",
}
"""What the form has no field for, or not for this value of it."""
PLAIN: dict[str, Any] = {
    "type": "realtime",
    "model": "gpt-realtime",
    "instructions": "Ümlaut & more?\n#/%",
    "audio": {
        "output": {"voice": "marin"},
        "input": {
            "turn_detection": {"type": "semantic_vad", "eagerness": "low"},
            "transcription": {"model": "gpt-4o-transcribe", "language": "de"},
        },
    },
    "output_modalities": ["text"],
    "reasoning": {"effort": "low"},
    "tools": [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of that origin, for all tests of this module: none changes it."""
    service = Service()
    async with serving(service.app()) as url:
        page = await browser.new_page()
        await page.goto(url)
        yield page
        await page.close()


@pytest.mark.parametrize("session", [STRANGE, PLAIN], ids=["strange", "plain"])
async def test_what_is_not_changed_stays(page: Page, session: dict[str, Any]) -> None:
    """Shown and written again, a session is the same to the letter."""
    assert await page.evaluate(WRITE, [session, {}]) == [session, {}]


@pytest.mark.parametrize("session", [STRANGE, PLAIN], ids=["strange", "plain"])
async def test_a_link_carries_all_of_a_session(page: Page, session: dict[str, Any]) -> None:
    """What fields show as parameters by name, the rest as JSON."""
    link, read = await page.evaluate(LINK, session)
    assert read == {"session": session, "ignored": []}
    assert link.startswith("#/talk?")
    assert ("session=" in link) is (session is STRANGE)


async def test_a_change_leaves_its_neighbours(page: Page) -> None:
    """A field changes its own member, and takes along only what means nothing any more."""
    changes = {"voice": "cedar", "turns": "semantic_vad", "eagerness": "high", "output": "text"}
    session, complaints = await page.evaluate(WRITE, [STRANGE, changes])
    assert complaints == {}
    assert session["audio"] == {
        "input": {
            "noise_reduction": {"type": "near_field"},
            "turn_detection": {
                "type": "semantic_vad",
                "create_response": False,
                "eagerness": "high",
            },
        },
        "output": {"voice": "cedar", "speed": 1.2},
    }
    assert session["output_modalities"] == ["text"]
    assert session["tools"] == STRANGE["tools"]


async def test_what_is_emptied_goes_with_what_it_leaves_empty(page: Page) -> None:
    """The provider chooses again, and is sent no empty objects."""
    empty = dict.fromkeys(("instructions", "voice", "turns", "transcription", "language"), "")
    empty |= dict.fromkeys(("output", "reasoning", "tools"), "")
    session, complaints = await page.evaluate(WRITE, [PLAIN, empty])
    assert (session, complaints) == ({"type": "realtime", "model": "gpt-realtime"}, {})


@pytest.mark.parametrize(
    ("changes", "turns"),
    [
        ({"turns": "off"}, None),
        ({"turns": "server_vad"}, {"type": "server_vad"}),
        (
            {"turns": "server_vad", "threshold": " 0.4", "silence": "900", "prefix": "0"},
            {
                "type": "server_vad",
                "threshold": 0.4,
                "silence_duration_ms": 900,
                "prefix_padding_ms": 0,
            },
        ),
        ({"turns": "semantic_vad", "threshold": "0.4"}, {"type": "semantic_vad"}),
    ],
    ids=["off", "by silence", "in figures", "by meaning"],
)
async def test_turns_are_detected_as_chosen(page: Page, changes: object, turns: object) -> None:
    """Each kind has its own figures, and none of another."""
    session, complaints = await page.evaluate(WRITE, [{"type": "realtime"}, changes])
    assert complaints == {}
    assert session == {"type": "realtime", "audio": {"input": {"turn_detection": turns}}}


@pytest.mark.parametrize(
    ("name", "typed"),
    [("threshold", "1.1"), ("threshold", "loud"), ("silence", "1.5"), ("prefix", "-1")],
)
async def test_a_figure_that_is_none_is_told(page: Page, name: str, typed: str) -> None:
    """It is left as it was."""
    base = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    session, complaints = await page.evaluate(WRITE, [base, {name: typed}])
    assert session == base
    assert list(complaints) == [name]


@pytest.mark.parametrize(
    ("reader", "written", "message"),
    [
        ("readTools", "", "Line 1, column 1: a value should stand here, but it ends."),
        ("readTools", '[\n  {"a" 1}\n]', "Line 2, column 8: a colon should stand here, not “1”."),
        ("readTools", "[1,]", "Line 1, column 4: a value should stand here, not “]”."),
        ("readTools", "[1 2]", "Line 1, column 4: a comma or “]” should stand here, not “2”."),
        ("readTools", "[True]", "Line 1, column 2: a value should stand here, not “True”."),
        ("readTools", "{}", "Tools are a list: […]."),
        ("readTools", '[{"type": "mcp"}, 1]', "Tool 2: an object is needed."),
        ("readTools", '[{"name": "x"}]', "Tool 1: “type” is missing."),
        ("readTools", '[{"type": "function"}]', "Tool 1: “name” is missing."),
        ("readSession", "[]", "A session is an object: {…}."),
        (
            "readSession",
            "{'model': 1}",
            "Line 1, column 2: a name in double quotes should stand here, not “'”.",
        ),
        (
            "readSession",
            '{"a": 1\n "b": 2}',
            'Line 2, column 2: a comma or “}” should stand here, not “"”.',
        ),
        (
            "readSession",
            '{"a": {}} x',
            "Line 1, column 11: nothing more should stand here, not “x”.",
        ),
        (
            "readSession",
            '{"a": "b\n"}',
            "Line 1, column 7: a value should stand here, but this one is not closed in its line, "
            "or holds a wrong “\\”.",
        ),
    ],
)
async def test_a_fault_is_said_with_its_place(
    page: Page, reader: str, written: str, message: str
) -> None:
    """In our own words, the same in every browser."""
    assert await page.evaluate(FAULT, [reader, written]) == message


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9007199254740992", "12345678901234567890"])
async def test_a_number_that_would_arrive_as_another_is_refused(page: Page, number: str) -> None:
    """Wherever it stands, and as it was written."""
    said = await page.evaluate(FAULT, ["readSession", f'{{"a": [{{"b": {number}}}]}}'])
    assert said.startswith(f"“{number}” is too large a number")


async def test_numbers_that_arrive_as_they_are_stay(page: Page) -> None:
    """The largest whole one among them, and texts of any figures."""
    written = '{"type":"realtime","a":[9007199254740991,-9007199254740991,0.1,"1e999"]}'
    assert await page.evaluate(FAULT, ["readSession", written]) is None


async def test_sixty_levels_are_taken_and_no_more(page: Page) -> None:
    """And the service reads them, with what stands around a session."""
    most, more = (f'{{"type":"realtime","a":{"[" * n}{"]" * n}}}' for n in (59, 60))
    assert await page.evaluate(FAULT, ["readSession", most]) is None
    assert "more than 60 levels" in await page.evaluate(FAULT, ["readSession", more])
    body = f'{{"expires_after":{{}},"session":{most}}}'
    assert parse_object(body.encode())["session"] == json.loads(most)


async def test_of_a_link_that_is_wrong_without_end_a_few_words_are_told(page: Page) -> None:
    """Each name once, and that there are more."""
    wrong = "&".join(f"x{number // 2}=1" for number in range(3000))
    read = await page.evaluate(READ_LINK, f"#/talk?{wrong}&voice=marin")
    assert read["ignored"] == [
        *[f"“x{number}” is no setting." for number in range(5)],
        "And more.",
    ]


async def test_what_a_link_says_and_is_not_understood_is_left_out(page: Page) -> None:
    """Each with its reason; the rest counts."""
    link = "#/talk?voice=marin&key=sk-1&turns=server_vad&threshold=7&eagerness=low&tools=[&%zz=1"
    read = await page.evaluate(READ_LINK, link)
    assert read["session"] == {
        "type": "realtime",
        "audio": {
            "output": {"voice": "marin"},
            "input": {"turn_detection": {"type": "server_vad"}},
        },
    }
    assert read["ignored"] == [
        "“key” is no setting.",
        "“%zz” is no setting.",
        "“eagerness” does not go with the others.",
        "“threshold”: Only 0 to 1.",
        "“tools”: Line 1, column 2: a value should stand here, but it ends.",
    ]


@pytest.mark.parametrize("link", ["", "#", "#/talk", "#/talk?", "#/calls", "#/calls/rtc_1", "#x"])
async def test_other_addresses_say_nothing_of_a_session(page: Page, link: str) -> None:
    """The form stays as it is."""
    assert await page.evaluate(READ_LINK, link) is None


async def test_what_opens_doors_is_in_no_link(page: Page) -> None:
    """A tool has credentials of its own; whoever follows the link is told that they are missing."""
    tool = {
        "type": "mcp",
        "server_url": "https://tools.example",
        "authorization": "secret-1",
        "headers": {"x-key": "secret-2"},
    }
    link, read = await page.evaluate(LINK, {"type": "realtime", "tools": [{"type": "mcp"}, tool]})
    assert "secret" not in link
    bare = {"type": "mcp", "server_url": "https://tools.example"}
    assert read["session"]["tools"] == [{"type": "mcp"}, bare]
    assert read["ignored"] == [
        "“tools”: Tool 2 came without its authorization: no link carries it.",
        "“tools”: Tool 2 came without its headers: no link carries it.",
    ]


@pytest.mark.parametrize(
    ("param", "field"),
    [
        ("session.model", "model"),
        ("model", "model"),
        ("session.instructions", "instructions"),
        ("session.audio.output.voice", "voice"),
        ("session.audio.input.turn_detection", "turns"),
        ("session.audio.input.turn_detection.threshold", "threshold"),
        ("session.audio.input.turn_detection.create_response", "turns"),
        ("session.audio.input.transcription.model", "transcription"),
        ("session.tools[0].name", "tools"),
        ("session.output_modalities", "output"),
        ("session.reasoning.effort", "reasoning"),
        ("session.audio.output.speed", "session"),
        ("session", "session"),
        ("expires_after.seconds", None),
        ("", None),
    ],
)
async def test_a_refused_parameter_has_a_field(page: Page, param: str, field: object) -> None:
    """The nearest one; what only the JSON has is corrected there."""
    assert await page.evaluate(FIELD_AT, param) == field


async def test_the_example_is_a_list_of_functions(page: Page) -> None:
    """What the button fills in is no fault itself."""
    tool = await page.evaluate('async () => (await import("/js/session/json.js")).TOOL')
    assert await page.evaluate(FAULT, ["readTools", json.dumps([tool])]) is None
