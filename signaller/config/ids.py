"""Ids of deployments: stable across replicas, restarts and changes elsewhere in the file."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from signaller.config.findings import HUGE, Findings, shown
from signaller.config.section import Section
from signaller.config.target import MAX_NAME_CHARS
from signaller.fingerprints import credential_fingerprint
from signaller.model import Deployment


def explicit_id(info: Section) -> str | None:
    """`model_info.id`; LiteLLM takes numbers too."""
    number = info.raw("id")
    if isinstance(number, int) and not isinstance(number, bool) and abs(number) < HUGE:
        return str(number)
    text = info.text("id")
    if text and len(text.value) > MAX_NAME_CHARS:
        text.fault(f"at most {MAX_NAME_CHARS} characters", f"{len(text.value)}")
    return text.value if text else None


def with_ids(
    entries: Sequence[tuple[str, Deployment]], findings: Findings
) -> tuple[Deployment, ...]:
    """Deployments, each at its path, with ids that come from what they are and never from where.

    Where entries differ in nothing but their credential, its fingerprint is part of the id. Where
    they do not even differ in that, they are one deployment.
    """
    alike: dict[str, set[str]] = defaultdict(set)
    """hash -> the fingerprints of all entries that have it, or an id that looks like it."""
    for _, deployment in entries:
        alike[deployment.id or _hashed(deployment)].add(credential_fingerprint(deployment))
    found: dict[str, Deployment] = {}
    places: dict[str, str] = {}
    for path, deployment in entries:
        id_ = deployment.id or _made_id(deployment, alike)
        first = found.get(id_)
        if first is None:
            found[id_] = replace(deployment, id=id_)
            places[id_] = path
        elif deployment.id:
            findings.fault(f"{path}.model_info.id", "an id of its own", f"{shown(id_)} again")
        else:
            found[id_] = replace(first, weight=first.weight + deployment.weight)
            findings.warn(
                path,
                f"the same as {places[id_]}, credential included: they are one deployment with the "
                "weight of both, and what else differs is taken from the first",
            )
    return tuple(found.values())


def _made_id(deployment: Deployment, alike: dict[str, set[str]]) -> str:
    """Without the credential where there is no need, so that calls survive its rotation."""
    id_ = _hashed(deployment)
    twins = len(alike[id_]) > 1
    return f"{id_}-{credential_fingerprint(deployment)}" if twins else id_


def _hashed(deployment: Deployment) -> str:
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
