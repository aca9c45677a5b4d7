"""How the service is configured: LiteLLM's file, verbatim, and ours under `signaller:`."""

from signaller.config.describe import describe
from signaller.config.include import with_included
from signaller.config.keys import generate_caller_key, generate_token_key
from signaller.config.load import load_settings

__all__ = [
    "describe",
    "generate_caller_key",
    "generate_token_key",
    "load_settings",
    "with_included",
]
