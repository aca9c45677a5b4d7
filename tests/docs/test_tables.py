"""The reference tables of the documentation, held against the code."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields

import click
import pytest
import yaml

from signaller import cli
from signaller.app import EXPOSED_HEADERS
from signaller.config.declared import (
    MAX_TIMEOUT_SECONDS,
    MAX_WEIGHT,
    OPENAI_URL,
    File,
)
from signaller.config.schema import declarations, rows
from signaller.config.values import names_of
from signaller.errors import SignallerError, UpstreamRefused, UpstreamUnavailable
from signaller.metrics import Metrics
from signaller.model import EntraCredential
from signaller.policy import MAX_TTL_SECONDS, MAX_USES, MIN_TTL_SECONDS, Narrowing
from signaller.secret import Secret
from signaller.server.reload import needs_restart
from signaller.settings import (
    ALGORITHMS,
    Egress,
    MetricsSettings,
    RedisLogin,
    Timeouts,
    TokenSettings,
)
from signaller.web.routes import PREFIXES, routes
from tests.docs.pages import codes, section
from tests.docs.tables import DECLARED, TABLES, written
from tests.packaging.tree import ROOT
from tests.support.service import settings

VARIABLE = re.compile(r"(?:OPENAI|AZURE|SIGNALLER|LITELLM|REDIS)_[A-Z_]+|[A-Z]+_PROXY")


def first_codes(title: str, column: str) -> list[str]:
    """The names in the first column of a section's table, each once."""
    names = [codes(row[column])[0] for row in section(title).table(column)]
    assert len(set(names)) == len(names)
    return names


def literals(folder: str) -> Iterator[str]:
    """Every string constant in the sources of a room."""
    for path in (ROOT / "signaller" / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def error_classes(base: type[SignallerError] = SignallerError) -> Iterator[type[SignallerError]]:
    """The whole tree."""
    yield base
    for child in base.__subclasses__():
        yield from error_classes(child)


@pytest.mark.parametrize("title", TABLES)
def test_keys_are_those_that_are_declared(title: str) -> None:
    """Each row, in the same order and words; `python -m tests.docs.tables` writes them anew."""
    assert section(title).table("Key") == written(title)


def test_every_key_has_its_row() -> None:
    """Each key that is declared is in a table, under its own name or below its section's."""
    every = [key for section_of_file in File.model_fields for key, _, _ in rows(section_of_file)]
    told = {key for found in DECLARED.values() for key, _, _ in found}
    prefixes = ("", "model_list[].", "signaller.", "signaller.policy.", "signaller.callers[].")
    assert {key for key in every if not told & {key.removeprefix(p) for p in prefixes}} == set()


def test_algorithms_are_those_that_are_taken() -> None:
    """All of them are named, and no other."""
    (row,) = (
        row
        for row in section("Callers").table("Key")
        if codes(row["Key"]) == ["gateway.jwt.algorithms"]
    )
    named = re.findall(r"[A-Z][A-Za-z]+(?:\d{3}|SA)", row["Meaning"])
    assert set(named) == set(ALGORITHMS)


def test_limits_that_a_jwt_may_narrow_are_named() -> None:
    """Of those that the page shows for a caller; no other can be."""
    limits = section("Limits")
    (shown,) = limits.blocks("yaml")
    (caller,) = yaml.safe_load(shown)["signaller"]["callers"]
    told = limits.text.partition("JWT may narrow")[2].partition(";")[0]
    narrowed = {each.name for each in fields(Narrowing)}
    assert codes(told) == [name for name in caller if name in narrowed]


def test_metrics_are_those_that_are_counted() -> None:
    """One row for each series, with its labels."""
    metrics = Metrics()
    metrics.observe("reload", {"outcome": "ok"}, None)
    _, text = metrics.exposition()
    families = set(re.findall(r"^# TYPE (signaller_\w+) ", text.decode(), re.M))
    assert set(first_codes("Monitoring", "Metric")) == families


def test_what_needs_a_restart_is_named() -> None:
    """The list of the page is the one that the log speaks of."""
    before = settings()
    after = settings(
        redis_url=Secret("redis://127.0.0.1/0"),
        timeouts=Timeouts(store_seconds=9),
        egress=Egress(no_proxy="*"),
        cors_origins=("https://app.example",),
        metrics=MetricsSettings(port=9464, host="::1"),
        redis=RedisLogin(password=Secret("p")),
    )
    (line,) = re.findall(r"^- (.*) need a restart", section("Changes without a restart").text, re.M)
    assert {f"signaller.{name}" for name in codes(line)} == set(needs_restart(before, after))


@pytest.mark.parametrize(("key", "kind"), [("token", TokenSettings), ("timeouts", Timeouts)])
def test_defaults_are_those_of_the_settings(
    key: str, kind: type[TokenSettings] | type[Timeouts]
) -> None:
    """A number in the column of defaults is the one that rules."""
    shown = {codes(row["Key"])[0]: row["Default"] for row in section("Our keys").table("Key")}
    defaults = kind()
    for field in fields(kind):
        default = str(getattr(defaults, field.name))
        assert codes(shown[f"signaller.{key}.{field.name}"]) == [default]


@pytest.mark.parametrize(
    ("title", "key", "bounds"),
    [
        ("Our keys", "signaller.token.ttl_seconds", f"{MIN_TTL_SECONDS} to {MAX_TTL_SECONDS}"),
        ("Our keys", "signaller.token.uses", f"1 to {MAX_USES}"),
        ("LiteLLM's keys", "litellm_params.weight", f"0 to {MAX_WEIGHT}"),
        ("LiteLLM's keys", "litellm_params.timeout", f"up to {MAX_TIMEOUT_SECONDS}"),
    ],
)
def test_bounds_are_those_that_are_enforced(title: str, key: str, bounds: str) -> None:
    """Where a number has bounds, the row says which."""
    (row,) = (row for row in section(title).table("Key") if codes(row["Key"])[0] == key)
    assert bounds in row["Meaning"]


def test_the_default_address_is_openais() -> None:
    """What stands for an absent api_base is the address that is used."""
    rows = {codes(row["Key"])[0]: row["Default"] for row in section("LiteLLM's keys").table("Key")}
    assert codes(rows["litellm_params.api_base"]) == [OPENAI_URL]


def test_variables_are_those_that_are_read() -> None:
    """One row for each environment variable that configuration looks at."""
    read = {text for text in literals("config") if VARIABLE.fullmatch(text)}
    read |= {f"AZURE_{field.name.upper()}" for field in fields(EntraCredential)}
    named = set(first_codes("Environment variables", "Variable"))
    of_keys = set(names_of(declarations()["properties"]["signaller"]))  # by one scheme
    assert named - of_keys == read - of_keys


def test_commands_and_options_are_those_of_the_program() -> None:
    """Each command and each option has a row, which names the commands that take it."""
    assert isinstance(cli.main, click.Group)
    commands: dict[str, click.Command] = {"signaller": cli.main, **cli.main.commands}
    named = [text.removeprefix("signaller ") for text in first_codes("Command line", "Command")]
    assert sorted(named) == sorted(commands)
    takes = {
        (option, name)
        for name, command in commands.items()
        for parameter in command.params
        for option in parameter.opts
    }
    rows = section("Command line").table("Option")
    assert takes == {(codes(row["Option"])[0], name) for row in rows for name in codes(row["Of"])}


@pytest.mark.parametrize("option", ["--host", "--port", "--workers", "--log-level"])
def test_default_options_are_those_of_the_program(option: str) -> None:
    """A value in the column of defaults is the one that rules."""
    shown = {codes(row["Option"])[0]: row for row in section("Command line").table("Option")}
    (default,) = (parameter.default for parameter in cli.main.params if option in parameter.opts)
    assert shown[option]["Default"] == str(default)


def test_errors_are_those_of_the_tree() -> None:
    """One row for each status and code that can reach a client."""
    expected = {
        (str(kind.status), kind.code)
        for kind in error_classes()
        if not issubclass(kind, UpstreamRefused)
    }
    expected |= {
        ("4xx", UpstreamRefused(status=400, type=None, code=None).code),
        ("429, 5xx", UpstreamUnavailable(status=500, type=None, code=None).code),
    }
    rows = section("Errors").table("Code")
    assert sorted(expected) == sorted((row["Status"], codes(row["Code"])[0]) for row in rows)


def test_no_code_is_given_in_passing() -> None:
    """Each one is a class of the tree, which has a row; a provider's own are the exception."""
    written = set()
    for path in (ROOT / "signaller").rglob("*.py"):
        if "loopback" in path.parts:
            continue  # the provider's own errors, not ours
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "code":
                written |= {node.value.value} if isinstance(node.value, ast.Constant) else set()
    assert written <= {None}


def test_exposed_headers_are_named() -> None:
    """What a browser may read of an answer is what the page says it may."""
    (line,) = re.findall(r"Browsers may read (.*)\.$", section("The wire").text, re.M)
    assert codes(line) == EXPOSED_HEADERS


def test_routes_are_those_that_are_served() -> None:
    """Each documented route exists under each prefix, and no route is left out."""
    served = set()
    for route in routes():
        path, methods = getattr(route, "path", ""), getattr(route, "methods", None) or set()
        served |= {(method, path.replace("call_id", "id")) for method in methods - {"HEAD"}}
    documented = {
        tuple(text.split(" "))
        for row in section("The wire").table("Route")
        for text in codes(row["Route"])
    }
    api = {(method, path) for method, path in documented if path.startswith("/v1")}
    assert {(method, prefix + path[3:]) for method, path in api for prefix in PREFIXES} <= served
    unlisted = {("GET", "/tester.json"), ("GET", "/favicon.svg")}  # parts of the page
    mentioned = {(method, prefix + path[3:]) for method, path in api for prefix in PREFIXES}
    assert {pair for pair in served if pair[1] not in ("/css", "/js", "/vendor")} == (
        mentioned | (documented - api) | unlisted
    )


def test_every_option_explains_itself() -> None:
    """`--help` has a sentence for each option and each command."""
    assert isinstance(cli.main, click.Group)
    for command in (cli.main, *cli.main.commands.values()):
        assert inspect.cleandoc(command.help or "")
        with click.Context(command) as context:
            text = command.get_help(context)
        for parameter in command.params:
            assert isinstance(parameter, click.Option)
            assert parameter.help
            assert parameter.opts[0] in text
