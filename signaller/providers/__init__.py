"""Adapters, one for each kind of provider, over one HTTP client."""

from signaller.providers.azure import Azure
from signaller.providers.entra import EntraTokens
from signaller.providers.http import fetch, http_client
from signaller.providers.openai import OpenAI
from signaller.providers.sockets import Sockets

__all__ = ["Azure", "EntraTokens", "OpenAI", "Sockets", "fetch", "http_client"]
