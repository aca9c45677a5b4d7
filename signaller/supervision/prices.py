"""What a call costs: prices by model, those of the configuration over them, and exact sums.

Names are LiteLLM's, whose files have them in `model_info`; a price is US dollars for one token.
Azure's data zones (`azure/us/...`, 10 % more) are no model names of ours: whoever calls there says
so with prices of their own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation, localcontext
from importlib.resources import files
from types import MappingProxyType
from typing import Self

from signaller.strict_json import parse_object
from signaller.supervision.usage import Label, Usage

MAX_USD = 1000
"""For a token or a minute: who means more has the wrong unit."""
MAX_DECIMALS = 24
"""Of a price: LiteLLM's longest, 8.333333333333335e-05, has twenty."""
SHOWN_DECIMALS = 12
"""Of a cost: the cheapest token costs 0.00000006 dollars; only minutes leave endless decimals."""
_DIGITS = 60  # of a sum: some 10 for the tokens of an hour, 24 decimals, and room
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}\Z")

IGNORED: Mapping[str, str] = MappingProxyType(
    {
        "cache_creation_input_token_cost": "a realtime response bills reading the cache, and says "
        "nothing of writing it",
        "cache_creation_input_audio_token_cost": "a realtime response bills reading the cache, and "
        "says nothing of writing it",
        "output_cost_per_second": "a realtime response is billed by tokens, a transcription by the "
        "seconds that went in",
    }
)
"""LiteLLM's prices for realtime models that change nothing here, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What one model costs, in US dollars. None: no price is known."""

    input_cost_per_token: Decimal | None = None
    """Text; like all of the input that was not cached."""
    cache_read_input_token_cost: Decimal | None = None
    output_cost_per_token: Decimal | None = None
    input_cost_per_audio_token: Decimal | None = None
    cache_read_input_audio_token_cost: Decimal | None = None
    output_cost_per_audio_token: Decimal | None = None
    input_cost_per_image_token: Decimal | None = None
    cache_read_input_image_token_cost: Decimal | None = None
    input_cost_per_minute: Decimal | None = None
    """Of sound that is transcribed; LiteLLM has it by the second, where it has no end."""
    session_cost_per_minute: Decimal | None = None
    """Of a session, whatever happens in it. No usage tells its minutes yet: its cost is partial."""

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Self:
        """The prices among `given`, by their names; all else is passed over.

        Raises ValueError, whose text begins with the name of the one that is no price.
        """
        read: dict[str, Decimal | None] = {
            name: price(given[name], name) for name in NAMES & given.keys() - {_PER_SECOND}
        }
        if given.get(_PER_SECOND) is not None:
            second = price(given[_PER_SECOND], _PER_SECOND)
            read["input_cost_per_minute"] = None if second is None else 60 * second
        return cls(**read)

    def under(self, others: Self) -> Self:
        """With the prices that `others` has in the place of these, one by one."""
        return replace(
            self,
            **{
                each.name: theirs
                for each in fields(others)
                if (theirs := getattr(others, each.name)) is not None
            },
        )


_PER_SECOND = "input_cost_per_second"
NAMES = frozenset(each.name for each in fields(Prices)) | {_PER_SECOND}
"""What a mapping may name prices by."""
NO_PRICES = Prices()


def price(value: object, name: str) -> Decimal | None:
    """A number, or a text that is one: YAML 1.1 reads `4e-06` as text. None stays None.

    Raises ValueError, whose text begins with the name.
    """
    if value is None:
        return None
    expected = f"{name}: expected a number of US dollars from 0 to {MAX_USD}"
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{expected}, not {type(value).__name__}")
    try:
        # What a float was written as, and not what it is in binary.
        usd = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except (InvalidOperation, ValueError) as error:  # ValueError: an int of thousands of digits
        raise ValueError(expected) from error
    if not usd.is_finite() or not 0 <= usd <= MAX_USD:
        raise ValueError(expected)
    exponent = usd.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
        raise ValueError(f"{expected} with at most {MAX_DECIMALS} decimals")
    return usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A model of the list, and where its prices come from."""

    prices: Prices
    date: str
    """When they were read there: year and month."""
    source: str


class PriceList:
    """Prices by the provider's name for a model."""

    __slots__ = ("_models",)

    def __init__(self, models: Mapping[str, Listed]) -> None:
        self._models = dict(models)

    @classmethod
    def read(cls, text: bytes) -> Self:
        """The list as `prices.json` has it. Raises ValueError."""
        return cls({model: _listed(entry) for model, entry in parse_object(text).items()})

    @property
    def models(self) -> Mapping[str, Listed]:
        """All of them."""
        return MappingProxyType(self._models)

    def of(self, model: str, overrides: Prices = NO_PRICES) -> Prices | None:
        """The prices of an upstream model, those of a configuration over them; None: none at all.

        A name is looked up as it is, letter for letter, and then without a date at its end:
        `gpt-realtime-2-2025-12-01` costs what `gpt-realtime-2` does. Nothing else is guessed.
        """
        listed = self._models.get(model) or self._models.get(_SNAPSHOT.sub("", model))
        prices = (listed.prices if listed else NO_PRICES).under(overrides)
        return None if prices == NO_PRICES else prices


def _listed(entry: object) -> Listed:
    if not isinstance(entry, dict):
        raise ValueError("a model of the price list is not an object")
    date, source = entry.get("date"), entry.get("source")
    if not (isinstance(date, str) and isinstance(source, str)):
        raise ValueError("a model of the price list has no date or no source")
    return Listed(prices=Prices.read(entry), date=date, source=source)


def our_prices() -> PriceList:
    """The list that comes with this package: OpenAI's prices, as they were in November 2026."""
    return PriceList.read((files("signaller.supervision") / "prices.json").read_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a call has cost."""

    usd: Decimal | None
    """None: nobody knows, which is not nothing."""
    label: Label

    def as_json(self) -> dict[str, object]:
        """As the API shows it: dollars as plain decimal text."""
        return {"usd": None if self.usd is None else shown(self.usd), "label": self.label}


UNKNOWN_COST = Cost(usd=None, label="unknown")


def cost_of(usage: Usage, prices: Prices | None, transcription: Prices | None = None) -> Cost:
    """What a usage costs at the prices of the call's model and of the one that transcribes.

    Without prices of the call's model nobody knows. Where one kind of what was used has no price,
    the rest is summed and the cost partial; where nothing that was used has one, nobody knows.
    """
    if usage.label == "unknown" or prices is None:
        return UNKNOWN_COST
    used = [*_responses(usage, prices), *_transcription(usage, transcription or NO_PRICES)]
    if prices.session_cost_per_minute is not None:
        used.append((Decimal(1), None))
    unpriced = [amount for amount, usd in used if amount and usd is None]
    priced = [(amount, usd) for amount, usd in used if amount and usd is not None]
    if unpriced and not priced:
        return UNKNOWN_COST
    cached = usage.input_token_details
    # Cached tokens of no kind are billed above as if they were not cached: too much, if anything.
    exact = not unpriced and cached.cached_tokens <= cached.cached_tokens_details.total
    with localcontext(prec=_DIGITS):
        dollars = sum((amount * usd for amount, usd in priced), Decimal(0))
        usd = round(dollars, MAX_DECIMALS).normalize()
    return Cost(usd=usd, label="complete" if exact and usage.label == "complete" else "partial")


def _responses(usage: Usage, prices: Prices) -> list[tuple[Decimal, Decimal | None]]:
    by_kind = {
        "input_text": prices.input_cost_per_token,
        "input_audio": prices.input_cost_per_audio_token,
        "input_image": prices.input_cost_per_image_token,
        "cached_text": prices.cache_read_input_token_cost,
        "cached_audio": prices.cache_read_input_audio_token_cost,
        "cached_image": prices.cache_read_input_image_token_cost,
        "output_text": prices.output_cost_per_token,
        "output_audio": prices.output_cost_per_audio_token,
    }
    return [(Decimal(count), by_kind.get(kind)) for kind, count in usage.by_kind().items()]


def _transcription(usage: Usage, prices: Prices) -> list[tuple[Decimal, Decimal | None]]:
    spent = usage.transcription
    with localcontext(prec=_DIGITS):
        minutes = spent.seconds / 60
    return [
        (Decimal(spent.input_text_tokens), prices.input_cost_per_token),
        (Decimal(spent.input_audio_tokens), prices.input_cost_per_audio_token),
        (Decimal(spent.output_tokens), prices.output_cost_per_token),
        (Decimal(spent.other_tokens), None),
        (minutes, prices.input_cost_per_minute),
    ]


def shown(usd: Decimal) -> str:
    """Dollars as plain decimal text: no exponent, no zeros at the end."""
    with localcontext(prec=_DIGITS):
        text = format(round(usd, SHOWN_DECIMALS), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
