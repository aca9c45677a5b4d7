"""Names, wildcards, addresses and ids of deployments."""

import sys

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
        notes = load_settings(entry(f"api_base: '{url}'"), ENV).warnings
        assert any("in the clear" in note for note in notes) is expected


def _ids(*entries: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """Keys of deployments by their ids; an entry is its name, and its key where it has one."""
    listed = ", ".join(
        f"{{model_name: {name}, litellm_params: {{model: openai/m{key and f', api_key: {key}'}}}}}"
        for name, _, key in (entry.partition(" ") for entry in entries)
    )
    found = load_settings(f"model_list: [{listed}]", env or ENV).deployments
    return {one.id: one.api_key.reveal() if one.api_key else "" for one in found}


def test_the_id_of_an_entry_alone_is_stable() -> None:
    """It depends on neither the key nor the place: this one is that of earlier versions."""
    first, second = _ids("a", "b")
    assert list(_ids("b", "a", env={"OPENAI_API_KEY": "rotated"})) == [second, first]
    assert first == "fc6353493a55"


def test_twins_are_told_apart_by_their_credential() -> None:
    """Swapped, or with more of them around, each keeps its id; none holds the key."""
    twins = _ids("a key-1", "a key-2")
    assert len(twins) == 2
    assert _ids("a key-2", "a key-1") == twins
    assert _ids("b key-0", "a key-3", "a key-1", "a key-2").items() > twins.items()
    assert not any("key" in id_ for id_ in twins)


def test_accounts_make_twins_too() -> None:
    """One key at two organizations is two deployments."""
    ids = {
        organization: load_settings(
            "model_list:\n"
            + "".join(
                "- {model_name: a, litellm_params: "
                f"{{model: openai/m, api_key: k, organization: {each}}}}}\n"
                for each in (organization, other)
            ),
            ENV,
        )
        .deployments[0]
        .id
        for organization, other in (("org-1", "org-2"), ("org-2", "org-1"))
    }
    assert ids["org-1"] != ids["org-2"]


def test_an_entry_that_stands_twice_is_one_deployment() -> None:
    """Its weights are added, which a note says, and its id is that of one entry alone."""
    once = "{model_name: a, litellm_params: {model: openai/m, weight: 2}}"
    (alone,) = load_settings(f"model_list: [{once}]", ENV).deployments
    settings = load_settings(f"model_list: [{once}, {once}]", ENV)
    (merged,) = settings.deployments
    assert (merged.id, alone.weight, merged.weight) == (alone.id, 2, 4)
    assert any("model_list[1]: the same as model_list[0]" in each for each in settings.warnings)


def test_an_id_made_up_by_hand_is_taken_from_nobody() -> None:
    """An entry whose own id would be the same gets another, wherever the two stand."""
    named = "{model_name: b, litellm_params: {model: openai/m, api_key: x}, model_info: {id: %s}}"
    plain = "{model_name: a, litellm_params: {model: openai/m}}"
    (taken,) = _ids("a")
    listed = [named % taken, plain]
    one, other = (
        {each.model_name: each.id for each in load_settings(text, ENV).deployments}
        for text in (f"model_list: [{', '.join(order)}]" for order in (listed, listed[::-1]))
    )
    assert one == other
    assert one["b"] == taken != one["a"]


def test_numbers_come_from_the_environment_too() -> None:
    """`os.environ/NAME` works for numbers, as it does in LiteLLM."""
    env = {**ENV, "T": "2.5", "W": "0"}
    text = entry("timeout: os.environ/T, weight: os.environ/W")
    (deployment,) = load_settings(text, env).deployments
    assert (deployment.timeout_seconds, deployment.weight) == (2.5, 0)


@pytest.mark.parametrize("missing", [["azure.identity"], ["azure.identity", "azure"]])
def test_entra_id_without_its_package_is_said(
    missing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the check and at the start, not at the first call."""
    principal = "tenant_id: t, client_id: c, client_secret: s"
    entra = entry(f"api_base: 'https://r', {principal}", model="azure/d")
    said = (
        "model_list: Entra ID needs the package azure-identity: install signaller's extra 'azure'"
    )
    assert said not in load_settings(entra, ENV).warnings
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    assert said in load_settings(entra, ENV).warnings
    assert said not in load_settings(entry(), ENV).warnings
