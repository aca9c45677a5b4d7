"""LiteLLM's own files are ours."""

from signaller.config import load_settings
from signaller.model import EntraCredential
from signaller.secret import Secret
from tests.config.reading import ENV, entry

DOCUMENTED = """
model_list:
  - model_name: openai-gpt-4o-realtime-audio
    litellm_params:
      model: openai/gpt-4o-realtime-preview-2024-12-17
      api_key: os.environ/OPENAI_API_KEY
      rpm: 480
    model_info:
      mode: realtime
      base_model: gpt-4o-realtime
  - model_name: gpt-4o-realtime
    litellm_params:
      model: azure/my-deployment
      api_key: os.environ/AZURE_SWEDEN_API_KEY
      api_base: os.environ/AZURE_SWEDEN_API_BASE
      api_version: 2024-10-01
      weight: 3
      timeout: 30
    model_info:
      mode: realtime
      id: sweden
  - model_name: whisper
    litellm_params:
      model: azure/whisper-deployment
      api_base: os.environ/NOT_SET
    model_info: {mode: audio_transcription}
  - model_name: claude
    litellm_params:
      model: anthropic/claude-opus
      api_key: os.environ/NOT_SET_EITHER

litellm_settings:
  drop_params: True
  callbacks: ["prometheus"]
router_settings: {routing_strategy: simple-shuffle}
environment_variables: {AZURE_SWEDEN_API_BASE: "https://sweden.openai.azure.com/openai/v1/"}
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  database_url: postgresql://user:database-canary@host/db
"""
DOCUMENTED_ENV = {
    "OPENAI_API_KEY": "sk-openai-canary",
    "AZURE_SWEDEN_API_KEY": "azure-canary",
    "LITELLM_MASTER_KEY": "sk-a-master-key-of-some-length",
}


def test_a_documented_file_is_valid_as_it_is() -> None:
    """LiteLLM's documented form yields one deployment per realtime entry."""
    openai, azure = load_settings(DOCUMENTED, DOCUMENTED_ENV).deployments
    assert (openai.provider, openai.upstream_model, openai.base_url, openai.api_key) == (
        "openai",
        "gpt-4o-realtime-preview-2024-12-17",
        "https://api.openai.com",
        Secret("sk-openai-canary"),
    )
    assert (azure.provider, azure.upstream_model, azure.base_url, azure.api_key) == (
        "azure",
        "my-deployment",
        "https://sweden.openai.azure.com",
        Secret("azure-canary"),
    )
    assert (azure.id, azure.weight, azure.timeout_seconds) == ("sweden", 3, 30)
    assert azure.api_version == "2024-10-01"


def test_what_has_no_effect_is_said() -> None:
    """Entries and keys that are passed over leave one note each, without a value."""
    settings = load_settings(DOCUMENTED, DOCUMENTED_ENV)
    assert settings.notes == (
        "litellm_settings, router_settings: no effect here",
        "model_list[0].litellm_params: rpm: no effect here",
        "model_list[2]: passed over, its mode is 'audio_transcription'",
        "model_list[3]: passed over, 'anthropic' is neither openai nor azure",
        "general_settings: database_url: no effect here",
        "signaller.token_keys: none given, so a random one was made: "
        "a restart voids the tokens not yet used",
    )
    assert settings.warnings == (
        "model_list[1].litellm_params.api_version: '2024-10-01' names Azure's retired preview "
        "API, and its calls are refused; remove it (or set it to 'v1') to use the GA API",
    )


def test_nested_models_are_looked_up_among_all_entries() -> None:
    """Aliases hold the entries that are passed over, but no other provider's."""
    assert load_settings(DOCUMENTED, DOCUMENTED_ENV).aliases == {
        ("openai", "openai-gpt-4o-realtime-audio"): "gpt-4o-realtime-preview-2024-12-17",
        ("azure", "gpt-4o-realtime"): "my-deployment",
        ("azure", "whisper"): "whisper-deployment",
    }


def test_an_absent_key_is_looked_up_in_the_environment() -> None:
    """As in LiteLLM, OPENAI_API_KEY and its kin stand in for what the file leaves out."""
    env = {
        **ENV,
        "OPENAI_BASE_URL": "https://proxy.example/v1",
        "OPENAI_ORG_ID": "org-1",
        "OPENAI_PROJECT_ID": "proj-1",
    }
    (deployment,) = load_settings(entry(), env).deployments
    assert deployment.api_key == Secret("sk-openai-canary")
    assert deployment.base_url == "https://proxy.example"
    assert (deployment.organization, deployment.project) == ("org-1", "proj-1")


def test_an_organization_in_the_environment_stays_with_its_key() -> None:
    """A key given in the file is not sent with another key's organization."""
    (deployment,) = load_settings(entry("api_key: k"), {**ENV, "OPENAI_ORG_ID": "o"}).deployments
    assert deployment.organization is None


def test_azure_takes_a_ready_token_or_a_service_principal() -> None:
    """Each of Azure's credentials is read into its own place."""
    base = "api_base: 'https://r.openai.azure.com'"
    text = entry(f"{base}, azure_ad_token: tok", model="azure/d")
    (token,) = load_settings(text, ENV).deployments
    assert (token.api_key, token.entra_token, token.entra) == (None, Secret("tok"), None)
    text = entry(f"{base}, tenant_id: t, client_id: c, client_secret: s", model="azure/d")
    (principal,) = load_settings(text, ENV).deployments
    expected = EntraCredential(tenant_id="t", client_id="c", client_secret=Secret("s"))
    assert (principal.api_key, principal.entra_token, principal.entra) == (None, None, expected)


def test_of_several_azure_credentials_the_key_rules() -> None:
    """One is used, as LiteLLM does, and the others are named in a note."""
    text = entry("api_base: 'https://r', api_key: k, azure_ad_token: tok", model="azure/d")
    settings = load_settings(text, ENV)
    assert settings.deployments[0].api_key == Secret("k")
    assert settings.deployments[0].entra_token is None
    assert any("azure_ad_token" in note for note in settings.notes)


def test_a_key_of_the_other_provider_is_named() -> None:
    """It is not sent, and nobody is to wait for its effect."""
    settings = load_settings(entry("api_version: v1, tenant_id: t"), ENV)
    for key in ("api_version", "tenant_id"):
        said = f"model_list[0].litellm_params.{key}: no effect here, as only azure has it"
        assert said in settings.notes
    text = entry("project: p, api_base: 'https://r', api_key: k", model="azure/d")
    said = "model_list[0].litellm_params.project: no effect here, as only openai has it"
    assert said in load_settings(text, ENV).notes


def test_the_environment_rules_over_environment_variables() -> None:
    """The file's own section fills gaps only, as LiteLLM does."""
    text = "environment_variables: {OPENAI_API_KEY: from-the-file}\n" + entry()
    assert load_settings(text, {}).deployments[0].api_key == Secret("from-the-file")
    assert load_settings(text, ENV).deployments[0].api_key == Secret("sk-openai-canary")


def test_anchors_and_merges_work() -> None:
    """YAML's own way to share parameters is understood."""
    text = """
x-shared: &shared {api_key: shared-key, timeout: 7}
model_list:
  - {model_name: a, litellm_params: {<<: *shared, model: openai/a}}
  - {model_name: b, litellm_params: {<<: *shared, model: openai/b, timeout: 8}}
"""
    assert [d.timeout_seconds for d in load_settings(text, ENV).deployments] == [7, 8]


def test_a_model_from_the_environment_is_an_alias_too() -> None:
    """The alias holds what the variable says."""
    settings = load_settings(entry(model="os.environ/MODEL"), {**ENV, "MODEL": "openai/gpt-rt"})
    assert settings.aliases == {("openai", "voice"): "gpt-rt"}
