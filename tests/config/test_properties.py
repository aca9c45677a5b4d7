"""Whatever stands in a file: settings or a ConfigError, and never a secret."""

import contextlib
import json
from dataclasses import fields

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from signaller.config import describe, load_settings
from signaller.config.declared import CallerKeys, HeaderKeys, JwtKeys
from signaller.config.schema import declarations
from signaller.config.values import names_of
from signaller.errors import ConfigError
from signaller.settings import ClaimNames, MetricsSettings
from tests.config.reading import ENV

CALLER_KEYS = tuple(CallerKeys.model_fields)
JWT_KEYS = tuple(JwtKeys.model_fields)
HEADER_KEYS = tuple(HeaderKeys.model_fields)
CLAIM_KEYS = tuple(field.name for field in fields(ClaimNames))
METRICS_KEYS = tuple(field.name for field in fields(MetricsSettings))
CANARY = "canary-5f1d0c"
unhurried = settings(deadline=None)  # how long it takes says more about the machine
KEYS = [
    *("model_list", "general_settings", "signaller", "environment_variables", "litellm_settings"),
    *("model_name", "litellm_params", "model_info", "model", "api_key", "api_base", "base_url"),
    *("organization", "project", "api_version", "timeout", "weight", "azure_ad_token", "mode"),
    *("tenant_id", "client_id", "client_secret", "id", "master_key", "redis_url", "token_keys"),
    *("credential_list", "credential_name", "credential_values", "litellm_credential_name"),
    *("warm_secrets", "webrtcfilter"),
    *("token", "ttl_seconds", "uses", "timeouts", "mint_seconds", "cors_origins", "public_url"),
    *("policy", "callers", "gateway", "metrics", "jwt", "header", "claims"),
    *CALLER_KEYS,
    *JWT_KEYS,
    *HEADER_KEYS,
    *CLAIM_KEYS,
    *METRICS_KEYS,
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates()
    | st.sampled_from(["openai/m", "azure/*", "realtime", "os.environ/OPENAI_API_KEY", "*", "x/y"])
    | st.sampled_from(["https://h/v1", "http://[", "redis://h", "A" * 43, "os.environ/", ""])
    | st.sampled_from(["web", "master", "a-key-that-is-long", f"sha256:{'0' * 64}", "hangup"])
    | st.sampled_from(["RS256", "HS256", "none", "x-caller", "unix", "10.0.0.0/8", "::/0", "::1%"])
)
keys = st.sampled_from(KEYS) | st.text() | st.integers()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=12,
)
params = st.dictionaries(keys, values, max_size=8)
entries = st.fixed_dictionaries(
    {}, optional={"model_name": values, "litellm_params": params | values, "model_info": values}
)


def junk(*names: str) -> st.SearchStrategy[object]:
    """A mapping of known keys to values of any kind, or anything else."""
    known = st.fixed_dictionaries({}, optional=dict.fromkeys(names, values | st.lists(values)))
    return known | params | values


jwts = junk(*JWT_KEYS) | st.fixed_dictionaries({"claims": junk(*CLAIM_KEYS)})
access = st.fixed_dictionaries(
    {},
    optional={
        "policy": junk(*CALLER_KEYS),
        "callers": st.lists(junk(*CALLER_KEYS), max_size=3) | values,
        "gateway": st.fixed_dictionaries({}, optional={"jwt": jwts, "header": junk(*HEADER_KEYS)})
        | values,
        "metrics": junk(*METRICS_KEYS),
    },
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "model_list": st.lists(entries, max_size=3) | values,
        "general_settings": params | values,
        "signaller": params | values,
        "environment_variables": params | values,
        "credential_list": st.lists(params, max_size=2) | values,
    },
)


def attempt(text: str | None, env: dict[str, str]) -> str:
    """Everything that reading says in the end, settings or faults."""
    try:
        settings = load_settings(text, env)
    except ConfigError as error:
        faults = error.faults
    else:
        return describe(settings) + repr(settings)
    assert faults
    assert all("\n" not in fault for fault in faults)
    return "\n".join(faults)


@unhurried
@given(documents | values)
def test_any_document_is_settings_or_a_config_error(document: object) -> None:
    """No structure of a file ends in another exception."""
    with contextlib.suppress(yaml.representer.RepresenterError):
        assert attempt(yaml.safe_dump(document, allow_unicode=True), ENV)


@unhurried
@given(access)
def test_any_access_is_settings_or_a_config_error(section: dict[str, object]) -> None:
    """No structure below `signaller:` ends in another exception, in a file that is fine besides."""
    document = {
        "model_list": [{"model_name": "a", "litellm_params": {"model": "m"}}],
        "signaller": section,
    }
    with contextlib.suppress(yaml.representer.RepresenterError):
        assert attempt(yaml.safe_dump(document, allow_unicode=True), ENV)


@unhurried
@given(st.text() | st.text(alphabet="ab: -[]{}&*!|>'\"%@`#,?\n\t=<~0123.e_"))
@example("a: =")
@example("? [a]\n: b")
@example("a: <<\n<<: 1")
@example("{<<: [1]}")
@example("%TAG ! canary\n---\na: 1")
@example("a: 0x" + "f" * 9000)
@example("a: 0b")
@example("a: .inf\nb: 1:99")
@example("a: 2025-01-01T00:00:00+99:99")
def test_any_text_is_settings_or_a_config_error(text: str) -> None:
    """No text, YAML or not, ends in another exception."""
    assert attempt(text, ENV)


@unhurried
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "OPENAI_API_KEY",
                "OPENAI_BASE_URL",
                "AZURE_API_KEY",
                "AZURE_API_BASE",
                "REDIS_URL",
                "AZURE_API_VERSION",
                "SIGNALLER_TOKEN_KEY",
                "SIGNALLER_MASTER_KEY",
                "SIGNALLER_PUBLIC_URL",
                "SIGNALLER_CORS_ORIGINS",
                "OPENAI_ORG_ID",
            ]
        ),
        st.text() | st.just("https://h"),
    )
)
def test_any_environment_is_settings_or_a_config_error(env: dict[str, str]) -> None:
    """No value of a variable ends in another exception."""
    assert attempt(None, env)


@unhurried
@given(
    st.dictionaries(
        st.sampled_from(names_of(declarations()["properties"]["signaller"])),
        st.text() | values.map(lambda value: json.dumps(value, default=str)),
        max_size=4,
    ),
    st.sampled_from([None, "model_list: [{model_name: a, litellm_params: {model: m}}]"]),
)
@example({"SIGNALLER_CALLERS": "[" * 100_000}, None)
@example({"SIGNALLER_POLICY__SESSION": '{"a": 1e999, "b": "\\ud800", "c": NaN}'}, None)
@example({"SIGNALLER_TOKEN_KEYS": '["\\ud800"]', "SIGNALLER_REDIS_URL": "redis://\ud800"}, None)
def test_any_variable_of_a_key_is_settings_or_a_config_error(
    env: dict[str, str], text: str | None
) -> None:
    """With a file and without one, JSON or not."""
    assert attempt(text, {**ENV, **env})


secret_keys = st.sampled_from(
    ["api_key", "azure_ad_token", "client_secret", "master_key", "redis_url", "token_keys"]
)
around = st.sampled_from(
    ["", " ", "\n", "@", "/", "?", "redis://:", "redis://h:", "é", "\x7f", "1"]
)


@unhurried
@given(secret_keys, around, around, st.sampled_from(["openai/m", "azure/m"]), st.booleans())
def test_no_secret_is_ever_shown(
    key: str, before: str, after: str, model: str, listed: bool
) -> None:
    """Well or badly formed, in its place or not: it appears in no fault, note or description."""
    secret: object = before + CANARY + after
    section = {key: [secret] if listed else secret}
    document = {
        "model_list": [{"model_name": "a", "litellm_params": {"model": model, **section}}],
        "general_settings": section,
        "signaller": section,
    }
    for place in ("model_list", "general_settings", "signaller"):
        alone = {"model_list": [{"model_name": "a", "litellm_params": {"model": "m"}}]} | {
            place: document[place]
        }
        assert CANARY not in attempt(json.dumps(alone), ENV)
    assert CANARY not in attempt(json.dumps(document), ENV)


places = st.sampled_from(
    [
        ("callers", "keys"),
        ("callers", "keyz"),
        ("callers", "session"),
        ("policy", "session"),
        ("policy", "keys"),
        ("metrics", "key"),
        ("metrics", "keys"),
        ("jwt", "public_key"),
    ]
)
before_keys = around | st.sampled_from(
    ["sk-", "sha256:", "-----BEGIN PRIVATE KEY-----\n", "os.environ/", "eyJ"]
)


@unhurried
@given(places, before_keys, around, st.sampled_from(["bare", "listed", "mapped", "twice"]))
def test_no_key_of_a_callers_is_ever_shown(
    place: tuple[str, str], before: str, after: str, form: str
) -> None:
    """Well or badly formed, in its place or one like it."""
    name, key = place
    secret = before + CANARY + after
    forms: dict[str, object] = {
        "bare": secret,
        "listed": [secret],
        "mapped": {"model": secret, "type": [secret]},
        "twice": [secret, secret],
    }
    section = {key: forms[form]}
    ours: dict[str, object] = {
        "callers": [{"name": "web", **section}],
        "jwt": {"jwt": section},
    }
    document = {
        "model_list": [{"model_name": "a", "litellm_params": {"model": "m"}}],
        "signaller": {"gateway" if name == "jwt" else name: ours.get(name, section)},
    }
    assert CANARY not in attempt(json.dumps(document), ENV)
