"""The file that a replica reads, as a test wants it."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.service import MASTER_KEY, MODEL, PROVIDER_KEY, UPSTREAM_MODEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What replicas have in common, and what one of them may know sooner than another."""

    provider_url: str
    redis_url: str
    token_keys: tuple[str, ...]
    callers: tuple[Mapping[str, object], ...] = ()

    def text(self) -> str:
        """YAML: JSON is a part of it."""
        credential = {"api_key": PROVIDER_KEY, "api_base": self.provider_url}
        deployment = {
            "model_name": MODEL,
            "litellm_params": {"model": f"openai/{UPSTREAM_MODEL}", **credential},
            "model_info": {"mode": "realtime"},
        }
        ours = {
            "redis_url": self.redis_url,
            "token_keys": self.token_keys,
            "callers": self.callers,
        }
        return json.dumps(
            {
                "model_list": [deployment],
                "general_settings": {"master_key": MASTER_KEY},
                "signaller": ours,
            }
        )


def caller(*keys: str, **policy: object) -> Mapping[str, object]:
    """An entry of `callers`, whose name nobody has counted anything under before."""
    return {"name": f"caller-{secrets.token_hex(8)}", "keys": keys, **policy}


def caller_key() -> str:
    """A key for a caller."""
    return f"sk-sgn-{secrets.token_urlsafe(32)}"
