"""What a watch has to know of a session as it was minted: fingerprints, and who transcribes.

Only fingerprints are kept: instructions may be long, and are no business of a call's record.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b

from signaller.model import Watching

ALWAYS = ("instructions", "tools")
"""What makes a session what it is, whoever wrote it."""
MAX_NAME_CHARS = 256
"""Of a model that transcribes: theirs have some 30."""


def fields_of(forced: Mapping[str, object]) -> tuple[str, ...]:
    """The paths of all that a client must not change: ALWAYS, and each field that is forced."""
    return tuple(dict.fromkeys((*ALWAYS, *_paths(forced))))


def fingerprints(session: Mapping[str, object], fields: Iterable[str]) -> dict[str, str]:
    """Of a session as the provider minted it, by the fields' paths.

    A field that is missing there, or null, is left out: it is learned from the first session told.
    """
    found = ((field, _at(session, field)) for field in fields)
    return {field: _fingerprint(value) for field, value in found if value is not None}


def told_of(
    watching: Watching, session: Mapping[str, object], forced: Mapping[str, object]
) -> Watching:
    """The terms of a watch over calls with this session, of which a policy sets some fields."""
    noted = watching.session_drift != "ignore"
    return replace(
        watching,
        session=fingerprints(session, fields_of(forced)) if noted else {},
        transcriber=transcription_model(session),
    )


def transcription_model(session: Mapping[str, object]) -> str | None:
    """The model that writes down what the user says, in its place of today or the older one."""
    for path in ("audio.input.transcription.model", "input_audio_transcription.model"):
        model = _at(session, path)
        if isinstance(model, str) and 0 < len(model) <= MAX_NAME_CHARS:
            return model
    return None


def fingerprint_at(session: Mapping[str, object], path: str) -> str:
    """Of a field, or of its absence."""
    return _fingerprint(_at(session, path))


def _paths(forced: Mapping[str, object], above: str = "") -> Iterator[str]:
    for name, value in forced.items():
        # A name with a dot in it would be taken for two: what holds it is compared as a whole.
        if isinstance(value, Mapping) and value and not any("." in each for each in value):
            yield from _paths(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def _at(session: Mapping[str, object], path: str) -> object:
    value: object = session
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _fingerprint(value: object) -> str:
    # Sorted, so that the order of members makes no difference.
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: object) -> object:
    """With one spelling for what means the same: nothing, an empty list, 1 and 1.0."""
    if isinstance(value, Mapping):
        members = {name: _plain(member) for name, member in value.items()}
        return {name: member for name, member in members.items() if member is not None} or None
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value] or None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None if value == "" else value
