"""JSON from outside, held to what can be written out again."""

import json
from typing import NoReturn

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


# Made once: json.loads would make a decoder for each body.
_decode = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).decode
