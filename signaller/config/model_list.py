"""`model_list`: which entries are ours, what they are called, and what is passed over."""

import difflib
import hashlib
import json
from dataclasses import dataclass, replace

from signaller.config.deployment import read_deployment
from signaller.config.findings import REFERENCE, shown
from signaller.config.section import Section
from signaller.model import Deployment, Provider

Aliases = dict[tuple[Provider, str], str]

_PROVIDERS: dict[str, Provider] = {"openai": "openai", "azure": "azure"}
_ENTRY_KEYS = frozenset({"model_name", "litellm_params", "model_info"})
_MAX_NAME_CHARS = 200  # a model's name travels in the token, an id in every grant


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """`litellm_params.model`, taken apart; another provider's has none."""

    provider: Provider | None
    model: str
    prefix: str


def read_model_list(root: Section) -> tuple[tuple[Deployment, ...], Aliases]:
    """The deployments of the realtime entries, and the aliases of all entries."""
    expected = "a list of deployments, at least one of them realtime"
    entries = root.list("model_list", expected)
    if entries is None:
        if "model_list" not in root:
            root.fault("model_list", expected, "none")
        return (), {}
    deployments: list[Deployment] = []
    aliases: Aliases = {}
    faults = len(root.findings.faults)
    for index, value in enumerate(entries):
        path = f"model_list[{index}]"
        if not isinstance(value, dict):
            root.findings.fault(path, "a mapping", shown(value, secret=True))
            continue
        deployment = _read_entry(Section(path, value, root.findings, strict=False), aliases)
        if deployment:
            deployments.append(_with_unique_id(deployment, path, deployments, root))
    if not deployments and len(root.findings.faults) == faults:
        root.fault("model_list", expected, "no OpenAI or Azure entry with mode realtime")
    return tuple(deployments), aliases


def _read_entry(entry: Section, aliases: Aliases) -> Deployment | None:
    params, info = entry.section("litellm_params"), entry.section("model_info")
    mode = info.text("mode")
    if mode and mode.value != "realtime":
        if difflib.get_close_matches(mode.value[:40].lower(), ["realtime"], cutoff=0.8):
            mode.fault("'realtime', or another mode of LiteLLM's")
            return None
        _remember(aliases, entry, params)
        entry.findings.note(entry.path, f"passed over, its mode is {shown(mode.value)}")
        return None
    target = _target(params)
    if target is None:
        return None
    if target.provider is None:
        entry.findings.note(
            entry.path, f"passed over, {shown(target.prefix)} is neither openai nor azure"
        )
        return None
    others = entry.unknown(_ENTRY_KEYS, refuse=False)
    if others:
        entry.findings.note(entry.path, f"{', '.join(others)}: no effect here")
    name = _name(entry, target.model)
    deployment = read_deployment(
        params, model_name=name or "", provider=target.provider, upstream_model=target.model
    )
    id_ = _explicit_id(info)
    _remember(aliases, entry, params)
    return replace(deployment, id=id_ or "") if deployment and name else None


def _target(params: Section) -> _Target | None:
    model = params.text("model")
    if model is None:
        if "model" not in params:
            params.fault("model", "openai/<model> or azure/<deployment name>", "nothing")
        return None
    said = params.text("custom_llm_provider")
    target = _parse_target(model.value, said.value if said else None)
    if target.provider is None:
        near = difflib.get_close_matches(target.prefix[:40].lower(), _PROVIDERS, 1, cutoff=0.8)
        if near:
            (said or model).fault(
                f"{near[0]} as the provider", f"{shown(target.prefix)}; did you mean {near[0]}?"
            )
            return None
    elif not target.model or target.model.count("*") > 1 or len(target.model) > _MAX_NAME_CHARS:
        model.fault(
            f"a name of 1 to {_MAX_NAME_CHARS} characters with at most one '*' behind the provider"
        )
        return None
    return target


def _parse_target(model: str, said: str | None) -> _Target:
    head, slash, tail = model.partition("/")
    if said:
        return _Target(
            provider=_PROVIDERS.get(said),
            model=tail if slash and head == said else model,
            prefix=said,
        )
    if not slash:
        return _Target(provider="openai", model=model, prefix="openai")
    return _Target(provider=_PROVIDERS.get(head), model=tail, prefix=head)


def _name(entry: Section, upstream_model: str) -> str | None:
    name = entry.text("model_name")
    if name is None:
        if "model_name" not in entry:
            entry.fault("model_name", "the name callers ask for", "nothing")
        return None
    if len(name.value) > _MAX_NAME_CHARS or name.value.count("*") > 1:
        name.fault(f"at most {_MAX_NAME_CHARS} characters and one '*'")
        return None
    if "*" in upstream_model and "*" not in name.value:
        name.fault("a name with a '*', as litellm_params.model has one")
        return None
    return name.value


def _remember(aliases: Aliases, entry: Section, params: Section) -> None:
    """Nested models are looked up here. An entry that is passed over is not checked."""
    name, model, said = (
        section.raw_text(key)
        for section, key in (
            (entry, "model_name"),
            (params, "model"),
            (params, "custom_llm_provider"),
        )
    )
    if not name or not model or "*" in name + model or model.startswith(REFERENCE):
        return
    target = _parse_target(model, said)
    if target.provider and target.model:
        aliases.setdefault((target.provider, name), target.model)


def _explicit_id(info: Section) -> str | None:
    if isinstance(number := info.raw("id"), int) and not isinstance(number, bool):
        return shown(number)
    text = info.text("id")
    if text and len(text.value) > _MAX_NAME_CHARS:
        text.fault(f"at most {_MAX_NAME_CHARS} characters", f"{len(text.value)}")
    return text.value if text else None


def _with_unique_id(
    deployment: Deployment, path: str, others: list[Deployment], root: Section
) -> Deployment:
    taken = {other.id for other in others}
    if deployment.id:
        if deployment.id in taken:
            root.findings.fault(
                f"{path}.model_info.id", "an id of its own", shown(deployment.id) + " again"
            )
        return deployment
    stem = _hashed(deployment)
    candidates = (stem, *(f"{stem}-{number}" for number in range(2, len(others) + 3)))
    return replace(deployment, id=next(id_ for id_ in candidates if id_ not in taken))


def _hashed(deployment: Deployment) -> str:
    """Not of the key, so that calls survive its rotation."""
    identity = json.dumps(
        [
            deployment.model_name,
            deployment.provider,
            deployment.upstream_model,
            deployment.base_url,
            deployment.api_version,
        ]
    )
    return hashlib.sha256(identity.encode()).hexdigest()[:12]
