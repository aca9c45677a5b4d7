"""The Dockerfile: held against hadolint, and against our own promises."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.packaging.tree import ROOT, run, tool
from tests.support.process import config, served

DOCKERFILE = ROOT / "Dockerfile"


@pytest.fixture(scope="module")
def stages() -> list[list[tuple[str, str]]]:
    """Per stage, its instructions in order: (name, the rest with line ends joined)."""
    text = re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE.read_text()).replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = []
    for line in filter(str.strip, text.splitlines()):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, " ".join(rest.split())))
    return found


def test_hadolint_finds_no_fault() -> None:
    """Not even at the level of style, and without a rule switched off."""
    said = run(
        tool("hadolint"), "--no-color", "--failure-threshold", "style", "--disable-ignore-pragma",
        str(DOCKERFILE),
    )  # fmt: skip
    assert said == ""


def test_hadolint_would_find_a_fault(tmp_path: Path) -> None:
    """A base image without a tag is refused, so the test above says something."""
    broken = tmp_path / "Dockerfile"
    broken.write_text(re.sub(r"python:\S+", "python", DOCKERFILE.read_text()))
    with pytest.raises(AssertionError, match="DL3006"):
        run(tool("hadolint"), str(broken))


def test_every_base_image_has_a_full_tag(stages: list[list[tuple[str, str]]]) -> None:
    """Python's minor version and Debian's release are named, and all stages agree."""
    images = {rest.split()[0] for stage in stages for name, rest in stage if name == "FROM"}
    assert len(stages) == 2
    assert len(images) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", images.pop())


def test_the_image_runs_as_nobody_in_particular(stages: list[list[tuple[str, str]]]) -> None:
    """The last stage ends as a user and group known by number, neither of them root."""
    users = [rest for name, rest in stages[-1] if name == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_the_image_says_whether_it_is_well(stages: list[list[tuple[str, str]]]) -> None:
    """A health check asks /healthz without a shell."""
    (check,) = [rest for name, rest in stages[-1] if name == "HEALTHCHECK"]
    command = json.loads(check[check.index("[") :])
    assert command[0] == "python"
    assert "/healthz" in command[-1]
    compile(command[-1], "healthcheck", "exec")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - inside a container
def test_the_health_check_finds_the_service(
    stages: list[list[tuple[str, str]]], tmp_path: Path, host: str
) -> None:
    """Whichever interfaces it serves; and it fails where nothing does."""
    (check,) = [rest for name, rest in stages[-1] if name == "HEALTHCHECK"]
    (_, *arguments) = json.loads(check[check.index("[") :])
    with served("--config", config(tmp_path, "http://127.0.0.1:1"), "--host", host) as process:
        process.ready()
        port = process.url().rpartition(":")[2]
        healthy = [sys.executable, *(each.replace("4000", port) for each in arguments)]
        run(*healthy)
    with pytest.raises(AssertionError):
        run(*healthy)


def test_the_image_serves_every_interface_and_takes_options(
    stages: list[list[tuple[str, str]]],
) -> None:
    """`docker run image --config ...` replaces the options, not the program."""
    last = dict(stages[-1])
    assert json.loads(last["ENTRYPOINT"]) == ["signaller"]
    assert json.loads(last["CMD"]) == ["--host", "0.0.0.0"]  # noqa: S104 - inside the container
    assert "PYTHONDONTWRITEBYTECODE=1" in last["ENV"]


def test_the_last_stage_installs_nothing(stages: list[list[tuple[str, str]]]) -> None:
    """Tools and sources stay in the build stage; pins come from the lock."""
    assert not [rest for name, rest in stages[-1] if name in {"RUN", "ADD"}]
    installs = [rest for name, rest in stages[0] if name == "RUN" and "uv pip install" in rest]
    assert installs
    assert all("--constraints requirements.lock" in rest for rest in installs)
