"""One entry of `model_list` that is used: its `litellm_params` become a deployment."""

import re

from signaller.config.credentials import Credential, azure_credential, openai_key
from signaller.config.findings import fits_header
from signaller.config.section import Section
from signaller.config.urls import base_url, in_the_clear
from signaller.model import Deployment, Provider

PARAMS = (
    *("model", "custom_llm_provider", "api_base", "base_url", "api_version", "timeout", "weight"),
    *("api_key", "organization", "project", "litellm_credential_name"),
    *("azure_ad_token", "tenant_id", "client_id", "client_secret"),
)
OPENAI_URL = "https://api.openai.com"
MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS = 0.1, 600
MAX_WEIGHT = 1_000_000_000
_DATED = re.compile(r"\d{4}-\d\d-\d\d.*", re.S)


def read_deployment(
    params: Section, *, model_name: str, provider: Provider, upstream_model: str
) -> Deployment | None:
    """The deployment, without an id yet; None after a fault."""
    _pass_over_unknown(params)
    openai = provider == "openai"
    url = _base_url(params, provider)
    credential = openai_key(params) if openai else azure_credential(params)
    # An organization in the environment belongs to the key in the environment.
    from_env = openai and "api_key" not in params
    weight = params.clamped("weight", 0, MAX_WEIGHT)
    deployment = Deployment(
        id="",
        model_name=model_name,
        provider=provider,
        upstream_model=upstream_model,
        base_url=url or "",
        api_key=credential.api_key,
        entra_token=credential.entra_token,
        entra=credential.entra,
        organization=_header(
            params, "organization", *(("OPENAI_ORG_ID", "OPENAI_ORGANIZATION") if from_env else ())
        ),
        project=_header(params, "project", *(("OPENAI_PROJECT_ID",) if from_env else ())),
        api_version=None if openai else _api_version(params),
        weight=1 if weight is None else weight,
        timeout_seconds=params.clamped("timeout", MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS),
    )
    return deployment if url and credential != Credential() else None


def _pass_over_unknown(params: Section) -> None:
    others = params.unknown(PARAMS, refuse=False)
    if others:
        params.findings.note(params.path, f"{', '.join(others)}: no effect here")


def _base_url(params: Section, provider: Provider) -> str | None:
    if "api_base" in params and "base_url" in params:
        params.findings.warn(params.at("api_base"), "no effect here, as base_url is given too")
    key = "base_url" if "base_url" in params else "api_base"
    variables = (
        ("OPENAI_BASE_URL", "OPENAI_API_BASE") if provider == "openai" else ("AZURE_API_BASE",)
    )
    text = params.text(key, *variables)
    if text is None:
        if key in params:
            return None
        if provider == "openai":
            return OPENAI_URL
        params.fault(
            key,
            "the resource's endpoint (https://<resource>.openai.azure.com) "
            "here or in the environment variable AZURE_API_BASE",
            "neither",
        )
        return None
    url = base_url(text, provider)
    if url and in_the_clear(url):
        params.findings.warn(text.path, "http:// sends the credential in the clear")
    return url


def _header(params: Section, key: str, *variables: str) -> str | None:
    text = params.first_text(key, *variables)
    return text.value if text and fits_header(text) else None


def _api_version(params: Section) -> str | None:
    text = params.text("api_version", "AZURE_API_VERSION")
    if text and _DATED.fullmatch(text.value):
        params.findings.warn(
            text.path,
            f"{text.value[:40]!r} names Azure's retired preview API, and its calls are refused; "
            "remove it (or set it to 'v1') to use the GA API",
        )
    return text.value if text else None
