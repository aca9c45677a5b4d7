"""What may stand in the file: ours under `signaller:`, then LiteLLM's part.

Each key is declared once, here, or where its section is a class of `settings`, there: its name,
type, bounds and default, and below it one sentence for its readers.
"""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
)

from signaller.config import forms
from signaller.config.faults import wrong
from signaller.config.keys import token_key
from signaller.model import Flow, WebrtcFilter
from signaller.policy import (
    MAX_CALL_SECONDS,
    MAX_CALLS_AT_ONCE,
    MAX_IDLE_SECONDS,
    MAX_MODELS,
    MAX_ORIGINS,
    MAX_ORIGINS_CHARS,
    MAX_PER_MINUTE,
    MAX_TTL_SECONDS,
    MAX_USES,
    MAX_WARN_CHARS,
    MAX_WARN_SECONDS,
    MIN_TTL_SECONDS,
    OnDrift,
    OnReplay,
    Policy,
    SupervisionMode,
)
from signaller.secret import Secret
from signaller.settings import (
    ALGORITHMS,
    Algorithm,
    CallSettings,
    ClaimNames,
    InLine,
    MetricsSettings,
    RedisLogin,
    Timeouts,
    TokenSettings,
    WarmSettings,
)

OPENAI_URL = "https://api.openai.com"
MAX_TIMEOUT_SECONDS = 600
MAX_WEIGHT = 1_000_000_000
MAX_CALLERS = 10_000  # each takes a few KB of memory in every worker
MAX_KEYS = 100  # rotation needs two
MAX_TRUSTED = 256  # each is tried at every request; content networks publish some twenty


def absent(words: str, default: object = None) -> Any:
    """A key that may be left out, and what holds then, for the tables of the documentation."""
    return Field(default=default, json_schema_extra={"x-default": words})


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    chars = sum(map(len, values))
    if chars > MAX_ORIGINS_CHARS:
        most = f"at most {MAX_ORIGINS_CHARS} characters in total, as they travel in the token"
        raise wrong(most, f"{chars}")
    return _once(values)


def _list(words: str, *, least: int = 0, most: int | None = None) -> Any:
    return Field(title=words, min_length=least, max_length=most)


# What each kind of value is. A title says in a fault what was expected.
Rate = Annotated[int, Field(ge=1, le=MAX_PER_MINUTE)]
Life = Annotated[int, Field(ge=MIN_TTL_SECONDS, le=MAX_TTL_SECONDS)]
Uses = Annotated[int, Field(ge=1, le=MAX_USES)]
Pattern = Annotated[str, Field(max_length=forms.MAX_NAME_CHARS), InLine]
AtOnce = Annotated[int, Field(ge=1, le=MAX_CALLS_AT_ONCE)]
CallLength = Annotated[int, Field(ge=1, le=MAX_CALL_SECONDS)]
Idle = Annotated[int, Field(ge=1, le=MAX_IDLE_SECONDS)]
Warn = Annotated[int, Field(ge=1, le=MAX_WARN_SECONDS)]
WarnText = Annotated[str, Field(min_length=1, max_length=MAX_WARN_CHARS, title="a text")]
Supervision = Annotated[
    SupervisionMode,
    BeforeValidator(forms.off, json_schema_input_type=SupervisionMode | Literal[False]),
]
Patterns = Annotated[
    tuple[Pattern, ...],
    _list("a list of models or patterns", most=MAX_MODELS),
    AfterValidator(_once),
]
Origin = Annotated[str, AfterValidator(forms.origin_of_policy)]
Origins = Annotated[
    tuple[Origin, ...],
    _list("a list of origins", least=1, most=MAX_ORIGINS),
    AfterValidator(_origins),
]
AnyOrigin = Annotated[str, AfterValidator(forms.origin_or_any)]
AnyOrigins = Annotated[tuple[AnyOrigin, ...], _list("a list of origins"), AfterValidator(_once)]
Session = Annotated[
    Mapping[str, object],
    PlainValidator(forms.session, json_schema_input_type=dict[str, object]),
]
CallerName = Annotated[  # it stands in logs, metrics and names of buckets
    str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", title=forms.NAME), AfterValidator(forms.name)
]
CallerKeyList = Annotated[tuple[Secret, ...], _list("a list of keys", least=1, most=MAX_KEYS)]
TokenKey = Annotated[Secret, AfterValidator(token_key)]
TokenKeys = Annotated[tuple[TokenKey, ...], _list("a list of keys", least=1)]
Issuer = Annotated[  # URLs, most of them below 100
    str, Field(title="the issuer that JWTs must name", max_length=1000), InLine
]
Audience = Annotated[str, Field(title="the audience that JWTs must name", max_length=1000), InLine]
Algorithms = Annotated[
    tuple[Algorithm, ...],
    _list("a list of algorithms", least=1, most=len(ALGORITHMS)),
    AfterValidator(_once),
]
JwksUrl = Annotated[str, AfterValidator(forms.jwks_url)]
PublicKey = Annotated[Secret, AfterValidator(forms.public_key)]
Scope = Annotated[
    str,
    Field(
        title="one scope: printable ASCII without spaces, quotes and backslashes",
        pattern=forms.SCOPE,
        max_length=200,
    ),
]
Proxy = Annotated[Secret, AfterValidator(forms.proxy_url)]
RedisUrl = Annotated[Secret, AfterValidator(forms.redis_url)]
PublicUrl = Annotated[str, AfterValidator(forms.public_url)]
HeaderName = Annotated[
    str, Field(title="the header that names the caller"), AfterValidator(forms.header_name)
]
Network = Annotated[
    IPv4Network | IPv6Network | str, PlainValidator(forms.network, json_schema_input_type=str)
]
Networks = Annotated[
    tuple[Network, ...], _list("a list of networks or 'unix'", least=1, most=MAX_TRUSTED)
]
Key = Annotated[Secret, AfterValidator(forms.credential)]
EntraToken = Annotated[Key, AfterValidator(forms.entra_token)]
Number = Annotated[float, AfterValidator(forms.number)]
ForHeader = Annotated[str, AfterValidator(forms.for_header)]
Organization = Annotated[
    ForHeader, BeforeValidator(forms.first, json_schema_input_type=str | list[str])
]
Address = Annotated[str, AfterValidator(forms.base_url)]
ModelName = Annotated[
    str, Field(title="the name callers ask for"), AfterValidator(forms.model_name)
]
Id = Annotated[str | int, AfterValidator(forms.id_of)]
Filter = Annotated[
    WebrtcFilter,
    BeforeValidator(forms.on_or_off, json_schema_input_type=WebrtcFilter | bool),
    AfterValidator(forms.webrtcfilter),
]


class Declared(BaseModel):
    """What stands below a key is its sentence."""

    model_config = ConfigDict(
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),  # LiteLLM's names begin with model_
    )


class Section(Declared):
    """A part of ours: unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    def given(self) -> dict[str, Any]:
        """Only what is said; the defaults are those of the class that it becomes."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class PolicyKeys(Section):
    """What a caller may do."""

    models: Patterns | None = absent("all")
    """Names and patterns (`*`: any characters). Others get 403 `model_not_allowed`, wherever in a
    session they stand."""
    origins: Origins | None = absent("all")
    """Web pages that may use the tokens."""
    token_ttl_seconds: Life | None = absent("no limit")
    """The longest a token may live, whatever a request asks for."""
    token_uses: Uses | None = absent("`signaller.token.uses`")
    """How many calls a token may start."""
    mints_per_minute: Rate | None = absent("no limit")
    """How many tokens in any minute, over all replicas."""
    calls_per_minute: Rate | None = absent("no limit")
    """How many calls in any minute. A refused call does not use up its token."""
    session: Session | None = absent("nothing")
    """Fields merged over the session that is asked for; lists are replaced."""
    on_replay: OnReplay = "refuse"
    """`hangup` also ends the calls that were started with a token, when it is used once too
    often."""
    warm_secrets: bool = True
    """Whether this caller's tokens may share a secret."""
    safety_identifier: bool = False
    """Whether a mint may name its end user in the field `safety_identifier`."""
    calls_at_once: AtOnce | None = absent("no limit")
    """How many calls may be live at the same time, over all replicas. Others get 429
    `concurrent_calls_exceeded`, and keep their token."""
    max_call_seconds: CallLength | None = absent("the provider's own hour")
    """The longest a call may last; then it is hung up."""
    supervision: Supervision | None = absent("`signaller.supervision`")
    """Whether calls are watched: `off`, `best_effort`, or `required`, where no call begins
    without."""
    max_idle_seconds: Idle | None = absent("no limit")
    """How long a call may go on without an answer of the model or a text of the user."""
    warn_seconds: Warn | None = absent("no warning")
    """How long before either end a warning is given."""
    warn_with: WarnText | None = absent("nothing")
    """What the model is told then."""
    session_drift: OnDrift = "ignore"
    """What happens when a client changes its session: `ignore`, `note` or `hangup`."""

    def over(self, defaults: Policy) -> Policy:
        """The policy in which what is given rules over `defaults`, key by key."""
        said = {key: value for key, value in self.given().items() if key in Policy.__slots__}
        if self.models is not None:
            said["models"] = (self.models,)  # one set of patterns
        return replace(defaults, **said)


class ProofKeys(Section):
    """Who it is, and by what that is known."""

    name: CallerName
    """1 to 64 of `A-Z a-z 0-9 . _ -`. Shows in logs and metrics."""
    keys: CallerKeyList | None = None
    """Keys, 8 characters or more that nobody guesses, or `sha256:` and 64 hexadecimal digits.
    Without any, the gateway names this caller."""


class CallerKeys(PolicyKeys, ProofKeys):
    """Who may ask for tokens, and under which policy."""


class JwtKeys(Section):
    """A gateway's JWT proves who calls."""

    issuer: Issuer
    """What `iss` must be."""
    audience: Audience
    """What `aud` must be or hold."""
    algorithms: Algorithms
    """Which signatures count, of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and
    EdDSA. None has a shared secret, with which every verifier could sign."""
    jwks_url: JwksUrl | None = absent("this or `public_key`")
    """Where the issuer's public keys are."""
    public_key: PublicKey | None = absent("this or `jwks_url`")
    """The issuer's public key in PEM."""
    required_scope: Scope | None = None
    """What `scope` (or `scp`) must hold."""
    claims: ClaimNames = ClaimNames()
    """Which claims say what."""


class HeaderKeys(Section):
    """A gateway's header says who calls."""

    name: HeaderName
    """The header with the caller's name."""
    trusted: Networks
    """From where the header is believed: networks, and `unix` for the Unix socket."""
    end_user: HeaderName | None = None
    """The header with the person behind it."""


class GatewayKeys(Section):
    """What stands in front of the service, and how it says who calls."""

    jwt: JwtKeys | None = None
    """A gateway's JWT proves who calls."""
    header: HeaderKeys | None = None
    """A gateway's header says who calls."""
    only_listed: bool = False
    """Whether the gateway may name none but entries of `callers`."""


class EgressKeys(Section):
    """The way out to providers, to the issuer of JWTs and to Entra ID."""

    proxy: Proxy | None = absent("`HTTPS_PROXY`, `HTTP_PROXY`")
    """A forward proxy: `http://host:3128`, perhaps with `user:password@`."""
    ca_file: Path | None = absent("the system's only")
    """A file in PEM: authorities to trust beside the system's."""
    client_cert: Path | None = None
    """A certificate for providers that demand one, in PEM."""
    client_key: Path | None = absent("in the file of `client_cert`")
    """Its private key, in PEM, without a password."""
    environment: bool = True
    """Whether the environment's proxies are used, and `NO_PROXY`."""


class Ours(Section):
    """What is signaller's own. All of it is optional."""

    redis_url: RedisUrl | None = absent("memory")
    """Where grants and calls are kept."""
    redis: RedisLogin = RedisLogin()
    """The login at Redis, where its URL has none."""
    token_keys: TokenKeys | None = absent("a random one")
    """32 random bytes each in base64url; `signaller keygen` makes one. The first seals, all open.
    Required with Redis."""
    token: TokenSettings = TokenSettings()
    """How long a token may start calls, and how many."""
    warm_secrets: WarmSettings = WarmSettings()
    """Whether and how tokens share a provider's secret."""
    calls: CallSettings = CallSettings()
    """What is kept of calls."""
    supervision: Supervision | None = absent("`off`")
    """Whether calls are watched whose policy does not say. A policy's keys that only the watch can
    keep switch it on."""
    timeouts: Timeouts = Timeouts()
    """How long a step may take."""
    policy: PolicyKeys = absent("no limits", PolicyKeys())
    """What every caller may do."""
    callers: Annotated[
        tuple[CallerKeys, ...], Field(max_length=MAX_CALLERS, title="a list of callers")
    ] = absent("the master key only", ())
    """Who may ask for tokens, besides the master key's owner."""
    gateway: GatewayKeys = GatewayKeys()
    """What stands in front of the service, and how it says who calls."""
    metrics: MetricsSettings = MetricsSettings()
    """Who may read `/metrics`, and where else they are served."""
    egress: EgressKeys = EgressKeys()
    """The way out to providers, to the issuer of JWTs and to Entra ID."""
    cors_origins: AnyOrigins = absent("same origin only", ())
    """Origins whose pages may call: `https://app.example`. `*` allows all."""
    public_url: PublicUrl | None = absent("the request's own host")
    """What `calls_url` starts with, with or without `/v1`. Set it behind a gateway; its path, if
    the gateway takes it off, comes back in `Location`."""


class Theirs(Declared):
    """A part of LiteLLM's: keys that are not declared are its own, and have no effect."""

    model_config = ConfigDict(extra="ignore")


class Params(Theirs):
    """Where a deployment is, and how it is asked."""

    model: Annotated[str, Field(title="openai/<model> or azure/<deployment name>")]
    """`openai/<model>` or `azure/<deployment name>`."""
    custom_llm_provider: str | None = absent("from `model`")
    """`openai` or `azure`, if `model` has no such prefix."""
    api_base: Address | None = absent(f"OpenAI: `{OPENAI_URL}`")
    """The provider's address, with or without `/v1`. Azure: the resource's endpoint, or
    `AZURE_API_BASE`."""
    base_url: Address | None = absent("`api_base`")
    """The same as `api_base`. Where both are given, this one counts."""
    api_key: Key | None = absent("`OPENAI_API_KEY`, `AZURE_API_KEY`")
    """The provider's key."""
    organization: Organization | None = None
    """OpenAI's organization. Of a list the first."""
    project: ForHeader | None = None
    """OpenAI's project."""
    api_version: str | None = absent("GA")
    """Azure only. Leave it out: the GA API has none."""
    azure_ad_token: EntraToken | None = None
    """Azure only. A ready Entra ID token."""
    tenant_id: Secret | None = None
    """Azure only. With the next two: a service principal."""
    client_id: Secret | None = None
    """Azure only."""
    client_secret: Secret | None = None
    """Azure only."""
    litellm_credential_name: str | None = None
    """A `credential_name` of `credential_list`, whose values complete the entry."""
    timeout: Number | None = absent("`signaller.timeouts`")
    """Seconds for one mint or call at this deployment, up to 600; more is cut down to that. A mint
    that may go on to another deployment leaves it half of the time."""
    weight: Number = 1
    """Share of the load, 0 to 1000000000, also in fractions. 0 is a spare, tried last."""


class ModelInfo(Theirs):
    """What an entry is for."""

    mode: str | None = absent("realtime")
    """Any other mode is passed over. `check` names entries without one."""
    id: Id | None = absent("made from the entry")
    """A name for logs, and for grants and calls in the store. Unique. Give one to entries that
    differ in nothing but their key: otherwise the key is part of the id, and rotating it
    makes another deployment."""
    warm_secrets: bool = True
    """Ours: whether warm secrets may be used here."""
    flow: Flow = "ephemeral"
    """Ours, OpenAI only: `unified` makes tokens without asking the provider, and calls with the
    standard key."""
    webrtcfilter: Filter = "client"
    """Ours, Azure only: `on` keeps instructions from the browser and `off` does not, whatever a
    client asks for; `client` leaves it to the client."""


class Entry(Theirs):
    """One deployment."""

    model_name: ModelName
    """What callers ask for. May hold one `*`."""
    litellm_params: Params
    """Where a deployment is, and how it is asked."""
    model_info: ModelInfo = ModelInfo()
    """What it is for."""


class GeneralSettings(Theirs):
    """What holds for the whole service."""

    master_key: Secret | None = absent("`SIGNALLER_MASTER_KEY`")
    """What a caller sends to get a token. Without one, nobody gets any. LiteLLM's well-known
    `sk-1234` and keys that anybody guesses are refused, unless started with
    `--allow-public-master-key`."""


class Credential(Theirs):
    """Values that entries have in common."""

    credential_name: str
    """What entries call it."""
    credential_values: dict[str, object]
    """Keys of `litellm_params`."""


class File(Theirs):
    """The configuration of signaller: LiteLLM's config.yaml, and what is ours under `signaller`."""

    model_list: list[Entry] | None = None
    """The deployments."""
    general_settings: GeneralSettings = GeneralSettings()
    """What holds for the whole service."""
    credential_list: list[Credential] | None = None
    """Credentials that entries name."""
    environment_variables: dict[str, object] | None = None
    """Values for variables that the environment does not set."""
    include: list[str] | str | None = None
    """Other files, whose lists are joined to those of this one, and whose mappings are merged into
    its own. Where two say different things the earlier rules, this one first (in LiteLLM the
    last does), with a warning."""
    signaller: Ours = Ours()
    """What is signaller's own. All of it is optional."""
