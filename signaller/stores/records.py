"""Grants and calls as JSON, for stores outside the process."""

import json
from dataclasses import asdict
from typing import TypeVar

from signaller.errors import StoreUnavailable
from signaller.model import Call, Grant, Terms

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
            origin=terms.take_optional("origin", str),
        ),
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
