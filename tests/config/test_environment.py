"""A start without a file."""

import pytest

from signaller.config import load_settings
from signaller.secret import Secret
from tests.config.reading import ENV, KEY, OTHER_KEY, faults

AZURE = {
    "AZURE_API_KEY": "azure-canary",
    "AZURE_API_BASE": "https://r.openai.azure.com/",
    "AZURE_API_VERSION": "v1",
}


def test_openai_alone() -> None:
    """One variable is enough; the SDK's other variables are honoured."""
    env = {
        "OPENAI_API_KEY": "k",
        "OPENAI_BASE_URL": "https://proxy.example/v1",
        "OPENAI_ORG_ID": "org",
        "OPENAI_PROJECT_ID": "proj",
    }
    (deployment,) = load_settings(None, env).deployments
    assert (deployment.model_name, deployment.provider, deployment.upstream_model) == (
        "*",
        "openai",
        "*",
    )
    assert (deployment.api_key, deployment.base_url) == (Secret("k"), "https://proxy.example")
    assert (deployment.organization, deployment.project) == ("org", "proj")


def test_azure_alone() -> None:
    """Key and base, and the version if there is one."""
    (deployment,) = load_settings(None, AZURE).deployments
    assert (deployment.model_name, deployment.provider, deployment.upstream_model) == (
        "*",
        "azure",
        "*",
    )
    assert deployment.api_key == Secret("azure-canary")
    assert deployment.base_url == "https://r.openai.azure.com"
    assert deployment.api_version == "v1"


def test_both_providers() -> None:
    """OpenAI serves every name but Azure's own, and a note says so."""
    settings = load_settings(None, {**ENV, **AZURE})
    assert [(d.model_name, d.provider) for d in settings.deployments] == [
        ("*", "openai"),
        ("azure/*", "azure"),
    ]
    assert any("models named azure/... go to Azure" in note for note in settings.notes)


def test_half_of_azure_beside_openai_is_said() -> None:
    """A variable that does nothing leaves a note."""
    settings = load_settings(None, {**ENV, "AZURE_API_KEY": "k"})
    assert [d.provider for d in settings.deployments] == ["openai"]
    assert "the environment: Azure is left out, as AZURE_API_BASE is not set" in settings.warnings


def test_everything_else_from_the_environment() -> None:
    """Store, keys, origins and URL have variables of their own."""
    settings = load_settings(
        None,
        {
            **ENV,
            "REDIS_URL": "redis://r",
            "SIGNALLER_TOKEN_KEY": f"{KEY}, {OTHER_KEY}",
            "SIGNALLER_PUBLIC_URL": "https://voice.example",
            "SIGNALLER_CORS_ORIGINS": "https://a.example,https://b.example",
        },
        workers=2,
    )
    assert settings.redis_url == Secret("redis://r")
    assert settings.token_keys == (Secret(KEY), Secret(OTHER_KEY))
    assert settings.master_key == Secret("master-key-canary-1")
    assert settings.public_url == "https://voice.example"
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.notes == settings.warnings == ()


@pytest.mark.parametrize(
    ("env", "found"),
    [
        pytest.param({}, "none of them", id="nothing"),
        pytest.param({"OPENAI_API_KEY": ""}, "none of them", id="empty"),
        pytest.param({"AZURE_API_KEY": "k"}, "no AZURE_API_BASE", id="azure-without-base"),
        pytest.param({"AZURE_API_BASE": "https://r"}, "no AZURE_API_KEY", id="azure-without-key"),
    ],
)
def test_without_a_provider_the_variables_are_named(env: dict[str, str], found: str) -> None:
    """What to set stands in the one line."""
    assert faults(None, env) == (
        "the environment: expected OPENAI_API_KEY, or AZURE_API_KEY with AZURE_API_BASE, "
        f"found {found}; set them, or name a file with --config",
    )


def test_faults_name_the_variables() -> None:
    """There is no file, so no path in one."""
    env = {
        "OPENAI_API_KEY": "two words",
        "OPENAI_BASE_URL": "proxy",
        "SIGNALLER_MASTER_KEY": "sk-1234",
        "REDIS_URL": "canary",
        "SIGNALLER_TOKEN_KEY": f"{KEY},canary",
        "SIGNALLER_PUBLIC_URL": "x",
        "SIGNALLER_CORS_ORIGINS": "y",
    }
    lines = faults(None, env)
    assert sorted(line.partition(": expected")[0] for line in lines) == [
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "REDIS_URL",
        "SIGNALLER_CORS_ORIGINS",
        "SIGNALLER_MASTER_KEY",
        "SIGNALLER_PUBLIC_URL",
        "SIGNALLER_TOKEN_KEY, item 2",
    ]
    assert "canary" not in "".join(lines)


def test_workers_without_redis_name_the_variable() -> None:
    """The refusal says what to set."""
    assert faults(None, ENV, workers=2) == (
        "REDIS_URL: expected a Redis URL, as 2 workers must share one store, found none",
    )
