"""Names, wildcards, addresses and ids of deployments."""

import pytest

from signaller.config import load_settings
from tests.config.reading import ENV, entry


@pytest.mark.parametrize(
    ("name", "model", "upstream"),
    [
        pytest.param("voice", "gpt-realtime", "gpt-realtime", id="bare"),
        pytest.param("*", "openai/*", "*", id="all"),
        pytest.param("*", "*", "*", id="all-bare"),
        pytest.param("gpt-*", "openai/gpt-*", "gpt-*", id="pattern"),
        pytest.param("voice-*", "openai/gpt-realtime", "gpt-realtime", id="many-to-one"),
    ],
)
def test_the_provider_is_cut_from_the_model(name: str, model: str, upstream: str) -> None:
    """What stands behind the provider goes upstream, a wildcard included."""
    (deployment,) = load_settings(entry(name=name, model=model), ENV).deployments
    assert (deployment.provider, deployment.model_name, deployment.upstream_model) == (
        "openai",
        name,
        upstream,
    )


def test_custom_llm_provider_names_the_provider() -> None:
    """LiteLLM's other way to say it is understood."""
    text = entry("custom_llm_provider: azure, api_base: 'https://r', api_key: k", model="d")
    (deployment,) = load_settings(text, ENV).deployments
    assert (deployment.provider, deployment.upstream_model) == ("azure", "d")


@pytest.mark.parametrize(
    ("provider", "given", "normal"),
    [
        pytest.param("openai", "https://h/v1", "https://h", id="openai-v1"),
        pytest.param("openai", "https://h/v1/", "https://h", id="openai-v1-slash"),
        pytest.param("openai", "http://127.0.0.1:8/p/", "http://127.0.0.1:8/p", id="prefix"),
        pytest.param("azure", "https://h/openai/v1/", "https://h", id="azure-v1"),
        pytest.param("azure", "https://h/openai", "https://h", id="azure-openai"),
        pytest.param("azure", "https://h/", "https://h", id="azure-slash"),
    ],
)
@pytest.mark.parametrize("key", ["api_base", "base_url"])
def test_a_base_url_ends_before_the_api(key: str, provider: str, given: str, normal: str) -> None:
    """However the address was copied, routes can be appended to it."""
    text = entry(f"{key}: '{given}', api_key: k", model=f"{provider}/m")
    assert load_settings(text, ENV).deployments[0].base_url == normal


def test_a_credential_in_the_clear_is_said() -> None:
    """http:// to another machine leaves a note, to this one it does not."""
    for url, expected in (("http://proxy.example", True), ("http://127.0.0.1:9", False)):
        notes = load_settings(entry(f"api_base: '{url}'"), ENV).notes
        assert any("in the clear" in note for note in notes) is expected


def _ids(*names: str, env: dict[str, str] | None = None) -> list[str]:
    entries = ", ".join(f"{{model_name: {n}, litellm_params: {{model: openai/m}}}}" for n in names)
    return [d.id for d in load_settings(f"model_list: [{entries}]", env or ENV).deployments]


def test_ids_are_stable_and_unique() -> None:
    """An id depends on neither the key nor the place; equals are numbered."""
    first, second = _ids("a", "b")
    assert _ids("b", "a", env={"OPENAI_API_KEY": "rotated"}) == [second, first]
    assert _ids("a", "a", "a") == [first, f"{first}-2", f"{first}-3"]
    assert len(first) == 12


def test_numbers_come_from_the_environment_too() -> None:
    """`os.environ/NAME` works for numbers, as it does in LiteLLM."""
    env = {**ENV, "T": "2.5", "W": "0"}
    text = entry("timeout: os.environ/T, weight: os.environ/W")
    (deployment,) = load_settings(text, env).deployments
    assert (deployment.timeout_seconds, deployment.weight) == (2.5, 0)
