"""The nouns: deployment, session, ephemeral secret, grant, call. Values, hardly any behaviour.

What must be in the store has no default: a member that is lost is noticed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, Self, get_args

from signaller.policy import (
    Narrowing,
    OnDrift,
    Places,
    Policy,
    Rate,
    SupervisionMode,
    call_rates,
    mint_rates,
    narrow,
    rates_of_one,
)
from signaller.secret import Secret

Provider = Literal["openai", "azure"]
PROVIDERS: Mapping[str, Provider] = {name: name for name in get_args(Provider)}
Aliases = Mapping[tuple[Provider, str], str]
"""(provider, model name) -> upstream model."""
SessionType = Literal["realtime", "transcription"]
WebrtcFilter = Literal["on", "off", "client"]
Flow = Literal["ephemeral", "unified"]
EndedBy = Literal[
    "client", "caller", "operator", "length", "idle", "replay", "drift", "supervision", "provider"
]
CallStatus = Literal["live", "ended", "unknown"]
EventKind = Literal["call.started", "call.updated", "call.ended"]

MAX_CALL_SECONDS = 3600
"""No provider lets a session live longer (OpenAI and Azure: 60 minutes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a request brings to prove who sent it."""

    secret: Secret | None = None
    """An API key, a gateway's JWT or a token: `Authorization: Bearer` or `api-key`."""
    peer: IPv4Address | IPv6Address | Literal["unix"] | None = None
    """Who opened the connection, whatever a header says of it; None: not known."""
    headers: Iterable[tuple[str, str]] = ()
    """All of them in their order, as often as they are asked for; names in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What was counted in a bucket, and may be taken back."""

    bucket: str
    at: float
    """In the store's own time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left of a rate."""

    limit: int
    remaining: int
    reset_seconds: float
    """Until all of it is there again."""
    hits: tuple[Hit, ...] = field(default=(), compare=False)
    """What was counted for it, in each bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks for a token, and what it may do."""

    name: str
    credential_id: str
    """Of the key or gateway that proved the caller; once it is withdrawn, its tokens are void."""
    policy: Policy
    mint_rates: tuple[Rate, ...] = ()
    call_rates: tuple[Rate, ...] = ()
    places: Places = field(default_factory=Places)
    """For calls that are live at the same time."""
    end_user: str | None = None
    """The person behind the caller, as the gateway names it."""
    is_master: bool = False
    """The operator: may look at, revoke and hang up what is others'."""

    @classmethod
    def under(
        cls,
        policy: Policy,
        name: str,
        credential_id: str,
        *,
        end_user: str | None = None,
        is_master: bool = False,
    ) -> Self:
        """A caller under a policy, with the rates that all its people share."""
        return cls(
            name=name,
            credential_id=credential_id,
            policy=policy,
            mint_rates=mint_rates(name, policy),
            call_rates=call_rates(name, policy),
            places=Places(of_all=policy.calls_at_once),
            end_user=end_user,
            is_master=is_master,
        )

    def narrowed(self, by: Narrowing, person: str) -> Self:
        """The caller without what its JWT takes away.

        The JWT's own rates are counted for `person`, a pseudonym: buckets are seen in Redis and
        logs. It stands before the name, because a caller's name may itself look like
        `<person>:<caller>`.
        """
        mints, calls = rates_of_one(person, self.name, by)
        places = self.places
        if by.calls_at_once is not None:
            places = replace(places, of_one=by.calls_at_once, person=person)
        return replace(
            self,
            policy=narrow(self.policy, by),
            # The person's comes first: in a race, who is over it takes nothing from the others.
            mint_rates=mints + self.mint_rates,
            call_rates=calls + self.call_rates,
            places=places,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What joins the log lines of one request, here and elsewhere."""

    request_id: str
    traceparent: str | None = None
    """W3C Trace Context, as it came: no span of ours stands between."""
    tracestate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraCredential:
    """A service principal that fetches Entra ID tokens (Azure)."""

    tenant_id: str
    client_id: str
    client_secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One entry of `model_list`. Several may share a model name."""

    id: str
    """Stable across replicas and restarts, and across changes of its key unless nothing else tells
    it from another: grants and calls refer to it."""
    model_name: str
    """What callers ask for; may hold `*`."""
    provider: Provider
    upstream_model: str
    """What the provider calls it (Azure: the deployment's name); `*` takes what `*` matched."""
    base_url: str
    """Origin and path prefix without a trailing slash and without `/v1`."""
    api_key: Secret | None = None
    entra_token: Secret | None = None
    entra: EntraCredential | None = None
    organization: str | None = None
    project: str | None = None
    api_version: str | None = None
    """Azure only; None is the GA API."""
    weight: float = 1
    timeout_seconds: float | None = None
    """Rules over the configured mint and call time-outs."""
    warm_secrets: bool = True
    """Whether its secrets may be shared, where the configuration lets them."""
    prices: Mapping[str, object] = field(default_factory=dict, hash=False)
    """In US dollars, by LiteLLM's names (`supervision.prices`): they rule over our own list."""
    flow: Flow = "ephemeral"
    """OpenAI only: `unified` mints without the provider, and calls with the standard key."""
    webrtcfilter: WebrtcFilter = "client"
    """Azure only: whether most events, instructions among them, are kept from the client; `client`:
    as it asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """What one mint asks of the provider: the session as it goes upstream."""

    session: Mapping[str, object]
    expires_after_seconds: int
    trace: Trace
    safety_identifier: str | None = None
    """Stands for the end user towards the provider, and tells nothing about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRequest:
    """A POST to a provider as it will be sent."""

    url: str
    headers: Mapping[str, str]
    """All of them, but for `tracing` and for a bearer that is still to be fetched."""
    content: bytes
    tracing: Mapping[str, str]
    """Headers by which this one request is found in logs; they mean nothing to the answer."""
    principal: tuple[str, ...] | None = None
    """Who the bearer is fetched for, as often as it runs out; None: `headers` has a credential."""

    @property
    def meaning(self) -> tuple[object, ...]:
        """All that can make a difference to the answer; it holds secrets."""
        headers = sorted((name.lower(), value) for name, value in self.headers.items())
        return self.url, headers, self.content, self.principal

    def __repr__(self) -> str:
        """Without the credential."""
        return f"ProviderRequest({self.url})"


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemeralSecret:
    """The provider's `ek_...` (no prefix is promised); never leaves the service."""

    value: Secret
    expires_at: int
    """Unix seconds."""
    session: Mapping[str, object]
    """The provider's session, without any `client_secret`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a token allows, fixed when it is minted."""

    model: str
    session_type: SessionType
    uses: int
    start_by: int
    """Unix seconds: no call may start at or after it."""
    origins: tuple[str, ...]
    """The only `Origin`s that may use the token; none named: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What the watch over a call is asked for, fixed when its token is minted."""

    mode: SupervisionMode = "off"
    max_idle_seconds: int | None = None
    warn_seconds: int | None = None
    """How long before either end a warning is given."""
    warn_with: str | None = None
    """What the model is told then."""
    session_drift: OnDrift = "ignore"
    session: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Fingerprints of what a client must leave alone in it, by path (`realtime.session_prints`)."""
    transcriber: str | None = None
    """The model that writes down what the user says, as far as the session tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one token stands for, in the store until redeemed."""

    id: str
    sealed_secret: str
    """The ephemeral secret, sealed under a key that only the token carries, and bound to all the
    other members (`tokens.seal`)."""
    deployment_id: str
    credential_fingerprint: str
    """Of the credential that minted the secret."""
    caller: str
    terms: Terms
    call_rates: tuple[Rate, ...]
    models: tuple[tuple[str, ...], ...]
    """`Policy.models` as it was: a session beside the offer may name a model for transcription."""
    places: Places
    max_call_seconds: int | None
    """The longest that its calls may last, by the policy as it was and by the mint."""
    watching: Watching
    safety_identifier: str | None = None
    unified: bool = False
    """Its sealed secret is no secret but the session, which goes to the provider with the offer."""
    warm_secret: str | None = None
    """Which record gives others the same ephemeral secret (`Store.drop_warm`); None: none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """A grant that has no uses left; whoever redeems it replays a token."""

    call_ids: tuple[str, ...] = ()
    """The calls begun with it, as far as they were linked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An SDP offer that passed `offers.parse_offer`, byte for byte as received."""

    sdp: bytes
    session: Mapping[str, object] | None = None
    """What goes beside the offer (multipart), the model as the provider knows it."""
    safety_identifier: str | None = None
    """Goes with a session beside the offer, which takes the place of the minted one."""
    webrtcfilter: bool = False
    """Whether the provider shall keep most of its events from the client (`webrtcfilter=on`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The provider's SDP answer, byte for byte, and its id for the call (None: it gave none)."""

    sdp: bytes
    provider_call_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What is settled when a call begins: first as an intent, then as the provider answered it."""

    id: str
    """Ours, unguessable."""
    caller: str
    model: str
    deployment_id: str
    upstream_model: str
    credential_fingerprint: str
    """Of the credential behind it: the only one whose 404 says that it ended."""
    grant_id: str | None
    """None: it was made with a caller's own credential, and no token."""
    metadata: Mapping[str, str]
    """The caller's own pairs, fixed when the token was minted."""
    started_at: int
    """Unix seconds, as `ends_by`."""
    ends_by: int
    """When the clock ends it."""
    limited: bool
    """Whether `ends_by` is a policy's or a token's, and not the provider's own hour."""
    answered: bool
    """False: an intent, and nobody knows what has become of it."""
    provider_call_id: str | None
    watching: Watching
    person: str = ""
    """A pseudonym of the one whose calls at once are counted; empty: nobody counts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """That somebody has asked for a call's end."""

    by: EndedBy
    since: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallState:
    """What has become of a call, as whoever ends it writes it."""

    ending: Ending | None
    """Who asked first."""
    ended_at: int | None
    """Unix seconds; None: nobody who would know has said that it is over."""
    ended_by: EndedBy | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEntry:
    """What the store has to know of a call to keep, find, count and forget it."""

    id: str
    caller: str
    model: str
    began_at: int
    """Unix seconds, as `ends_by`."""
    ends_by: int
    """When the clock looks at it."""
    person: str = ""
    """Of the caller: who has one of their own places too; empty: nobody counts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A call as the store holds it: its parts are sealed (`realtime.call_records`)."""

    entry: CallEntry
    facts: str
    state: str | None
    seen: str | None
    live: bool
    """As far as the store knows: it has not ended."""
    left_seconds: float | None = None
    """Until its `ends_by`, by the store's clock; below 0: past it. None: the store was not asked
    for it, or the version that wrote the call down did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event of the feed."""

    id: str
    """Grows, compared as a text; opaque to readers in all else."""
    kind: str
    caller: str
    call_id: str
    body: str
    """Sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peeked:
    """A grant that somebody looked at and did not use."""

    grant: Grant
    uses_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What has become of a use that somebody wanted to give back."""

    given_back: bool
    uses_left: int
    """Of the grant, in either case; 0 as well if it is no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Whether it is somebody's turn to ask the provider for the end of a call."""

    attempt: int
    """Which one it is, from 1 on; 0: it is not."""
    wait_seconds: float = 0.0
    """Until it may be; infinite for a call that has ended, or is not known."""
