"""What `signaller check` prints."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from signaller.config import describe, load_settings
from signaller.config.schema import rows
from signaller.settings import ClaimNames
from tests.config.reading import ENV, KEY, OTHER_KEY, entry, service_file
from tests.config.test_service import REFERENCE
from tests.support.certificate import self_signed


def listed(text: str) -> dict[str, tuple[str, ...]]:
    """Value and origin of each key in what is printed."""
    table = text.partition("\nKEY ")[2].partition("\n\n")[0].splitlines()[1:]
    rows = (re.split(r"  +", row) for row in table)
    return {key: tuple(rest) for key, *rest in rows}


def test_a_full_configuration() -> None:
    """Everything understood is there, in words, and every secret is masked."""
    env = {**ENV, "REDIS_URL": "redis://user:pw-canary@redis:6379/0", "SIGNALLER_TOKEN_KEY": KEY}
    settings = load_settings(REFERENCE, env)
    (deployment,) = settings.deployments
    columns = (
        f"MODEL            {'ID':<{len(deployment.id)}}  PROVIDER  "
        "UPSTREAM MODEL                      "
        "BASE URL                CREDENTIAL    WEIGHT  TIMEOUT\n"
        f"gpt-4o-realtime  {deployment.id}  openai    gpt-4o-realtime-preview-2024-12-17  "
        "https://api.openai.com  api key ****  1       default\n"
    )
    assert describe(settings) == (
        columns + "\n"
        "CALLER  KNOWN BY    MAY\n"
        "master  master key  anything\n"
        "\n"
        "KEY                                    VALUE                          FROM\n"
        "general_settings.master_key            ****                           "
        "the environment variable SIGNALLER_MASTER_KEY\n"
        "signaller.redis_url                    redis://redis:6379/0, as user  "
        "the environment variable REDIS_URL\n"
        "signaller.redis.username               none                           default\n"
        "signaller.redis.password               none                           default\n"
        "signaller.token_keys                   ****                           the file\n"
        "signaller.token.ttl_seconds            300                            the file\n"
        "signaller.token.uses                   1                              the file\n"
        "signaller.warm_secrets.seconds         none                           default\n"
        "signaller.warm_secrets.across_callers  false                          default\n"
        "signaller.calls.kept_seconds           86400                          default\n"
        "signaller.calls.watched_at_once        2000                           default\n"
        "signaller.supervision                  off                            default\n"
        "signaller.timeouts.connect_seconds     1                              the file\n"
        "signaller.timeouts.mint_seconds        2.5                            the file\n"
        "signaller.timeouts.call_seconds        30                             the file\n"
        "signaller.timeouts.store_seconds       4                              the file\n"
        "signaller.metrics.key                  none                           default\n"
        "signaller.metrics.port                 none                           default\n"
        "signaller.metrics.host                 127.0.0.1                      default\n"
        "signaller.cors_origins                 https://app.example            the file\n"
        "signaller.public_url                   https://voice.example          the file\n"
        "model_list[0].litellm_params.api_key   (above)                        "
        "the environment variable OPENAI_API_KEY\n"
        "signaller.token_keys[0]                (above)                        "
        "the environment variable SIGNALLER_TOKEN_KEY\n"
        "(all others)                                                          default\n"
    )


def test_defaults_and_notes() -> None:
    """What was left out is named as what happens instead, notes come last."""
    text = describe(load_settings(entry("timeout: 7.5"), {"OPENAI_API_KEY": "k"}))
    for key, value in (
        ("general_settings.master_key", "none"),
        ("signaller.redis_url", "memory"),
        ("signaller.token_keys", "a random one"),
        ("signaller.token.ttl_seconds", "600"),
        ("signaller.cors_origins", "same origin only"),
        ("signaller.public_url", "the request's own host"),
    ):
        assert listed(text)[key] == (value, "default")
    assert " 7.5 s\n" in text
    assert "\n\nNotes:\n- " in text
    assert "\n- general_settings.master_key: not set" in text
    assert "CALLER" not in text


def test_a_flow_that_is_not_the_usual() -> None:
    """The column is there where one deployment has the other flow, and tells them apart."""
    one, other = (entry(name=name).strip()[len("model_list: [") : -1] for name in ("a", "b"))
    text = describe(
        load_settings(f"model_list: [{one[:-1]}, model_info: {{flow: unified}}}}, {other}]", ENV)
    )
    head, *rows = text.partition("\n\n")[0].splitlines()
    assert [line.split()[-1] for line in (head, *rows)] == ["FLOW", "unified", "ephemeral"]
    assert "FLOW" not in describe(load_settings(entry(), ENV))


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
    """As many keys are shown as there are, and nothing of them."""
    section = f"{{token_keys: [{KEY}, {OTHER_KEY}], token: {{uses: 3}}}}"
    text = describe(load_settings(service_file(section), ENV))
    assert listed(text)["signaller.token_keys"] == ("****, ****", "the file")
    assert listed(text)["signaller.token.uses"] == ("3", "the file")
    assert KEY not in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("redis://h:1/2", "redis://h:1/2", id="plain"),
        pytest.param("rediss://:canary@h", "rediss://h", id="password"),
        pytest.param("redis://h?password=canary", "redis://h", id="query"),
        pytest.param("unix:///run/redis.sock?password=canary", "unix:///run/redis.sock", id="unix"),
        pytest.param("redis+sentinel://:canary@a:1,b:2/m", "redis+sentinel://a:1,b:2/m", id="many"),
        pytest.param("redis://svc%2Done:canary@h", "redis://h, as svc-one", id="user"),
        pytest.param("redis://canary@h", "redis://h", id="user-that-may-be-the-password"),
        pytest.param("redis://sk-canary:p@h", "redis://h, as a string of 9 characters", id="key"),
        pytest.param(
            "redis+cluster://svc:canary@h:1?replicas=1",
            "redis+cluster://h:1, as svc, replicas=1",
            id="replicas",
        ),
        pytest.param("redis://:can/canary@h", "****", id="slash-in-password"),
        pytest.param("redis://:can?canary@h", "****", id="question-in-password"),
        pytest.param("redis://u:1/canary@h", "****", id="digits-first"),
        pytest.param("redis://:canary@canary@h", "****", id="at-in-password"),
    ],
)
def test_a_redis_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """Where a password cannot be told apart for certain, nothing is shown."""
    section = f"{{redis_url: '{url}', token_keys: [{KEY}]}}"
    text = describe(load_settings(service_file(section), ENV))
    assert listed(text)["signaller.redis_url"] == (shown, "the file")
    assert "canary" not in text


def test_a_login_beside_the_url_is_shown_without_its_password() -> None:
    """By the user's name alone."""
    login = "redis: {username: svc, password: canary}"
    section = f"{{redis_url: 'redis://h', {login}, token_keys: [{KEY}]}}"
    text = describe(load_settings(service_file(section), ENV))
    assert listed(text)["signaller.redis_url"] == ("redis://h", "the file")
    assert listed(text)["signaller.redis.username"] == ("svc", "the file")
    assert listed(text)["signaller.redis.password"] == ("****", "the file")
    assert "canary" not in text


def test_every_key_of_ours_that_is_set_is_listed(tmp_path: Path) -> None:
    """Under its own name, with its value; only the callers have a table of their own."""
    pair = self_signed(tmp_path)
    claims = ", ".join(f"{field.name}: claim" for field in fields(ClaimNames))
    section = f"""{{
      redis_url: "redis://h", redis: {{username: u, password: p}}, token_keys: [{KEY}],
      token: {{ttl_seconds: 300, uses: 2}}, warm_secrets: {{seconds: 60, across_callers: true}},
      timeouts: {{connect_seconds: 1, mint_seconds: 2, call_seconds: 3, store_seconds: 4}},
      policy: {{models: [a], origins: ["https://a"], token_ttl_seconds: 200, token_uses: 2,
        mints_per_minute: 1, calls_per_minute: 2, session: {{voice: v}}, on_replay: hangup,
        warm_secrets: false, safety_identifier: true, calls_at_once: 1, max_call_seconds: 60,
        supervision: false, max_idle_seconds: 30, warn_seconds: 5, warn_with: w,
        session_drift: note}},
      calls: {{kept_seconds: 60, watched_at_once: 1}}, supervision: required,
      callers: [{{name: web}}],
      gateway: {{only_listed: true, header: {{name: x, trusted: [unix], end_user: y}},
        jwt: {{issuer: i, audience: a, algorithms: [RS256], jwks_url: "https://h",
          required_scope: s, claims: {{{claims}}}}}}},
      metrics: {{key: a-key-of-length-17, port: 9464, host: h}},
      egress: {{proxy: "http://h:1", environment: false, ca_file: {pair.certificate},
        client_cert: {pair.certificate}, client_key: {pair.key}}},
      cors_origins: ["https://a"], public_url: "https://h",
    }}"""
    found = listed(describe(load_settings(service_file(section), ENV)))
    every = {key for key, _, _ in rows("signaller") if "[]" not in key}
    for name in every - {"signaller.gateway.jwt.public_key"}:  # there is a jwks_url
        value, source = found[name]
        assert source == "the file", name
        assert (value == "(above)") is (name == "signaller.callers"), name


LOOKS_SECRET = "sk-canary0123456789"


@pytest.mark.parametrize("place", ["NAME", "MODEL", "ADDRESS", "ID"])
def test_a_key_in_the_place_of_a_models_name_is_not_shown(place: str) -> None:
    """Nor what the provider would be asked for, and where, nor an id."""
    text = (
        "model_list: [{model_name: NAME, model_info: {id: ID}, "
        "litellm_params: {model: openai/MODEL, api_base: 'https://h/ADDRESS'}}]"
    )
    said = describe(load_settings(text.replace(place, LOOKS_SECRET), ENV))
    assert "canary" not in said
    assert "a string of " in said


@pytest.mark.parametrize(
    "section",
    [
        "{policy: {models: [KEY]}}",
        "{policy: {origins: ['https://KEY.example']}}",
        "{policy: {session: {KEY: 1}}}",
        "{callers: [{name: web-KEY, keys: [a-key-of-length-17]}]}",
        "{callers: [{name: web, keys: [a-key-of-length-17], models: [KEY]}]}",
        "{gateway: {jwt: {issuer: KEY, audience: a, algorithms: [RS256], jwks_url: 'https://h'}}}",
        "{gateway: {jwt: {issuer: a, audience: KEY, algorithms: [RS256], jwks_url: 'https://h'}}}",
        "{gateway: {jwt: {issuer: a, audience: a, algorithms: [RS256], jwks_url: 'https://h/KEY'}}}",
        "{gateway: {jwt: {issuer: a, audience: a, algorithms: [RS256], jwks_url: 'https://h', "
        "required_scope: KEY, claims: {caller: KEY, models: a, models_prefix: KEY}}}}",
        "{gateway: {header: {name: KEY, trusted: [unix], end_user: KEY}}}",
        "{metrics: {port: 9464, host: KEY}}",
        "{cors_origins: ['https://KEY.example']}",
        "{public_url: 'https://h/KEY'}",
        "{egress: {proxy: 'http://KEY:1'}}",
        f"{{redis_url: 'redis://h/KEY', token_keys: [{KEY}]}}",
    ],
)
def test_what_looks_like_a_key_is_not_shown_wherever_it_stands(section: str) -> None:
    """People paste it into the wrong line, and post what `check` says."""
    settings = load_settings(service_file(section.replace("KEY", LOOKS_SECRET)), ENV)
    assert "canary" not in describe(settings)
