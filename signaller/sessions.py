"""What a caller asks of a session, and what of it goes upstream: pure rules on the mint's body."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from signaller.errors import InvalidRequest
from signaller.model import Deployment, Provider

MIN_TTL_SECONDS, MAX_TTL_SECONDS = 10, 7200  # OpenAI's own bounds for expires_after.seconds
MAX_MODEL_CHARS = 256  # as JSON: it travels in the token, which has a limit
MAX_END_USER_CHARS = 256  # an address or a UUID; it is hashed before it goes anywhere
TRANSCRIPTION_MODEL = "session.audio.input.transcription.model"
SESSION_TYPES = ("realtime", "transcription")

Aliases = Mapping[tuple[Provider, str], str]
_PROVIDERS: Mapping[str, Provider] = {"openai": "openai", "azure": "azure"}


class MintRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A checked body of POST /v1/realtime/client_secrets."""

    model: str
    session: Mapping[str, object]
    ttl_seconds: int | None
    """None: the configured default."""
    safety_identifier: str | None = None
    """The end user as the caller knows them; None: not said."""


def parse_mint_request(body: Mapping[str, object]) -> MintRequest:
    """Read both shapes: `{"model"}` (LiteLLM) and `{"session", "expires_after"}` (OpenAI).

    Raises InvalidRequest, whose `param` names the field.
    """
    session = _object(body, "session", "session") or {}
    kind = session.get("type", "realtime")
    if kind not in SESSION_TYPES:
        expected = " or ".join(f"'{name}'" for name in SESSION_TYPES)
        raise InvalidRequest(public=f"session.type must be {expected}.", param="session.type")
    model = (
        _text(body, "model", "model")
        or _text(session, "model", "session.model")
        or (transcription_model(session) if kind == "transcription" else None)
    )
    if model and len(json.dumps(model)) > MAX_MODEL_CHARS:
        raise InvalidRequest(
            public=f"The model's name is longer than {MAX_MODEL_CHARS} characters.", param="model"
        )
    if model and model.startswith(("sk-", "ek_")):
        # A key in the wrong field would be quoted in errors and logs.
        raise InvalidRequest(
            public="The model's name looks like a key. Send the model's name in 'model', and the "
            "key in the Authorization header.",
            param="model",
        )
    transcription_model(session)  # its type is checked whichever model rules
    if not model:
        raise InvalidRequest(
            public="No model was named: send 'model' or 'session.model'. "
            "GET /v1/models lists the models you may use.",
            param="model",
        )
    return MintRequest(
        model=sys.intern(model),  # grants and calls remember it, most of them the same one
        session={**session, "type": kind},
        ttl_seconds=_ttl_seconds(body),
        safety_identifier=_safety_identifier(body),
    )


def parse_session_beside_offer(session: Mapping[str, object], model: str) -> MintRequest:
    """A session that comes with an offer: a realtime one, of the model its token is for.

    Raises InvalidRequest, whose `param` names the field.
    """
    if session.get("type", "realtime") != "realtime":
        raise InvalidRequest(
            public="session.type beside an offer must be 'realtime'; a transcription session is "
            "asked for when the token is minted.",
            param="session.type",
        )
    if _text(session, "model", "session.model") not in (None, model):
        raise InvalidRequest(
            public=f"session.model cannot change: this token is for '{model}'. "
            "Leave it out, or mint a token for the other model.",
            param="session.model",
        )
    return parse_mint_request({"session": {**session, "model": model}})


def forced(session: Mapping[str, object], policy: Mapping[str, object]) -> dict[str, object]:
    """A session with a policy's fields over it: objects are merged, all else is replaced."""
    merged = dict(session)
    for name, value in policy.items():
        below = merged.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[name] = forced(below, value)
        else:
            merged[name] = value
    return merged


def upstream_session(
    asked: Mapping[str, object], model: str, deployment: Deployment, aliases: Aliases
) -> dict[str, object]:
    """A session for `model` as the provider gets it: untouched but for the models' names."""
    session = dict(asked)
    # A transcription session has no model of its own: the nested one is all there is.
    if session["type"] == "realtime" or "model" in session:
        session["model"] = deployment.upstream_model
    nested = transcription_model(session)
    if session["type"] == "transcription" and nested in (None, model):
        return _with_transcription_model(session, deployment.upstream_model)
    if nested and (resolved := aliases.get((deployment.provider, nested))):
        return _with_transcription_model(session, resolved)
    return session


def resolve(deployment: Deployment, model: str) -> Deployment | None:
    """The deployment as it serves `model`, wildcards filled in; None if it does not serve it.

    `openai/` or `azure/` before a name says whose model it must be, unless the deployment's own
    name begins so.
    """
    provider, name = provider_prefix(model)
    if provider and not deployment.model_name.startswith(f"{provider}/"):
        if provider != deployment.provider:
            return None
        model = name
    head, star, tail = deployment.model_name.partition("*")
    if not star:
        return deployment if model == deployment.model_name else None
    if len(model) < len(head) + len(tail) or not (model.startswith(head) and model.endswith(tail)):
        return None
    matched = model[len(head) : len(model) - len(tail)]
    upstream_model = deployment.upstream_model.replace("*", matched)
    return replace(deployment, upstream_model=upstream_model) if upstream_model else None


def provider_prefix(model: str) -> tuple[Provider | None, str]:
    """The provider that a name begins with, as LiteLLM's do, and the name without it."""
    head, slash, name = model.partition("/")
    provider = _PROVIDERS.get(head) if slash else None
    return (provider, name) if provider else (None, model)


def _with_transcription_model(session: dict[str, object], model: str) -> dict[str, object]:
    audio = dict(_object(session, "audio", "session.audio") or {})
    audio_input = dict(_object(audio, "input", "session.audio.input") or {})
    path = "session.audio.input.transcription"
    transcription = {**(_object(audio_input, "transcription", path) or {}), "model": model}
    return {**session, "audio": {**audio, "input": {**audio_input, "transcription": transcription}}}


def transcription_model(session: Mapping[str, object]) -> str | None:
    """The model nested in a session, which turns what is said into text.

    Raises InvalidRequest for a wrong type on the way.
    """
    audio = _object(session, "audio", "session.audio") or {}
    audio_input = _object(audio, "input", "session.audio.input") or {}
    path = "session.audio.input.transcription"
    transcription = _object(audio_input, "transcription", path) or {}
    return _text(transcription, "model", f"{path}.model")


def _ttl_seconds(body: Mapping[str, object]) -> int | None:
    after = _object(body, "expires_after", "expires_after")
    if after is None:
        return None
    if after.get("anchor", "created_at") != "created_at":
        raise InvalidRequest(
            public="expires_after.anchor must be 'created_at'.", param="expires_after.anchor"
        )
    seconds = after.get("seconds")
    if seconds is None:
        return None
    if (
        not isinstance(seconds, int)
        or isinstance(seconds, bool)
        or not MIN_TTL_SECONDS <= seconds <= MAX_TTL_SECONDS
    ):
        raise InvalidRequest(
            public="expires_after.seconds must be a whole number "
            f"from {MIN_TTL_SECONDS} to {MAX_TTL_SECONDS}.",
            param="expires_after.seconds",
        )
    return seconds


def _safety_identifier(body: Mapping[str, object]) -> str | None:
    name = "safety_identifier"
    value = _text(body, name, name)
    if value and len(value) > MAX_END_USER_CHARS:
        raise InvalidRequest(
            public=f"{name} is longer than {MAX_END_USER_CHARS} characters.", param=name
        )
    return value


def _object(parent: Mapping[str, object], name: str, path: str) -> Mapping[str, object] | None:
    value = parent.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidRequest(public=f"{path} must be an object.", param=path)
    return value


def _text(parent: Mapping[str, object], name: str, path: str) -> str | None:
    value = parent.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise InvalidRequest(public=f"{path} must be a non-empty string.", param=path)
    return value
