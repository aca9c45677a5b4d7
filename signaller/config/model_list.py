"""`model_list`: which entries are ours, what they are called, and what is passed over."""

import difflib
from dataclasses import replace

from signaller.config.deployment import read_deployment
from signaller.config.findings import REFERENCE, shown
from signaller.config.ids import explicit_id, with_ids
from signaller.config.section import Section
from signaller.config.target import MAX_NAME_CHARS, Target, parse_target, read_target
from signaller.model import Deployment, Provider

Aliases = dict[tuple[Provider, str], str]

_ENTRY_KEYS = frozenset({"model_name", "litellm_params", "model_info"})


def read_model_list(root: Section) -> tuple[tuple[Deployment, ...], Aliases]:
    """The deployments of the realtime entries, and the aliases of all entries."""
    expected = "a list of deployments, at least one of them realtime"
    entries = root.list("model_list", expected)
    if entries is None:
        if "model_list" not in root:
            root.fault("model_list", expected, "none")
        return (), {}
    found: list[tuple[str, Deployment]] = []
    aliases: Aliases = {}
    faults = len(root.findings.faults)
    for index, value in enumerate(entries):
        path = f"model_list[{index}]"
        if not isinstance(value, dict):
            root.findings.fault(path, "a mapping", shown(value, secret=True))
            continue
        deployment = _read_entry(Section(path, value, root.findings, strict=False), aliases)
        if deployment:
            found.append((path, deployment))
    if not found and len(root.findings.faults) == faults:
        root.fault("model_list", expected, "no OpenAI or Azure entry with mode realtime")
    return with_ids(found, root.findings), aliases


def _read_entry(entry: Section, aliases: Aliases) -> Deployment | None:
    params, info = entry.section("litellm_params"), entry.section("model_info")
    mode = info.text("mode")
    if mode and mode.value != "realtime":
        if difflib.get_close_matches(mode.value[:40].lower(), ["realtime"], cutoff=0.8):
            mode.fault("'realtime', or another mode of LiteLLM's")
            return None
        _remember_unchecked(aliases, entry, params)
        entry.findings.note(entry.path, f"passed over, its mode is {shown(mode.value)}")
        return None
    target = read_target(params)
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
    id_ = explicit_id(info)
    if name:
        _remember(aliases, name, target)
    warm = info.flag("warm_secrets")
    if not deployment or not name:
        return None
    return replace(deployment, id=id_ or "", warm_secrets=warm is not False)


def _name(entry: Section, upstream_model: str) -> str | None:
    name = entry.text("model_name")
    if name is None:
        if "model_name" not in entry:
            entry.fault("model_name", "the name callers ask for", "nothing")
        return None
    if len(name.value) > MAX_NAME_CHARS or name.value.count("*") > 1:
        name.fault(f"at most {MAX_NAME_CHARS} characters and one '*'")
        return None
    if "*" in upstream_model and "*" not in name.value:
        name.fault("a name with a '*', as litellm_params.model has one")
        return None
    return name.value


def _remember(aliases: Aliases, name: str, target: Target) -> None:
    """Nested models are looked up here; the first entry of a name rules."""
    if target.provider and target.model and "*" not in name + target.model:
        aliases.setdefault((target.provider, name), target.model)


def _remember_unchecked(aliases: Aliases, entry: Section, params: Section) -> None:
    """An entry that is passed over may say what it likes, and sends nobody to the environment."""
    name, model = entry.raw_text("model_name"), params.raw_text("model")
    if name and model and not model.startswith(REFERENCE):
        _remember(aliases, name, parse_target(model, params.raw_text("custom_llm_provider")))
