"""A first configuration, written for what an environment holds."""

import re
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from signaller.config import initial_configuration, load_settings
from signaller.secret import Secret
from signaller.settings import Settings
from tests.config.reading import ENV, KEY, OTHER_KEY, faults

FOLDER = Path("/srv/voice")
CANARY = "canary-5f1d0c"
ENTRA = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_CLIENT_SECRET": "secret"}
AZURE = {"AZURE_API_KEY": "azure-canary", "AZURE_API_BASE": "https://r.openai.azure.com"}
ALL = {
    **AZURE,
    "OPENAI_API_KEY": "sk-openai-canary",
    "OPENAI_BASE_URL": "https://proxy.example/v1",
    "OPENAI_ORG_ID": "org-canary",
    "OPENAI_PROJECT_ID": "proj-canary",
    "AZURE_API_VERSION": "v1",
    "REDIS_URL": "redis://:canary@127.0.0.1:6379/0",
    "SIGNALLER_TOKEN_KEY": KEY,
    "SIGNALLER_MASTER_KEY": "master-key-canary-1",
    "LITELLM_MASTER_KEY": "master-key-canary-2",
    "SIGNALLER_PUBLIC_URL": "https://voice.example",
    "SIGNALLER_CORS_ORIGINS": "https://app.example",
    "HTTPS_PROXY": "http://user:canary@proxy.example:3128",
}
SECRETS = [
    *("OPENAI_API_KEY", "AZURE_API_KEY", "AZURE_CLIENT_SECRET", "REDIS_URL"),
    *("SIGNALLER_MASTER_KEY", "LITELLM_MASTER_KEY", "SIGNALLER_TOKEN_KEY"),
]
unhurried = settings(deadline=None)  # how long it takes says more about the machine
any_value = st.text(st.characters(exclude_characters="\0"))  # a variable holds anything but NUL


def written(env: dict[str, str]) -> str:
    """The text for an environment."""
    return initial_configuration(env, FOLDER)


def switched_on(text: str) -> str:
    """The text with every line in force, as somebody makes it who has done what it says."""
    return re.sub(r"^( *)#(?=\S)", r"\1", text, flags=re.M)


def leaves(value: object) -> list[object]:
    """All that is neither a mapping nor a list."""
    if isinstance(value, dict | list):
        below = value.values() if isinstance(value, dict) else value
        return [leaf for each in below for leaf in leaves(each)]
    return [value]


def meaning(of: Settings) -> tuple[object, ...]:
    """What a file says that can be said by the environment alone."""
    service = (of.redis_url, of.token, of.egress, of.cors_origins, of.public_url)
    keys = (of.master_key, None if of.token_keys_generated else of.token_keys)
    return (of.deployments, *service, *keys)


@unhurried
@given(st.sets(st.sampled_from(sorted(ALL))))
def test_the_file_says_what_the_environment_says(names: set[str]) -> None:
    """At once valid, and the same as a start without a file: nothing changes but where it is."""
    env = {name: ALL[name] for name in names}
    if "REDIS_URL" in env:
        env["SIGNALLER_TOKEN_KEY"] = KEY
    if "OPENAI_API_KEY" not in env:
        env |= AZURE
    found = load_settings(written(env), env)
    assert meaning(found) == meaning(load_settings(None, env))
    assert [
        warning for warning in found.warnings if "so nobody can get a token" not in warning
    ] == []


@pytest.mark.parametrize(
    ("env", "names"),
    [
        pytest.param({"OPENAI_API_KEY": "k"}, [("*", "openai")], id="openai"),
        pytest.param(AZURE, [("*", "azure")], id="azure"),
        pytest.param(ENV | AZURE, [("*", "openai"), ("azure/*", "azure")], id="both"),
        pytest.param(ENV | {"AZURE_API_KEY": "k"}, [("*", "openai")], id="half-of-azure"),
        pytest.param(ENV | ENTRA, [("*", "openai")], id="entra-without-base"),
    ],
)
def test_there_is_an_entry_for_each_provider(
    env: dict[str, str], names: list[tuple[str, str]]
) -> None:
    """One for each that is there as a whole."""
    found = load_settings(written(env), env).deployments
    assert [(one.model_name, one.provider) for one in found] == names


def test_entra_is_found() -> None:
    """A service principal opens Azure where there is no key, as in LiteLLM; a key rules over it."""
    env = ENTRA | {"AZURE_API_BASE": "https://r.openai.azure.com"}
    (deployment,) = load_settings(written(env), env).deployments
    assert deployment.entra is not None
    assert deployment.entra.tenant_id == "tenant"
    (deployment,) = load_settings(written(env | AZURE), env | AZURE).deployments
    assert deployment.entra is None


def test_two_thirds_of_a_service_principal_are_none() -> None:
    """Without one of the three there is no entry that would be a fault."""
    for name in ENTRA:
        env = {"AZURE_API_BASE": "https://r.openai.azure.com"} | ENTRA
        del env[name]
        assert "model_list" not in yaml.safe_load(written(env))


def test_nothing_found_is_a_skeleton_that_says_what_comes_first() -> None:
    """All that must be set is switched off, and `check` asks for it."""
    text = written({})
    assert yaml.safe_load(text) == {"signaller": {"token": {"ttl_seconds": 600}}}
    assert text.index("Needed first: for OpenAI OPENAI_API_KEY") < text.index("#model_list:")
    (fault,) = faults(text, {})
    assert fault.startswith("model_list: expected ")
    assert written(dict.fromkeys(ALL, "")) == text  # an empty variable is none
    for command in ("`signaller keygen`", "`signaller keygen --caller`", "`signaller init`"):
        assert command in text


@pytest.mark.parametrize("env", [{}, ENV, AZURE, ALL], ids=["none", "openai", "azure", "all"])
def test_what_is_missing_can_be_switched_on(env: dict[str, str]) -> None:
    """With the variables set that its lines name, the file without its '#' is valid too."""
    text = switched_on(written(env))
    later = ALL | {"WEB_KEY": "a-key-of-the-backend-1"}
    found = load_settings(text, later)
    assert found.redis_url
    assert found.master_key
    assert [caller.name for caller in found.callers] == ["web"]
    assert (found.warnings, found.notes) == ((), ())


def test_redis_waits_for_a_token_key() -> None:
    """Alone it would be a fault, as replicas must share the keys."""
    env = ENV | {"REDIS_URL": "redis://r"}
    text = written(env)
    assert load_settings(text, env).deployments
    assert "\n  #redis_url: os.environ/REDIS_URL\n" in text
    assert "\n  #token_keys: os.environ/SIGNALLER_TOKEN_KEY\n" in text


@pytest.mark.parametrize(
    "env",
    [
        {"SIGNALLER_TOKEN_KEY": f"{KEY},{OTHER_KEY}", "REDIS_URL": "redis://r"},
        {"SIGNALLER_TOKEN_KEY": f"{KEY}\n"},
        {"SIGNALLER_TOKEN_KEYS": f'["{KEY}", "{OTHER_KEY}"]', "SIGNALLER_TOKEN_KEY": OTHER_KEY},
        {"SIGNALLER_CORS_ORIGINS": "https://a.example, https://b.example"},
    ],
    ids=["keys", "line-break", "json", "origins"],
)
def test_a_list_in_a_variable_is_a_list(env: dict[str, str]) -> None:
    """With commas or as JSON: the file says what the environment alone says."""
    env = ENV | env
    assert meaning(load_settings(written(env), env)) == meaning(load_settings(None, env))


def test_a_list_of_keys_in_a_file_is_a_list(tmp_path: Path) -> None:
    """With a comma between them, as in a variable."""
    path = tmp_path / "keys"
    path.write_text(f"{KEY},{OTHER_KEY}\n")
    env = ENV | {"SIGNALLER_TOKEN_KEY_FILE": str(path)}
    found = load_settings(written(env), env).token_keys
    assert [key.reveal() for key in found] == [KEY, OTHER_KEY]


def test_our_own_variable_of_redis_rules() -> None:
    """As it does without a file: platforms set the other one by themselves."""
    env = ENV | {"SIGNALLER_TOKEN_KEY": KEY, "REDIS_URL": "redis://theirs"}
    env |= {"SIGNALLER_REDIS_URL": "redis://ours"}
    found = load_settings(written(env), env)
    assert found.redis_url == Secret("redis://ours")
    assert meaning(found) == meaning(load_settings(None, env))


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_a_file_is_referred_to_by_its_path(name: str) -> None:
    """In full, so that the service may be started elsewhere; the variable itself rules over it."""
    before = {"LITELLM_MASTER_KEY": "SIGNALLER_MASTER_KEY", "AZURE_CLIENT_SECRET": "AZURE_API_KEY"}
    env = {each: value for each, value in (ALL | ENTRA).items() if each != before.get(name)}
    env.pop(name)
    files = {f"{name}_FILE": f"/run/secrets/{name.lower()}"}
    assert f"file:///run/secrets/{name.lower()}" in leaves(yaml.safe_load(written(env | files)))
    relative = {f"{name}_FILE": "secrets/one"}
    assert "file:///srv/voice/secrets/one" in leaves(yaml.safe_load(written(env | relative)))
    assert "file:" not in str(leaves(yaml.safe_load(written(env | files | {name: "set"}))))


def test_a_proxy_in_a_file_is_one_too() -> None:
    """The line that lets it count is in force."""
    env = ENV | {"HTTPS_PROXY_FILE": "/run/secrets/proxy"}
    assert "\n  egress: {environment: true}\n" in written(env)


@unhurried
@given(
    st.dictionaries(st.sampled_from(sorted(ALL | ENTRA)), any_value),
    st.dictionaries(st.sampled_from(SECRETS), any_value),
)
def test_any_environment_gives_references_and_no_secret(
    values: dict[str, str], paths: dict[str, str]
) -> None:
    """Whatever the variables hold: each value is a reference to one that is set, or to its file."""
    env = {name: f"{CANARY}{value}" for name, value in values.items()}
    env |= {f"{name}_FILE": f"secrets/{path}" for name, path in paths.items()}
    text = written(env)
    assert CANARY not in text
    assert text.isascii()
    assert text.isprintable() or set(re.sub(r"[ -~]", "", text)) == {"\n"}
    document: dict[str, Any] = yaml.safe_load(text)
    said = {leaf for leaf in leaves(document) if "os.environ/" in str(leaf)}
    assert said <= {f"os.environ/{name}" for name in values}
    files = {leaf for leaf in leaves(document) if str(leaf).startswith("file://")}
    assert files <= {f"file://{PurePosixPath(FOLDER, env[f'{name}_FILE'])}" for name in paths}
    ours = ("*", "azure/*", "openai/*", "realtime", 600, True)
    assert [one for one in leaves(document) if one not in said | files and one not in ours] == []
    used = set(SECRETS) & (values.keys() | paths.keys())
    if "OPENAI_API_KEY" in used:
        (entry, *_) = document["model_list"]
        assert entry["litellm_params"]["api_key"] in said | files


def test_an_editor_finds_the_schema() -> None:
    """In the first line, if somebody says where it is; nowhere otherwise."""
    text = initial_configuration(ENV, FOLDER, "https://voice.example/schema.json")
    first, _, rest = text.partition("\n")
    assert first == "# yaml-language-server: $schema=https://voice.example/schema.json"
    assert rest == written(ENV)


@pytest.mark.parametrize("env", [{}, ENV, ALL], ids=["none", "openai", "all"])
def test_it_is_short_and_explains_itself(env: dict[str, str]) -> None:
    """A page, in lines that fit a terminal, and a sentence for each line under `signaller:`."""
    lines = written(env).splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 100
    for before, line in pairwise(lines):
        if re.match(r"  #?[a-z_]+:", line) and "# " not in line and "master_key" not in line:
            assert before.startswith("  # ")
