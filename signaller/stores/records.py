"""Grants and calls as read from Redis: checked by type, never trusted."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from signaller.errors import StoreUnavailable
from signaller.model import CallEntry, Grant, Kept, Peeked
from signaller.strict_json import reader

T = TypeVar("T")

MAX_DIGITS = 15
"""Of a number of seconds or of calls: more than either ever has, and no integer is too large."""

_read_grant = reader(Grant)
_read_ref = reader(tuple[str, str, str, str])
_read_pair = reader(tuple[str, str])


def grant_from_json(text: str | bytes) -> Grant:
    """The grant. What is not one is StoreUnavailable."""
    return _read("grant", _read_grant, text)


def peeked_from_record(record: bytes) -> Peeked | None:
    """A grant and its uses, by the whole of its record; None without uses left."""
    uses = uses_from_count(record)
    if uses == 0:
        return None
    body = record.partition(b":")[2].partition(b"\n")[0]
    return Peeked(grant=grant_from_json(body), uses_left=uses)


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
        return tuple(line for line in lines.decode().split("\n") if line not in ("", "!", "~"))
    except UnicodeDecodeError as error:
        raise StoreUnavailable("the store holds a trail that is not UTF-8") from error


def kept_from_parts(parts: Sequence[bytes | None], now_ms: int | None = None) -> Kept:
    """The call of these `call_scripts.PARTS`. What is not one is StoreUnavailable.

    `now_ms`: the store's own time, if the call is to say how long it has left.
    """
    ref, began_at, ends_by, facts, state, seen, ends, ended = parts
    call_id, caller, model, person = _read("call", _read_ref, ref or b"")
    entry = CallEntry(
        id=call_id,
        caller=caller,
        model=model,
        began_at=_whole(began_at),
        ends_by=_whole(ends_by),
        person=person,
    )
    return Kept(
        entry=entry,
        facts=text_from_bytes(facts),
        state=None if state is None else text_from_bytes(state),
        seen=None if seen is None else text_from_bytes(seen),
        live=ended is None,
        left_seconds=None if now_ms is None or ends is None else (_whole(ends) - now_ms) / 1000,
    )


def count_from_field(pair: bytes, count: bytes) -> tuple[tuple[str, str], int]:
    """Caller and model, and how many calls of theirs are live."""
    return _read("count", _read_pair, pair), _whole(count)


def text_from_bytes(value: bytes | None) -> str:
    """A text. What is none is StoreUnavailable."""
    if value is None:
        raise StoreUnavailable("the store holds a record without one of its texts")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise StoreUnavailable("the store holds a text that is not UTF-8") from error


def _whole(digits: bytes | None) -> int:
    if digits is None or not digits.isdigit() or len(digits) > MAX_DIGITS:
        raise StoreUnavailable("the store holds a call whose times are none")
    return int(digits)


def _read(what: str, decode: Callable[[str | bytes], T], text: str | bytes) -> T:
    try:
        return decode(text)
    except (ValueError, RecursionError) as error:
        raise StoreUnavailable(f"the store holds a {what} that cannot be read: {error}") from error
