"""Files as LiteLLM's users have them: all are taken, and what is taken otherwise is said."""

from pathlib import Path

import pytest

from signaller.config import load_settings
from signaller.secret import Secret
from signaller.settings import Settings
from tests.config.reading import ENV, KEY, entry, faults
from tests.support.process import run

FILES = Path(__file__).parent / "litellm"
VARIABLES = {
    "OPENAI_API_KEY": "sk-openai-canary",
    "AZURE_SWEDEN_API_KEY": "sweden-canary",
    "AZURE_API_KEY_EU": "azure-canary-1",
    "AZURE_API_KEY_CA": "azure-canary-2",
    "LITELLM_MASTER_KEY": "sk-master-canary-of-length",
}


def loaded(name: str) -> Settings:
    """What one of the files amounts to."""
    return load_settings((FILES / name).read_text(), VARIABLES, allow_public_master_key=True)


@pytest.mark.parametrize("path", sorted(FILES.iterdir()), ids=lambda path: str(path.stem))
def test_a_file_of_litellms_is_valid_as_it_is(path: Path) -> None:
    """`signaller check` takes it, shows no secret of it, and needs no more than its variables."""
    done = run("check", "--config", str(path), "--allow-public-master-key", **VARIABLES)
    assert done.returncode == 0, done.stderr
    assert "canary" not in done.stdout


def test_values_that_only_litellm_takes_are_brought_within_bounds() -> None:
    """Lists, fractions, large numbers and numbers in quotes."""
    settings = loaded("everything.yaml")
    first, sweden, mini, *_ = settings.deployments
    assert (first.organization, first.weight, first.timeout_seconds, first.id) == (
        *("org-1", 0.5, 600),
        "1",
    )
    assert (sweden.weight, sweden.timeout_seconds) == (1e9, 45)
    assert (mini.weight, mini.timeout_seconds) == (2, 30)
    for said in (
        "model_list[0].litellm_params.organization: only the first of 3 is used",
        "model_list[0].litellm_params.timeout: 600 is used in place of 6000",
        "model_list[1].litellm_params.weight: 1e+09 is used in place of 3000000000",
    ):
        assert said in settings.warnings


def test_a_credential_of_the_list_completes_an_entry() -> None:
    """What the entry says itself rules over it."""
    sweden = loaded("everything.yaml").deployments[1]
    assert sweden.api_key == Secret("sweden-canary")
    assert sweden.base_url == "https://sweden.openai.azure.com"
    assert sweden.api_version == "2025-08-28"


@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        pytest.param("canary", ": expected a mapping, found a string of 6 characters", id="text"),
        pytest.param(
            "{credential_values: {api_key: canary}}",
            ".credential_name: expected what entries call it, found nothing",
            id="no name",
        ),
        pytest.param(
            "{credential_name: 7, credential_values: {api_key: canary}}",
            ".credential_name: expected a string, found 7",
            id="a number as name",
        ),
        pytest.param(
            "{credential_name: '', credential_values: {api_key: canary}}",
            ".credential_name: expected a string of 1 to 16384 characters, found an empty one",
            id="an empty name",
        ),
        pytest.param(
            "{credential_name: c}",
            ".credential_values: expected a mapping, found nothing",
            id="no values",
        ),
        pytest.param(
            "{credential_name: c, credential_values: canary}",
            ".credential_values: expected a mapping, found a string of 6 characters",
            id="text as values",
        ),
        pytest.param(
            "{credential_name: c, credential_values: [{api_key: canary}]}",
            ".credential_values: expected a mapping, found a list",
            id="a list as values",
        ),
        pytest.param(
            "{credential_name: c, credential_values: {}, credential_value: {api_key: canary}}",
            None,
            id="a slip beside it",
        ),
    ],
)
def test_a_credential_that_none_can_use_is_named(credential: str, expected: str | None) -> None:
    """LiteLLM would not start with most of them; an entry that waits for one would find nothing."""
    text = f"credential_list: [{credential}]\n" + entry()
    if expected is None:
        said = "credential_list[0].credential_value: no effect here (did you mean "
        assert any(each.startswith(said) for each in load_settings(text, ENV).warnings)
    else:
        assert faults(text) == (f"credential_list[0]{expected}",)


def test_of_two_credentials_with_one_name_the_first_rules() -> None:
    """As LiteLLM looks them up, and the other is named."""
    listed = ", ".join(
        f"{{credential_name: mine, credential_values: {{api_key: {key}}}}}"
        for key in ("one", "two")
    )
    text = entry("litellm_credential_name: mine")
    settings = load_settings(f"credential_list: [{listed}]\n{text}", ENV)
    assert settings.deployments[0].api_key == Secret("one")
    assert (
        "credential_list[1].credential_name: 'mine' again, so it has no effect: the first of a "
        "name rules" in settings.warnings
    )


def test_an_address_is_understood_as_it_is_copied() -> None:
    """Azure's portal shows a whole route, and LiteLLM's realtime examples begin with wss."""
    copied = (
        "https://r.openai.azure.com/openai/deployments/d/realtime?api-version=2024-10-01-preview",
        "https://r.openai.azure.com/openai/v1/realtime?model=d",
        "wss://r.openai.azure.com/openai/realtime",
    )
    for url in copied:
        text = entry(f"api_base: '{url}', api_key: k", model="azure/d")
        assert load_settings(text, ENV).deployments[0].base_url == "https://r.openai.azure.com"
    text = entry("api_base: 'wss://api.openai.com/v1/realtime?model=m'")
    assert load_settings(text, ENV).deployments[0].base_url == "https://api.openai.com"


def test_of_two_addresses_litellms_choice_rules() -> None:
    """It takes base_url, and the other is named."""
    settings = load_settings(entry("api_base: 'https://a', base_url: 'https://b'"), ENV)
    assert settings.deployments[0].base_url == "https://b"
    assert (
        "model_list[0].litellm_params.api_base: no effect here, as base_url is given too"
        in settings.warnings
    )


def test_anchors_that_stand_anywhere_are_merged() -> None:
    """In helper mappings of any name, in lists, in what is merged itself, and several at once."""
    settings = loaded("anchors.yaml")
    assert [each.timeout_seconds for each in settings.deployments] == [30, 60, 60]
    assert [each.weight for each in settings.deployments] == [1, 2, 2]
    assert (
        settings.notes[0] == "defaults, helpers, router_settings, litellm_settings: no effect here"
    )
    assert settings.warnings == ()


def test_an_entry_without_a_mode_is_named() -> None:
    """It may be for chat: whoever reads it can tell, and we cannot."""
    (warning,) = load_settings(entry(name="gpt-4o"), ENV).warnings
    assert warning.startswith("model_list[0] (gpt-4o): no model_info.mode")
    assert "so it counts as realtime" in warning
    assert "write 'mode: chat'" in warning


def test_numbers_of_its_environment_are_texts() -> None:
    """As in LiteLLM, which writes all of them into its environment."""
    text = "environment_variables: {SECONDS: 7, KEY: os, FLAG: true}\n" + entry(
        "timeout: os.environ/SECONDS, organization: os.environ/FLAG"
    )
    (deployment,) = load_settings(text, ENV).deployments
    assert (deployment.timeout_seconds, deployment.organization) == (7, "True")


def test_a_slip_of_ours_is_a_fault_where_nothing_else_says_it() -> None:
    """All of our section would be lost in silence."""
    slip = "signaler: {token: {uses: 2}}\n"
    assert faults(entry() + slip) == (
        "signaler: expected a known key (did you mean signaller?), found another",
    )
    settings = load_settings(entry() + slip + "signaller: {token: {uses: 3}}", ENV)
    assert settings.token.uses == 3
    assert "signaler: no effect here (did you mean signaller?)" in settings.warnings


def test_a_slip_in_an_entry_is_said() -> None:
    """A fault where the key is missing, a warning where it is there."""
    (fault,) = faults(entry("api_kye: x"))
    assert "did you mean api_key?" in fault
    settings = load_settings(entry("api_kye: x, api_key: y"), ENV)
    assert (
        "model_list[0].litellm_params.api_kye: no effect here (did you mean api_key?)"
        in settings.warnings
    )


@pytest.mark.parametrize(
    ("written", "model", "expected"),
    [
        pytest.param("on", "azure/d", "on", id="on"),
        pytest.param("off", "azure/d", "off", id="off"),
        pytest.param("'on'", "azure/d", "on", id="quoted"),
        pytest.param("client", "azure/d", "client", id="client"),
        pytest.param("", "azure/d", "client", id="absent"),
        pytest.param("off", "openai/m", "off", id="openai-off"),
    ],
)
def test_the_filter_of_a_deployment(written: str, model: str, expected: str) -> None:
    """YAML reads a bare on and off as true and false, which mean the same."""
    (deployment,) = load_settings(filtered(written, model), ENV).deployments
    assert deployment.webrtcfilter == expected


def filtered(written: str, model: str) -> str:
    """A file with one deployment and a `webrtcfilter`."""
    return (
        f"model_list: [{{model_name: v, model_info: {{mode: realtime, webrtcfilter: {written}}}, "
        f"litellm_params: {{model: {model}, api_base: 'https://h', api_key: k}}}}]"
    )


@pytest.mark.parametrize(
    ("written", "model", "expected"),
    [
        ("maybe", "azure/d", "on or off or client, found 'maybe'"),
        ("[on]", "azure/d", "on or off or client, found a list"),
        ("on", "openai/m", "off or client, as OpenAI has no such filter, found on"),
    ],
)
def test_a_filter_that_cannot_be_is_a_fault(written: str, model: str, expected: str) -> None:
    """Instructions that were to be hidden are not shown in silence."""
    assert faults(filtered(written, model)) == (
        f"model_list[0].model_info.webrtcfilter: expected {expected}",
    )


def test_a_misspelt_filter_is_a_fault() -> None:
    """It would have no effect."""
    text = filtered("on", "azure/d").replace("webrtcfilter", "webrtcfiler")
    assert "did you mean webrtcfilter?" in faults(text)[0]


def test_check_shows_the_filter(tmp_path: Path) -> None:
    """Of Azure's deployments, as OpenAI has none."""
    path = tmp_path / "config.yaml"
    path.write_text(filtered("on", "azure/d"))
    assert run("check", "--config", str(path)).stdout.splitlines()[1].endswith("  on")


@pytest.mark.parametrize(
    ("more", "strict", "status"),
    [
        pytest.param("", True, 0, id="nothing to say"),
        pytest.param("litellm_settings: {drop_params: true}", True, 0, id="only a note"),
        pytest.param("signaler: {}", False, 0, id="a warning"),
        pytest.param("signaler: {}", True, 2, id="a warning, strictly"),
        pytest.param("environment_variables: 7", True, 2, id="a fault"),
    ],
)
def test_check_strict_fails_on_warnings(
    tmp_path: Path, more: str, strict: bool, status: int
) -> None:
    """It says what it understood all the same, and the warnings again as what stopped it."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "model_list: [{model_name: v, litellm_params: {model: openai/m, api_key: k}, "
        "model_info: {mode: realtime}}]\n"
        f"signaller: {{token_keys: [{KEY}]}}\n"
        "general_settings: {master_key: a-master-key-for-a-test}\n"
        f"{more}\n"
    )
    done = run("check", "--config", str(path), *(["--strict"] if strict else []))
    assert done.returncode == status, done.stderr
    if more.startswith("signaler"):
        said = "signaler: no effect here (did you mean signaller?)"
        assert said in done.stdout
        assert (f"signaller: --strict: {said}" in done.stderr) is strict


def test_aliases_of_its_router_are_named() -> None:
    """Callers who ask for an alias would get a 404, and nobody would know why."""
    text = entry() + "router_settings: {model_group_alias: {canary: voice}}\n"
    notes = load_settings(text, ENV).notes
    said = "no effect here; write an entry of model_list with each alias as its model_name"
    assert f"router_settings.model_group_alias: {said}" in notes
    assert "canary" not in "".join(notes)
    assert "model_group_alias" not in "".join(load_settings(entry(), ENV).notes)


@pytest.mark.parametrize("slip", ["Id: x", "moode: chat"])
def test_a_slip_in_what_an_entry_is_for_is_a_fault(slip: str) -> None:
    """It would be another deployment, or one of another mode."""
    text = entry().replace("}}]", f"}}, model_info: {{{slip}}}}}]")
    (fault,) = faults(text)
    near = "id" if slip.startswith("Id") else "mode"
    assert fault.startswith(f"model_list[0].model_info.{slip.partition(':')[0]}: expected a known")
    assert f"did you mean {near}?" in fault


def test_what_has_no_effect_in_credentials_is_named() -> None:
    """One that only an entry for chat names is not idle; `model_info` holds remarks of people."""
    chat = "{model_name: c, model_info: {mode: chat}, litellm_params: {model: openai/c, %s}}"
    text = entry().replace(
        "}}]",
        "}, model_info: {mode: realtime, base_model: b, "
        "input_cost_per_token: 1}}, " + chat % "litellm_credential_name: used" + "]",
    )
    text += (
        "credential_list: [{credential_name: used, credential_values: {}, colour: red},"
        " {credential_name: idle, credential_values: {}}]\n"
    )
    notes = load_settings(text, ENV).notes
    assert not [each for each in notes if "model_info" in each]
    assert "credential_list[0]: colour: no effect here" in notes
    assert [each for each in notes if "no entry names it" in each] == [
        "credential_list[1]: no effect, as no entry names it"
    ]


def test_a_fault_of_a_credential_is_told_where_the_credential_stands() -> None:
    """Once, however many entries name it."""
    named = entry("litellm_credential_name: c")
    text = named.replace(
        "}}]", "}}, {model_name: b, litellm_params: {model: openai/m, litellm_credential_name: c}}]"
    )
    values = "{credential_name: c, credential_values: {api_key: k, weight: heavy, api_kee: x}}"
    assert faults(f"{text}credential_list: [{values}]") == (
        "credential_list[0].credential_values.weight: expected a number, found 'heavy'",
    )


def test_a_value_of_its_environment_that_is_none_is_named() -> None:
    """A list is not what anybody looks up; it may hold a key."""
    text = entry() + "environment_variables: {A: b, LISTED: [canary], MAPPED: {canary: x}}\n"
    said = "no effect, as it is no text or number but"
    settings = load_settings(text, ENV)
    assert [each for each in settings.warnings if said in each] == [
        f"environment_variables.LISTED: {said} a list",
        f"environment_variables.MAPPED: {said} a mapping",
    ]
