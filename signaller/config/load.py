"""A configuration, from its text and the environment to settings: no I/O, all faults at once."""

from collections.abc import Mapping
from datetime import date

from signaller.config.access import lets_somebody_in, read_access
from signaller.config.document import parse_document
from signaller.config.environment import document_from
from signaller.config.findings import HUGE, Findings
from signaller.config.grants import Offered
from signaller.config.master_key import note_absence, read_master_key
from signaller.config.model_list import read_model_list
from signaller.config.ours import read_ours
from signaller.config.section import Section
from signaller.config.urls import origin_of
from signaller.errors import ConfigError
from signaller.settings import Settings

_READ = (
    *("model_list", "general_settings", "signaller", "environment_variables"),
    "credential_list",
)


def load_settings(
    text: str | None,
    env: Mapping[str, str],
    *,
    workers: int = 1,
    allow_public_master_key: bool = False,
) -> Settings:
    """The settings that a file (None: there is none) and the environment amount to.

    Raises ConfigError, with one line for each fault.
    """
    if text is None:
        findings = Findings(env=env)
        document = document_from(findings)
    else:
        document = parse_document(text)
        findings = Findings(env=env)
    root = Section("", document, findings, strict=False)
    _look_around(root)
    findings.env = {**_environment_variables(root), **env}
    deployments, aliases = read_model_list(root)
    general, section = root.section("general_settings"), root.section("signaller", strict=True)
    master_key = read_master_key(general, allow_public=allow_public_master_key)
    ours = read_ours(section, workers=workers)
    offered = Offered(
        model_names=tuple(deployment.model_name for deployment in deployments),
        origins=(*ours.cors_origins, *([origin_of(ours.public_url)] if ours.public_url else ())),
    )
    access = read_access(section, offered=offered, master_key=master_key)
    if master_key is None and not lets_somebody_in(access.callers, access.gateway):
        note_absence(general)
    if findings.faults:
        raise ConfigError(findings.faults)
    return Settings(
        deployments=deployments,
        master_key=master_key,
        token_keys=ours.token_keys,
        token_keys_generated=ours.token_keys_generated,
        redis_url=ours.redis_url,
        token=ours.token,
        timeouts=ours.timeouts,
        warm_secrets=ours.warm_secrets,
        policy=access.policy,
        callers=access.callers,
        gateway=access.gateway,
        metrics=access.metrics,
        cors_origins=ours.cors_origins,
        public_url=ours.public_url,
        aliases=aliases,
        warnings=tuple(findings.warnings),
        notes=tuple(findings.notes),
    )


def _look_around(root: Section) -> None:
    """Sections without effect are named, those of LiteLLM's and those that only hold anchors."""
    if "include" in root:
        root.fault("include", "it in the first file only", "it in an included one")
    others = root.unknown(_READ, refuse=False, besides=("include",))
    if idle := [key for key in others if not key.startswith("x-")]:
        root.findings.note(", ".join(idle), "no effect here")


def _environment_variables(root: Section) -> dict[str, str]:
    """As LiteLLM does: for whatever the environment itself does not say, numbers as texts."""
    section = root.section("environment_variables")
    found = {}
    for key in section:
        value = section.raw(key)
        if isinstance(value, str | date) or (isinstance(value, int | float) and abs(value) < HUGE):
            found[key] = str(value)
    return found
