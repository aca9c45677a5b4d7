"""The JSON Schema of the file: what editors complete, and what every valid file keeps."""

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs

from signaller.config import json_schema, load_settings
from signaller.config.schema import declarations, rows
from signaller.errors import ConfigError
from tests.config import test_callers, test_describe_access, test_litellm, test_policy, test_service
from tests.config.reading import ENV, entry, service_file
from tests.packaging.tree import ROOT
from tests.support.process import run

SCHEMA: dict[str, Any] = json.loads(json_schema())
VALIDATOR = Draft202012Validator(SCHEMA)
FENCE = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
EXAMPLES = [
    pytest.param(text, id=f"{page.name} {number}")
    for page in PAGES
    for number, text in enumerate(FENCE.findall(page.read_text("utf-8")))
]
FILES = [
    *(path.read_text() for path in sorted((Path(__file__).parent / "litellm").iterdir())),
    test_litellm.DOCUMENTED,
    test_service.REFERENCE,
    service_file(f"{{policy: {test_policy.FULL}}}"),
    service_file(test_describe_access.SECTION),
    service_file(f"{{callers: [{{name: web, keys: [{test_callers.WRITTEN}]}}]}}"),
    entry("timeout: os.environ/T, weight: '2'"),
    service_file("{token: {ttl_seconds: os.environ/TTL, uses: 2}}"),
    service_file("{policy: os.environ/POLICY, cors_origins: os.environ/ORIGINS}"),
    service_file("{token_keys: file:///run/secrets/keys}"),
    service_file("os.environ/OURS"),
    service_file(""),
    service_file("{redis_url: file:///run/secrets/redis, redis: {password: os.environ/P}}"),
]


def plain(value: object) -> object:
    """What YAML reads as a date is a text to editors, and names of keys always are."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def complaints(text: str) -> list[str]:
    """What the schema has against a file."""
    return [
        error.message
        for document in yaml.safe_load_all(text)
        for error in VALIDATOR.iter_errors(plain(document))
    ]


def test_the_schema_is_one_of_2020_12() -> None:
    """As a validator that knows the dialect sees it."""
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)


def test_the_command_prints_it() -> None:
    """Nothing else, so that it can be sent to a file."""
    done = run("schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == SCHEMA


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_documentation_is_valid_by_it(text: str) -> None:
    """An editor has nothing against what a reader copies."""
    assert complaints(text) == []


@pytest.mark.parametrize("text", FILES, ids=range(len(FILES)))
def test_a_valid_file_of_the_tests_is_valid_by_it(text: str) -> None:
    """LiteLLM's files with keys of every kind among them."""
    assert complaints(text) == []


@pytest.mark.parametrize(
    "section",
    [
        "{tokn: {}}",
        "{token: {uses: 0}}",
        "{token: {uses: many}}",
        "{token: {ttl_seconds: 9}}",
        "{timeouts: {mint_seconds: 601}}",
        "{timeouts: {mint_seconds: }}",
        "{token_keys: []}",
        "{callers: {}}",
        "{callers: [{keys: [a-key-of-its-own]}]}",
        "{callers: [{name: a b, keys: [a-key-of-its-own]}]}",
        "{policy: {on_replay: hang_up}}",
        "{policy: {origins: []}}",
        "{gateway: {jwt: {issuer: i, audience: a, jwks_url: 'https://h', algorithms: [HS256]}}}",
        "{gateway: {header: {name: X-Caller}}}",
        "{metrics: {port: 65536}}",
        "{egress: {environment: 'no'}}",
        "{egress: {environment: 'true'}}",
        "{token: {ttl_seconds: '300'}}",
        "{timeouts: {mint_seconds: '2.5'}}",
        "{callers: [{name: web, keys: [a-key-of-its-own], token_uses: '2'}]}",
        "{token: {ttl_seconds: file:///run/secrets/ttl}}",
        "{cors_origins: file:///run/secrets/origins}",
        "{policy: file:///run/secrets/policy}",
        "{cors_origins: 'https://a.example'}",
        "[]",
    ],
)
def test_what_the_service_refuses_an_editor_marks(section: str) -> None:
    """Names, types, bounds and choices; only what they mean together is left to the service."""
    text = service_file(section)
    with pytest.raises(ConfigError):
        load_settings(text, ENV)
    assert complaints(text)


def test_a_mistake_is_marked_where_it_stands() -> None:
    """Not at the whole file, as alternatives on the way to it would have it."""
    text = entry("timeout: []") + "signaller: {callers: [{name: web, keys: 7}]}"
    errors = VALIDATOR.iter_errors(plain(yaml.safe_load(text)))
    assert [error.json_path for error in errors] == [
        "$.model_list[0].litellm_params.timeout",
        "$.signaller.callers[0].keys",
    ]


def test_every_key_has_its_sentence_where_editors_look() -> None:
    """`# yaml-language-server: $schema=` shows it beside the key that it completes."""

    def keys(node: dict[str, Any], path: str) -> list[str]:
        options = [node, *node.get("anyOf", ())]
        properties: dict[str, Any] = next(
            (each["properties"] for each in options if "properties" in each), {}
        )
        items: Any = next((each["items"] for each in options if "items" in each), {})
        below = [
            found
            for key, each in properties.items()
            for found in (
                *([] if each.get("description") else [f"{path}.{key}"]),
                *keys(each, f"{path}.{key}"),
            )
        ]
        return below + keys(items, f"{path}[]") if isinstance(items, dict) and items else below

    assert keys(SCHEMA, "") == []
    ours = declarations()["properties"]["signaller"]["properties"]
    assert ours["token"]["properties"]["uses"]["description"].startswith("How many calls")


def test_the_rows_of_tables_are_the_declarations() -> None:
    """Key, default and sentence with the bounds, in the order of declaration."""
    assert rows("signaller.token") == [
        (
            "signaller.token.ttl_seconds",
            "`600`",
            "How long a token may start calls; 600 is OpenAI's own default. A request's "
            "`expires_after` rules over it. Below 120, clients that renew a minute early renew "
            "without a pause. 10 to 7200.",
        ),
        ("signaller.token.uses", "`1`", "How many calls one token may start. 1 to 100."),
    ]
    assert rows("signaller.gateway.header")[0] == (
        "signaller.gateway.header.name",
        "required",
        "The header with the caller's name.",
    )
    assert [key for key, _, _ in rows("signaller.callers")][:4] == [
        "signaller.callers",
        "signaller.callers[].name",
        "signaller.callers[].keys",
        "signaller.callers[].models",
    ]
    assert all(default and sentence for _, default, sentence in rows("signaller"))
