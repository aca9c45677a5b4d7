"""The one credential of a deployment, among all the forms that LiteLLM takes."""

from collections.abc import Mapping
from dataclasses import dataclass

from signaller.config.section import Section
from signaller.model import EntraCredential
from signaller.secret import Secret

_ENTRA = ("tenant_id", "client_id", "client_secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Exactly one of the three, or none after a fault."""

    api_key: Secret | None = None
    entra_token: Secret | None = None
    entra: EntraCredential | None = None


def shared_credentials(root: Section) -> Mapping[str, Mapping[object, object]]:
    """`credential_list`: values that entries take by `litellm_credential_name`."""
    listed = root.list("credential_list", "a list of credentials") or ()
    entries = [
        Section(f"credential_list[{index}]", each, root.findings, strict=False)
        for index, each in enumerate(listed)
        if isinstance(each, dict)
    ]
    named = ((each.raw_text("credential_name"), each.raw("credential_values")) for each in entries)
    return {name: values for name, values in named if name and isinstance(values, dict)}


def with_credential(params: Section, credentials: Mapping[str, Mapping[object, object]]) -> Section:
    """The params with the values of the credential that they name, where they say nothing else."""
    text = params.text("litellm_credential_name")
    if text and text.value not in credentials:
        text.fault("a credential_name of credential_list")
    return params.with_defaults(credentials.get(text.value, {})) if text else params


def openai_key(params: Section) -> Credential:
    """OpenAI takes a key and nothing else."""
    key = params.secret("api_key", "OPENAI_API_KEY")
    if key is None and "api_key" not in params and not params.findings.variable("OPENAI_API_KEY"):
        params.fault(
            "api_key", "a key here or in the environment variable OPENAI_API_KEY", "neither"
        )
    return Credential(api_key=key)


def azure_credential(params: Section) -> Credential:
    """In LiteLLM's order: the key, a ready token, a service principal."""
    given = [key for key in ("api_key", "azure_ad_token", *_ENTRA) if key in params]
    if not given or given[0] == "api_key":
        variable = params.findings.variable("AZURE_API_KEY")
        if given or variable:
            _say_unused(params, given[1:])
            return Credential(api_key=params.secret("api_key", "AZURE_API_KEY"))
    elif given[0] == "azure_ad_token":
        _say_unused(params, given[1:])
        return Credential(entra_token=_ready_token(params))
    return _entra(params, given)


def _ready_token(params: Section) -> Secret | None:
    if (params.raw_text("azure_ad_token") or "").startswith("oidc/"):
        params.fault(
            "azure_ad_token",
            "a token, or tenant_id, client_id and client_secret in its place",
            "oidc/..., which is not supported",
        )
        return None
    return params.secret("azure_ad_token")


def _say_unused(params: Section, keys: list[str]) -> None:
    if keys:
        params.findings.note(params.path, f"{', '.join(keys)}: one credential is enough, not used")


def _entra(params: Section, given: list[str]) -> Credential:
    texts = {key: params.text(key, f"AZURE_{key.upper()}", secret=True) for key in _ENTRA}
    missing = [key for key, text in texts.items() if text is None and key not in params]
    if not given and missing:
        params.fault(
            "api_key",
            "a key here or in the environment variable AZURE_API_KEY, or azure_ad_token, "
            "or all of tenant_id, client_id and client_secret",
            "none of them",
        )
        return Credential()
    for key in missing:
        params.fault(key, f"tenant_id, client_id and client_secret together, {key} too", "none")
    tenant_id, client_id, client_secret = (texts[key] for key in _ENTRA)
    if not tenant_id or not client_id or not client_secret:
        return Credential()
    return Credential(
        entra=EntraCredential(
            tenant_id=tenant_id.value,
            client_id=client_id.value,
            client_secret=Secret(client_secret.value),
        )
    )
