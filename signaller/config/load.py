"""A configuration, from its text and the environment to settings: all faults at once.

Of the file system it looks at nothing but the certificates that `egress` names, and the files that
hold values.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from pydantic import ValidationError

from signaller.config import egress, forms
from signaller.config.declared import GatewayKeys, Ours, PolicyKeys
from signaller.config.document import parse_document
from signaller.config.faults import Findings, Node, label, readable, shown
from signaller.config.keys import KnownKeys, generate_token_key
from signaller.config.litellm import named, note_unknown, read_model_list, section, unknown
from signaller.config.schema import declarations
from signaller.config.values import PREFIX, VARIABLE, Values, key_of, meant, names_of, variables_of
from signaller.errors import ConfigError
from signaller.policy import Policy, matches
from signaller.secret import Secret
from signaller.settings import (
    MASTER,
    Gateway,
    HeaderSettings,
    JwtSettings,
    NamedCaller,
    Settings,
    TokenSettings,
)

CALM_TTL_SECONDS = 120
_ALONE = {
    "REDIS_URL": ("redis_url", "os.environ/REDIS_URL"),
    "SIGNALLER_TOKEN_KEY": ("token_keys", "[os.environ/SIGNALLER_TOKEN_KEY]"),
}
"""Variables that are read by themselves only where there is no file -> their keys under
`signaller:`, and what a file says there to name them."""
_MODEL_LIST = "SIGNALLER_MODEL_LIST"
_MASTER_KEY = "general_settings.master_key"
_TOGETHER = (
    (
        *("redis_url", "token_keys"),
        "at least one key, as all replicas on one Redis must share them "
        "('signaller keygen' makes one)",
    ),
    ("redis.username", "redis.password", "it beside username"),
    ("redis.password", "redis_url", "a Redis URL beside signaller.redis"),
    (
        *("gateway.jwt.claims.models_prefix", "gateway.jwt.claims.models"),
        "the claim whose entries have the prefix",
    ),
    ("metrics.host", "metrics.port", "the port to listen at, as there is a host"),
    ("egress.client_key", "egress.client_cert", "the certificate of client_key"),
)
"""A key under `signaller:`, another that it needs, and what is expected of that one."""


def load_settings(
    text: str | None,
    env: Mapping[str, str],
    *,
    workers: int = 1,
    allow_public_master_key: bool = False,
    findings: Findings | None = None,
) -> Settings:
    """The settings that a file (None: there is none) and the environment amount to.

    `findings` are those made while its text was put together of several files. Raises
    ConfigError, with one line for each fault.
    """
    findings = findings or Findings()
    values = Values(env, findings)
    root = named(findings, _alone(values) if text is None else parse_document(text), "")
    _look_around(root, findings)
    values.env = {
        **variables_of(section(findings, root, "environment_variables", ""), findings),
        **env,
    }
    deployments, aliases = read_model_list(root, values, _declared("model_list")["items"])
    general = section(findings, root, "general_settings", "")
    declared = _declared("general_settings")["properties"]
    note_unknown(findings, general, declared, "general_settings")
    _note_second_master_key(general, values)
    values.fill(general, "master_key", _MASTER_KEY, "SIGNALLER_MASTER_KEY", "LITELLM_MASTER_KEY")
    master_key = None
    keys = KnownKeys(findings)
    if "master_key" in general:
        found = values.typed(general["master_key"], declared["master_key"], _MASTER_KEY)
        if isinstance(found, Secret):
            master_key = found
            keys.add_master(found, _MASTER_KEY, allow_public=allow_public_master_key)
    raw, ours = _ours(root, values)
    remedies = _say_idle(raw, values)
    _check_together(raw, findings, remedies, workers=workers)
    digests = _proofs(raw, keys, findings, has_master_key="master_key" in general)
    policy = ours.policy.over(Policy())
    callers = tuple(
        NamedCaller(name=each.name, key_digests=found, policy=each.over(policy))
        for each, found in zip(ours.callers, digests, strict=False)
    )
    if ours.metrics.key:
        keys.add(ours.metrics.key, "signaller.metrics.key", may_be_digest=False)
    _remark(ours, findings, [deployment.model_name for deployment in deployments])
    if any(each.entra for each in deployments) and not _has_entra():
        said = "Entra ID needs the package azure-identity: install signaller's extra 'azure'"
        findings.warn("model_list", said)
    gateway = _gateway(ours.gateway)
    limited = policy != Policy() or gateway == Gateway() or gateway.only_listed
    if not limited and any(each.policy != policy for each in callers):
        said = (
            "whoever it names and callers does not list has signaller.policy, which limits "
            "nothing (only_listed: true refuses them)"
        )
        findings.note("signaller.gateway", said)
    if master_key is None and not lets_somebody_in(callers, gateway):
        said = "not set (nor is SIGNALLER_MASTER_KEY), so nobody can get a token"
        findings.warn(_MASTER_KEY, said)
    way_out = egress.read(ours.egress, values)
    if findings.faults:
        raise ConfigError(findings.faults)
    return Settings(
        deployments=deployments,
        master_key=master_key,
        token_keys=ours.token_keys or (Secret(generate_token_key()),),
        token_keys_generated=ours.token_keys is None,
        redis_url=ours.redis_url,
        redis=ours.redis,
        token=ours.token,
        timeouts=ours.timeouts,
        warm_secrets=ours.warm_secrets,
        calls=ours.calls,
        supervision=ours.supervision,
        egress=way_out,
        policy=policy,
        callers=callers,
        gateway=gateway,
        metrics=ours.metrics,
        cors_origins=ours.cors_origins,
        public_url=ours.public_url,
        aliases=aliases,
        warnings=tuple(findings.warnings),
        notes=tuple(findings.notes),
        values={
            place: _value_of(ours, place)
            for place in findings.sources
            if place.startswith("signaller.") and "[" not in place and place != "signaller.callers"
        },
        sources=dict(sorted(findings.sources.items())),
    )


def lets_somebody_in(callers: tuple[NamedCaller, ...], gateway: Gateway) -> bool:
    """Whether anybody can get a token without the master key."""
    return bool(any(each.key_digests for each in callers) or gateway.jwt or gateway.header)


def _has_entra() -> bool:
    """Whether azure-identity is there; it is not imported, as only a request needs it."""
    try:
        return find_spec("azure.identity") is not None
    except ModuleNotFoundError:  # nothing of Azure's is there
        return False


def _declared(key: str) -> Node:
    node: Node = declarations()["properties"][key]
    return node


def _alone(values: Values) -> Mapping[Any, object]:
    """A start without a file: the environment, as the file that would say the same.

    Keys and addresses are left out: absent ones are looked up in the environment.
    """
    findings = values.findings
    ours: dict[str, object] = {}
    for variable, (key, _) in _ALONE.items():
        path = f"signaller.{key}"
        if not values.variable(f"{PREFIX}{key.upper()}"):  # platforms set the other by themselves
            findings.names[path] = variable
            values.fill(ours, key, path, variable)
    root: dict[str, object] = {"signaller": ours}
    values.fill(root, "model_list", "model_list", _MODEL_LIST)
    if "model_list" in root:
        root["model_list"] = values.typed(root["model_list"], {"type": "array"}, "model_list")
        return root
    openai = values.variable("OPENAI_API_KEY")
    absent = [name for name in ("AZURE_API_KEY", "AZURE_API_BASE") if not values.variable(name)]
    entries = []
    if openai:
        entries.append(_entry("*", "openai/*"))
    if not absent:
        entries.append(_entry("azure/*" if openai else "*", "azure/*"))
    if not entries:
        findings.names["model_list"] = "the environment"
        missing = f"no {absent[0]}" if len(absent) == 1 else "none of them"
        findings.fault(
            "model_list",
            "OPENAI_API_KEY, or AZURE_API_KEY with AZURE_API_BASE",
            f"{missing}; set them, or name a file with --config",
        )
    elif len(absent) == 1:
        findings.warn("the environment", f"Azure is left out, as {absent[0]} is not set")
    if len(entries) > 1:
        said = "models named azure/... go to Azure, all others to OpenAI"
        findings.note("the environment", said)
    return {**root, "model_list": entries or None}


def _entry(model_name: str, model: str) -> object:
    return {
        "model_name": model_name,
        "litellm_params": {"model": model},
        "model_info": {"mode": "realtime"},
    }


def _look_around(root: Mapping[str, object], findings: Findings) -> None:
    """Sections without effect are named, those of LiteLLM's and those that only hold anchors."""
    router = root.get("router_settings")
    if isinstance(router, dict) and router.get("model_group_alias"):
        said = "no effect here; write an entry of model_list with each alias as its model_name"
        findings.note("router_settings.model_group_alias", said)
    if "include" in root:
        findings.fault("include", "it in the first file only", "it in an included one")
    others = unknown(findings, root, declarations()["properties"], "")
    if idle := [key for key in others if not key.startswith("x-")]:
        findings.note(", ".join(idle), "no effect here")


def _note_second_master_key(general: Mapping[str, object], values: Values) -> None:
    """Whoever rotates the variable would wonder why the old key still opens."""
    set_here = values.variable("SIGNALLER_MASTER_KEY")
    written = general.get("master_key")
    if written is not None and set_here and written != f"{VARIABLE}SIGNALLER_MASTER_KEY":
        values.findings.note(set_here[0], f"no effect, as {_MASTER_KEY} has a value already")


def _ours(root: Mapping[str, object], values: Values) -> tuple[dict[str, Any], Ours]:
    """What stands under `signaller:`, as it is written and as it was understood.

    A key with a fault counts as absent in the latter, so that all others can be looked at.
    """
    node = _declared("signaller")
    typed = values.typed(root.get("signaller", {}), node, "signaller")
    raw = typed if isinstance(typed, dict) else {}
    try:
        return raw, Ours.model_validate(raw)
    except ValidationError as error:
        values.findings.explain(error, "signaller", node)
        left = {key: {**each} if isinstance(each, dict) else each for key, each in raw.items()}
        for first, *below in (each["loc"] for each in error.errors(include_url=False)):
            section = left.get(str(first))
            if below and isinstance(section, dict):
                section.pop(below[0], None)
            else:
                left.pop(str(first), None)
        # A section that lacks a required key has its fault at itself, and is left out as a whole.
        return raw, Ours.model_validate(left)


def _value_of(ours: Ours, path: str) -> object:
    """The value of a key of ours."""
    found: object = ours
    for key in path.split(".")[1:]:
        if isinstance(found, Mapping):  # of a session one file may say some, another more
            break
        found = getattr(found, key)
    return found


def _say_idle(raw: Mapping[str, object], values: Values) -> dict[str, str]:
    """Variables without effect: slips, and those that a file keeps from being read.

    Returns what to do for each key of `_ALONE` whose variable is set and that the file lacks:
    whoever adds a file to a start without one would lose Redis and its keys in silence.
    """
    findings, known = values.findings, names_of(_declared("signaller"))
    may_be_meant = (*known, f"{PREFIX}MASTER_KEY", _MODEL_LIST)
    remedies = {}
    for name, plain in values.unread(*_ALONE):
        key, reference = _ALONE.get(plain, ("", ""))
        if key in raw or plain in known:
            path = f"signaller.{key}" if key else key_of(plain)
            findings.note(name, f"no effect, as {path} has a value already")
        elif key:
            remedy = f"write '{key}: {reference}' under 'signaller:'"
            findings.warn(name, f"no effect, as the file has no signaller.{key}; {remedy}")
            remedies[key] = f"; {name} is set: {remedy}"
        elif plain == _MODEL_LIST:
            findings.warn(name, "no effect, as it is read only where there is no file")
        elif near := meant(plain, may_be_meant):
            findings.warn(label(name), f"no effect here (did you mean {near}?)")
        else:
            findings.note(label(name), "no effect here")
    return remedies


def _at(raw: Mapping[str, Any], path: str) -> Any:
    """What is written at a place, faulty or not; None: nothing, as a null is a fault."""
    value: Any = raw
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _check_together(
    raw: Mapping[str, Any], findings: Findings, remedies: Mapping[str, str], *, workers: int
) -> None:
    """Keys that only make sense together, each as it is written."""
    if workers > 1 and "redis_url" not in raw:
        expected = f"a Redis URL, as {workers} workers must share one store"
        findings.fault("signaller.redis_url", expected, f"none{remedies.get('redis_url', '')}")
    for given, needed, expected in _TOGETHER:
        if _at(raw, given) is not None and _at(raw, needed) is None:
            found = f"nothing{remedies.get(needed, '')}"
            findings.fault(f"signaller.{needed}", expected, found)
    if not raw.keys() & {"redis_url", "token_keys"}:
        said = "none given, so a random one was made: a restart voids the tokens not yet used"
        findings.note("signaller.token_keys", said)
    jwt = _at(raw, "gateway.jwt")
    if isinstance(jwt, dict) and (with_url := "jwks_url" in jwt) == ("public_key" in jwt):
        found = "both" if with_url else "neither"
        expected = "either jwks_url or public_key"
        findings.fault("signaller.gateway.jwt.jwks_url", expected, found)


def _proofs(
    raw: Mapping[str, Any], known_keys: KnownKeys, findings: Findings, *, has_master_key: bool
) -> list[tuple[bytes, ...]]:
    """The digests of each caller's keys; everybody is told from the others in exactly one way.

    Each caller is looked at as it is written, whatever else is wrong with it.
    """
    by_gateway = any(_at(raw, f"gateway.{each}") is not None for each in ("jwt", "header"))
    places: dict[str, str] = {}
    digests = []
    callers = raw.get("callers")
    for index, written in enumerate(callers if isinstance(callers, list) else ()):
        path = f"signaller.callers[{index}]"
        caller = written if isinstance(written, dict) else {}
        name, keys = caller.get("name"), caller.get("keys")
        if isinstance(name, str):
            if place := places.get(name):
                findings.fault(f"{path}.name", "a name of its own", f"that of {place} again")
            places[name] = path
        if name == MASTER:
            if "keys" in caller:
                expected = f"none, as {MASTER} is whoever has the master key"
                findings.fault(f"{path}.keys", expected, "some")
            if not has_master_key:
                findings.warn(path, "no effect, as there is no master key")
        elif isinstance(name, str) and "keys" not in caller and not by_gateway:
            expected = "keys, or a gateway (jwt or header) that names this caller"
            findings.fault(f"{path}.keys", expected, "neither")
        found = (
            known_keys.add(key, f"{path}.keys[{place}]")
            for place, key in enumerate(keys if isinstance(keys, list) else ())
            if isinstance(key, Secret)
        )
        digests.append(tuple(filter(None, found)))
    return digests


def _gateway(keys: GatewayKeys) -> Gateway:
    jwt = JwtSettings(**keys.jwt.given()) if keys.jwt else None
    header = None
    if keys.header:
        networks = dict.fromkeys(
            each for each in keys.header.trusted if isinstance(each, IPv4Network | IPv6Network)
        )
        header = HeaderSettings(
            name=keys.header.name,
            networks=tuple(networks),
            trust_unix=forms.UNIX in keys.header.trusted,
            end_user=keys.header.end_user,
        )
    return Gateway(jwt=jwt, header=header, only_listed=keys.only_listed)


def _remark(ours: Ours, findings: Findings, model_names: list[str]) -> None:
    """What is allowed and hardly ever meant, and faults that no declaration can tell."""
    if ours.redis_url:
        url = ours.redis_url
        if forms.verifies_nobody(url):
            said = "ssl_cert_reqs=none: nobody is verified, whoever answers is taken for Redis"
            findings.warn("signaller.redis_url", said)
        user, password = forms.login_of(url)
        for key, in_url in (("password", password), ("username", user)):
            if in_url and getattr(ours.redis, key):
                expected = "one here or in signaller.redis_url"
                findings.fault(f"signaller.redis.{key}", expected, "both")
    if not forms.is_host(ours.metrics.host):
        expected = "an address or a host's name"
        findings.fault("signaller.metrics.host", expected, shown(ours.metrics.host))
    seen: set[Secret] = set()
    for index, token_key in enumerate(ours.token_keys or ()):
        if token_key in seen:
            path = f"signaller.token_keys[{index}]"
            findings.fault(path, "each key once", "one given before")
        seen.add(token_key)
    if "*" in ours.cors_origins:
        path = f"signaller.cors_origins[{ours.cors_origins.index('*')}]"
        findings.warn(path, "any web page may use a token it got hold of")
    if ours.token != TokenSettings():
        _note_short_life(findings, "signaller.token.ttl_seconds", ours.token.ttl_seconds)
    origins = {*ours.cors_origins}
    if ours.public_url:
        origins.add(forms.origin_of(ours.public_url))
    _remark_on_policy(ours.policy, "signaller.policy", findings, model_names, origins)
    for index, caller in enumerate(ours.callers):
        place = f"signaller.callers[{index}]"
        _remark_on_policy(caller, place, findings, model_names, origins)
    _remark_on_warnings(ours, findings)


def _remark_on_policy(
    policy: PolicyKeys, path: str, findings: Findings, model_names: list[str], origins: set[str]
) -> None:
    if policy.token_ttl_seconds:
        _note_short_life(findings, f"{path}.token_ttl_seconds", policy.token_ttl_seconds)
    if policy.models == ():
        findings.warn(f"{path}.models", "an empty list, which allows no model at all")
    for index, pattern in enumerate(policy.models or ()):
        # Whether two patterns have a name in common is not asked: the file can be right either way.
        served = "*" in pattern or any(matches(name, pattern) for name in model_names)
        if not served:
            said = f"no model_name in model_list serves {shown(pattern)}"
            findings.warn(f"{path}.models[{index}]", said)
    for index, origin in enumerate(policy.origins or ()):
        if origin not in origins and "*" not in origins:
            findings.warn(
                f"{path}.origins[{index}]",
                f"{readable(origin)} is not among cors_origins, so browsers let no page from there "
                "call",
            )


def _remark_on_warnings(ours: Ours, findings: Findings) -> None:
    """Words for a warning that never comes; an entry may take either from `signaller.policy`."""
    said = "no effect without warn_seconds, which says how long before the end"
    of_all = ours.policy
    if of_all.warn_with and not any(each.warn_seconds for each in (of_all, *ours.callers)):
        findings.warn("signaller.policy.warn_with", said)
    for index, caller in enumerate(ours.callers):
        if caller.warn_with and not (caller.warn_seconds or of_all.warn_seconds):
            findings.warn(f"signaller.callers[{index}].warn_with", said)


def _note_short_life(findings: Findings, path: str, seconds: int) -> None:
    """Some clients renew their token a minute before its end, and then without a pause."""
    if seconds < CALM_TTL_SECONDS:
        findings.note(
            path,
            f"{seconds} s is short: clients that renew a token a minute before its end never rest; "
            f"{CALM_TTL_SECONDS} s or more is kinder to them",
        )
