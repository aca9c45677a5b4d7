"""Grants and calls as JSON, for stores outside the process."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from signaller.errors import StoreUnavailable
from signaller.json_writer import write_json
from signaller.model import Call, Grant

T = TypeVar("T")


_read_grant = msgspec.json.Decoder(Grant).decode
_read_call = msgspec.json.Decoder(Call).decode


def grant_to_json(grant: Grant) -> str:
    """One line of JSON."""
    return write_json(grant).decode()


def grant_from_json(text: str | bytes) -> Grant:
    """The grant. What is not one is StoreUnavailable."""
    return _read("grant", _read_grant, text)


def call_to_json(call: Call) -> str:
    """One line of JSON."""
    return write_json(call).decode()


def call_from_json(text: str | bytes) -> Call:
    """The call. What is not one is StoreUnavailable."""
    return _read("call", _read_call, text)


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


def _read(what: str, decode: Callable[[str | bytes], T], text: str | bytes) -> T:
    try:
        return decode(text)
    except (ValueError, RecursionError) as error:  # it names members and types, never values
        raise StoreUnavailable(f"the store holds a {what} that cannot be read: {error}") from error
