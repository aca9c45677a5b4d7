"""The file that a replica reads, as a test wants it."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.service import (
    MASTER_KEY,
    MODEL,
    PATIENT_SECONDS,
    PROVIDER_KEY,
    UPSTREAM_MODEL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What replicas have in common, and what one of them may know sooner than another."""

    provider_url: str
    redis_url: str
    token_keys: tuple[str, ...]
    callers: tuple[Mapping[str, object], ...] = ()
    spares: tuple[tuple[str, int], ...] = ()
    """Further deployments of the same model, the upstream model and the weight of each."""

    def text(self) -> str:
        """YAML: JSON is a part of it."""
        # The newest come first: what has been there keeps its id all the same.
        deployments = [self._deployment(*each) for each in (*self.spares, (UPSTREAM_MODEL, 1))]
        ours = {
            "redis_url": self.redis_url,
            "token_keys": self.token_keys,
            "callers": self.callers,
            "timeouts": {"store_seconds": PATIENT_SECONDS},
        }
        return json.dumps(
            {
                "model_list": deployments,
                "general_settings": {"master_key": MASTER_KEY},
                "signaller": ours,
            }
        )

    def _deployment(self, upstream_model: str, weight: int) -> Mapping[str, object]:
        credential = {"api_key": PROVIDER_KEY, "api_base": self.provider_url}
        return {
            "model_name": MODEL,
            "litellm_params": {
                "model": f"openai/{upstream_model}",
                "weight": weight,
                **credential,
            },
            "model_info": {"mode": "realtime"},
        }


def caller(*keys: str, **policy: object) -> Mapping[str, object]:
    """An entry of `callers`, whose name nobody has counted anything under before."""
    return {"name": f"caller-{secrets.token_hex(8)}", "keys": keys, **policy}


def caller_key() -> str:
    """A key for a caller."""
    return f"sk-sgn-{secrets.token_urlsafe(32)}"
