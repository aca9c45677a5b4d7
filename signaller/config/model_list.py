"""`model_list`: which entries are ours, what they are called, and what is passed over."""

import difflib
from collections.abc import Mapping
from dataclasses import replace

from signaller.config.credentials import shared_credentials, with_credential
from signaller.config.deployment import read_deployment
from signaller.config.findings import REFERENCE, shown
from signaller.config.ids import explicit_id, with_ids
from signaller.config.section import Section
from signaller.config.target import MAX_NAME_CHARS, Target, parse_target, read_target
from signaller.model import Deployment, Provider, WebrtcFilter

Aliases = dict[tuple[Provider, str], str]

_OUR_INFO = ("warm_secrets", "webrtcfilter")
_WEBRTCFILTERS: dict[str, WebrtcFilter] = {"on": "on", "off": "off", "client": "client"}
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
    credentials = shared_credentials(root)
    faults = len(root.findings.faults)
    for index, value in enumerate(entries):
        path = f"model_list[{index}]"
        if not isinstance(value, dict):
            root.findings.fault(path, "a mapping", shown(value, secret=True))
            continue
        entry = Section(path, value, root.findings, strict=False)
        deployment = _read_entry(entry, aliases, credentials)
        if deployment:
            found.append((path, deployment))
    if not found and len(root.findings.faults) == faults:
        root.fault("model_list", expected, "no OpenAI or Azure entry with mode realtime")
    return with_ids(found, root.findings), aliases


def _read_entry(
    entry: Section, aliases: Aliases, credentials: Mapping[str, Mapping[object, object]]
) -> Deployment | None:
    params, info = entry.section("litellm_params"), entry.section("model_info")
    mode = info.text("mode")
    if mode and mode.value != "realtime":
        if difflib.get_close_matches(mode.value[:40].lower(), ["realtime"], cutoff=0.8):
            mode.fault("'realtime', or another mode of LiteLLM's")
            return None
        _remember_unchecked(aliases, entry, params)
        entry.findings.note(entry.path, f"passed over, its mode is {shown(mode.value)}")
        return None
    params = with_credential(params, credentials)
    target = read_target(params, certain=mode is not None)
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
    info.unknown(_OUR_INFO, refuse=False)
    warm = info.flag("warm_secrets")
    webrtcfilter = _webrtcfilter(info, target.provider)
    if mode is None:
        entry.findings.warn(entry.path, "no model_info.mode, so it counts as realtime")
    if not deployment or not name:
        return None
    return replace(
        deployment, id=id_ or "", warm_secrets=warm is not False, webrtcfilter=webrtcfilter
    )


def _webrtcfilter(info: Section, provider: Provider) -> WebrtcFilter:
    value = info.raw("webrtcfilter")
    if isinstance(value, bool):  # what YAML makes of on and off
        said = "on" if value else "off"
    else:
        text = info.text("webrtcfilter")
        said = text.value if text else "client"
    found = _WEBRTCFILTERS.get(said)
    if found is None:
        info.fault("webrtcfilter", " or ".join(_WEBRTCFILTERS))
    elif found == "on" and provider == "openai":
        info.fault("webrtcfilter", "off or client, as OpenAI has no such filter", "on")
    return found or "client"


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
