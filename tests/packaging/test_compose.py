"""docker-compose.yml: held against the Compose specification, and against our own promises."""

import re
from typing import Any

import pytest
import yaml

from tests.packaging.tree import ROOT, run, tool

COMPOSE = ROOT / "docker-compose.yml"
SERVICES = ["signaller", "redis"]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services by name."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_the_file_satisfies_the_compose_specification() -> None:
    """Docker's own schema finds no fault."""
    said = run(tool("check-jsonschema"), "--builtin-schema", "compose-spec", str(COMPOSE))
    assert "ok" in said


def test_the_schema_would_find_a_fault(tmp_path: Any) -> None:
    """A misspelt key is refused, so the test above says something."""
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE.read_text().replace("read_only:", "readonly:"))
    with pytest.raises(AssertionError, match="readonly"):
        run(tool("check-jsonschema"), "--builtin-schema", "compose-spec", str(broken))


def test_there_are_two_services(services: dict[str, Any]) -> None:
    """The service and Redis, nothing else."""
    assert list(services) == SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_nothing_to_spare(services: dict[str, Any], name: str) -> None:
    """No root, nothing writable but memory, no capability, no way to gain any."""
    service = services[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - the container's own
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "volumes", "network_mode", "pid"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_says_whether_it_is_well(services: dict[str, Any], name: str) -> None:
    """Each has a health check that runs without a shell."""
    assert services[name]["healthcheck"]["test"][0] == "CMD"


def test_the_service_waits_for_a_healthy_redis(services: dict[str, Any]) -> None:
    """The first token is asked for when it can be kept."""
    assert services["signaller"]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert services["signaller"]["environment"]["REDIS_URL"] == "redis://redis:6379/0"


def test_two_replicas_find_a_port_each(services: dict[str, Any]) -> None:
    """`--scale signaller=2` works: no fixed name, and a range of host ports."""
    (port,) = services["signaller"]["ports"]
    address, first, last, inside = re.fullmatch(r"(.+):(\d+)-(\d+):(\d+)", port).groups()  # type: ignore[union-attr]  # no match fails the test too
    assert (address, inside) == ("127.0.0.1", "4000")
    assert int(last) > int(first)
    assert "container_name" not in services["signaller"]


@pytest.mark.parametrize("name", ["SIGNALLER_MASTER_KEY", "SIGNALLER_TOKEN_KEY"])
def test_keys_come_from_outside(services: dict[str, Any], name: str) -> None:
    """A missing key stops the start with a word on what it is; none has a default."""
    assert services["signaller"]["environment"][name].startswith(f"${{{name}:?")


def test_redis_is_private_and_keeps_nothing(services: dict[str, Any]) -> None:
    """Redis has no port outside, writes nothing to disk, and refuses rather than forgets."""
    redis = services["redis"]
    command = " ".join(redis["command"])
    networks = yaml.safe_load(COMPOSE.read_text())["networks"]
    assert "ports" not in redis
    assert [networks[name]["internal"] for name in redis["networks"]] == [True]
    assert "--save  --appendonly no" in command
    assert "--maxmemory-policy noeviction" in command
