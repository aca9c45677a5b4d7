"""Grants and calls as JSON, for stores outside the process."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from signaller.errors import StoreUnavailable
from signaller.json_writer import write_json
from signaller.model import Call, Grant, Rate, Terms

T = TypeVar("T")


class _Terms(msgspec.Struct):
    """Every member is required here and below: one that is lost never becomes its default."""

    model: str
    uses: int
    start_by: int
    origins: tuple[str, ...]


class _Grant(msgspec.Struct):
    id: str
    sealed_secret: str
    deployment_id: str
    caller: str
    terms: _Terms
    call_rates: tuple[Rate, ...]
    models: tuple[tuple[str, ...], ...]
    safety_identifier: str | None = None
    warm_secret: str | None = None


class _Call(msgspec.Struct):
    id: str
    grant_id: str
    deployment_id: str
    caller: str
    model: str
    started_at: int
    deadline: int
    ended: bool
    provider_call_id: str | None = None


_read_grant = msgspec.json.Decoder(_Grant).decode
_read_call = msgspec.json.Decoder(_Call).decode


def grant_to_json(grant: Grant) -> str:
    """One line of JSON."""
    return write_json(grant).decode()


def grant_from_json(text: str | bytes) -> Grant:
    """The grant. What is not one is StoreUnavailable; unknown members are a newer peer's."""
    record = _read("grant", _read_grant, text)
    terms = record.terms
    return Grant(
        id=record.id,
        sealed_secret=record.sealed_secret,
        deployment_id=record.deployment_id,
        caller=record.caller,
        terms=Terms(
            model=terms.model, uses=terms.uses, start_by=terms.start_by, origins=terms.origins
        ),
        call_rates=record.call_rates,
        models=record.models,
        safety_identifier=record.safety_identifier,
        warm_secret=record.warm_secret,
    )


def call_to_json(call: Call) -> str:
    """One line of JSON."""
    return write_json(call).decode()


def call_from_json(text: str | bytes) -> Call:
    """The call. What is not one is StoreUnavailable; unknown members are a newer peer's."""
    record = _read("call", _read_call, text)
    return Call(
        id=record.id,
        provider_call_id=record.provider_call_id,
        grant_id=record.grant_id,
        deployment_id=record.deployment_id,
        caller=record.caller,
        model=record.model,
        started_at=record.started_at,
        deadline=record.deadline,
        ended=record.ended,
    )


def uses_from_count(start: bytes) -> int:
    """The count that a grant's record begins with; 0 for no record at all."""
    count, colon, _ = start.partition(b":")
    if not start:
        return 0
    if not (colon and count.isdigit()):
        raise StoreUnavailable("the store holds a grant without a count of uses")
    return int(count)


def trail_from_lines(lines: bytes) -> tuple[str, ...]:
    """The ids of the calls begun with a grant: what `scripts` calls its trail."""
    try:
        return tuple(line for line in lines.decode().split("\n") if line not in ("", "!"))
    except UnicodeDecodeError as error:
        raise StoreUnavailable("the store holds a trail that is not UTF-8") from error


def _read(what: str, decode: Callable[[str | bytes], T], text: str | bytes) -> T:
    try:
        return decode(text)
    except (ValueError, RecursionError) as error:  # it names members and types, never values
        raise StoreUnavailable(f"the store holds a {what} that cannot be read: {error}") from error
