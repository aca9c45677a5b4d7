"""The `signaller:` section and the master key."""

import base64

import pytest

from signaller.config import generate_token_key, load_settings
from signaller.masking import Masking
from signaller.secret import Secret
from signaller.settings import RedisLogin, Settings, Timeouts, TokenSettings
from tests.config.reading import ENV, KEY, OTHER_KEY, entry, faults, service_file

REFERENCE = """
model_list:
  - model_name: gpt-4o-realtime
    litellm_params:
      model: openai/gpt-4o-realtime-preview-2024-12-17
      api_key: os.environ/OPENAI_API_KEY
    model_info: {mode: realtime}
general_settings:
  master_key: os.environ/SIGNALLER_MASTER_KEY
signaller:
  redis_url: os.environ/REDIS_URL
  token_keys: [os.environ/SIGNALLER_TOKEN_KEY]
  token: {ttl_seconds: 300, uses: 1}
  timeouts: {connect_seconds: 1, mint_seconds: 2.5, call_seconds: 30, store_seconds: 4}
  cors_origins: ["https://app.example"]
  public_url: https://voice.example/
"""


def test_every_key_of_the_reference_arrives() -> None:
    """Nothing that the reference file says is lost, and nothing needs a note."""
    env = {**ENV, "REDIS_URL": "redis://:pw@redis:6379/0", "SIGNALLER_TOKEN_KEY": KEY}
    settings = load_settings(REFERENCE, env, workers=4)
    assert settings == Settings(
        deployments=settings.deployments,
        master_key=Secret("master-key-canary-1"),
        token_keys=(Secret(KEY),),
        redis_url=Secret("redis://:pw@redis:6379/0"),
        token=TokenSettings(ttl_seconds=300, uses=1),
        timeouts=Timeouts(connect_seconds=1, mint_seconds=2.5, call_seconds=30, store_seconds=4),
        cors_origins=("https://app.example",),
        public_url="https://voice.example",
        aliases={("openai", "gpt-4o-realtime"): "gpt-4o-realtime-preview-2024-12-17"},
        notes=(),
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://voice.example/v1", "https://voice.example"),
        ("https://voice.example/v1/", "https://voice.example"),
        ("https://h.example/voice/v1", "https://h.example/voice"),
        ("https://h.example/openai/v1", "https://h.example/openai"),
        ("https://h.example/voice/", "https://h.example/voice"),
        ("https://h.example/v10", "https://h.example/v10"),
    ],
)
def test_the_public_url_may_end_in_v1(written: str, meant: str) -> None:
    """As SDKs want their `base_url`: it is understood, not said twice in `calls_url`."""
    assert load_settings(service_file(f"{{public_url: '{written}'}}"), ENV).public_url == meant
    env = {**ENV, "SIGNALLER_PUBLIC_URL": written}
    assert load_settings(None, env).public_url == meant


@pytest.mark.parametrize("section", ["", "{}"])
def test_everything_of_ours_may_be_left_out(section: str) -> None:
    """Defaults hold, a token key is made up and said so."""
    settings = load_settings(service_file(section), ENV)
    assert settings.token == TokenSettings()
    assert settings.timeouts == Timeouts()
    assert settings.redis_url is None
    assert len(base64.urlsafe_b64decode(settings.token_keys[0].reveal() + "=")) == 32
    assert any(note.startswith("signaller.token_keys: none given") for note in settings.notes)
    assert settings.token_keys != load_settings(service_file(section), ENV).token_keys


def test_token_keys_keep_their_order_and_lose_their_padding() -> None:
    """The first seals; padding is accepted."""
    settings = load_settings(service_file(f"{{token_keys: ['{OTHER_KEY}=', {KEY}]}}"), ENV)
    assert settings.token_keys == (Secret(OTHER_KEY), Secret(KEY))


def test_a_generated_key_is_accepted() -> None:
    """What `signaller keygen` prints can be configured."""
    key = generate_token_key()
    assert load_settings(service_file(f"{{token_keys: ['{key}']}}"), ENV).token_keys == (
        Secret(key),
    )


def test_origins_are_written_as_browsers_send_them() -> None:
    """Case and default ports are normalised, hybrid apps' schemes and `*` accepted."""
    section = "{cors_origins: ['HTTPS://App.Example:443', 'http://[::1]:80', 'tauri://localhost']}"
    assert load_settings(service_file(section), ENV).cors_origins == (
        "https://app.example",
        "http://[::1]",
        "tauri://localhost",
    )
    settings = load_settings(service_file("{cors_origins: ['*']}"), ENV)
    assert settings.cors_origins == ("*",)
    assert any("any web page" in each for each in settings.warnings)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+sentinel", "rediss+cluster", "unix"])
def test_every_kind_of_redis_url_is_accepted(scheme: str) -> None:
    """All that the store understands passes."""
    section = f"{{redis_url: '{scheme}://host/x', token_keys: [{KEY}]}}"
    assert load_settings(service_file(section), ENV).redis_url == Secret(f"{scheme}://host/x")


@pytest.mark.parametrize(
    ("url", "section", "login"),
    [
        ("redis://h", "{password: os.environ/REDIS_PASSWORD}", RedisLogin(password=Secret("p@:/"))),
        ("redis://me@h", "{password: p@}", RedisLogin(password=Secret("p@"))),
        (
            "redis+sentinel://a,b/voice",
            "{username: me, password: p}",
            RedisLogin(username="me", password=Secret("p")),
        ),
    ],
)
def test_a_login_at_redis_may_stand_beside_its_url(
    url: str, section: str, login: RedisLogin
) -> None:
    """A password that rotates is one variable, and needs no percent-encoding."""
    text = service_file(f"{{redis_url: '{url}', redis: {section}, token_keys: [{KEY}]}}")
    settings = load_settings(text, {**ENV, "REDIS_PASSWORD": "p@:/"})
    assert settings.redis == login


def test_a_password_beside_the_url_is_masked() -> None:
    """As any other secret of the configuration is."""
    section = f"{{redis_url: redis://h, redis: {{password: canary-of-redis}}, token_keys: [{KEY}]}}"
    masking = Masking.of(load_settings(service_file(section), ENV))
    assert "canary-of-redis" not in masking.masked("WRONGPASS for canary-of-redis")


@pytest.mark.parametrize("variable", ["SIGNALLER_MASTER_KEY", "LITELLM_MASTER_KEY"])
def test_the_master_key_may_come_from_the_environment_alone(variable: str) -> None:
    """A file without one is completed."""
    env = {"OPENAI_API_KEY": "k", variable: "a-master-key-of-length"}
    assert load_settings(entry(), env).master_key == Secret("a-master-key-of-length")


def test_without_a_master_key_nobody_mints_and_that_is_said() -> None:
    """The start succeeds, with a note."""
    settings = load_settings(entry(), {"OPENAI_API_KEY": "k"})
    assert settings.master_key is None
    assert any("nobody can get a token" in each for each in settings.warnings)


def test_a_short_master_key_is_said() -> None:
    """It works, with a warning."""
    settings = load_settings(entry() + "general_settings: {master_key: short-key}", ENV)
    assert settings.master_key == Secret("short-key")
    assert any("guessing" in each for each in settings.warnings)


def test_the_public_master_key_is_refused_unless_told_otherwise() -> None:
    """sk-1234 stands in LiteLLM's documentation for everybody to read."""
    text = entry() + "general_settings: {master_key: sk-1234}"
    assert faults(text) == (
        "general_settings.master_key: expected a key of your own that nobody guesses "
        "(--allow-public-master-key takes any, to try things out), "
        "found the publicly known sk-1234",
    )
    settings = load_settings(text, ENV, allow_public_master_key=True)
    assert settings.master_key == Secret("sk-1234")
    said = "general_settings.master_key: the publicly known sk-1234: anybody may get tokens"
    assert said in settings.warnings


@pytest.mark.parametrize(
    "key", ["short", "changeme", "sk-my_special_key", "sk-aaaaaaaaaaaaaaaaaaaa"]
)
def test_a_master_key_that_everybody_guesses_is_refused(key: str) -> None:
    """Short, known to all, or one character over and over; the switch takes it, with a warning."""
    text = entry() + f"general_settings: {{master_key: {key}}}"
    (fault,) = faults(text)
    assert "--allow-public-master-key" in fault
    warnings = load_settings(text, ENV, allow_public_master_key=True).warnings
    assert any("anybody may get tokens" in warning for warning in warnings)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(bytes(32), id="zeros"),
        pytest.param(b"\xff" * 32, id="ones"),
        pytest.param(b"a" * 32, id="a letter"),
        pytest.param(bytes(range(32)), id="a counter"),
        pytest.param(bytes(range(255, 191, -2)), id="downwards"),
        pytest.param(b"\x01\x02" * 16, id="two in turn"),
        pytest.param(bytes([7, 9, 200, 3]) * 8, id="four in turn"),
        pytest.param(bytes([*range(15), 200]) * 2, id="sixteen twice"),
        pytest.param(b"correct horse battery staple 123", id="a sentence"),
        pytest.param(b"0123456789abcdef0123456789ABCDEF", id="digits"),
    ],
)
def test_a_token_key_with_a_pattern_is_refused(raw: bytes) -> None:
    """Whoever guesses it makes tokens; it is not shown."""
    key = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert faults(service_file(f"{{token_keys: ['{key}']}}")) == (
        "signaller.token_keys[0]: expected random bytes, as 'signaller keygen' makes them, "
        "found bytes with a pattern",
    )


@pytest.mark.parametrize(
    "key",
    [
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq",
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFA",
    ],
)
def test_a_token_key_that_is_an_alphabet_is_refused(key: str) -> None:
    """Its bytes look random, and its text does not."""
    assert "found bytes with a pattern" in faults(service_file(f"{{token_keys: ['{key}']}}"))[0]


def test_random_token_keys_are_taken() -> None:
    """Ten thousand of them."""
    keys = [generate_token_key() for _ in range(10_000)]
    assert len(load_settings(service_file(f"{{token_keys: {keys}}}"), ENV).token_keys) == len(keys)


def test_a_short_life_is_said() -> None:
    """Of tokens in general and of a caller's; 120 seconds are long enough."""
    section = "{{token: {{ttl_seconds: {0}}}, policy: {{token_ttl_seconds: {0}}}}}"
    said = [
        note.partition(": ")[0]
        for note in load_settings(service_file(section.format(119)), ENV).notes
        if "short" in note
    ]
    assert said == ["signaller.token.ttl_seconds", "signaller.policy.token_ttl_seconds"]
    notes = load_settings(service_file(section.format(120)), ENV).notes
    assert not any("short" in note for note in notes)


def test_a_token_lives_as_long_as_openais() -> None:
    """Ten minutes where nothing is said, as clients expect."""
    assert load_settings(entry(), ENV).token.ttl_seconds == 600
