"""What `signaller check` prints."""

import pytest

from signaller.config import describe, load_settings
from tests.config.reading import ENV, KEY, OTHER_KEY, entry, ours
from tests.config.test_ours import REFERENCE


def test_a_full_configuration() -> None:
    """Everything understood is there, in words, and every secret is masked."""
    env = {**ENV, "REDIS_URL": "redis://user:pw-canary@redis:6379/0", "SIGNALLER_TOKEN_KEY": KEY}
    columns = (
        "MODEL            PROVIDER  UPSTREAM MODEL                      "
        "BASE URL                CREDENTIAL    WEIGHT  TIMEOUT\n"
        "gpt-4o-realtime  openai    gpt-4o-realtime-preview-2024-12-17  "
        "https://api.openai.com  api key ****  1       default\n"
    )
    assert describe(load_settings(REFERENCE, env)) == (
        columns + "\n"
        "CALLER  KNOWN BY    MAY\n"
        "master  master key  any model\n"
        "\n"
        "master key    ****\n"
        "store         Redis, redis://redis:6379/0\n"
        "token keys    1\n"
        "tokens        start 1 call within 300 s\n"
        "time-outs     connect 1 s, mint 2.5 s, call 30 s, store 4 s\n"
        "CORS          https://app.example\n"
        "public URL    https://voice.example\n"
        "metrics       /metrics with the master key\n"
    )


def test_defaults_and_notes() -> None:
    """What was left out is named as what happens instead, notes come last."""
    text = describe(load_settings(entry("timeout: 7.5"), {"OPENAI_API_KEY": "k"}))
    for line in (
        "master key    none: nobody can get a token",
        "store         memory (one process, forgotten at its end)",
        "CORS          same origin only",
        "public URL    the request's own host",
        "metrics       /metrics is closed, as it has no key",
    ):
        assert f"\n{line}\n" in text
    assert " 7.5 s\n" in text
    assert "\n\nNotes:\n- " in text
    assert "\n- general_settings.master_key: not set" in text
    assert "CALLER" not in text


def test_credentials_by_kind() -> None:
    """A ready token, a principal and a key are told apart."""
    base = "api_base: 'https://r'"
    for params, expected in (
        (f"{base}, azure_ad_token: canary", "Entra token ****"),
        (f"{base}, tenant_id: t, client_id: c, client_secret: canary", "Entra service principal"),
        (f"{base}, api_key: canary", "api key ****"),
    ):
        text = describe(load_settings(entry(params, model="azure/d"), ENV))
        assert expected in text
        assert "canary" not in text


def test_a_ring_of_keys_and_several_uses() -> None:
    """Plurals read as plurals."""
    section = f"{{token_keys: [{KEY}, {OTHER_KEY}], token: {{uses: 3}}}}"
    text = describe(load_settings(ours(section), ENV))
    assert "token keys    2: the first seals, all open\n" in text
    assert "tokens        start 3 calls within 600 s\n" in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("redis://h:1/2", "redis://h:1/2", id="plain"),
        pytest.param("rediss://:canary@h", "rediss://h", id="password"),
        pytest.param("redis://h?password=canary", "redis://h", id="query"),
        pytest.param("unix:///run/redis.sock?password=canary", "unix:///run/redis.sock", id="unix"),
        pytest.param("redis+sentinel://:canary@a:1,b:2/m", "redis+sentinel://a:1,b:2/m", id="many"),
        pytest.param("redis://:can/canary@h", "****", id="slash-in-password"),
        pytest.param("redis://:can?canary@h", "****", id="question-in-password"),
        pytest.param("redis://u:1/canary@h", "****", id="digits-first"),
        pytest.param("redis://:canary@canary@h", "****", id="at-in-password"),
    ],
)
def test_a_redis_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """Where a password cannot be told apart for certain, nothing is shown."""
    section = f"{{redis_url: '{url}', token_keys: [{KEY}]}}"
    text = describe(load_settings(ours(section), ENV))
    assert f"store         Redis, {shown}\n" in text
    assert "canary" not in text
