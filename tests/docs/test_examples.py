"""The pages' configurations, addresses and gateway, read by what would read them."""

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from signaller import cli
from signaller.config import load_settings
from signaller.secret import Secret
from signaller.stores.urls import Topology, parse_redis_url
from tests.docs.pages import blocks, codes, section
from tests.packaging.tree import ROOT, run, tool
from tests.support.certificate import self_signed
from tests.support.service import token_key

FRAGMENT = "model_list: [{model_name: '*', litellm_params: {model: openai/*, api_key: sk-x}}]\n"
TOPOLOGIES: tuple[Topology, ...] = ("single", "single", "unix", "sentinel", "cluster")


def environment(text: str) -> dict[str, str]:
    """A value for each variable that a configuration refers to."""
    values = {
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "SIGNALLER_TOKEN_KEY": token_key().reveal(),
        "EGRESS_PROXY": "http://user:password@proxy.corp:3128",
    }
    names = re.findall(r"os\.environ/(\w+)", text)
    return {name: values.get(name, f"value-of-{name}-in-this-test") for name in names}


@pytest.mark.parametrize("text", blocks("yaml"), ids=range(len(blocks("yaml"))))
def test_a_configuration_is_valid(text: str, tmp_path: Path) -> None:
    """Each example loads, and nothing in it is without effect."""
    files = self_signed(tmp_path)
    text = re.sub(r"/etc/ssl/\S+\.pem", str(files.certificate), text)
    text = re.sub(r"/etc/ssl/\S+\.key", str(files.key), text)
    text = re.sub(r"file:///run/secrets/(\w+)", rf"file://{tmp_path}/\1", text)
    for name in re.findall(rf"file://{tmp_path}/(\w+)", text):
        value = token_key().reveal() if name == "token_key" else f"value-of-{name}-in-this-test"
        (tmp_path / name).write_text(value)
        (tmp_path / name).chmod(0o400)
    whole = text if "model_list" in yaml.safe_load(text) else FRAGMENT + text
    settings = load_settings(whole, environment(whole))
    assert settings.deployments
    assert [note for note in settings.notes if "no effect" in note or "passed over" in note] == []


def test_the_reference_example_arrives() -> None:
    """The first configuration means what it looks like."""
    (text,) = section("Configuration").blocks("yaml")
    settings = load_settings(text, environment(text))
    assert [deployment.provider for deployment in settings.deployments] == ["openai", "azure"]
    assert {deployment.model_name for deployment in settings.deployments} == {"gpt-realtime"}
    assert settings.public_url == "https://voice.example"
    assert settings.cors_origins == ("https://app.example",)


def test_entra_is_understood() -> None:
    """The second example of Azure names a service principal, and no key."""
    text = section("Azure").blocks("yaml")[1]
    (deployment,) = load_settings(text, environment(text)).deployments
    assert deployment.api_key is None
    assert deployment.entra is not None


def test_redis_urls_are_understood() -> None:
    """Each form of the table is one that the store takes, for what the table says."""
    rows = section("Redis and replicas").table("URL")
    addresses = [parse_redis_url(Secret(codes(row["URL"])[0])) for row in rows]
    assert tuple(address.topology for address in addresses) == TOPOLOGIES
    assert [address.tls for address in addresses] == [False, True, False, False, False]
    assert "`rediss+sentinel://` with TLS" in rows[3]["For"]
    assert "`rediss+cluster://` with TLS" in rows[4]["For"]
    for row in rows[3:]:
        assert parse_redis_url(Secret(codes(row["URL"])[0].replace("redis+", "rediss+"))).tls


def test_a_shell_reads_the_units_variables_as_systemd_does(tmp_path: Path) -> None:
    """Single quotes keep whatever a URL or a password holds, so `check` sees what runs."""
    assert "NAME='value', a line each" in section("systemd").blocks("console")[0]
    value, path = r"redis://:a&b $HOME;`id`\\#\"c@host:6379/0", tmp_path / "env"
    path.write_text(f"REDIS_URL='{value}'\nOTHER='two words'\n")
    (block,) = section("Changes without a restart").blocks("console")
    source = block.splitlines()[0].replace("/etc/signaller/env", str(path))
    show = f"{shlex.quote(sys.executable)} -c 'import os; print(os.environ[\"REDIS_URL\"])'"
    assert run("sh", "-c", f"{source}; {show}", cwd=tmp_path) == f"{value}\n"


def test_the_gateway_and_the_service_agree() -> None:
    """nginx connects to the command's socket, repeats nothing and waits long enough."""
    gateway = section("Behind a gateway")
    (command,), (nginx,) = gateway.blocks("console"), gateway.blocks("nginx")
    socket = re.search(r"--uds (\S+)", command)
    assert socket
    assert f"server unix:{socket[1]};" in nginx
    assert nginx.count("{") == nginx.count("}")
    for directive in ("proxy_next_upstream off;", "proxy_http_version 1.1;"):
        assert directive in nginx
    seconds = re.search(r"proxy_read_timeout (\d+)s;", nginx)
    limit = re.search(r"client_max_body_size (\d+)k;", nginx)
    assert seconds
    assert limit
    assert int(seconds[1]) > 20  # timeouts.call_seconds
    assert int(limit[1]) > 64 + 256  # a multipart offer with its session


def test_prometheus_takes_the_scrape_configuration(tmp_path: Path) -> None:
    """As it stands, with the job that the alert rules ask for."""
    (text,) = section("Monitoring").blocks("yml")
    (job,) = yaml.safe_load(text)["scrape_configs"]
    rules = (ROOT / "signaller/monitoring/alerts.yml").read_text()
    assert f'up{{job="{job["job_name"]}"}}' in rules
    (tmp_path / "prometheus.yml").write_text(text)
    promtool = shutil.which("promtool")
    assert promtool, "promtool is not installed: apt-get install prometheus"
    done = subprocess.run(  # noqa: S603 - our own arguments
        [promtool, "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """It starts, reloads and stops the service as the pages around it say."""
    (text,) = section("systemd").blocks("ini")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # keys in capitals and small
    unit.read_string(text)
    service = unit["Service"]
    command, *options = shlex.split(service["ExecStart"])
    assert command.removesuffix("/signaller") in section("Install").text
    known = {option for parameter in cli.main.params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known
    (socket,) = re.findall(r"--uds (\S+)", section("Behind a gateway").blocks("console")[0])
    assert socket in options
    assert Path(socket).parent.name == service["RuntimeDirectory"]
    assert service["EnvironmentFile"] in section("Changes without a restart").text
    assert int(service["TimeoutStopSec"]) > 51  # as Behind a gateway says
    if systemd := shutil.which("systemd-analyze"):
        path = tmp_path / "signaller.service"
        path.write_text(text.replace(command, sys.executable))
        done = subprocess.run(  # noqa: S603 - our own arguments
            [systemd, "verify", "--man=no", str(path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert str(path.name) not in done.stderr


def test_docker_gets_what_it_asks_for() -> None:
    """The variables that the page sets are those that docker-compose.yml demands."""
    (commands,) = section("Docker").blocks("console")
    demanded = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    assert demanded
    assert demanded <= set(re.findall(r"export (\w+)=", commands))


def test_docker_takes_the_file_beside_its_own(tmp_path: Path) -> None:
    """Compose merges it: a service that is there, started with options that there are."""
    (text,) = section("Docker").blocks("yml")
    assert "`docker-compose.override.yml`" in section("Docker").text
    override = tmp_path / "docker-compose.override.yml"
    override.write_text(text)
    run(tool("check-jsonschema"), "--builtin-schema", "compose-spec", str(override))
    ((name, service),) = yaml.safe_load(text)["services"].items()
    assert name in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    known = {option for parameter in cli.main.params for option in parameter.opts}
    options = service["command"]
    assert {option for option in options if option.startswith("--")} <= known
    (volume,) = service["volumes"]
    assert volume.split(":")[1] == options[options.index("--config") + 1]


@pytest.mark.parametrize(
    ("env", "provider"),
    [
        ({"OPENAI_API_KEY": "sk-x"}, "openai"),
        ({"AZURE_API_KEY": "x", "AZURE_API_BASE": "https://r.openai.azure.com"}, "azure"),
    ],
)
def test_a_key_in_the_environment_is_enough(env: dict[str, str], provider: str) -> None:
    """Without a file, the variables that the README sets make a service that gives out tokens."""
    (start,) = section("With a key of your own").blocks("console")
    variables = {"SIGNALLER_MASTER_KEY", *env}
    assert all(variable in start for variable in variables)
    settings = load_settings(None, {**env, "SIGNALLER_MASTER_KEY": "a-master-key-for-this-test"})
    assert settings.master_key
    assert [(one.provider, one.model_name) for one in settings.deployments] == [(provider, "*")]


def test_the_two_commands_exist() -> None:
    """The first screen's verbs are targets of the Makefile."""
    (block,) = section("Start").blocks("sh")
    makefile = (ROOT / "Makefile").read_text()
    verbs = re.findall(r"^make (\w+)", block, re.M)
    assert verbs == ["demo", "test"]
    assert all(re.search(rf"^{verb}:", makefile, re.M) for verb in verbs)
