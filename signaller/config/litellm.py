"""Reads LiteLLM's `model_list`: which entries are ours, and what each comes to."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from pydantic import ValidationError

from signaller.config import forms
from signaller.config.declared import MAX_TIMEOUT_SECONDS, MAX_WEIGHT, OPENAI_URL, Entry
from signaller.config.faults import Findings, Node, label, nearest, shown
from signaller.config.values import VARIABLE, Values, below
from signaller.model import PROVIDERS, Aliases, Deployment, EntraCredential, Provider
from signaller.supervision.prices import NAMES, Prices
from signaller.tokens.pseudonyms import credential_fingerprint

MIN_TIMEOUT_SECONDS = 0.1
ENTRA = ("tenant_id", "client_id", "client_secret")
_PRINCIPAL = "tenant_id, client_id and client_secret"


class Rule(NamedTuple):
    """A key of `litellm_params` that LiteLLM takes otherwise than we do."""

    theirs: str
    """What it means to LiteLLM."""
    ours: str = ""
    """What we make of it, beside what follows from the rest."""
    only: Provider | None = None
    """The provider that knows it; at the other it has no effect."""
    behind: tuple[str, ...] = ()
    """Beside one of these keys it has no effect."""
    say: Callable[[Findings, str, str], None] = Findings.note
    """How it is said that it has none."""
    bounds: tuple[float, float] | None = None
    """What a number is brought within, with a warning."""

    def idle(self, given: Collection[str], provider: Provider) -> str | None:
        """Why it has no effect beside what else is given; None: it has one."""
        if self.only not in {None, provider}:
            return f"as only {self.only} has it"
        rival = next((key for key in self.behind if key in given), None)
        return f"as {rival} is given too" if rival else None


_PART = Rule("part of a service principal", only="azure", behind=("api_key", "azure_ad_token"))
RULES: Mapping[str, Rule] = {
    "api_base": Rule("an address", "the same", behind=("base_url",), say=Findings.warn),
    "organization": Rule("of a list, a deployment for each", "of a list the first", only="openai"),
    "project": Rule("OpenAI's project", "the same", only="openai"),
    "api_version": Rule("which of Azure's APIs is asked", "best left out", only="azure"),
    "azure_ad_token": Rule(
        "a token, or `oidc/...` to get one",
        "a token; `oidc/...` is a fault",
        only="azure",
        behind=("api_key",),
    ),
    "tenant_id": _PART,
    "client_id": _PART,
    "client_secret": _PART,
    "timeout": Rule("any number of seconds", bounds=(MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS)),
    "weight": Rule("any number", bounds=(0, MAX_WEIGHT)),
}
"""All of them; a table of the documentation is made of this one."""

CREDENTIALS: Mapping[Provider, Sequence[tuple[str, ...]]] = {
    "openai": [("api_key",)],
    "azure": [("api_key",), ("azure_ad_token",), ENTRA],
}
"""The keys that make a credential. One is enough: the first of which anything is given."""
VARIABLES: Mapping[Provider, Mapping[str, tuple[str, ...]]] = {
    "openai": {
        "api_key": ("OPENAI_API_KEY",),
        "api_base": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        "organization": ("OPENAI_ORG_ID", "OPENAI_ORGANIZATION"),
        "project": ("OPENAI_PROJECT_ID",),
    },
    "azure": {
        "api_key": ("AZURE_API_KEY",),
        "api_base": ("AZURE_API_BASE",),
        "api_version": ("AZURE_API_VERSION",),
        "tenant_id": ("AZURE_TENANT_ID",),
        "client_id": ("AZURE_CLIENT_ID",),
        "client_secret": ("AZURE_CLIENT_SECRET",),
    },
}
"""Where a key is looked up that an entry leaves out, as LiteLLM does: the first that is set."""

_TEXT: Node = {"type": "string"}
_DATED = re.compile(r"\d{4}-\d\d-\d\d.*", re.S)
_IDENTITY = ("model_name", "provider", "upstream_model", "base_url", "api_version")
_LIST = "a list of deployments, at least one of them realtime"
_CREDENTIAL = {"credential_name": "what entries call it", "credential_values": "a mapping"}


class _Credential(NamedTuple):
    path: str
    values: dict[str, object]


class Target(NamedTuple):
    """Where an entry leads; `provider` is None for one that is not ours, or not known."""

    provider: Provider | None
    model: str
    prefix: str


def parse_target(model: str, said: str | None) -> Target:
    """Take `model` apart; `said` is `custom_llm_provider`. A bare name is OpenAI's."""
    head, slash, tail = model.partition("/")
    if said:
        return Target(PROVIDERS.get(said), tail if slash and head == said else model, said)
    return Target(PROVIDERS.get(head), tail, head) if slash else Target("openai", model, "openai")


def unknown(
    findings: Findings, values: Mapping[str, object], known: Collection[str], path: str
) -> list[str]:
    """Keys that are LiteLLM's own. One that looks like a slip of a known key is a fault where that
    is missing, and a warning where it is there."""
    others = [key for key in values if key not in known]
    slips = {key: near for key in others if (near := nearest(key, known))}
    for key, near in slips.items():
        if near in values:
            findings.warn(below(path, key), f"no effect here (did you mean {near}?)")
        else:
            expected = f"a known key (did you mean {near}?)"
            findings.fault(below(path, key), expected, "another")
    return [label(key) for key in others if key not in slips]


def note_unknown(
    findings: Findings, values: Mapping[str, object], known: Collection[str], path: str
) -> None:
    """The same, and all others are named."""
    if others := unknown(findings, values, known, path):
        findings.note(path, f"{', '.join(others)}: no effect here")


def named(findings: Findings, values: Mapping[object, object], path: str) -> dict[str, object]:
    """A mapping of LiteLLM's: a key without a value is an absent one."""
    for key in values:
        if not isinstance(key, str):
            findings.note(path or "the file", f"{shown(key)} as a key: no effect here")
    return {key: each for key, each in values.items() if isinstance(key, str) and each is not None}


def section(
    findings: Findings, values: Mapping[str, object], key: str, path: str
) -> dict[str, object]:
    """A mapping below another one; empty where there is none."""
    return _mapping(findings, values.get(key, {}), below(path, key)) or {}


def _mapping(findings: Findings, value: object, path: str) -> dict[str, object] | None:
    """None after a fault."""
    if isinstance(value, dict):
        return named(findings, value, path)
    findings.fault(path, "a mapping", shown(value, secret=True))
    return None


def read_model_list(
    root: Mapping[str, object], values: Values, node: Node
) -> tuple[tuple[Deployment, ...], Aliases]:
    """The deployments of the realtime entries, and the aliases of all entries."""
    findings, entries = values.findings, root.get("model_list")
    if not isinstance(entries, list):
        if "model_list" not in findings.faulty:
            found = "none" if entries is None else shown(entries, secret=True)
            findings.fault("model_list", _LIST, found)
        return (), {}
    before = len(findings.faulty)
    credentials = _credentials(root, values)
    reader = _Reader(values, node, credentials)
    found_here = []
    for index, each in enumerate(entries):
        path = f"model_list[{index}]"
        entry = _mapping(findings, each, path)
        if entry is not None and (deployment := reader.read(entry, path)):
            found_here.append((path, deployment))
    for name, credential in credentials.items():
        if name not in reader.named:
            findings.note(credential.path, "no effect, as no entry names it")
    if not found_here and len(findings.faulty) == before:
        findings.fault("model_list", _LIST, "no OpenAI or Azure entry with mode realtime")
    return _with_ids(found_here, findings), reader.aliases


def _credentials(root: Mapping[str, object], values: Values) -> dict[str, _Credential]:
    """Each credential by its name; of two with one name the first, as in LiteLLM."""
    findings, listed = values.findings, root.get("credential_list", [])
    if not isinstance(listed, list):
        findings.fault("credential_list", "a list of credentials", shown(listed, secret=True))
        listed = []
    found: dict[str, _Credential] = {}
    for index, each in enumerate(listed):
        path = f"credential_list[{index}]"
        credential = _mapping(findings, each, path)
        if credential is None:
            continue
        note_unknown(findings, credential, (*_CREDENTIAL, "credential_info"), path)
        for key in _CREDENTIAL.keys() - credential.keys():
            findings.fault(f"{path}.{key}", _CREDENTIAL[key], "nothing")
        name = _text(values, credential, "credential_name", path)
        given = section(findings, credential, "credential_values", path)
        if name in found:
            said = f"{shown(name)} again, so it has no effect: the first of a name rules"
            findings.warn(f"{path}.credential_name", said)
        elif name:
            found[name] = _Credential(path, given)
    return found


def _text(values: Values, given: Mapping[str, object], key: str, path: str) -> str | None:
    found = values.typed(given[key], _TEXT, f"{path}.{key}") if key in given else None
    return found if isinstance(found, str) else None


class _Reader:
    """Reads entries, and remembers what they call the models of their providers."""

    def __init__(self, values: Values, node: Node, credentials: Mapping[str, _Credential]) -> None:
        self._values, self._findings, self._node = values, values.findings, node
        self._credentials = credentials
        self.aliases: dict[tuple[Provider, str], str] = {}
        self.named: set[object] = set()
        """Credentials that entries name."""

    def read(self, entry: dict[str, object], path: str) -> Deployment | None:
        """The deployment, with an id only if it is given; None after a fault and for another's."""
        findings, values, before = self._findings, self._values, len(self._findings.faults)
        at_params, at_info = f"{path}.litellm_params", f"{path}.model_info"
        params = section(findings, entry, "litellm_params", path)
        info = section(findings, entry, "model_info", path)
        self.named.add(str(params.get("litellm_credential_name")))  # also where it is passed over
        mode = _text(values, info, "mode", at_info)
        if mode is not None and mode != "realtime":
            if not nearest(mode, ["realtime"]):
                self._pass_over(entry, params, mode, path)
                return None
            expected = "'realtime', or another mode of LiteLLM's"
            findings.fault(f"{at_info}.mode", expected, shown(mode))
        params = self._with_credential(params, at_params)
        target = self._target(params, path, certain=mode is not None)
        if target is None:
            return None
        name = _text(values, entry, "model_name", path)
        if "mode" not in info:
            findings.warn(
                f"{path} ({label(name)})" if name else path,
                "no model_info.mode, so it counts as realtime; write 'mode: chat' under "
                "'model_info:' if it is for chat",
            )
        known = self._node["properties"]
        note_unknown(findings, entry, known, path)
        note_unknown(findings, params, known["litellm_params"]["properties"], at_params)
        without_prices = {key: each for key, each in info.items() if key not in NAMES}
        # Of what LiteLLM's users keep there, much is for people: only slips are named.
        unknown(findings, without_prices, known["model_info"]["properties"], at_info)
        if target.provider:
            params = self._completed(params, target.provider, at_params)
        if name and "*" in target.model and "*" not in name:
            expected = "a name with a '*', as litellm_params.model has one"
            findings.fault(f"{path}.model_name", expected, shown(name))
        prices = self._prices(info, at_info)
        whole = {**entry, "litellm_params": params, "model_info": info}
        try:
            read = Entry.model_validate(
                values.typed(whole, self._node, path), context=target.provider
            )
        except ValidationError as error:
            findings.explain(error, path, self._node)
            return None
        if target.provider is None or len(findings.faults) > before:
            return None
        self._remember(read.model_name, target)
        deployment = self._deployment(read, target.provider, target.model, at_params)
        return replace(deployment, prices=prices)

    def _prices(self, info: Mapping[str, object], path: str) -> Mapping[str, object]:
        """LiteLLM's prices, which stand beside the rest."""
        given = {name: info[name] for name in sorted(NAMES & info.keys())}
        try:
            Prices.read(given)
        except ValueError as error:
            name, _, expected = str(error).partition(": ")
            self._findings.fault(
                f"{path}.{name}", expected.removeprefix("expected "), shown(info.get(name))
            )
            return {}
        return given

    def _pass_over(
        self, entry: Mapping[str, object], params: Mapping[str, object], mode: str, path: str
    ) -> None:
        """An entry of another mode may say what it likes, and sends nobody to the environment."""
        said = (entry.get("model_name"), params.get("model"), params.get("custom_llm_provider"))
        name, model, provider = (each if isinstance(each, str) else None for each in said)
        if name and model and not model.startswith(VARIABLE):
            self._remember(name, parse_target(model, provider))
        self._findings.note(path, f"passed over, its mode is {shown(mode)}")

    def _with_credential(self, params: dict[str, object], path: str) -> dict[str, object]:
        """The params with the values of the credential they name, where they say nothing else."""
        name = _text(self._values, params, "litellm_credential_name", path)
        if name is not None and name not in self._credentials:
            expected = "a credential_name of credential_list"
            self._findings.fault(f"{path}.litellm_credential_name", expected, shown(name))
        if name is None or name not in self._credentials:
            return params
        self.named.add(name)
        credential = self._credentials[name]
        for key in credential.values.keys() - params.keys():
            at = below(f"{credential.path}.credential_values", key)
            self._findings.names[below(path, key)] = at
            if (source := self._findings.source(at)) != self._findings.source(path):
                self._findings.sources[below(path, key)] = source
        return {**credential.values, **params}

    def _target(self, params: Mapping[str, object], path: str, *, certain: bool) -> Target | None:
        """Where an entry leads, with what is wrong about that said; None for another's.

        Unless it is `certain` that it is a realtime entry, one that names no model is another's.
        """
        at, findings = f"{path}.litellm_params", self._findings
        model, said = (
            _text(self._values, params, key, at) for key in ("model", "custom_llm_provider")
        )
        if model is None:
            if "model" not in params:
                expected = "openai/<model> or azure/<deployment name>"
                findings.fault(f"{at}.model", expected, "nothing")
            return Target(PROVIDERS.get(said or ""), "", "")
        target = parse_target(model, said)
        if target.provider is None:
            near = nearest(target.prefix, PROVIDERS)
            if near is None:
                found = shown(target.prefix)
                findings.note(path, f"passed over, {found} is neither openai nor azure")
                return None
            place = f"{at}.custom_llm_provider" if said else f"{at}.model"
            found = f"{shown(target.prefix)}; did you mean {near}?"
            findings.fault(place, f"{near} as the provider", found)
            return target._replace(provider=PROVIDERS[near])
        if not target.model and not certain:
            findings.note(f"{at}.model", "no model behind the provider, passed over")
            return None
        fits = 0 < len(target.model) <= forms.MAX_NAME_CHARS and target.model.count("*") <= 1
        if not fits:
            most = f"a name of 1 to {forms.MAX_NAME_CHARS} characters with at most one '*'"
            findings.fault(f"{at}.model", f"{most} behind the provider", shown(model))
        return target

    def _remember(self, name: str, target: Target) -> None:
        """Nested models are looked up here; the first entry of a name rules."""
        if target.provider and target.model and "*" not in name + target.model:
            self.aliases.setdefault((target.provider, name), target.model)

    def _completed(
        self, params: dict[str, object], provider: Provider, path: str
    ) -> dict[str, object]:
        """With what counts here, what the environment says of all else, and one credential."""
        findings, ways = self._findings, CREDENTIALS[provider]
        given, params = params.keys(), {**params}
        for key, rule in RULES.items():
            if key in given and (why := rule.idle(given, provider)):
                rule.say(findings, f"{path}.{key}", f"no effect here, {why}")
                del params[key]
        if isinstance(listed := params.get("organization"), list):
            said = f"only the first of {len(listed)} is used"
            findings.warn(f"{path}.organization", said)
        own = [way for way in ways if params.keys() & {*way}]
        for way in own or ways:
            self._fill(params, way, provider, path)
            if params.keys() & {*way}:
                break
        # In the environment an organization belongs to the key there.
        others = ("api_version",) if own else ("api_version", "organization", "project")
        self._fill(params, others, provider, path)
        if "base_url" not in params:
            self._fill(params, ("api_base",), provider, path)
        self._demand(params, provider, way, path)
        return params

    def _fill(
        self, params: dict[str, object], keys: Sequence[str], provider: Provider, path: str
    ) -> None:
        for key in keys:
            self._values.fill(params, key, f"{path}.{key}", *VARIABLES[provider].get(key, ()))

    def _demand(
        self, params: Mapping[str, object], provider: Provider, way: Sequence[str], path: str
    ) -> None:
        """A credential, whole, and for Azure an address."""
        fault, variables = self._findings.fault, VARIABLES[provider]
        if provider == "azure" and not {"api_base", "base_url"} & params.keys():
            expected = "the resource's endpoint (https://<resource>.openai.azure.com) here or in"
            fault(
                f"{path}.api_base", f"{expected} the environment variable AZURE_API_BASE", "neither"
            )
        missing = [key for key in way if key not in params]
        if len(missing) == len(way):
            expected = f"a key here or in the environment variable {variables['api_key'][0]}"
            if provider == "azure":
                expected += f", or azure_ad_token, or all of {_PRINCIPAL}"
            fault(
                f"{path}.api_key", expected, "neither" if provider == "openai" else "none of them"
            )
            return
        for key in missing:
            fault(f"{path}.{key}", f"{_PRINCIPAL} together, {key} too", "none")

    def _deployment(self, read: Entry, provider: Provider, model: str, path: str) -> Deployment:
        params, info, findings = read.litellm_params, read.model_info, self._findings
        entra = None
        if params.tenant_id and params.client_id and params.client_secret:
            entra = EntraCredential(
                tenant_id=params.tenant_id.reveal(),
                client_id=params.client_id.reveal(),
                client_secret=params.client_secret,
            )
        url = params.base_url or params.api_base or OPENAI_URL
        if forms.in_the_clear(url):
            key = "base_url" if params.base_url else "api_base"
            findings.warn(f"{path}.{key}", "http:// sends the credential in the clear")
        if provider == "azure" and info.flow == "unified":
            findings.fault(
                f"{path.removesuffix('.litellm_params')}.model_info.flow",
                "ephemeral, as Azure takes calls with an ephemeral secret only",
                shown(info.flow),
            )
        if params.api_version and _DATED.fullmatch(params.api_version):
            findings.warn(
                f"{path}.api_version",
                f"{shown(params.api_version)} names Azure's retired preview API, and its calls are "
                "refused; remove it (or set it to 'v1') to use the GA API",
            )
        timeout = params.timeout
        if timeout is not None:
            timeout = self._within("timeout", timeout, path)
        return Deployment(
            id=str(info.id or ""),
            model_name=read.model_name,
            provider=provider,
            upstream_model=model,
            base_url=url,
            api_key=params.api_key,
            entra_token=params.azure_ad_token,
            entra=entra,
            organization=params.organization,
            project=params.project,
            api_version=params.api_version,
            weight=self._within("weight", params.weight, path),
            timeout_seconds=timeout,
            warm_secrets=info.warm_secrets,
            flow=info.flow,
            webrtcfilter=info.webrtcfilter,
        )

    def _within(self, key: str, value: float, path: str) -> float:
        """A number of LiteLLM's, which knows no bounds, brought within ours."""
        low, high = RULES[key].bounds or (value, value)
        within = min(max(value, low), high)
        if within != value:
            given = int(value) if value.is_integer() else value
            self._findings.warn(f"{path}.{key}", f"{within:g} is used in place of {shown(given)}")
        return within


def _with_ids(
    entries: Sequence[tuple[str, Deployment]], findings: Findings
) -> tuple[Deployment, ...]:
    """Deployments, each at its path, with ids that come from what they are and never from where.

    Where entries differ in nothing but their credential, its fingerprint is part of the id. Where
    they do not even differ in that, they are one deployment.
    """
    fingerprints: dict[str, set[str]] = defaultdict(set)
    """hash -> the fingerprints of all entries that have it, or an id that looks like it."""
    for _, each in entries:
        fingerprints[each.id or _hashed(each)].add(credential_fingerprint(each))
    found: dict[str, Deployment] = {}
    places: dict[str, str] = {}
    for path, each in entries:
        id_ = each.id or _hashed(each)
        if not each.id and len(fingerprints[id_]) > 1:
            # Only where there is a need, so that calls survive a credential's rotation.
            id_ = f"{id_}-{credential_fingerprint(each)}"
        if id_ not in found:
            found[id_], places[id_] = replace(each, id=id_), path
        elif each.id:
            findings.fault(f"{path}.model_info.id", "an id of its own", f"{shown(id_)} again")
        else:
            found[id_] = replace(found[id_], weight=found[id_].weight + each.weight)
            findings.warn(
                path,
                f"the same as {places[id_]}, credential included: they are one deployment with the "
                "weight of both, and what else differs is taken from the first",
            )
    return tuple(found.values())


def _hashed(deployment: Deployment) -> str:
    identity = json.dumps([getattr(deployment, key) for key in _IDENTITY])
    return hashlib.sha256(identity.encode()).hexdigest()[:12]
