"""Grants and calls as JSON, for stores outside the process."""

import json
from dataclasses import asdict
from typing import TypeVar

from signaller.errors import StoreUnavailable
from signaller.model import Call, Grant, Rate, Terms

T = TypeVar("T")


def grant_to_json(grant: Grant) -> str:
    """One line of JSON."""
    return _to_json(asdict(grant))


def grant_from_json(text: str | bytes) -> Grant:
    """The grant. What is not one is StoreUnavailable; unknown members are a newer peer's."""
    record = _Record("grant", text)
    terms = record.nested("terms")
    return Grant(
        id=record.take("id", str),
        sealed_secret=record.take("sealed_secret", str),
        deployment_id=record.take("deployment_id", str),
        caller=record.take("caller", str),
        terms=Terms(
            model=terms.take("model", str),
            uses=terms.take("uses", int),
            start_by=terms.take("start_by", int),
            origins=tuple(terms.each("origins", str)),
        ),
        call_rates=tuple(_rate(each) for each in record.each_nested("call_rates")),
        models=tuple(record.each_texts("models")),
        safety_identifier=record.take_optional("safety_identifier", str),
        warm_secret=record.take_optional("warm_secret", str),
    )


def call_to_json(call: Call) -> str:
    """One line of JSON."""
    return _to_json(asdict(call))


def call_from_json(text: str | bytes) -> Call:
    """The call. What is not one is StoreUnavailable; unknown members are a newer peer's."""
    record = _Record("call", text)
    return Call(
        id=record.take("id", str),
        provider_call_id=record.take_optional("provider_call_id", str),
        grant_id=record.take("grant_id", str),
        deployment_id=record.take("deployment_id", str),
        caller=record.take("caller", str),
        model=record.take("model", str),
        started_at=record.take("started_at", int),
        deadline=record.take("deadline", int),
        ended=record.take("ended", bool),
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


def _rate(record: "_Record") -> Rate:
    return Rate(bucket=record.take("bucket", str), per_minute=record.take("per_minute", int))


def _to_json(members: dict[str, object]) -> str:
    return json.dumps(members, separators=(",", ":"))


class _Record:
    """Reads members of known types; its messages name members, never values."""

    def __init__(self, what: str, source: str | bytes | dict[str, object]) -> None:
        self._what = what
        if isinstance(source, dict):
            self._members = source
            return
        try:
            parsed = json.loads(source)
        except (ValueError, RecursionError) as error:  # bad UTF-8 is a ValueError too
            raise StoreUnavailable(f"the store holds a {what} that is not JSON") from error
        if not isinstance(parsed, dict):
            raise StoreUnavailable(f"the store holds a {what} that is not a JSON object")
        self._members = parsed

    def take(self, name: str, kind: type[T]) -> T:
        value = self._members.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise StoreUnavailable(f"the store holds a {self._what} without a usable {name!r}")
        return value

    def take_optional(self, name: str, kind: type[T]) -> T | None:
        return None if self._members.get(name) is None else self.take(name, kind)

    def nested(self, name: str) -> "_Record":
        members: dict[str, object] = self.take(name, dict)
        return _Record(f"{self._what}'s {name}", members)

    def each(self, name: str, kind: type[T]) -> list[T]:
        elements: list[object] = self.take(name, list)
        wrong = [each for each in elements if not isinstance(each, kind)]
        if wrong:
            raise StoreUnavailable(f"the store holds a {self._what} without usable {name!r}")
        return [each for each in elements if isinstance(each, kind)]

    def each_nested(self, name: str) -> "list[_Record]":
        members: list[dict[str, object]] = self.each(name, dict)
        return [_Record(f"{self._what}'s {name}", each) for each in members]

    def each_texts(self, name: str) -> list[tuple[str, ...]]:
        lists: list[list[object]] = self.each(name, list)
        texts = [tuple(text for text in each if isinstance(text, str)) for each in lists]
        if any(len(kept) != len(each) for kept, each in zip(texts, lists, strict=True)):
            raise StoreUnavailable(f"the store holds a {self._what} without usable {name!r}")
        return texts
