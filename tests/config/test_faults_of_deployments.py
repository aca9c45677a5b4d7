"""Every fault in `litellm_params` is one line: the path, what was expected, what was found."""

import pytest

from signaller.config import load_settings
from tests.config.reading import ENV, entry, faults

P = "model_list[0].litellm_params"
AZURE = "azure/d"


@pytest.mark.parametrize(
    ("params", "model", "expected"),
    [
        pytest.param(
            "api_key: os.environ/NOPE",
            "openai/m",
            f"{P}.api_key: expected the environment variable NOPE, found it unset",
            id="variable-unset",
        ),
        pytest.param(
            "api_key: os.environ/EMPTY",
            "openai/m",
            f"{P}.api_key: expected the environment variable EMPTY, found it empty",
            id="variable-empty",
        ),
        pytest.param(
            "api_key: os.environ/TWO WORDS",
            "openai/m",
            f"{P}.api_key: expected os.environ/NAME, found something else after the slash",
            id="variable-name",
        ),
        pytest.param(
            "api_key: true",
            "openai/m",
            f"{P}.api_key: expected a string, found true or false",
            id="flag",
        ),
        pytest.param(
            "api_key: 7", "openai/m", f"{P}.api_key: expected a string, found a number", id="number"
        ),
        pytest.param(
            "api_key: ''",
            "openai/m",
            f"{P}.api_key: expected a string of 1 to 16384 characters, found an empty one",
            id="empty-string",
        ),
        pytest.param(
            "api_key: 'canary\n\n  canary'",
            "openai/m",
            f"{P}.api_key: expected ASCII without spaces or line breaks, "
            "found others among 13 characters",
            id="key-of-two-lines",
        ),
        pytest.param(
            "api_kye: k",
            "openai/m",
            f"{P}.api_kye: expected a known key (did you mean api_key?), found another",
            id="misspelt-param",
        ),
        pytest.param(
            "litellm_credential_name: c",
            "openai/m",
            f"{P}.litellm_credential_name: expected a credential_name of credential_list, "
            "found 'c'",
            id="credential-name",
        ),
        pytest.param(
            "api_base: ftp://h",
            "openai/m",
            f"{P}.api_base: expected an http(s) URL without user, password and query, "
            "found 'ftp://h'",
            id="scheme",
        ),
        pytest.param(
            "api_base: 'https://user:canary@h'",
            "openai/m",
            f"{P}.api_base: expected an http(s) URL without user, password and query, "
            "found a string of 21 characters",
            id="password-in-url",
        ),
        pytest.param(
            "api_base: os.environ/BASE",
            "openai/m",
            f"{P}.api_base: expected an http(s) URL without user, password and query, "
            "found 'h' in the environment variable BASE",
            id="url-in-variable",
        ),
        pytest.param(
            "timeout: .nan",
            "openai/m",
            f"{P}.timeout: expected a number, found a number beyond all bounds",
            id="timeout-nan",
        ),
        pytest.param(
            "timeout: true",
            "openai/m",
            f"{P}.timeout: expected a number, found true",
            id="timeout-bool",
        ),
        pytest.param(
            "timeout: os.environ/BASE",
            "openai/m",
            f"{P}.timeout: expected a number, found 'h' in the environment variable BASE",
            id="timeout-variable",
        ),
        pytest.param(
            "",
            "opnai/m",
            f"{P}.model: expected openai as the provider, found 'opnai'; did you mean openai?",
            id="misspelt-provider",
        ),
        pytest.param(
            "api_base: 'https://r', azure_ad_token: oidc/google/x",
            AZURE,
            f"{P}.azure_ad_token: expected a token, or tenant_id, client_id and client_secret in "
            "its place, found oidc/..., which is not supported",
            id="azure-oidc",
        ),
        pytest.param(
            "",
            "openai/*",
            "model_list[0].model_name: expected a name with a '*', as litellm_params.model has "
            "one, found 'voice'",
            id="wildcard-upstream-only",
        ),
        pytest.param(
            "api_key: k",
            AZURE,
            f"{P}.api_base: expected the resource's endpoint "
            "(https://<resource>.openai.azure.com) here or in the environment variable "
            "AZURE_API_BASE, found neither",
            id="azure-without-base",
        ),
        pytest.param(
            "api_base: 'https://r'",
            AZURE,
            f"{P}.api_key: expected a key here or in the environment variable AZURE_API_KEY, "
            "or azure_ad_token, or all of tenant_id, client_id and client_secret, "
            "found none of them",
            id="azure-without-credential",
        ),
        pytest.param(
            "api_base: 'https://r', tenant_id: t, client_id: c",
            AZURE,
            f"{P}.client_secret: expected tenant_id, client_id and client_secret together, "
            "client_secret too, found none",
            id="azure-half-a-principal",
        ),
    ],
)
def test_a_fault_in_litellm_params(params: str, model: str, expected: str) -> None:
    """Each is named by its path, and no value that may be secret is shown."""
    env = {**ENV, "EMPTY": "", "BASE": "h"}
    assert faults(entry(params, model=model), env) == (expected,)


def test_a_missing_key_names_the_variable() -> None:
    """What to set is part of the line."""
    assert faults(entry(), {}) == (
        f"{P}.api_key: expected a key here or in the environment variable OPENAI_API_KEY, "
        "found neither",
    )


@pytest.mark.parametrize(
    ("params", "info"),
    [("", "mode: [realtime]"), ("", "id: 1.5"), ("litellm_credential_name: 5", "mode: realtime")],
)
def test_a_fault_is_said_once(params: str, info: str) -> None:
    """At the place where it stands in the file."""
    entry = f"model_name: voice, litellm_params: {{model: openai/m, {params}}}"
    found = faults(f"model_list: [{{{entry}, model_info: {{{info}}}}}]")
    assert len(found) == 1, found


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        pytest.param(
            "{model: openai/m}, model_info: {mode: realtme}", "model_info.mode", id="mode"
        ),
        pytest.param("{model: opnai/m}", "litellm_params.model", id="provider"),
        pytest.param("{model: openai/}", "litellm_params.model", id="no model"),
        pytest.param("{model: 'openai/*-*'}", "litellm_params.model", id="two stars"),
        pytest.param("{}", "litellm_params.model", id="nothing"),
        pytest.param("{model: [openai/m]}", "litellm_params.model", id="a list"),
        pytest.param(
            "{model: m, custom_llm_provider: azzure, api_key: k}",
            "litellm_params.custom_llm_provider",
            id="another's",
        ),
    ],
)
def test_a_fault_of_the_model_or_the_mode_hides_no_other(entry: str, place: str) -> None:
    """All of them are mended in one round: what is known of the entry is looked at all the same."""
    info = "" if "model_info" in entry else ", model_info: {mode: realtime}"
    more = "timeout: soon, api_base: 'ftp://h'"
    written = f"{entry}{info}".replace("}", f", {more}}}", 1).replace("{, ", "{")
    written = written.replace("mode: real", "id: 1.5, mode: real")
    found = faults(f"model_list: [{{model_name: '*-*', litellm_params: {written}}}]")
    assert {fault.partition(": expected")[0].removeprefix("model_list[0].") for fault in found} == {
        place,
        *("model_name", "litellm_params.timeout", "litellm_params.api_base", "model_info.id"),
    }
    assert len(found) == 5


def test_what_depends_on_an_unknown_provider_is_not_asked_for() -> None:
    """An address is taken as either would write it, and no credential is missed yet."""
    address = "api_base: 'https://r.openai.azure.com/openai/deployments/d/realtime?api-version=1'"
    text = f"model_list: [{{model_name: a, litellm_params: {{{address}}}}}]"
    (fault,) = faults(text, {"SIGNALLER_MASTER_KEY": "master-key-canary-1"})
    assert fault.startswith(f"{P}.model: expected openai/<model> or azure/<deployment name>")


def test_a_number_beyond_all_bounds_is_brought_within_ours() -> None:
    """As LiteLLM's other numbers, with a warning."""
    settings = load_settings(entry(f"weight: {'9' * 4000}"), ENV)
    assert settings.deployments[0].weight == 1_000_000_000
    assert any("weight" in warning for warning in settings.warnings)
