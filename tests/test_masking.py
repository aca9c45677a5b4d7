"""Credentials in texts: found in every form, and texts that only look like them left alone."""

import base64
import hashlib
import time
from dataclasses import dataclass

import pytest

from signaller.masking import NOTHING_HELD, Masking, cut
from signaller.secret import MASK, Secret

HELD = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c"
"""As `openssl rand -hex 24` makes them: nothing in it says that it is a key."""
KNOWN_BY_DIGEST = "60303ae22b998861bce3b28f33eec1be758a213c86c93c07"


@dataclass(frozen=True, slots=True)
class Held:
    """A value such as `Settings`: secrets at any depth, and digests."""

    secrets: tuple[Secret, ...] = ()
    digests: tuple[bytes, ...] = ()
    other: object = None


MASKING = Masking.of(
    Held(
        other=Held(
            secrets=(Secret(HELD), Secret("redis://:pass%2Fword%2Fof%2Fredis@10.0.0.1/0")),
            digests=(hashlib.sha256(KNOWN_BY_DIGEST.encode()).digest(),),
        )
    )
)
FORMS = {
    "plain": lambda key: key,
    "capitals": lambda key: key.upper(),
    "percent": lambda key: "".join(f"%{byte:02X}" for byte in key.encode()),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64url": lambda key: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "basic": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
}
PLACES = {
    "alone": "{}",
    "quoted": "There is no model '{}' here.",
    "path": "/v1/realtime/calls/{}/hangup",
    "query": "x?model={}&a=b",
    "sentence": "You sent {}.",
    "trace": "00-{}-b7ad6b7169203331-01",
    "json": '{{"message":"{}","code":null}}',
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("key", [HELD, KNOWN_BY_DIGEST], ids=["held", "digest"])
def test_a_key_is_found_in_every_form_and_place(key: str, form: object, place: str) -> None:
    """One that we hold, and one of which we hold the digest alone."""
    assert callable(form)
    text = place.format(form(key))
    assert MASKING.finds(text)
    assert form(key) not in MASKING.masked(text)
    assert MASK in MASKING.masked(text)


@pytest.mark.parametrize("text", [f"voice{HELD}", f"{HELD}x", f"a{HELD.upper()}b"])
def test_what_we_hold_is_found_inside_of_a_word(text: str) -> None:
    """Also where nothing parts it from what stands around."""
    assert MASKING.masked(f"no {text} here") == f"no {MASK} here"


def test_the_password_in_an_address_is_found() -> None:
    """As it is, and as the address writes it."""
    for text in ("pass/word/of/redis", "pass%2Fword%2Fof%2Fredis"):
        assert MASKING.masked(f"wrong: {text}") == f"wrong: {MASK}"


def test_what_a_request_brought_is_a_secret_too() -> None:
    """For the texts of that request, and for no others."""
    brought = Secret("a credential nobody knows")
    text = f"You sent {brought.reveal()}."
    assert brought.reveal() not in MASKING.also(brought).masked(text)
    assert MASKING.masked(text) == text
    assert MASKING.also(None).masked(HELD) == MASK


@pytest.mark.parametrize(
    "text",
    [
        "gpt-4o-realtime-preview-2024-12-17",
        "https://app.example",
        "There is no model 'gpt-realtime' here. You may use: voice, gpt-*.",
        "send it as 'Authorization: Bearer ek_...'",
        "0af76519-16cd-43dd-8448-eb211c80319c",
        "100 %zz % and dGhpcyBpcyBub3RoaW5nIG9mIG91cnM=",
        "task-runner-for-everybody",
        "redis://10.0.0.1/0 refused the connection",
        "\ud800 half a pair, and Grüße",
        "",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    """Names, sentences, ids, and what is encoded but no credential."""
    assert MASKING.masked(text) == text


@pytest.mark.parametrize(
    "key",
    [
        "sk-live-0123456789abcdef",
        "ek_68af296e8e408191a1120ab6383263c2",
        "x/sk-live-0123456789abcdef",
        "voicesk-proj-0123456789abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
    ],
)
def test_keys_that_are_not_ours_are_known_by_their_beginning(key: str) -> None:
    """A key in the wrong place may be another service's."""
    assert MASK in NOTHING_HELD.masked(f"no model '{key}' here")
    assert key not in NOTHING_HELD.masked(f"no model '{key}' here")


@pytest.mark.parametrize(
    "given",
    ["req_0af7651916cd43dd8448eb211c80319c", "0af76519-16cd-43dd-8448-eb211c80319c", "req-1"],
)
def test_ids_of_requests_are_kept(given: str) -> None:
    """OpenAI's, nginx's, UUIDs, and names."""
    assert MASKING.request_id(given) == given


@pytest.mark.parametrize(
    "given",
    [None, "", HELD, HELD[:24] + "-" + KNOWN_BY_DIGEST, "req_" + KNOWN_BY_DIGEST, "a b", "sk-x"],
)
def test_what_is_no_id_or_a_key_is_none(given: str | None) -> None:
    """Whoever gave it gets another one."""
    assert MASKING.request_id(given) is None


def test_a_cut_leaves_no_piece_of_a_word() -> None:
    """It may be a piece of a key, which nobody would recognise."""
    assert cut("one two three", 13) == "one two three"
    assert cut("one two three", 9) == "one two"
    assert cut("threehundred", 5) == ""


def test_a_long_text_is_cut_before_it_is_looked_at() -> None:
    """Two megabytes of words, any of which might be a key."""
    text = f"{HELD[:20]} " * 100_000
    began = time.process_time()
    masked = MASKING.masked(text)
    assert time.process_time() - began < 0.2
    assert len(masked) <= 64 * 1024
