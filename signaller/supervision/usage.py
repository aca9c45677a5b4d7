"""What a call has used: a sum over its responses and transcriptions, and how far to trust it.

Each response is counted by its id, however often and in whatever order they are told. An account
that is cumulative (GPT-Live's) will have to replace the sum here, and never be added to it.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, fields, replace
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Literal, Self

Label = Literal["complete", "partial", "unknown"]
"""All of it; at least this; nobody watched."""

MAX_COUNTED = 4096
"""Ids that are remembered, so that none counts twice. A turn takes two seconds at the very least:
1,800 responses and as many transcriptions in the hour that a call may last. Beyond that the oldest
is forgotten, and the usage is partial: what is told again could not be told from what is new."""
MAX_UNFINISHED = 64
"""Responses that have begun and not ended: a conversation has one, and a few go on beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Summed:
    """Counts that are added field by field."""

    def __add__(self, other: Self) -> Self:
        return replace(self, **_sums(self, other, fields(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens(_Summed):
    """Tokens by what they stand for."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text_tokens + self.audio_tokens + self.image_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTokens(_Summed):
    """What went in; the cached ones are among them."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: Tokens = Tokens()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTokens(_Summed):
    """What came out."""

    text_tokens: int = 0
    audio_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one response has used."""

    input_tokens: int
    output_tokens: int
    input_token_details: InputTokens
    output_token_details: OutputTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription(_Summed):
    """What transcribing the user has used: a model of its own, billed by tokens or by time."""

    tokens: int = 0
    """All of them, those without a kind below among them."""
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    output_tokens: int = 0
    seconds: Decimal = Decimal(0)
    """To the microsecond: a sum of such decimals is the same in every order."""

    @property
    def other_tokens(self) -> int:
        """Those of which nobody said what they are."""
        named = self.input_text_tokens + self.input_audio_tokens + self.output_tokens
        return max(0, self.tokens - named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a call has used, by the names that the API of calls shows."""

    label: Label
    responses: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputTokens = InputTokens()
    output_token_details: OutputTokens = OutputTokens()
    transcription: Transcription = Transcription()

    def and_response(self, spent: Spent | None) -> Self:
        """With one response more; None: it did not say what it used."""
        if spent is None:
            return replace(self, responses=self.responses + 1)
        return replace(
            self,
            responses=self.responses + 1,
            **_sums(self, spent, fields(spent)),
        )

    def by_kind(self) -> Mapping[str, int]:
        """The responses' tokens, each under the one kind that it is billed as.

        `input_other` and `output_other` are those of which nobody said what they are.
        """
        told, out = self.input_token_details, self.output_token_details
        cached = told.cached_tokens_details
        named = told.text_tokens + told.audio_tokens + told.image_tokens
        return {
            "input_text": max(0, told.text_tokens - cached.text_tokens),
            "input_audio": max(0, told.audio_tokens - cached.audio_tokens),
            "input_image": max(0, told.image_tokens - cached.image_tokens),
            "input_other": max(0, self.input_tokens - named),
            "cached_text": cached.text_tokens,
            "cached_audio": cached.audio_tokens,
            "cached_image": cached.image_tokens,
            "output_text": out.text_tokens,
            "output_audio": out.audio_tokens,
            "output_other": max(0, self.output_tokens - out.text_tokens - out.audio_tokens),
        }

    def as_json(self) -> dict[str, object]:
        """As the API shows it. What nobody knows is null: a zero would be taken for one."""
        told, out = self.input_token_details, self.output_token_details
        cached, transcription = told.cached_tokens_details, self.transcription
        return {
            "label": self.label,
            "responses": self._known(self.responses),
            "input_tokens": self._known(self.input_tokens),
            "output_tokens": self._known(self.output_tokens),
            "input_token_details": {
                "text_tokens": self._known(told.text_tokens),
                "audio_tokens": self._known(told.audio_tokens),
                "image_tokens": self._known(told.image_tokens),
                "cached_tokens": self._known(told.cached_tokens),
                "cached_tokens_details": {
                    "text_tokens": self._known(cached.text_tokens),
                    "audio_tokens": self._known(cached.audio_tokens),
                    "image_tokens": self._known(cached.image_tokens),
                },
            },
            "output_token_details": {
                "text_tokens": self._known(out.text_tokens),
                "audio_tokens": self._known(out.audio_tokens),
            },
            "transcription": {
                "tokens": self._known(transcription.tokens),
                "seconds": self._known(float(transcription.seconds)),
            },
        }

    def _known(self, number: float) -> float | None:
        return None if self.label == "unknown" else number


UNKNOWN_USAGE = Usage(label="unknown")
"""Of a call that nobody watched."""


class Ledger:
    """Counts one call: each response and each transcription once."""

    __slots__ = ("_counted", "_unfinished", "_usage")

    def __init__(
        self,
        usage: Usage = UNKNOWN_USAGE,
        *,
        counted: Iterable[int] = (),
        unfinished: Iterable[int] = (),
    ) -> None:
        """Empty, or as another ledger left it."""
        self._usage = usage
        # Eight bytes each; a set takes some seventy, for each of a thousand calls.
        self._counted = array("Q", counted)
        self._unfinished = array("Q", unfinished)

    @property
    def counted(self) -> tuple[int, ...]:
        """What has been counted, for the ledger that goes on from here."""
        return tuple(self._counted)

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The responses that have begun and not ended, likewise."""
        return tuple(self._unfinished)

    def usage(self, *, over: bool = False) -> Usage:
        """The sum so far. Once the call is `over`, a response that never ended makes it partial."""
        if over and self._unfinished and self._usage.label == "complete":
            return replace(self._usage, label="partial")
        return self._usage

    def watch(self) -> None:
        """From now on nothing is missed; a call that is watched and silent has used nothing."""
        if self._usage.label == "unknown":
            self._usage = replace(self._usage, label="complete")

    def missed(self) -> None:
        """Something may have been told that nobody heard."""
        self._usage = replace(self._usage, label="partial")

    def started(self, response_id: str) -> bool:
        """A response has begun; False: it is known."""
        mark = _mark(f"response {response_id}")
        if mark in self._unfinished or mark in self._counted:
            return False
        self._unfinished.append(mark)
        if len(self._unfinished) > MAX_UNFINISHED:
            del self._unfinished[0]
            self.missed()
        return True

    def finished(self, response_id: str, spent: Spent | None) -> bool:
        """A response has ended; False: it was counted before."""
        mark = _mark(f"response {response_id}")
        if not self._is_new(mark):
            return False
        if mark in self._unfinished:
            self._unfinished.remove(mark)
        else:
            self.missed()  # it began when nobody listened, so others may have ended then
        if spent is None:
            self.missed()
        self._usage = self._usage.and_response(spent)
        return True

    def transcribed(self, item_id: str, part: int, spent: Transcription | None) -> bool:
        """A part of what the user said has been written down; False: it was counted before."""
        if not self._is_new(_mark(f"transcription {part} {item_id}")):
            return False
        if spent is None:
            self.missed()
        else:
            self._usage = replace(self._usage, transcription=self._usage.transcription + spent)
        return True

    def _is_new(self, mark: int) -> bool:
        if mark in self._counted:
            return False
        if self._usage.label == "unknown":
            self.missed()  # something was heard after all, and nobody said from when on
        self._counted.append(mark)
        if len(self._counted) > MAX_COUNTED:
            del self._counted[0]
            self.missed()
        return True


def _sums(one: object, other: object, summed: Iterable[Field[Any]]) -> dict[str, Any]:
    """What both have in these fields, which both have, added up."""
    return {each.name: getattr(one, each.name) + getattr(other, each.name) for each in summed}


def _mark(name: str) -> int:
    """48 bits that stand for an id: two of 4,096 are alike once in thirty million calls."""
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=6).digest())
