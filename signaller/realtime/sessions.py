"""What a caller asks of a session, and what of it goes upstream: pure rules on the mint's body."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from signaller.errors import InvalidRequest, TokenRejected, UnknownParameter
from signaller.model import Aliases, Deployment, SessionType
from signaller.policy import MAX_CALL_SECONDS, MAX_TTL_SECONDS, MIN_TTL_SECONDS
from signaller.realtime.deployments import provider_prefix

MAX_MODEL_CHARS = 256  # as JSON: it travels in the token, which has a limit
MAX_NESTED_CHARS = 512  # as JSON: they travel there too; a session names one or two
MAX_END_USER_CHARS = 256  # an address or a UUID; it is hashed before it goes anywhere
SESSION_TYPES: tuple[SessionType, ...] = ("realtime", "transcription")
MAX_PAIRS, MAX_KEY_CHARS, MAX_VALUE_CHARS = 16, 64, 512
"""Of metadata; OpenAI's own for its objects."""
OF_CALLS = ("max_call_seconds", "metadata")
"""What a mint says of the calls that its token begins: no provider is told."""
KNOWN = frozenset({"model", "session", "expires_after", "safety_identifier", *OF_CALLS})
"""What a mint may say beside its session."""
BELONGS = {
    "expires_at": "expires_after.seconds",
    "expires_in": "expires_after.seconds",
    "expires_after_seconds": "expires_after.seconds",
    "ttl": "expires_after.seconds",
    "input_audio_format": "session.audio.input.format",
    "input_audio_noise_reduction": "session.audio.input.noise_reduction",
    "input_audio_transcription": "session.audio.input.transcription",
    "turn_detection": "session.audio.input.turn_detection",
    "output_audio_format": "session.audio.output.format",
    "speed": "session.audio.output.speed",
    "voice": "session.audio.output.voice",
    "modalities": "session.output_modalities",
    "max_response_output_tokens": "session.max_output_tokens",
    "user": "safety_identifier",
    **{
        name: f"session.{name}"
        for name in (
            *("audio", "include", "instructions", "max_output_tokens", "output_modalities"),
            *("parallel_tool_calls", "prompt", "reasoning", "tool_choice", "tools", "tracing"),
            *("truncation", "type"),
        )
    },
}
"""Where what older and other APIs take beside the model belongs now."""
MAX_QUOTED_CHARS = 40
"""Of a field's name; ours have at most 26."""
FREE = frozenset({"tools", "prompt", "metadata", "tracing"})
"""Members of a session whose own members are named by whoever writes them: no model is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MintRequest:
    """A checked body of POST /v1/realtime/client_secrets."""

    model: str
    session: Mapping[str, object]
    ttl_seconds: int | None
    """None: the configured default."""
    safety_identifier: str | None = None
    """The end user as the caller knows them; None: not said."""
    max_call_seconds: int | None = None
    """The longest call that is wanted; None: as the policy says."""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def nested_models(self) -> tuple[str, ...]:
        """The models that the session names below its own, once each."""
        named = dict.fromkeys(model for _, model in nested_models(self.session))
        return tuple(model for model in named if model != self.model)

    @property
    def session_type(self) -> SessionType:
        """What the session is for."""
        return "transcription" if self.session["type"] == "transcription" else "realtime"


def parse_mint_request(
    body: Mapping[str, object], *, only_model: str | None = None, end_user: str | None = None
) -> MintRequest:
    """Read both shapes: `{"model"}` (LiteLLM) and `{"session", "expires_after"}` (OpenAI).

    `only_model` is meant where none is named; `end_user` is what `OpenAI-Safety-Identifier` says.
    Raises UnknownParameter and InvalidRequest, whose `param` names the field.
    """
    _refuse_unknown(body)
    session = _object(body, "session", "session") or {}
    _refuse_of_calls(session, "It belongs beside 'session'.")
    kind = session.get("type", "realtime")
    if kind not in SESSION_TYPES:
        expected = " or ".join(f"'{name}'" for name in SESSION_TYPES)
        raise InvalidRequest(public=f"session.type must be {expected}.", param="session.type")
    model = _model(body, session) or only_model
    if not model:
        raise InvalidRequest(
            public="No model was named: send 'model' or 'session.model'. "
            "GET /v1/models lists the models you may use.",
            param="model",
        )
    nested = dict.fromkeys(name for _, name in nested_models(session))
    if len(json.dumps(list(nested))) > MAX_NESTED_CHARS:
        raise InvalidRequest(
            public="The session names too many models, or one with too long a name: "
            f"{MAX_NESTED_CHARS} characters are allowed for all of them together.",
            param="session",
        )
    return MintRequest(
        model=sys.intern(model),  # grants and calls remember it, most of them the same one
        session={**session, "type": kind},
        ttl_seconds=_ttl_seconds(body),
        safety_identifier=_safety_identifier(body, end_user),
        max_call_seconds=_max_call_seconds(body),
        metadata=_metadata(body),
    )


def parse_unified_session(
    given: Mapping[str, object], *, model: str | None, end_user: str | None
) -> MintRequest:
    """A session that a caller sends with an offer and no token; `model` is what the URL says.

    There is no place beside it, so what a mint says there stands in it.
    Raises TokenRejected if nothing names a model, and InvalidRequest.
    """
    session = {name: value for name, value in given.items() if value is not None}
    if model and session.setdefault("model", model) != model:
        raise InvalidRequest(
            public="'session.model' and ?model= in the URL differ. Send one of them.",
            param="session.model",
        )
    if session.get("model") is None and not next(nested_models(session), None):
        raise TokenRejected(
            "a caller's credential, and no model",
            public="This is a caller's credential, not a token. Get a token from "
            "POST /v1/realtime/client_secrets, or name the model of the call: in 'session' beside "
            "the offer, or as ?model= in the URL.",
        )
    beside = {name: session.pop(name) for name in OF_CALLS if name in session}
    return parse_mint_request({"session": session, **beside}, end_user=end_user)


def parse_session_beside_offer(
    session: Mapping[str, object], model: str, kind: SessionType, upstream_model: str
) -> MintRequest:
    """A session that comes with an offer: of the model and the type that its token is for.

    The model may go by the provider's name for it, which is what our mint has answered.
    Raises InvalidRequest, whose `param` names the field.
    """
    _refuse_of_calls(session, "It was fixed when the token was minted.")
    if session.get("type", kind) != kind:
        raise InvalidRequest(
            public=f"session.type cannot change: this token is for a {kind} session. "
            "Leave it out, or mint a token for the other type.",
            param="session.type",
        )
    named = _text(session, "model", "session.model")
    if named not in (None, model, upstream_model, provider_prefix(model)[1]):
        raise InvalidRequest(
            public=f"session.model cannot change: this token is for '{model}'. "
            "Leave it out, or mint a token for the other model.",
            param="session.model",
        )
    rest = {name: value for name, value in session.items() if name != "model"}
    # What the provider calls the model is nobody else's model either, wherever it stands.
    ours = with_models(rest, lambda name: model if name == upstream_model else name)
    return parse_mint_request({"model": model, "session": {**ours, "type": kind}})


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
    is_transcription = asked["type"] == "transcription"

    def named_upstream(name: str) -> str:
        if is_transcription and name == model:
            return deployment.upstream_model
        provider, rest = provider_prefix(name)
        plain = rest if provider == deployment.provider else name
        known = (aliases.get((deployment.provider, each)) for each in (name, plain))
        return next(filter(None, known), plain)

    session = with_models({**asked, "model": None}, named_upstream)
    if is_transcription and next(nested_models(session), None) is None:
        # It has no model of its own: the nested one is all there is.
        session = forced(session, _transcribing(deployment.upstream_model))
    if is_transcription and "model" not in asked:
        del session["model"]
    else:
        session["model"] = deployment.upstream_model
    return session


def nested_models(session: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Every model that a session names below its own: where, and which.

    Known places are `audio.input.transcription` and, older, `input_audio_transcription`; any other
    is as good, since a provider may take it. Raises InvalidRequest for a wrong type.
    """
    _object(session, "input_audio_transcription", "session.input_audio_transcription")
    audio = _object(session, "audio", "session.audio") or {}
    audio_input = _object(audio, "input", "session.audio.input") or {}
    _object(audio_input, "transcription", "session.audio.input.transcription")
    for name, value in session.items():
        if name != "model" and name not in FREE:
            yield from _models_in(value, f"session.{name}")


def with_models(session: Mapping[str, object], rename: Callable[[str], str]) -> dict[str, object]:
    """The session with every nested model renamed."""
    return {
        name: value if name == "model" or name in FREE else _renamed(value, rename)
        for name, value in session.items()
    }


def _models_in(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            at = f"{path}.{name}"
            if name != "model":
                yield from _models_in(member, at)
            elif (model := _text(value, name, at)) is not None:
                yield at, model
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _models_in(member, f"{path}[{index}]")


def _renamed(value: object, rename: Callable[[str], str]) -> object:
    if isinstance(value, Mapping):
        return {
            name: rename(member)
            if name == "model" and isinstance(member, str)
            else _renamed(member, rename)
            for name, member in value.items()
        }
    return [_renamed(member, rename) for member in value] if isinstance(value, list) else value


def _transcribing(model: str) -> dict[str, object]:
    return {"audio": {"input": {"transcription": {"model": model}}}}


def _refuse_unknown(body: Mapping[str, object]) -> None:
    for name in body:
        if name in KNOWN:
            continue
        place = BELONGS.get(name)
        raise UnknownParameter(
            public=f"'{_short(name)}' has no effect beside 'session'. "
            + (f"It belongs in '{place}'." if place else f"Known are {', '.join(sorted(KNOWN))}."),
            param=_short(name),
        )


def _refuse_of_calls(session: Mapping[str, object], advice: str) -> None:
    for name in OF_CALLS:
        if session.get(name) is not None:
            at = f"session.{name}"
            raise UnknownParameter(public=f"'{at}' has no effect. {advice}", param=at)


def _short(name: str) -> str:
    """A field's name as it may be quoted: a part of a long one may be half of a key."""
    return name if len(name) <= MAX_QUOTED_CHARS else "(a long name)"


def _model(body: Mapping[str, object], session: Mapping[str, object]) -> str | None:
    """The model of a mint, wherever it is named."""
    nested = [model for _, model in nested_models(session)]  # types are checked whichever rules
    outer, inner = _text(body, "model", "model"), _text(session, "model", "session.model")
    if outer and inner and outer != inner:
        raise InvalidRequest(
            public="'model' and 'session.model' differ. Send one of them.", param="session.model"
        )
    model = outer or inner
    if model is None and session.get("type") == "transcription" and nested:
        model = nested[0]
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
    return model


def _ttl_seconds(body: Mapping[str, object]) -> int | None:
    after = _object(body, "expires_after", "expires_after")
    if after is None:
        return None
    for name in after.keys() - {"anchor", "seconds"}:
        at = f"expires_after.{_short(name)}"
        raise UnknownParameter(
            public=f"'{at}' has no effect. Known are expires_after.anchor and .seconds.",
            param=at,
        )
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


def _max_call_seconds(body: Mapping[str, object]) -> int | None:
    """As it is asked for: how much of it is granted, the policy says."""
    seconds = body.get("max_call_seconds")
    if seconds is None:
        return None
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 1:
        raise InvalidRequest(
            public="max_call_seconds must be a whole number of seconds, 1 or more.",
            param="max_call_seconds",
        )
    return min(seconds, MAX_CALL_SECONDS)


def _metadata(body: Mapping[str, object]) -> Mapping[str, str]:
    pairs = _object(body, "metadata", "metadata") or {}
    if len(pairs) > MAX_PAIRS:
        raise _no_metadata(f"at most {MAX_PAIRS} pairs")
    checked: dict[str, str] = {}
    for name, value in pairs.items():
        if not name or len(name) > MAX_KEY_CHARS:
            raise _no_metadata(f"keys of 1 to {MAX_KEY_CHARS} characters")
        if not isinstance(value, str):
            raise _no_metadata("texts as values")
        if len(value) > MAX_VALUE_CHARS:
            raise _no_metadata(f"values of at most {MAX_VALUE_CHARS} characters")
        checked[name] = value
    return checked


def _no_metadata(rule: str) -> InvalidRequest:
    return InvalidRequest(public=f"metadata must have {rule}.", param="metadata")


def _safety_identifier(body: Mapping[str, object], header: str | None) -> str | None:
    name = "safety_identifier"
    value = _text(body, name, name)
    if value and header and value != header:
        raise InvalidRequest(
            public=f"{name} and the header OpenAI-Safety-Identifier differ. Send one of them.",
            param=name,
        )
    value = value or header
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
