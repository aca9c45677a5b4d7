"""The nouns: deployment, session, ephemeral secret, grant, call. Values, hardly any behaviour.

What every request makes anew is a struct of msgspec's: as frozen as a dataclass, and made in a
tenth of the time. What must be in the store has no default: a member that is lost is noticed. Of
what stays there in great numbers no cycle can come, so the collector is spared it (`gc=False`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

import msgspec

from signaller.policy import Policy
from signaller.secret import Secret

Provider = Literal["openai", "azure"]
SessionType = Literal["realtime", "transcription"]
WebrtcFilter = Literal["on", "off", "client"]

MAX_CALL_SECONDS = 3600
"""No provider lets a session live longer (OpenAI and Azure: 60 minutes)."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a request brings to prove who sent it."""

    secret: Secret | None = None
    """An API key, a gateway's JWT or a token: `Authorization: Bearer` or `api-key`."""
    peer: IPv4Address | IPv6Address | Literal["unix"] | None = None
    """Who opened the connection, whatever a header says of it; None: not known."""
    headers: Iterable[tuple[str, str]] = ()
    """All of them in their order, as often as they are asked for; names in lower case."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """So many a minute, counted in a bucket that all replicas share."""

    bucket: str
    """`<what>:<caller>`, or `<what> of one:<person>:<caller>`; `rate_owner` reads it."""
    per_minute: int


def rate_owner(bucket: str) -> str:
    """The caller whose bucket it is, even if its name holds colons; of no caller's, itself."""
    what, _, rest = bucket.partition(":")
    return (rest.partition(":")[2] if what.endswith(" of one") else rest) or bucket


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a rate."""

    limit: int
    remaining: int
    reset_seconds: float
    """Until all of it is there again."""


def mint_rates(name: str, policy: Policy) -> tuple[Rate, ...]:
    """The rates of mints that all people of a caller share."""
    return _rate(f"mints:{name}", policy.mints_per_minute)


def call_rates(name: str, policy: Policy) -> tuple[Rate, ...]:
    """The rates of calls that all people of a caller share."""
    return _rate(f"calls:{name}", policy.calls_per_minute)


def _rate(bucket: str, per_minute: int | None) -> tuple[Rate, ...]:
    return () if per_minute is None else (Rate(bucket=bucket, per_minute=per_minute),)


def in_order(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """A person's rates before those that all people of a caller share.

    In a race, who is over their own takes nothing from the others.
    """
    return tuple(sorted(rates, key=lambda rate: not _is_of_one(rate.bucket)))


def _is_of_one(bucket: str) -> bool:
    return bucket.partition(":")[0].endswith(" of one")


def tightest(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """One rate for each bucket: the lowest of those that name it."""
    lowest: dict[str, Rate] = {}
    for rate in rates:
        known = lowest.get(rate.bucket)
        if known is None or rate.per_minute < known.per_minute:
            lowest[rate.bucket] = rate
    return tuple(lowest.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks for a token, and what it may do."""

    name: str
    credential_id: str
    """Names the proof, never holds it: withdrawn, it voids the tokens minted with it."""
    policy: Policy
    mint_rates: tuple[Rate, ...] = ()
    call_rates: tuple[Rate, ...] = ()
    end_user: str | None = None
    """The person behind the caller, as the gateway names it."""
    is_master: bool = False
    """The operator: may look at, revoke and hang up what is others'."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What joins the log lines of one request, here and elsewhere."""

    request_id: str
    traceparent: str | None = None
    """W3C Trace Context, as it came: no span of ours stands between."""
    tracestate: str | None = None

    @property
    def ids(self) -> dict[str, object]:
        """By which a log line can be found; the trace id is the second of the four fields."""
        parent = self.traceparent
        trace_id = {"trace_id": parent.split("-")[1]} if parent else {}
        return {"request_id": self.request_id, **trace_id}


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
    webrtcfilter: WebrtcFilter = "client"
    """Azure only: whether most events, instructions among them, are kept from the client; `client`:
    as it asks."""


class SessionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What one mint asks of the provider: the session as it goes upstream."""

    session: Mapping[str, object]
    expires_after_seconds: int
    trace: Trace
    safety_identifier: str | None = None
    """Stands for the end user towards the provider, and tells nothing about them."""


class ProviderRequest(msgspec.Struct, frozen=True, kw_only=True):
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


class EphemeralSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's `ek_...` (no prefix is promised); never leaves the service."""

    value: Secret
    expires_at: int
    """Unix seconds."""
    session: Mapping[str, object]
    """The provider's session, without any `client_secret`."""


class Terms(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a token allows, fixed when it is minted."""

    model: str
    session_type: SessionType
    uses: int
    start_by: int
    """Unix seconds: no call may start at or after it."""
    origins: tuple[str, ...]
    """The only `Origin`s that may use the token; none named: any."""


class Grant(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one token stands for, in the store until redeemed."""

    id: str
    sealed_secret: str
    """The ephemeral secret, sealed under a key that only the token carries, and bound to all the
    other members (`sealing`)."""
    deployment_id: str
    credential: str
    """The fingerprint of the credential that minted the secret."""
    caller: str
    terms: Terms
    call_rates: tuple[Rate, ...]
    models: tuple[tuple[str, ...], ...]
    """`Policy.models` as it was: a session beside the offer may name a model for transcription."""
    safety_identifier: str | None = None
    warm_secret: str | None = None
    """Which record gives others the same ephemeral secret (`Store.drop_warm`); None: none does."""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """A grant that has no uses left; whoever redeems it replays a token."""

    call_ids: tuple[str, ...] = ()
    """The calls begun with it, as far as they were linked."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """An SDP offer that passed `sdp.parse_offer`, byte for byte as received."""

    sdp: bytes
    session: Mapping[str, object] | None = None
    """What goes beside the offer (multipart), the model as the provider knows it."""
    safety_identifier: str | None = None
    """Goes with a session beside the offer, which takes the place of the minted one."""
    webrtcfilter: bool = False
    """Whether the provider shall keep most of its events from the client (`webrtcfilter=on`)."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's SDP answer, byte for byte, and its id for the call (None: it gave none)."""

    sdp: bytes
    provider_call_id: str | None


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A call that the provider answered."""

    id: str
    """Ours, unguessable."""
    provider_call_id: str | None
    grant_id: str | None
    """None: it was made with a caller's own credential, and no token."""
    deployment_id: str
    credential: str
    """The fingerprint of the credential behind it: the only one whose 404 says that it ended."""
    caller: str
    model: str
    started_at: int
    deadline: int
    """Unix seconds after which it cannot still be live; the store forgets it then."""
    ended: bool
    proof: str = ""
    """What only this service can make of the other members (`call_book`)."""


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of a use that somebody wanted to give back."""

    given_back: bool
    uses_left: int
    """Of the grant, in either case; 0 as well if it is no more."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it is somebody's turn to ask the provider for the end of a call."""

    attempt: int
    """Which one it is, from 1 on; 0: it is not."""
    wait_seconds: float = 0.0
    """Until it may be; infinite after the last attempt."""
