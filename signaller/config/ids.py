"""Ids of deployments: stable across replicas, restarts and key changes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from signaller.config.findings import shown
from signaller.config.section import Section
from signaller.config.target import MAX_NAME_CHARS
from signaller.model import Deployment


def explicit_id(info: Section) -> str | None:
    """`model_info.id`; LiteLLM takes numbers too."""
    if isinstance(number := info.raw("id"), int) and not isinstance(number, bool):
        return shown(number)
    text = info.text("id")
    if text and len(text.value) > MAX_NAME_CHARS:
        text.fault(f"at most {MAX_NAME_CHARS} characters", f"{len(text.value)}")
    return text.value if text else None


def with_unique_id(
    deployment: Deployment, path: str, others: Sequence[Deployment], root: Section
) -> Deployment:
    """The deployment with an id that none of the others has."""
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
