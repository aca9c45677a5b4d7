"""Values as JSON, for bodies and records."""

import json

import msgspec

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="deterministic").encode


def write_json(value: object, *, sort_keys: bool = False) -> bytes:
    """JSON in UTF-8 on one line; dataclasses become objects.

    Raises UnicodeEncodeError for half of a surrogate pair, and TypeError for what has no JSON.
    """
    try:
        return _encode_sorted(value) if sort_keys else _encode(value)
    except OverflowError:
        # An integer beyond 64 bits, which JSON may hold (RFC 8259, 6) and msgspec does not.
        return json.dumps(
            value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys
        ).encode()
