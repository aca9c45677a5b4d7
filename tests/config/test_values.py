"""From where values come: the file, the environment, and files that either names."""

import json
from pathlib import Path

import pytest

from signaller.config import load_settings
from signaller.config.faults import looks_secret
from signaller.config.schema import declarations
from signaller.config.values import names_of
from signaller.secret import Secret
from signaller.settings import RedisLogin, TokenSettings
from tests.config.reading import ENV, KEY, OTHER_KEY, entry, faults, service_file

OPENAI = {"OPENAI_API_KEY": "sk-openai-canary"}
MASTER = "master-key-canary-2"
PLAIN = "{model_name: %s, litellm_params: {model: openai/m}, model_info: {mode: realtime}}"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file with a master key, as secret stores write it: with a line's end."""
    path = tmp_path / "master"
    path.write_text(f"{MASTER}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("variable", ["SIGNALLER_MASTER_KEY", "LITELLM_MASTER_KEY"])
@pytest.mark.parametrize("text", [None, entry()], ids=["no file", "a file"])
def test_a_variable_may_name_the_file_of_a_secret(
    secret: Path, variable: str, text: str | None
) -> None:
    """As container images have it: the same name with _FILE."""
    settings = load_settings(text, {**OPENAI, f"{variable}_FILE": str(secret)})
    assert settings.master_key == Secret(MASTER)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("OPENAI_API_KEY", entry()),
        ("OPENAI_API_KEY", entry("api_key: os.environ/OPENAI_API_KEY")),
        ("ELSEWHERE", entry("api_key: os.environ/ELSEWHERE")),
        ("AZURE_API_KEY", entry("api_base: 'https://r'", model="azure/d")),
    ],
)
def test_every_variable_of_a_secret_has_its_like(secret: Path, variable: str, text: str) -> None:
    """Whether the file refers to it, or it stands in for what the file leaves out."""
    (deployment,) = load_settings(text, {f"{variable}_FILE": str(secret)}).deployments
    assert deployment.api_key == Secret(MASTER)


def test_the_variable_itself_rules_over_its_file(secret: Path) -> None:
    """Nobody sets both by intention; the plain one is the one people see."""
    env = {**ENV, "SIGNALLER_MASTER_KEY_FILE": str(secret)}
    assert load_settings(entry(), env).master_key == Secret(ENV["SIGNALLER_MASTER_KEY"])


def test_any_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """Named as a URL, where the secret itself would stand; lists included."""

    def file(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return f"'file://{tmp_path / name}'"

    text = (
        entry(f"api_key: {file('provider', 'sk-canary')}")
        + f"general_settings: {{master_key: {file('master', MASTER)}}}\n"
        + f"signaller: {{redis_url: {file('url', 'redis://h')}, "
        + f"redis: {{password: {file('password', 'p@')}}}, "
        + f"token_keys: [{file('new', KEY)}, {file('old', OTHER_KEY)}]}}"
    )
    settings = load_settings(text, {})
    assert settings.deployments[0].api_key == Secret("sk-canary")
    assert settings.master_key == Secret(MASTER)
    assert settings.redis_url == Secret("redis://h")
    assert settings.redis == RedisLogin(password=Secret("p@"))
    assert settings.token_keys == (Secret(KEY), Secret(OTHER_KEY))


def test_a_secret_is_read_anew_each_time(secret: Path) -> None:
    """So that it rotates with a reload."""
    env = {**OPENAI, "SIGNALLER_MASTER_KEY_FILE": str(secret)}
    assert load_settings(None, env).master_key == Secret(MASTER)
    secret.write_text("another-master-key")
    assert load_settings(None, env).master_key == Secret("another-master-key")


def test_a_file_that_is_missing_or_empty_is_a_fault(tmp_path: Path) -> None:
    """By the name of what refers to it, with the file's."""
    gone, empty = tmp_path / "gone", tmp_path / "empty"
    empty.write_text("\n")
    for path, expected in (
        (gone, f"a readable file with the value, found '{gone}': No such file or directory"),
        (empty, f"a file with the value, found '{empty}', which is empty"),
        (tmp_path, f"a file with the value, found '{tmp_path}', which is no regular file"),
    ):
        env = {**OPENAI, "SIGNALLER_MASTER_KEY_FILE": str(path)}
        assert faults(None, env) == (f"SIGNALLER_MASTER_KEY_FILE: expected {expected}",)
        text = service_file(f"{{token_keys: ['file://{path}']}}")
        assert faults(text) == (f"signaller.token_keys[0]: expected {expected}",)


def test_a_file_is_named_from_the_root() -> None:
    """What else stands there may be the secret itself."""
    assert faults(service_file("{token_keys: ['file://canary']}")) == (
        "signaller.token_keys[0]: expected file:///path, found no path from the root",
    )


def test_a_file_that_many_look_at_is_spoken_of_once(secret: Path) -> None:
    """Two deployments have one key, and there is one thing to mend."""
    secret.chmod(0o644)
    text = f"model_list: [{', '.join(PLAIN % name for name in 'ab')}]"
    env = {"OPENAI_API_KEY_FILE": str(secret)}
    warnings = load_settings(text, env).warnings
    assert sum("can be read by every user" in each for each in warnings) == 1
    secret.unlink()
    assert len(faults(text, env)) == 1
    assert len(faults(None, env)) == 1


def test_a_file_that_everybody_can_read_is_said(secret: Path) -> None:
    """It works, with a warning."""
    env = {**OPENAI, "SIGNALLER_MASTER_KEY_FILE": str(secret)}
    assert load_settings(None, env).warnings == ()
    secret.chmod(0o644)
    assert load_settings(None, env).warnings == (
        f"SIGNALLER_MASTER_KEY_FILE: '{secret}' can be read by every user of this machine",
    )


def test_a_fault_of_a_value_from_a_file_names_the_file(secret: Path) -> None:
    """Not what stands in it."""
    (fault,) = faults(service_file(f"{{token_keys: ['file://{secret}']}}"))
    assert fault.endswith(f"found a string of {len(MASTER)} characters in the file '{secret}'")


def test_every_key_of_ours_has_a_variable() -> None:
    """Its path in capitals, two underscores between levels; lists and mappings are JSON."""
    settings = load_settings(
        entry(),
        {
            **ENV,
            "SIGNALLER_TOKEN__TTL_SECONDS": "300",
            "SIGNALLER_TOKEN__USES": "2",
            "SIGNALLER_TIMEOUTS__MINT_SECONDS": "2.5",
            "SIGNALLER_WARM_SECRETS__ACROSS_CALLERS": "true",
            "SIGNALLER_REDIS_URL": "redis://h",
            "SIGNALLER_REDIS__PASSWORD": "12345",
            "SIGNALLER_TOKEN_KEYS": f"{KEY},{OTHER_KEY}",
            "SIGNALLER_POLICY__SESSION": '{"speed": 1.5}',
            "SIGNALLER_POLICY__MODELS": '["voice", "gpt-*"]',
            "SIGNALLER_CALLERS": json.dumps([{"name": "web", "keys": ["web-key-canary-0123"]}]),
            "SIGNALLER_GATEWAY": '{"header": {"name": "X-Caller", "trusted": ["unix"]}}',
            "SIGNALLER_GATEWAY__ONLY_LISTED": "True",
        },
    )
    assert settings.token == TokenSettings(ttl_seconds=300, uses=2)
    assert settings.timeouts.mint_seconds == 2.5
    assert settings.warm_secrets.across_callers is True
    assert settings.redis_url == Secret("redis://h")
    assert settings.redis.password == Secret("12345")
    assert settings.token_keys == (Secret(KEY), Secret(OTHER_KEY))
    assert settings.policy.session == {"speed": 1.5}
    assert settings.policy.models == (("voice", "gpt-*"),)
    assert [caller.name for caller in settings.callers] == ["web"]
    assert settings.gateway.header is not None
    assert settings.gateway.only_listed is True


def test_deployments_may_stand_in_a_variable_where_there_is_no_file() -> None:
    """As LiteLLM writes them, in JSON."""
    entries = [{"model_name": "a", "litellm_params": {"model": "openai/m"}}]
    env = {**ENV, "SIGNALLER_MODEL_LIST": json.dumps(entries)}
    assert [each.model_name for each in load_settings(None, env).deployments] == ["a"]
    assert len(faults(None, {**ENV, "SIGNALLER_MODEL_LIST": "[canary"})) == 1
    assert faults(None, {**ENV, "SIGNALLER_MODEL_LIST": "[{}]"})[0].endswith(
        "found nothing in the environment variable SIGNALLER_MODEL_LIST"
    )


def test_no_two_keys_share_a_variable() -> None:
    """Nor can one be taken for a part of another."""
    names = names_of(declarations()["properties"]["signaller"])
    assert len(set(names)) == len(names) > 50


def test_the_file_rules_over_the_variables_of_its_keys() -> None:
    """They fill in what it leaves out, key by key."""
    env = {**ENV, "SIGNALLER_TOKEN__USES": "2", "SIGNALLER_TOKEN__TTL_SECONDS": "300"}
    settings = load_settings(service_file("{token: {uses: 3}}"), env)
    assert settings.token == TokenSettings(ttl_seconds=300, uses=3)
    said = "SIGNALLER_TOKEN__USES: no effect, as signaller.token.uses has a value already"
    assert [note for note in settings.notes if "no effect" in note] == [said]


def test_a_file_may_refer_to_the_variable_of_its_own_key() -> None:
    """That is no contradiction."""
    text = service_file("{cors_origins: [os.environ/SIGNALLER_CORS_ORIGINS]}")
    settings = load_settings(text, {**ENV, "SIGNALLER_CORS_ORIGINS": "https://a"})
    assert settings.cors_origins == ("https://a",)
    assert not any("no effect" in note for note in settings.notes)


def test_a_number_of_a_variable_is_read_from_its_text() -> None:
    """A variable has nothing else; one in quotes in the file itself is a slip."""
    section = "{token: {ttl_seconds: os.environ/TTL}, warm_secrets: {across_callers: os.environ/T}}"
    settings = load_settings(service_file(section), {**ENV, "TTL": "300", "T": "true"})
    assert settings.token.ttl_seconds == 300
    assert settings.warm_secrets.across_callers is True
    assert faults(service_file("{token: {ttl_seconds: '300'}, egress: {environment: 'true'}}")) == (
        "signaller.token.ttl_seconds: expected a whole number from 10 to 7200, found '300'",
        "signaller.egress.environment: expected true or false, found 'true'",
    )


def test_a_list_or_mapping_of_the_file_may_be_a_variable() -> None:
    """In JSON, a list of names by commas too, and the variables of its keys complete a mapping."""
    settings = load_settings(
        service_file(
            "{policy: os.environ/POLICY, cors_origins: os.environ/ORIGINS, "
            "token_keys: os.environ/KEYS, callers: [os.environ/WEB], token: os.environ/TOKEN}"
        ),
        {
            **ENV,
            "POLICY": '{"models": ["gpt-*"], "session": {"speed": 1.5}}',
            "ORIGINS": "https://a.example, https://b.example",
            "KEYS": json.dumps([KEY, OTHER_KEY]),
            "WEB": '{"name": "web", "keys": ["web-key-canary-0123"]}',
            "TOKEN": '{"uses": 3}',
            "SIGNALLER_TOKEN__TTL_SECONDS": "300",
        },
    )
    assert settings.policy.models == (("gpt-*",),)
    assert settings.policy.session == {"speed": 1.5}
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.token_keys == (Secret(KEY), Secret(OTHER_KEY))
    assert [caller.name for caller in settings.callers] == ["web"]
    assert settings.token == TokenSettings(ttl_seconds=300, uses=3)
    assert settings.sources["signaller.cors_origins"] == "the environment variable ORIGINS"


def test_a_list_of_secrets_may_stand_in_a_file(secret: Path) -> None:
    """As it may where a variable names the file."""
    secret.write_text(f"{KEY},{OTHER_KEY}\n")
    settings = load_settings(service_file(f"{{token_keys: 'file://{secret}'}}"), ENV)
    assert settings.token_keys == (Secret(KEY), Secret(OTHER_KEY))


def test_a_fault_in_a_list_or_mapping_of_a_variable_names_both() -> None:
    """The place in the file, and where the value came from; the value itself is not shown."""
    section = "{policy: os.environ/POLICY, cors_origins: os.environ/ORIGINS, token: os.environ/T}"
    env = {**ENV, "POLICY": "{canary", "ORIGINS": "canary.example", "T": '{"uses": "2"}'}
    lines = faults(service_file(section), env)
    assert [(line.partition(":")[0], line.rpartition(" in the ")[2]) for line in lines] == [
        ("signaller.policy", "environment variable POLICY"),
        ("signaller.token.uses", "environment variable T"),
        ("signaller.cors_origins[0]", "environment variable ORIGINS"),
    ]
    assert "{canary" not in "".join(lines)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "SIGNALLER_TOKEN__USES",
            "many",
            "SIGNALLER_TOKEN__USES: expected a whole number from 1 to 100, found 'many'",
        ),
        (
            "SIGNALLER_POLICY__SESSION",
            "{canary",
            "SIGNALLER_POLICY__SESSION: expected a mapping as JSON, found what is not JSON",
        ),
        (
            "SIGNALLER_CALLERS",
            '[{"name": "web"}]',
            "signaller.callers[0].keys: expected keys, or a gateway (jwt or header) that names "
            "this caller, found neither in the environment variable SIGNALLER_CALLERS",
        ),
        (
            "SIGNALLER_EGRESS__ENVIRONMENT",
            "no",
            "SIGNALLER_EGRESS__ENVIRONMENT: expected true or false, found 'no'",
        ),
    ],
)
@pytest.mark.parametrize("text", [None, entry()], ids=["no file", "a file"])
def test_a_fault_in_a_variable_names_it(
    text: str | None, name: str, value: str, expected: str
) -> None:
    """With or without a file beside it."""
    assert faults(text, {**ENV, name: value}) == (expected,)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SIGNALLER_TOKEN__USE", "SIGNALLER_TOKEN__USES"),
        ("SIGNALLER_METRICS_PORT", "SIGNALLER_METRICS__PORT"),
        ("SIGNALLER_MASTERKEY", "SIGNALLER_MASTER_KEY"),
        ("SIGNALLER_TOKEN__TTL", "SIGNALLER_TOKEN__TTL_SECONDS"),
        ("SIGNALLER_TOKENS__TTL_SECONDS", "SIGNALLER_TOKEN__TTL_SECONDS"),
        ("SIGNALLER_TIMEOUTS_MINT_SECONDS", "SIGNALLER_TIMEOUTS__MINT_SECONDS"),
        ("SIGNALLER_GATEWAY__JWT__ISSUERS", "SIGNALLER_GATEWAY__JWT__ISSUER"),
        ("SIGNALLER_MASTERKEY_FILE", "SIGNALLER_MASTER_KEY"),
        ("SIGNALLER_MASTER_KEY", None),
        ("SIGNALLER_SOMETHING_ELSE", None),
    ],
)
def test_a_slip_in_a_variable_is_said(name: str, said: str | None) -> None:
    """It would be lost in silence; what looks like nothing of ours may be another's."""
    warnings = load_settings(entry(), {**OPENAI, name: "a-value-of-some-length"}).warnings
    found = [each for each in warnings if each.startswith(name)]
    assert found == ([f"{name}: no effect here (did you mean {said}?)"] if said else [])


@pytest.mark.parametrize("name", ["SIGNALLER_SOMETHING_ELSE", "SIGNALLER_LOG_LEVEL_FILE"])
@pytest.mark.parametrize("text", [None, entry()], ids=["no file", "a file"])
def test_a_variable_of_ours_that_nothing_reads_is_named(text: str | None, name: str) -> None:
    """However far from any that is read: somebody means something by it."""
    settings = load_settings(text, {**ENV, name: "canary"})
    assert f"{name}: no effect here" in settings.notes
    assert "canary" not in "".join((*settings.notes, *settings.warnings))


def test_a_list_of_deployments_beside_a_file_is_said_to_have_no_effect() -> None:
    """It is read only where there is no file, and is no slip of itself."""
    warnings = load_settings(entry(), {**ENV, "SIGNALLER_MODEL_LIST": "[]"}).warnings
    assert [each for each in warnings if "MODEL_LIST" in each] == [
        "SIGNALLER_MODEL_LIST: no effect, as it is read only where there is no file"
    ]


def test_an_address_of_kubernetes_is_no_slip() -> None:
    """Services called signaller and signaller-metrics put them into every pod beside them."""
    links = {
        "SIGNALLER_SERVICE_HOST": "10.0.0.1",
        "SIGNALLER_SERVICE_PORT": "4000",
        "SIGNALLER_SERVICE_PORT_HTTP": "4000",
        "SIGNALLER_PORT": "tcp://10.0.0.1:4000",
        "SIGNALLER_PORT_4000_TCP": "tcp://10.0.0.1:4000",
        "SIGNALLER_PORT_4000_TCP_ADDR": "10.0.0.1",
        "SIGNALLER_PORT_4000_TCP_PORT": "4000",
        "SIGNALLER_PORT_4000_TCP_PROTO": "tcp",
        "SIGNALLER_METRICS_PORT": "tcp://10.0.0.1:9464",
        "SIGNALLER_METRICS_SERVICE_HOST": "10.0.0.1",
        "SIGNALLER_METRICS_PORT_9464_TCP_PORT": "9464",
    }
    settings = load_settings(entry(), {**ENV, **links})
    assert not any("SIGNALLER" in each for each in (*settings.notes, *settings.warnings))


def test_the_origin_of_each_value_is_kept(secret: Path) -> None:
    """For `signaller check`; a default has none."""
    sources = load_settings(
        service_file("{token: {uses: 2}, token_keys: [os.environ/TOKEN_KEY]}"),
        {**OPENAI, "SIGNALLER_MASTER_KEY_FILE": str(secret), "TOKEN_KEY": KEY},
    ).sources
    assert sources == {
        "general_settings.master_key": "the environment variable SIGNALLER_MASTER_KEY_FILE",
        "model_list[0].litellm_params.api_key": "the environment variable OPENAI_API_KEY",
        "signaller.token.uses": "the file",
        "signaller.token_keys": "the file",
        "signaller.token_keys[0]": "the environment variable TOKEN_KEY",
    }


HEXADECIMAL = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"  # the shape of an Azure key


@pytest.mark.parametrize(
    "section",
    [
        "token: {ttl_seconds: os.environ/WRONG}",
        "public_url: os.environ/WRONG",
        "cors_origins: [os.environ/WRONG]",
        "egress: {ca_file: os.environ/WRONG}",
    ],
)
def test_what_a_variable_holds_is_not_quoted(section: str) -> None:
    """It may be another secret than was meant."""
    (fault,) = faults(service_file(f"{{{section}}}"), {**ENV, "WRONG": HEXADECIMAL})
    assert HEXADECIMAL[:8] not in fault
    assert "in the environment variable WRONG" in fault or "no such" in fault.lower()


@pytest.mark.parametrize(
    "section", ["public_url: file://PATH", "metrics: {port: 9999, host: file://PATH}"]
)
def test_only_secrets_are_read_from_files(secret: Path, section: str) -> None:
    """A fault, or `signaller check`, would show what stands in any file that it can read."""
    (fault,) = faults(service_file(f"{{{section.replace('PATH', str(secret))}}}"))
    assert "only secrets are read from files" in fault
    assert MASTER not in fault


def test_a_key_in_the_place_of_a_files_path_is_not_shown() -> None:
    """The likeliest slip with _FILE."""
    found = faults(entry(), {**OPENAI, "SIGNALLER_MASTER_KEY_FILE": HEXADECIMAL})
    assert found
    assert HEXADECIMAL[:8] not in "".join(found)


def test_a_reference_leads_to_a_value() -> None:
    """And to no further reference, which would be sent to the provider as its key."""
    (fault,) = faults(entry("api_key: os.environ/MINE"), {**ENV, "MINE": "file:///run/secrets/x"})
    assert "expected the value itself, found another reference" in fault


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    """The start of one that is too long says enough."""
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(3 * 1024**3)
    path.chmod(0o600)
    (fault,) = faults(entry(f"api_key: file://{path}"))
    assert "characters" in fault


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("file:/run/secrets/x", "file:///path"),
        ("FILE:///run/secrets/x", "file:///path"),
        ("/run/secrets/x", "file:///path"),
        ("os.environ.NAME", "os.environ/NAME"),
        ("os.environ[NAME]", "os.environ/NAME"),
        ("os.environ['NAME']", "os.environ/NAME"),
        ("OS.ENVIRON/NAME", "os.environ/NAME"),
        ("os.environ", "os.environ/NAME"),
        ("${NAME}", "os.environ/NAME"),
        ("$(NAME)", "os.environ/NAME"),
        ("$NAME", "os.environ/NAME"),
        ("{{NAME}}", "os.environ/NAME"),
        ("<your-key-goes-here>", "os.environ/NAME"),
    ],
)
def test_a_slip_of_a_reference_is_no_secret(tmp_path: Path, written: str, meant: str) -> None:
    """Whoever knows the file would know the key; the same where a file or a variable holds it."""
    expected = f"expected the secret itself or a reference to it (did you mean {meant}?)"
    quoted = f'"{written}"'
    sections = (
        "{metrics: {key: VALUE}}",
        "{callers: [{name: a, keys: [VALUE]}]}",
        "{token_keys: [VALUE]}",
        "{redis_url: 'redis://r', redis: {password: VALUE}, token_keys: [KEY]}",
    )
    texts = [
        service_file(each.replace("VALUE", quoted).replace("[KEY]", f"[{KEY}]"))
        for each in sections
    ]
    texts += [entry(f"api_key: {quoted}"), entry() + f"general_settings: {{master_key: {quoted}}}"]
    for text in texts:
        (fault,) = faults(text)
        assert f"{expected}, found what looks like a reference" in fault
    (fault,) = faults(entry(), {**OPENAI, "SIGNALLER_MASTER_KEY": written.replace("E://", "E:/")})
    assert fault.startswith(f"SIGNALLER_MASTER_KEY: {expected}")
    path = tmp_path / "secret"
    path.write_text(written)
    (fault,) = faults(entry(f"api_key: file://{path}"))
    assert expected in fault


@pytest.mark.parametrize("reference", ["os.environ/OPENAI_API_KEY", "file:///run/secrets/x"])
def test_a_file_holds_no_reference(tmp_path: Path, reference: str) -> None:
    """As a variable does not, whether its path stands in a variable or in the file."""
    path = tmp_path / "secret"
    path.write_text(reference)
    for text, env in (
        (entry(), {**OPENAI, "SIGNALLER_MASTER_KEY_FILE": str(path)}),
        (entry() + f"general_settings: {{master_key: 'file://{path}'}}", OPENAI),
    ):
        (fault,) = faults(text, env)
        assert fault.endswith(f"found '{path}', which holds another reference")


def test_a_key_in_base64_is_no_path() -> None:
    """One of 64 begins with a slash."""
    key = "/k3Yz0/4qWb8Zr1LmX6Tn2Vc/9sPd5Hg7Jf0KaQwErTyUi3Op"
    assert load_settings(entry(f"api_key: {key}"), ENV).deployments[0].api_key == Secret(key)
    key = "$ecret-with-a-dollar"
    assert load_settings(entry(f"api_key: {key}"), ENV).deployments[0].api_key == Secret(key)
    assert load_settings(entry("api_key: $ecretword"), ENV).deployments[0].api_key


HEX = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("secret", [HEX, HEX.upper(), KEY, "A1b2" * 21], ids=len)
def test_a_key_without_a_mark_is_shown_nowhere(tmp_path: Path, secret: str) -> None:
    """Azure's have none, nor have token keys: as a value, a key's name, a variable or a path."""
    found = faults(
        service_file(
            f"{{public_url: '{secret}', {secret}: x, metrics: {{key: os.environ/{secret}}},"
            f" token_keys: ['file:///run/{secret}/x']}}"
        )
    )
    assert len(found) == 4
    assert secret not in "".join(found)
    settings = load_settings(entry(f"{secret}: x"), {**ENV, f"SIGNALLER_{secret}": "x"})
    assert secret.lower() not in "".join(settings.notes + settings.warnings).lower()


@pytest.mark.parametrize(
    "text",
    [
        *("gpt-4o-realtime-preview-2024-12-17", "0123456789ab", "0123456789ab-ba9876543210"),
        *("antidisestablishmentarianism", "1234567890123456", "/run/secrets/openai_api_key_2"),
    ],
)
def test_what_is_no_key_stays_readable(text: str) -> None:
    """Names of models, ids of deployments, words, numbers and usual paths."""
    assert not looks_secret(text)


def test_a_variable_beside_the_files_master_key_is_named() -> None:
    """Whoever rotates it would wonder why the old key still opens; a reference to it is no two."""
    said = "SIGNALLER_MASTER_KEY: no effect, as general_settings.master_key has a value already"
    text = entry() + "general_settings: {master_key: WRITTEN}\n"
    assert said in load_settings(text.replace("WRITTEN", MASTER), ENV).notes
    reference = text.replace("WRITTEN", "os.environ/SIGNALLER_MASTER_KEY")
    assert said not in load_settings(reference, ENV).notes
    assert said not in load_settings(entry(), ENV).notes


def test_a_variable_beside_its_file_is_named_once(secret: Path) -> None:
    """A secret store writes the file, and nothing reads it."""
    notes = load_settings(entry(), {**ENV, "OPENAI_API_KEY_FILE": str(secret)}).notes
    said = "OPENAI_API_KEY_FILE: no effect, as OPENAI_API_KEY is set too"
    assert notes.count(said) == 1


@pytest.mark.parametrize("secret", ["uses", KEY])
def test_a_key_that_stands_twice_in_json_is_a_fault(secret: str) -> None:
    """As in YAML: the last would rule in silence."""
    env = {**ENV, "SIGNALLER_CALLERS": f'[{{"name": "a", "{secret}": 1, "{secret}": 2}}]'}
    (fault,) = faults(entry(), env)
    found = "'uses'" if secret == "uses" else f"a string of {len(KEY)} characters"
    assert fault == (
        f"SIGNALLER_CALLERS: expected a list of callers with each key once, found {found} again"
    )
