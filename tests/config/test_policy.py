"""What a policy says, and each way in which it can say it wrong."""

import json
from dataclasses import fields

import pytest

from signaller.config import load_settings
from signaller.config.declared import PolicyKeys
from signaller.policy import Policy
from tests.config.reading import ENV, entry, faults, service_file

FULL = """{
  models: ["voice", "gpt-*", "voice"],
  origins: ["HTTPS://App.Example:443"],
  token_ttl_seconds: 10, token_uses: 100, mints_per_minute: 1, calls_per_minute: 60000,
  session: {instructions: "Be kind.", speed: 1.5, tools: [{n: 1, strict: true, x: null}]},
  on_replay: hangup, safety_identifier: true,
  calls_at_once: 100000, max_call_seconds: 7200, supervision: required, max_idle_seconds: 3600,
  warn_seconds: 600, warn_with: "Soon over.", session_drift: note,
}"""
ALL = sorted(PolicyKeys.model_fields)
RATE = "a whole number from 1 to 60000"
ORIGIN = "an origin such as https://app.example (no path, no trailing slash)"
DEEP = "x-a: &a " + "[" * 31 + "]" * 31 + "\n"
CAN = "expected what a mint can ask for, found what none can:"


def policy(text: str) -> Policy:
    """The policy of all callers."""
    return load_settings(service_file(f"{{policy: {text}}}"), ENV).policy


def notes(text: str, more: str = "") -> list[str]:
    """What is said about a policy."""
    settings = load_settings(service_file(f"{{policy: {text}{more}}}"), ENV)
    return [each for each in settings.warnings if each.startswith("signaller.policy")]


def test_the_keys_are_those_of_a_policy() -> None:
    """Whatever a caller may do can be configured."""
    assert set(PolicyKeys.model_fields) == {field.name for field in fields(Policy)}


def test_every_key_arrives() -> None:
    """Nothing that a policy says is lost; origins are written as browsers send them."""
    assert policy(FULL) == Policy(
        models=(("voice", "gpt-*"),),
        origins=("https://app.example",),
        token_ttl_seconds=10,
        token_uses=100,
        mints_per_minute=1,
        calls_per_minute=60_000,
        session={
            "instructions": "Be kind.",
            "speed": 1.5,
            "tools": [{"n": 1, "strict": True, "x": None}],
        },
        on_replay="hangup",
        safety_identifier=True,
        calls_at_once=100_000,
        max_call_seconds=7200,
        supervision="required",
        max_idle_seconds=3600,
        warn_seconds=600,
        warn_with="Soon over.",
        session_drift="note",
    )


@pytest.mark.parametrize("spelt", ["off", "false", "no", '"off"'])
def test_a_bare_off_is_a_mode(spelt: str) -> None:
    """YAML reads it as false."""
    assert policy(f"{{supervision: {spelt}}}").supervision == "off"
    section = service_file(f"{{supervision: {spelt}, calls: {{kept_seconds: 60}}}}")
    settings = load_settings(section, ENV)
    assert (settings.supervision, settings.calls.kept_seconds) == ("off", 60)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("calls_at_once", "0"),
        ("calls_at_once", "100001"),
        ("max_call_seconds", "0"),
        ("max_call_seconds", "7201"),
        ("supervision", "true"),
        ("supervision", "always"),
        ("max_idle_seconds", "0"),
        ("max_idle_seconds", "3601"),
        ("warn_seconds", "0"),
        ("warn_seconds", "601"),
        ("warn_with", '""'),
        ("session_drift", "warn"),
    ],
)
def test_a_limit_of_calls_has_bounds(key: str, value: str) -> None:
    """One fault that names it."""
    (fault,) = faults(service_file(f"{{policy: {{{key}: {value}}}}}"))
    assert fault.startswith(f"signaller.policy.{key}: expected ")


WORDS = "warn_with: Bye"
IN_TIME = "warn_seconds: 5"


@pytest.mark.parametrize(
    ("of_all", "of_one", "unheard"),
    [
        (WORDS, "", ["policy"]),
        ("", WORDS, ["callers[0]"]),
        (f"{WORDS}, {IN_TIME}", "", []),
        (WORDS, IN_TIME, []),
        (IN_TIME, WORDS, []),
        ("", f"{WORDS}, {IN_TIME}", []),
    ],
)
def test_words_for_a_warning_that_never_comes_are_named(
    of_all: str, of_one: str, unheard: list[str]
) -> None:
    """What is said before the end needs a moment; a caller may have either from all."""
    one = f"callers: [{{name: web, keys: [sk-0123456789], {of_one}}}]"
    found = load_settings(service_file(f"{{policy: {{{of_all}}}, {one}}}"), ENV).warnings
    about = [each for each in found if "warn_with" in each]
    assert about == [
        f"signaller.{place}.warn_with: no effect without warn_seconds, which says how long before "
        "the end"
        for place in unheard
    ]


@pytest.mark.parametrize("seconds", ["59", "2592001"])
def test_how_long_calls_are_kept_has_bounds(seconds: str) -> None:
    """A minute to 30 days."""
    (fault,) = faults(service_file(f"{{calls: {{kept_seconds: {seconds}}}}}"))
    assert fault.startswith("signaller.calls.kept_seconds: expected ")


@pytest.mark.parametrize("text", ["{}", "{on_replay: refuse, safety_identifier: false}"])
def test_a_policy_without_limits_has_none(text: str) -> None:
    """The defaults take nothing away."""
    assert policy(text) == Policy()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("[]", ": expected a mapping, found a list", id="list"),
        pytest.param("", ": expected a mapping, found nothing", id="nothing"),
        pytest.param(
            "{model: [a]}",
            ".model: expected a known key (did you mean models?), found another",
            id="misspelt",
        ),
        pytest.param(
            "{keys: [canary]}",
            f".keys: expected one of {', '.join(ALL)}, found another key",
            id="keys",
        ),
        pytest.param(
            "{models: gpt-*}",
            ".models: expected a list of models or patterns, found a string of 5 characters",
            id="models-text",
        ),
        pytest.param("{models: [1]}", ".models[0]: expected a string, found 1", id="models-number"),
        pytest.param(
            f"{{models: [{'x' * 201}]}}",
            ".models[0]: expected at most 200 characters, found 201",
            id="model-long",
        ),
        pytest.param(
            '{models: ["a\\nb"]}',
            ".models[0]: expected printable characters in one line, found others among "
            "3 characters",
            id="model-two-lines",
        ),
        pytest.param(
            f"{{models: [{'a,' * 101}]}}",
            ".models: expected a list of models or patterns, at most 100, found 101 of them",
            id="models-many",
        ),
        pytest.param(
            "{origins: []}",
            ".origins: expected a list of origins, at least 1, found an empty list",
            id="origins-none",
        ),
        pytest.param(
            "{origins: ['*']}",
            ".origins[0]: expected an origin; to allow any, leave origins out here and in "
            "signaller.policy, found '*'",
            id="origins-any",
        ),
        pytest.param(
            "{origins: ['https://a/']}",
            f".origins[0]: expected {ORIGIN}, found 'https://a/'",
            id="origin-slash",
        ),
        pytest.param(
            f"{{origins: [{'https://a,' * 17}]}}",
            ".origins: expected a list of origins, at most 16, found 17 of them",
            id="origins-many",
        ),
        pytest.param(
            f"{{origins: [https://{'a' * 493}, https://{'b' * 492}]}}",
            ".origins: expected at most 1000 characters in total, as they travel in the token, "
            "found 1001",
            id="origins-long",
        ),
        pytest.param(
            "{token_ttl_seconds: 9}",
            ".token_ttl_seconds: expected a whole number from 10 to 7200, found 9",
            id="ttl",
        ),
        pytest.param(
            "{token_uses: 101}",
            ".token_uses: expected a whole number from 1 to 100, found 101",
            id="uses",
        ),
        pytest.param(
            "{mints_per_minute: 0}", f".mints_per_minute: expected {RATE}, found 0", id="mints"
        ),
        pytest.param(
            "{mints_per_minute: 1.5}",
            f".mints_per_minute: expected {RATE}, found 1.5",
            id="mints-fraction",
        ),
        pytest.param(
            "{calls_per_minute: 60001}",
            f".calls_per_minute: expected {RATE}, found 60001",
            id="calls",
        ),
        pytest.param(
            "{calls_per_minute: true}",
            f".calls_per_minute: expected {RATE}, found true",
            id="calls-bool",
        ),
        pytest.param(
            "{on_replay: hang_up}",
            ".on_replay: expected refuse or hangup, found 'hang_up'",
            id="on-replay",
        ),
        pytest.param(
            "{safety_identifier: 1}",
            ".safety_identifier: expected true or false, found 1",
            id="safety",
        ),
        pytest.param(
            "{safety_identifier: }",
            ".safety_identifier: expected true or false, found nothing",
            id="safety-nothing",
        ),
    ],
)
def test_a_fault_in_a_policy(text: str, expected: str) -> None:
    """Each is named by its path."""
    assert faults(service_file(f"{{policy: {text}}}")) == (f"signaller.policy{expected}",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("canary", ": expected a mapping, found a string of 6 characters", id="text"),
        pytest.param("", ": expected a mapping, found nothing", id="nothing"),
        pytest.param(
            "{model: canary}",
            ".model: expected no model, which whoever mints a token chooses (see models), "
            "found one",
            id="model",
        ),
        pytest.param(
            "{type: realtime}",
            ".type: expected no type, which whoever mints a token chooses (see models), found one",
            id="type",
        ),
        pytest.param("{a: [{7: x}]}", ".a[0]: expected names as keys, found 7 as a key", id="key"),
        pytest.param(
            '{a: {"\\ud800": x}}',
            ".a: expected names as keys, found '\\ud800' as a key",
            id="key-surrogate",
        ),
        pytest.param(
            "{a: .inf}",
            ".a: expected a number that JSON has and 64 bits hold, found another",
            id="infinity",
        ),
        pytest.param(
            "{a: .nan}",
            ".a: expected a number that JSON has and 64 bits hold, found another",
            id="nan",
        ),
        pytest.param(
            f"{{a: 0x{'f' * 9000}}}",
            ".a: expected a number that JSON has and 64 bits hold, found another",
            id="huge",
        ),
        pytest.param(
            "{a: 2026-01-01}",
            ".a: expected text, a number, true, false, null, a list or a mapping, found a date",
            id="date",
        ),
        pytest.param(
            '{a: ["\\ud800"]}',
            ".a[0]: expected text, found half of a surrogate pair",
            id="surrogate",
        ),
        pytest.param(
            "{a: os.environ/CANARY}",
            ".a: expected the text itself, as no variable is looked up here, found os.environ/...",
            id="reference",
        ),
        pytest.param(
            "{audio: loud}", f".audio: {CAN} session.audio must be an object", id="meaning"
        ),
    ],
)
def test_a_fault_in_a_session(text: str, expected: str) -> None:
    """Whatever could not be sent to a provider at a mint is refused at the start."""
    text = service_file(f"{{policy: {{session: {text}}}}}")
    assert faults(text) == (f"signaller.policy.session{expected}",)


def test_a_session_nests_32_levels_and_no_more() -> None:
    """An alias can take a value deeper than the file itself may nest."""
    session = load_settings(DEEP + service_file("{policy: {session: {a: *a}}}"), ENV).policy.session
    assert json.dumps(session).count("[") == 31
    (fault,) = faults(DEEP + service_file("{policy: {session: {a: {b: {c: *a}}}}}"))
    assert fault.startswith("signaller.policy.session.a.b.c[0][0]")
    assert fault.endswith(": expected at most 32 levels of nesting, found more")


def test_a_session_takes_64_kib_as_json_and_no_more() -> None:
    """The bytes count, not the characters."""
    room = 64 * 1024 - len('{"instructions":""}')
    text = f"{{policy: {{session: {{instructions: {'é' * (room // 2)}"
    assert load_settings(service_file(f"{text}}}}}}}"), ENV).policy.session
    (fault,) = faults(service_file(f"{text}xx}}}}}}"))
    assert fault == "signaller.policy.session: expected at most 65536 bytes as JSON, found 65537"


def test_a_session_of_many_small_values_is_measured_too() -> None:
    """Aliases make it larger than it is written."""
    text = f"{{policy: {{session: {{a: [{'*a,' * 100}]}}}}}}"
    (fault,) = faults(f"x-a: &a [{'1,' * 700}]\n" + service_file(text))
    assert fault == "signaller.policy.session: expected at most 65536 bytes as JSON, found 140207"


def test_a_session_that_is_wrong_everywhere_has_ten_faults() -> None:
    """A list of dates does not drown the other faults."""
    text = f"{{policy: {{session: {{a: [{'2026-01-01,' * 99}]}}, token_uses: 0}}}}"
    assert len(faults(service_file(text))) == 11


def test_a_model_that_nothing_serves_is_said() -> None:
    """A plain name in vain is mostly a misspelt one; a pattern may be meant for later."""
    assert notes("{models: [voice, '*', 'gpt-*']}") == []
    assert notes("{models: [voice, vioce]}") == [
        "signaller.policy.models[1]: no model_name in model_list serves 'vioce'"
    ]
    settings = load_settings(
        entry(name="gpt-*", model="openai/gpt-*") + "signaller: {policy: {models: [gpt-5, tts]}}",
        ENV,
    )
    assert [each for each in settings.warnings if "serves" in each] == [
        "signaller.policy.models[1]: no model_name in model_list serves 'tts'"
    ]


def test_a_policy_that_allows_no_model_is_said() -> None:
    """It is allowed, and hardly ever meant."""
    assert policy("{models: []}").models == ((),)
    assert notes("{models: []}") == [
        "signaller.policy.models: an empty list, which allows no model at all"
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param("", True, id="no-cors"),
        pytest.param(", cors_origins: ['https://b']", True, id="another"),
        pytest.param(", cors_origins: ['https://a']", False, id="listed"),
        pytest.param(", cors_origins: ['*']", False, id="any"),
        pytest.param(", public_url: 'HTTPS://A:443/voice'", False, id="our-own"),
    ],
)
def test_an_origin_that_browsers_would_stop_is_said(more: str, said: bool) -> None:
    """A policy does not open CORS, so an origin must stand in both places."""
    sentence = "https://a is not among cors_origins, so browsers let no page from there call"
    expected = [f"signaller.policy.origins[0]: {sentence}"] if said else []
    assert notes("{origins: ['https://a']}", more) == expected
