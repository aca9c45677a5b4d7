"""Who may call: names, keys, and the policy of each."""

import hashlib

import pytest

from signaller.config import generate_caller_key, load_settings
from signaller.config.declared import CallerKeys
from signaller.policy import Policy
from signaller.settings import MASTER, NamedCaller, Settings
from tests.config.reading import ENV, entry, faults, service_file

WEB_KEY = "web-key-canary-0123"
DIGEST = hashlib.sha256(WEB_KEY.encode()).digest()
WRITTEN = f"sha256:{DIGEST.hex()}"
WITH_WEB_KEY = {**ENV, "WEB_KEY": WEB_KEY}
HEADER = ", gateway: {header: {name: x-caller, trusted: [unix]}}"
NAME = "a name of 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'"


def read(callers: str, more: str = "") -> Settings:
    """The settings with a list of callers."""
    return load_settings(service_file(f"{{callers: [{callers}]{more}}}"), WITH_WEB_KEY)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(WEB_KEY, id="itself"),
        pytest.param("os.environ/WEB_KEY", id="variable"),
        pytest.param(WRITTEN, id="digest"),
        pytest.param(WRITTEN.upper(), id="digest-in-capitals"),
    ],
)
def test_a_key_is_kept_as_its_digest(written: str) -> None:
    """However it is written, the settings hold nothing that could be sent as a key."""
    settings = read(f"{{name: web, keys: ['{written}']}}")
    assert settings.callers == (NamedCaller(name="web", key_digests=(DIGEST,), policy=Policy()),)
    assert WEB_KEY not in repr(settings)


def test_a_generated_key_is_accepted_both_ways() -> None:
    """What `signaller keygen --caller` prints can be configured, and is new each time."""
    key, digest = generate_caller_key()
    assert key.startswith("sk-sgn-")
    assert len(key) == len("sk-sgn-") + 43
    for written in (key, digest):
        (caller,) = read(f"{{name: web, keys: ['{written}']}}").callers
        assert caller.key_digests == (hashlib.sha256(key.encode()).digest(),)
    assert generate_caller_key()[0] != key


def test_what_is_given_rules_over_the_default_key_by_key() -> None:
    """A session counts as one key: it is replaced as a whole."""
    default = "{token_uses: 2, mints_per_minute: 5, session: {a: 1, b: 2}, on_replay: hangup}"
    callers = read(
        "{name: web, keys: [os.environ/WEB_KEY], mints_per_minute: 600, session: {a: 3}},"
        " {name: mobile, on_replay: refuse, models: []}",
        f"{HEADER}, policy: {default}",
    ).callers
    common = {"a": 1, "b": 2}
    assert [caller.policy for caller in callers] == [
        Policy(token_uses=2, mints_per_minute=600, session={"a": 3}, on_replay="hangup"),
        Policy(token_uses=2, mints_per_minute=5, session=common, models=((),)),
    ]


def test_the_keys_of_an_entry_are_a_name_keys_and_a_policy() -> None:
    """What holds for all can be said of one."""
    assert set(CallerKeys.model_fields) - {"name", "keys"} == set(
        load_settings(entry(), ENV).policy.__slots__
    )


def test_a_caller_without_keys_is_one_whom_the_gateway_names() -> None:
    """Without a gateway nobody could ever be that caller."""
    assert read("{name: mobile}", HEADER).callers[0].key_digests == ()
    assert faults(service_file("{callers: [{name: mobile}]}")) == (
        "signaller.callers[0].keys: expected keys, or a gateway (jwt or header) that names this "
        "caller, found neither",
    )


def test_the_master_can_have_a_policy_but_no_keys() -> None:
    """Its key stands in general_settings, and only there."""
    (caller,) = read(f"{{name: {MASTER}, token_uses: 3}}").callers
    assert (caller.name, caller.key_digests, caller.policy.token_uses) == (MASTER, (), 3)
    assert faults(service_file(f"{{callers: [{{name: {MASTER}, keys: [{WEB_KEY}]}}]}}")) == (
        "signaller.callers[0].keys: expected none, as master is whoever has the master key, "
        "found some",
    )


def test_a_policy_of_a_master_without_a_key_is_said() -> None:
    """It lets nobody in, which is said too."""
    env = {"OPENAI_API_KEY": "k"}
    notes = load_settings(service_file(f"{{callers: [{{name: {MASTER}}}]}}"), env).warnings
    assert "signaller.callers[0]: no effect, as there is no master key" in notes
    assert any("nobody can get a token" in note for note in notes)
    assert not any("no effect" in note for note in read(f"{{name: {MASTER}}}").warnings)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        pytest.param("{}", True, id="nobody"),
        pytest.param("{gateway: {}}", True, id="empty-gateway"),
        pytest.param(f"{{callers: [{{name: web, keys: [{WEB_KEY}]}}]}}", False, id="caller"),
        pytest.param(f"{{{HEADER[2:]}}}", False, id="gateway"),
    ],
)
def test_without_a_master_key_somebody_else_may_get_tokens(section: str, said: bool) -> None:
    """Only where really nobody can is it said."""
    notes = load_settings(service_file(section), {"OPENAI_API_KEY": "k"}).warnings
    assert any("nobody can get a token" in note for note in notes) is said


def test_a_short_key_is_said() -> None:
    """It works, with a warning; of a digest nobody can tell."""
    assert read("{name: web, keys: [short-key]}").warnings[-1] == (
        "signaller.callers[0].keys[0]: shorter than 16 characters, and so within reach of guessing"
    )
    said = read(f"{{name: web, keys: [{WEB_KEY}]}}").warnings
    assert not any("guessing" in warning for warning in said)


@pytest.mark.parametrize(
    "key", ["short", "changeme", "sk-aaaaaaaaaaaaaaaaaaaa", "0101010101010101"]
)
def test_a_key_that_everybody_guesses_is_refused(key: str) -> None:
    """Nothing would keep others out; it is not shown unless everybody knows it."""
    (fault,) = faults(service_file(f"{{callers: [{{name: web, keys: ['{key}']}}]}}"))
    assert fault.startswith(
        "signaller.callers[0].keys[0]: expected a key of your own that nobody guesses, found "
    )
    assert (key in fault) is (key == "changeme")


@pytest.mark.parametrize("again", [WEB_KEY, WRITTEN, WRITTEN.upper()])
@pytest.mark.parametrize("first", [WEB_KEY, WRITTEN])
def test_the_same_key_twice_is_a_fault(first: str, again: str) -> None:
    """It could not be told who sent it; both places are named and nothing is shown."""
    expected = "expected a key that stands nowhere else, found the key at"
    text = f"{{callers: [{{name: a, keys: ['{first}']}}, {{name: b, keys: [{{}}]}}]}}"
    text = text.replace("{}", f"'{again}'")
    assert faults(service_file(text)) == (
        f"signaller.callers[1].keys[0]: {expected} signaller.callers[0].keys[0] again",
    )


@pytest.mark.parametrize("digest", [True, False])
def test_the_master_key_is_nobody_elses(digest: bool) -> None:
    """Its bearer may do more than any caller."""
    key = ENV["SIGNALLER_MASTER_KEY"]
    written = f"sha256:{hashlib.sha256(key.encode()).hexdigest()}" if digest else key
    assert faults(service_file(f"{{callers: [{{name: web, keys: ['{written}']}}]}}")) == (
        "signaller.callers[0].keys[0]: expected a key that stands nowhere else, "
        "found the master key again",
    )


@pytest.mark.parametrize("digest", [True, False])
def test_the_public_key_is_refused_even_if_the_master_may_have_it(digest: bool) -> None:
    """sk-1234 stands in LiteLLM's documentation for everybody to read."""
    written = f"sha256:{hashlib.sha256(b'sk-1234').hexdigest()}" if digest else "sk-1234"
    assert faults(service_file(f"{{callers: [{{name: web, keys: ['{written}']}}]}}")) == (
        "signaller.callers[0].keys[0]: expected a key of your own that nobody guesses, "
        "found the publicly known sk-1234",
    )


@pytest.mark.parametrize(
    ("callers", "expected"),
    [
        pytest.param("{}", ": expected a list of callers, found a mapping", id="mapping"),
        pytest.param(
            "[canary]", "[0]: expected a mapping, found a string of 6 characters", id="text"
        ),
        pytest.param(
            "[{keys: [a-key-of-its-own]}]",
            f"[0].name: expected {NAME}, found nothing",
            id="no-name",
        ),
        pytest.param(
            "[{name: 7, keys: [a-key-of-its-own]}]",
            "[0].name: expected a string, found 7",
            id="name-number",
        ),
        pytest.param(
            "[{name: a b, keys: [a-key-of-its-own]}]",
            f"[0].name: expected {NAME}, found 'a b'",
            id="name-space",
        ),
        pytest.param(
            f"[{{name: {'x' * 65}, keys: [a-key-of-its-own]}}]",
            f"[0].name: expected {NAME}, found '{'x' * 60}'...",
            id="name-long",
        ),
        pytest.param(
            "[{name: sk-canary, keys: [a-key-of-its-own]}]",
            f"[0].name: expected {NAME}, found what looks like a key",
            id="name-key",
        ),
        pytest.param(
            "[{name: a, keys: [a-key-of-its-own]}, {name: a, keys: [another-key-too]}]",
            "[1].name: expected a name of its own, found that of signaller.callers[0] again",
            id="name-twice",
        ),
        pytest.param(
            "[{name: a, keys: [a-key-of-its-own], key: canary}]",
            "[0].key: expected a known key (did you mean keys?), found another",
            id="misspelt",
        ),
        pytest.param(
            "[{name: a, keys: canary}]",
            "[0].keys: expected a list of keys, found a string of 6 characters",
            id="keys-text",
        ),
        pytest.param(
            "[{name: a, keys: }]", "[0].keys: expected a list of keys, found nothing", id="nothing"
        ),
        pytest.param(
            "[{name: a, keys: []}]",
            "[0].keys: expected a list of keys, at least 1, found an empty list",
            id="keys-empty",
        ),
        pytest.param(
            f"[{{name: a, keys: [{'k,' * 101}]}}]",
            "[0].keys: expected a list of keys, at most 100, found 101 of them",
            id="keys-many",
        ),
        pytest.param(
            "[{name: a, keys: [1234]}]", "[0].keys[0]: expected a string, found a number", id="1234"
        ),
        pytest.param(
            "[{name: a, keys: ['can ary']}]",
            "[0].keys[0]: expected ASCII without spaces or line breaks, "
            "found others among 7 characters",
            id="key-space",
        ),
        pytest.param(
            '[{name: a, keys: ["canary-\\ud800-canary"]}]',
            "[0].keys[0]: expected ASCII without spaces or line breaks, "
            "found others among 15 characters",
            id="key-surrogate",
        ),
        pytest.param(
            "[{name: a, keys: ['sha256:canary']}]",
            "[0].keys[0]: expected 64 hexadecimal digits after sha256:, "
            "found something else, 6 long",
            id="digest",
        ),
        pytest.param(
            "[{name: a, keys: [os.environ/WEB_KEY]}]",
            "[0].keys[0]: expected the environment variable WEB_KEY, found it unset",
            id="unset",
        ),
        pytest.param(
            "[{name: a, keys: [a-key-of-its-own], session: {model: m}}]",
            "[0].session.model: expected no model, which whoever mints a token chooses "
            "(see models), found one",
            id="policy",
        ),
    ],
)
def test_a_fault_in_callers(callers: str, expected: str) -> None:
    """Each is named by its path, and no key is shown."""
    assert faults(service_file(f"{{callers: {callers}}}")) == (f"signaller.callers{expected}",)


def test_names_take_64_characters_of_their_set() -> None:
    """The longest that is allowed."""
    name = "aZ09._-" + "x" * 57
    assert read(f"{{name: '{name}'}}", HEADER).callers[0].name == name


def test_ten_thousand_callers_are_read_and_one_more_is_not() -> None:
    """Each entry that is no mapping has a fault, so they tell how many were looked at."""
    assert len(faults(service_file(f"{{callers: [{'1,' * 10_000}]}}"))) == 10_000
    assert faults(service_file(f"{{callers: [{'1,' * 10_001}]}}")) == (
        "signaller.callers: expected a list of callers, at most 10000, found 10001 of them",
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (entry() + "general_settings: {master_key: ek_canary}", "general_settings.master_key"),
        (
            service_file("{callers: [{name: web, keys: [ek_canary]}]}"),
            "signaller.callers[0].keys[0]",
        ),
    ],
)
def test_a_key_that_looks_like_a_token_is_refused(text: str, place: str) -> None:
    """It could not hang up: whoever sends it would be taken for a token's holder."""
    assert faults(text) == (
        f"{place}: expected a key that does not begin with 'ek_', as tokens do, "
        "found one that does",
    )
