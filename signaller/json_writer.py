"""Values as JSON, for bodies and records."""

import json

import msgspec

_encode = msgspec.json.Encoder().encode


def write_json(value: object) -> bytes:
    """JSON in UTF-8 on one line; dataclasses become objects.

    Raises UnicodeEncodeError for half of a surrogate pair, and TypeError for what has no JSON.
    """
    try:
        return _encode(value)
    except OverflowError:
        # An integer beyond 64 bits, which JSON may hold (RFC 8259, 6) and msgspec does not.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
