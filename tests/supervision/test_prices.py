"""What a call costs, to the last decimal, and what nobody knows of it."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.supervision.prices import (
    IGNORED,
    NAMES,
    Cost,
    PriceList,
    Prices,
    cost_of,
    our_prices,
    price,
    shown,
)
from signaller.supervision.usage import InputTokens, OutputTokens, Tokens, Transcription, Usage

LIST = our_prices()
COUNTS = st.integers(0, 10**6)
TRANSCRIBED = Transcription(seconds=Decimal("90"))


def priced(model: str) -> Prices:
    """The prices of a model that has some."""
    prices = LIST.of(model)
    assert prices is not None
    return prices


def used(
    *, text: int = 0, audio: int = 0, image: int = 0, cached: int = 0, out: int = 0, said: int = 0
) -> Usage:
    """What a call has used; `cached` is of its sound."""
    return Usage(
        label="complete",
        responses=1,
        input_tokens=text + audio + image,
        output_tokens=out + said,
        input_token_details=InputTokens(
            text_tokens=text,
            audio_tokens=audio,
            image_tokens=image,
            cached_tokens=cached,
            cached_tokens_details=Tokens(audio_tokens=cached),
        ),
        output_token_details=OutputTokens(text_tokens=out, audio_tokens=said),
    )


def test_every_price_has_a_date_and_a_source() -> None:
    """So that a reader can see whether it still holds."""
    for listed in LIST.models.values():
        assert re.fullmatch(r"\d{4}-\d{2}", listed.date)
        assert listed.source.startswith("https://developers.openai.com/api/docs/")
        assert listed.prices != Prices()


@pytest.mark.parametrize(
    ("model", "per_million"),
    [
        ("gpt-realtime-2.1", ("4", "0.40", "24", "32", "0.40", "64", "5", "0.50")),
        ("gpt-realtime-2", ("4", "0.40", "24", "32", "0.40", "64", "5", "0.50")),
        ("gpt-realtime-1.5", ("4", "0.40", "16", "32", "0.40", "64", "5", "0.50")),
        ("gpt-realtime-2.1-mini", ("0.60", "0.06", "2.40", "10", "0.30", "20", "0.80", "0.08")),
    ],
)
def test_prices_are_the_providers(model: str, per_million: tuple[str, ...]) -> None:
    """Text in, cached, out; sound in, cached, out; images in, cached: dollars for a million."""
    prices = priced(model)
    ours = (
        *(prices.input_cost_per_token, prices.cache_read_input_token_cost),
        *(prices.output_cost_per_token, prices.input_cost_per_audio_token),
        *(prices.cache_read_input_audio_token_cost, prices.output_cost_per_audio_token),
        *(prices.input_cost_per_image_token, prices.cache_read_input_image_token_cost),
    )
    assert [each and each * 10**6 for each in ours] == [Decimal(each) for each in per_million]


def test_a_model_is_found_by_its_name_or_without_its_date() -> None:
    """Nothing else is guessed: a name that only begins alike may cost anything."""
    assert LIST.of("gpt-realtime-2-2025-12-01") == priced("gpt-realtime-2")
    for unknown in ("gpt-realtime-2-mini", "GPT-realtime-2", "gpt-realtime-2-2025-12", "x", ""):
        assert LIST.of(unknown) is None


def test_a_snapshot_with_a_price_of_its_own_has_that() -> None:
    """The exact name comes first."""
    listed = LIST.models["gpt-realtime-mini"]
    own = PriceList({**LIST.models, "gpt-realtime-2-2025-12-01": listed})
    assert own.of("gpt-realtime-2-2025-12-01") == listed.prices


def test_a_configuration_rules_over_the_list() -> None:
    """One price at a time, and also for a model that is not listed."""
    overrides = Prices.read({"input_cost_per_token": "4e-05", "mode": "realtime"})
    prices = LIST.of("gpt-realtime-2", overrides)
    assert prices is not None
    assert prices.input_cost_per_token == Decimal("0.00004")
    assert prices.output_cost_per_token == priced("gpt-realtime-2").output_cost_per_token
    assert LIST.of("voice-eu", overrides) == overrides


@pytest.mark.parametrize(
    ("given_value", "usd"),
    [("4e-06", "0.000004"), (4e-06, "0.000004"), (0, "0"), ("0.1", "0.1"), (0.1, "0.1"), (2, "2")],
)
def test_a_number_may_be_a_text(given_value: object, usd: str) -> None:
    """YAML 1.1 reads 4e-06 as one; a float is what it was written as."""
    assert price(given_value, "input_cost_per_token") == Decimal(usd)


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "free",
        "-1",
        -1,
        True,
        [],
        "nan",
        "inf",
        1001,
        "1e-30",
        "1e-999999",
        pytest.param(10**5000, id="endless"),
    ],
)
def test_what_is_no_price_is_refused_by_its_name(odd: object) -> None:
    """An infinite or endless one too."""
    with pytest.raises(ValueError, match=r"^input_cost_per_audio_token: "):
        Prices.read({"input_cost_per_audio_token": odd})


def test_a_price_by_the_second_is_one_by_the_minute() -> None:
    """LiteLLM has only the former."""
    assert Prices.read({"input_cost_per_second": "0.0001"}).input_cost_per_minute == Decimal(
        "0.006"
    )


def test_names_that_change_nothing_have_a_reason() -> None:
    """And are no prices of ours."""
    assert not IGNORED.keys() & NAMES
    assert all(IGNORED.values())
    assert Prices.read(dict.fromkeys(IGNORED, "1e-06")) == Prices()


@given(st.lists(COUNTS, min_size=6, max_size=6))
def test_a_cost_is_exact(counts: list[int]) -> None:
    """Against fractions, for each kind of token."""
    text, audio, image, cached, out, said = counts
    cached = min(cached, audio)
    cost = cost_of(
        used(text=text, audio=audio, image=image, cached=cached, out=out, said=said),
        priced("gpt-realtime-2.1-mini"),
    )
    millionths = (
        Fraction("0.6") * text
        + 10 * (audio - cached)
        + Fraction("0.3") * cached
        + Fraction("0.8") * image
        + Fraction("2.4") * out
        + 20 * said
    )
    assert cost.label == "complete"
    assert cost.usd is not None
    assert Fraction(cost.usd) == millionths / 10**6


def test_transcription_costs_what_its_own_model_does() -> None:
    """A minute and a half at 1.7 cents a minute."""
    usage = Usage(label="complete", transcription=TRANSCRIBED)
    cost = cost_of(usage, priced("gpt-realtime-2"), priced("gpt-realtime-whisper"))
    assert cost == Cost(usd=Decimal("0.0255"), label="complete")
    tokens = Usage(
        label="complete",
        transcription=Transcription(
            tokens=30, input_text_tokens=5, input_audio_tokens=15, output_tokens=10
        ),
    )
    by_token = Prices.read(
        {
            "input_cost_per_token": "1e-06",
            "input_cost_per_audio_token": "2e-06",
            "output_cost_per_token": "3e-06",
        }
    )
    assert cost_of(tokens, priced("gpt-realtime-2"), by_token).usd == Decimal("0.000065")


def test_a_model_without_prices_costs_nobody_knows_what() -> None:
    """Which is not nothing, whatever is known of the one that transcribes."""
    usage = Usage(label="complete", transcription=TRANSCRIBED)
    cost = cost_of(usage, None, priced("gpt-realtime-whisper"))
    assert cost.as_json() == {"usd": None, "label": "unknown"}


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(used(text=1, image=1), id="images without a price"),
        pytest.param(
            Usage(
                label="complete",
                input_tokens=1,
                input_token_details=InputTokens(text_tokens=1),
                transcription=TRANSCRIBED,
            ),
            id="a transcriber without a price",
        ),
        pytest.param(
            Usage(
                label="complete",
                input_tokens=5,
                input_token_details=InputTokens(text_tokens=1),
            ),
            id="tokens of no kind",
        ),
        pytest.param(
            Usage(
                label="complete",
                input_tokens=1,
                input_token_details=InputTokens(text_tokens=1, cached_tokens=1),
            ),
            id="cached tokens of no kind",
        ),
        pytest.param(
            Usage(label="partial", input_tokens=1, input_token_details=InputTokens(text_tokens=1)),
            id="a partial usage",
        ),
    ],
)
def test_what_has_no_price_makes_a_cost_partial(usage: Usage) -> None:
    """The rest is summed."""
    cost = cost_of(usage, Prices(input_cost_per_token=Decimal("0.5")))
    assert cost == Cost(usd=Decimal("0.5"), label="partial")


def test_where_nothing_has_a_price_nobody_knows() -> None:
    """A zero would be taken for one."""
    only_text = Prices(input_cost_per_token=Decimal(1))
    assert cost_of(used(audio=5), only_text).usd is None
    assert cost_of(used(), priced("gpt-live-1")).usd is None
    assert cost_of(Usage(label="unknown"), only_text).usd is None


def test_a_free_model_is_free() -> None:
    """Somebody said so."""
    assert cost_of(used(text=9), Prices(input_cost_per_token=Decimal(0))).as_json() == {
        "usd": "0",
        "label": "complete",
    }


@given(st.decimals(min_value=0, max_value=10**6, places=12))
def test_dollars_are_plain_decimal_text(usd: Decimal) -> None:
    """Without an exponent, and without zeros that say nothing."""
    text = shown(usd)
    assert re.fullmatch(r"0|[1-9]\d*|\d+\.\d*[1-9]", text)
    assert Decimal(text) == usd


@pytest.mark.parametrize("text", [b"", b"[]", b'{"m": 1}', b'{"m": {"date": "2026-11"}}'])
def test_a_list_that_is_none_is_refused(text: bytes) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"."):
        PriceList.read(text)
