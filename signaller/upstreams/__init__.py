"""Adapters, one for each kind of provider, over one HTTP client."""

from signaller.upstreams.azure import Azure
from signaller.upstreams.entra import EntraTokens
from signaller.upstreams.openai import OpenAI
from signaller.upstreams.transport import ProviderClient, http_client

__all__ = ["Azure", "EntraTokens", "OpenAI", "ProviderClient", "http_client"]
