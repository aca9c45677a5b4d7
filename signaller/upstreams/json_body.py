"""A provider's JSON, held to what can be written out again."""

import json
from typing import NoReturn

MAX_DEPTH = 32
"""Sessions nest some six deep."""


def parse_object(body: bytes) -> dict[str, object]:
    """A JSON object in UTF-8; ValueError for anything else."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("the JSON nests too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("the JSON is not an object")
    _check(value, MAX_DEPTH)
    return value


def _check(value: object, depth: int) -> None:
    if depth == 0:
        raise ValueError("the JSON nests too deeply")
    if isinstance(value, str):
        value.encode()  # a lone surrogate (\ud800) parses, but is no text
    elif isinstance(value, dict):
        for name, member in value.items():
            name.encode()
            _check(member, depth - 1)
    elif isinstance(value, list):
        for member in value:
            _check(member, depth - 1)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON (RFC 8259, 6)")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is out of range")
    return number
