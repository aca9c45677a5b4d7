"""A start without a file."""

import pytest

from signaller.config import load_settings
from signaller.secret import Secret
from tests.config.reading import ENV, KEY, OTHER_KEY, entry, faults, service_file

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


def test_without_a_provider_all_other_faults_are_told_too() -> None:
    """An operator sets all variables in one round."""
    env = {"SIGNALLER_MASTER_KEY": "sk-1234", "REDIS_URL": "canary", "SIGNALLER_TOKEN_KEY": KEY}
    lines = faults(None, {**env, "SIGNALLER_TOKEN__USES": "0"})
    assert sorted(line.partition(": expected")[0] for line in lines) == [
        "REDIS_URL",
        "SIGNALLER_MASTER_KEY",
        "SIGNALLER_TOKEN__USES",
        "the environment",
    ]


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


@pytest.mark.parametrize("suffix", ["", "_FILE"])
@pytest.mark.parametrize(
    ("variable", "key", "remedy"),
    [
        ("REDIS_URL", "redis_url", "redis_url: os.environ/REDIS_URL"),
        ("SIGNALLER_TOKEN_KEY", "token_keys", "token_keys: [os.environ/SIGNALLER_TOKEN_KEY]"),
    ],
)
def test_a_variable_that_a_file_leaves_without_effect_is_named(
    variable: str, key: str, remedy: str, suffix: str
) -> None:
    """Replicas would lose what they share, once somebody adds a file to a start without one."""
    warnings = load_settings(entry(), {**ENV, variable + suffix: "/nowhere/canary"}).warnings
    assert [each for each in warnings if variable in each] == [
        f"{variable}{suffix}: no effect, as the file has no signaller.{key}; "
        f"write '{remedy}' under 'signaller:'"
    ]


@pytest.mark.parametrize(
    ("section", "env", "workers", "expected"),
    [
        (
            "{redis_url: redis://r}",
            {"SIGNALLER_TOKEN_KEY": KEY},
            1,
            "found nothing; SIGNALLER_TOKEN_KEY is set: "
            "write 'token_keys: [os.environ/SIGNALLER_TOKEN_KEY]' under 'signaller:'",
        ),
        (
            "{redis: {password: p}, token_keys: [os.environ/SIGNALLER_TOKEN_KEY]}",
            {"SIGNALLER_TOKEN_KEY": KEY, "REDIS_URL_FILE": "/nowhere/canary"},
            1,
            "found nothing; REDIS_URL_FILE is set: "
            "write 'redis_url: os.environ/REDIS_URL' under 'signaller:'",
        ),
        (
            "{token_keys: [os.environ/SIGNALLER_TOKEN_KEY]}",
            {"SIGNALLER_TOKEN_KEY": KEY, "REDIS_URL": "redis://r"},
            2,
            "found none; REDIS_URL is set: "
            "write 'redis_url: os.environ/REDIS_URL' under 'signaller:'",
        ),
    ],
)
def test_a_fault_of_a_key_that_an_idle_variable_could_fill_says_how(
    section: str, env: dict[str, str], workers: int, expected: str
) -> None:
    """Nobody looks for the fault in a variable that is set."""
    (fault,) = faults(service_file(section), {**ENV, **env}, workers=workers)
    assert fault.endswith(expected)


def test_a_file_with_what_the_warnings_advise_has_the_variables_values() -> None:
    """And nothing is left to say."""
    settings = load_settings(
        service_file(
            "{redis_url: os.environ/REDIS_URL, token_keys: [os.environ/SIGNALLER_TOKEN_KEY]}"
        ),
        {**ENV, "REDIS_URL": "redis://r", "SIGNALLER_TOKEN_KEY": KEY},
    )
    assert (settings.redis_url, settings.token_keys) == (Secret("redis://r"), (Secret(KEY),))
    assert not [each for each in (*settings.warnings, *settings.notes) if "no effect" in each]


@pytest.mark.parametrize(
    ("section", "env"),
    [
        (f"{{redis_url: redis://r, token_keys: [{KEY}]}}", {}),
        ("{}", {"SIGNALLER_REDIS_URL": "redis://r", "SIGNALLER_TOKEN_KEYS": KEY}),
    ],
    ids=["by-the-file", "by-other-variables"],
)
def test_where_their_keys_have_a_value_already_a_note_will_do(
    section: str, env: dict[str, str]
) -> None:
    """Nothing is lost then."""
    idle = {"REDIS_URL": "redis://another", "SIGNALLER_TOKEN_KEY": OTHER_KEY}
    settings = load_settings(service_file(section), {**ENV, **env, **idle})
    assert (settings.redis_url, settings.token_keys) == (Secret("redis://r"), (Secret(KEY),))
    assert not [each for each in settings.warnings if "no effect" in each]
    assert [each for each in settings.notes if "no effect" in each] == [
        "REDIS_URL: no effect, as signaller.redis_url has a value already",
        "SIGNALLER_TOKEN_KEY: no effect, as signaller.token_keys has a value already",
    ]


def test_our_own_name_of_a_variable_rules_over_that_of_a_platform() -> None:
    """Heroku and Fly set REDIS_URL by themselves."""
    key = {"SIGNALLER_TOKEN_KEY": KEY}
    env = {**ENV, **key, "REDIS_URL": "redis://a/0", "SIGNALLER_REDIS_URL": "redis://b/0"}
    assert load_settings(None, env).redis_url == Secret("redis://b/0")
