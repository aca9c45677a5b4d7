"""The session: what a client may ask for, and what becomes of it."""

import copy
from collections.abc import Callable, Mapping

from signaller.loopback.faults import Refusal

DEFAULT_MODEL = "gpt-realtime"
Json = dict[str, object]
NewId = Callable[[str], str]
"""A fresh id with the given prefix."""

_AUDIO_INPUT: Json = {
    "format": {"type": "audio/pcm", "rate": 24000},
    "transcription": None,
    "noise_reduction": None,
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    },
}
_REALTIME: Json = {
    "output_modalities": ["audio"],
    "instructions": "You are on this machine. Say what you hear.",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "truncation": "auto",
    "tracing": None,
    "prompt": None,
    "reasoning": None,
    "parallel_tool_calls": None,
    "include": None,
    "audio": {
        "input": _AUDIO_INPUT,
        "output": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "voice": "marin",
            "speed": 1.0,
        },
    },
}
_TRANSCRIPTION: Json = {"include": None, "audio": {"input": _AUDIO_INPUT}}
_READ_ONLY = frozenset({"id", "object", "expires_at", "client_secret"})
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "model": str,
    "instructions": str,
    "output_modalities": list,
    "tools": list,
    "tool_choice": (str, dict),
    "max_output_tokens": (str, int),
    "audio": dict,
    "truncation": (str, dict),
    "tracing": (str, dict),
    "prompt": dict,
    "include": list,
}


def open_session(wanted: object, *, new_id: NewId) -> Json:
    """The effective session of a mint or a unified call; raises Refusal."""
    if wanted is None:
        wanted = {"type": "realtime"}
    if not isinstance(wanted, dict):
        raise Refusal(
            400,
            "invalid_type",
            "Invalid type for 'session': expected an object.",
            param="session",
        )
    kind = wanted.get("type")
    if kind is None:
        raise Refusal(
            400,
            "missing_required_parameter",
            "Missing required parameter: 'session.type'.",
            param="session.type",
        )
    if kind not in ("realtime", "transcription"):
        raise Refusal(
            400,
            "invalid_value",
            f"Invalid value: {str(kind)[:40]!r}. Supported values are: 'realtime' and "
            "'transcription'.",
            param="session.type",
        )
    session: Json = {
        "type": kind,
        "object": f"realtime.{'' if kind == 'realtime' else 'transcription_'}session",
        "id": new_id("sess"),
        "expires_at": 0,
        **copy.deepcopy(_REALTIME if kind == "realtime" else _TRANSCRIPTION),
    }
    if kind == "realtime":
        session["model"] = DEFAULT_MODEL
    return merge_session(session, wanted)


def merge_session(session: Mapping[str, object], changes: Mapping[str, object]) -> Json:
    """The session with the changes in it, objects merged member by member; raises Refusal."""
    for name, value in changes.items():
        if name in _READ_ONLY or (name not in session and name != "model"):
            raise Refusal(
                400,
                "unknown_parameter",
                f"Unknown parameter: 'session.{name[:60]}'.",
                param=f"session.{name[:60]}",
            )
        expected = _TYPES.get(name)
        if expected and value is not None and not isinstance(value, expected):
            raise Refusal(
                400,
                "invalid_type",
                f"Invalid type for 'session.{name}'.",
                param=f"session.{name}",
            )
    return _merged(session, changes)


def at(session: Mapping[str, object], *path: str) -> object:
    """The value at a path of members, None where there is none."""
    value: object = session
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _merged(base: Mapping[str, object], changes: Mapping[str, object]) -> Json:
    merged = dict(base)
    for name, value in changes.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(old, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]  # `both` says so
    return merged
