"""JSON that is read from outside and written to bodies, records and tokens.

What `parse_object` takes can be written out again: every other value is refused at the edge.
"""

import json
from collections.abc import Callable
from typing import NoReturn, TypeVar

import msgspec

T = TypeVar("T")

MAX_DEPTH = 64
"""Sessions nest some six deep, the JSON schemas of their tools some twenty."""


def parse_object(body: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, object]:
    """A JSON object in UTF-8.

    ValueError for anything else; json.JSONDecodeError and UnicodeDecodeError, which are ValueErrors
    too, know the place.
    """
    try:
        value = _decode(body.decode())
    except RecursionError as error:
        raise ValueError("the JSON nests too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("the JSON is not an object")
    # Few values need the long look: with fewer brackets than levels nothing nests too deeply, and
    # only an escape can spell half of a surrogate pair.
    if body.count(b"{") + body.count(b"[") >= max_depth or b"\\u" in body:
        _check(value, max_depth)
    return value


def reader(kind: type[T]) -> Callable[[str | bytes], T]:
    """What reads JSON of our own making as such a dataclass, each member of its type.

    It raises ValueError, which names members and types and never values, and RecursionError. It
    ends at the first fault and remembers nothing: pydantic would look at all of a record that
    somebody has filled, and keep its short texts, keys among them, in a cache of the process.
    """
    return msgspec.json.Decoder(kind).decode


def write_json(value: object) -> bytes:
    """JSON in UTF-8 on one line; dataclasses become objects.

    Raises UnicodeEncodeError for half of a surrogate pair, and TypeError for what has no JSON.
    """
    try:
        return _encode(value)
    except OverflowError:
        # An integer beyond 64 bits, which JSON may hold (RFC 8259, 6) and msgspec does not.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _check(value: object, depth: int) -> None:
    if depth == 0:
        raise ValueError("the JSON nests too deeply")
    if isinstance(value, str):
        _text(value)
    elif isinstance(value, dict):
        for name, member in value.items():
            _text(name)
            _check(member, depth - 1)
    elif isinstance(value, list):
        for member in value:
            _check(member, depth - 1)


def _text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair (\\ud800) is no text") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON (RFC 8259, 6)")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is out of range")
    return number


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # whose text tells how to change CPython's limit of some 4,000
        raise ValueError("an integer has too many digits") from None


# Made once: json.loads would make a decoder for each body, msgspec.json.encode an encoder.
_decode = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, parse_int=_integer).decode
_encode = msgspec.json.Encoder().encode
