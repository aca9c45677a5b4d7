"""The wheel outside the checkout: built, installed in an empty venv, run."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from packaging.utils import canonicalize_name

from tests.packaging.tree import ROOT, run, tool

pytestmark = pytest.mark.timeout(400)  # building and installing on two slow cores
LEFT_BEHIND = shutil.ignore_patterns(
    *(
        ".git",
        ".venv*",  # the bench keeps some of its own, a gigabyte each
        "node_modules",
        "__pycache__",
        "dist",
        "*.egg-info",
        ".*_cache",
        ".hypothesis",
    )
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout."""
    workshop = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, workshop / "tree", ignore=LEFT_BEHIND)
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation")
    run(*build, "--outdir", str(workshop), str(workshop / "tree"), cwd=workshop)
    (built,) = workshop.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a venv that holds the wheel, its demo extra and nothing else."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    elsewhere = venv.parent
    run(tool("uv"), "venv", "--python", sys.executable, str(venv), cwd=elsewhere)
    target = (
        "--python",
        str(venv / "bin/python"),
        "--constraints",
        str(ROOT / "requirements.lock"),
    )
    run(tool("uv"), "pip", "install", *target, f"{wheel}[demo]", cwd=elsewhere)
    return venv / "bin"


@pytest.fixture(scope="module")
def demo(installed: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The base URL that `signaller demo` printed, and its process."""
    environment = {"PATH": f"{installed}:{os.defpath}"}
    process = subprocess.Popen(  # noqa: S603 - the program under test
        [str(installed / "signaller"), "demo", "--port", "0"],
        cwd=installed.parents[1],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield printed_url(process), process
        finally:
            process.kill()


def printed_url(process: subprocess.Popen[str]) -> str:
    """The first URL on standard output; a program that ends without one is an error."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError(f"the demo ended with {process.wait()} and printed no URL")


def test_the_wheel_holds_the_package_and_the_page(wheel: Path) -> None:
    """The tester page and the offer for a trial are inside, the tests are not."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {"signaller/cli.py", "signaller/static/index.html", "signaller/offer.sdp"} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"signaller"}
    page = [path.relative_to(ROOT) for path in (ROOT / "static").rglob("*") if path.is_file()]
    assert {f"signaller/{path.as_posix()}" for path in page} <= set(names)


def test_what_is_installed_is_what_the_bill_of_materials_lists(installed: Path) -> None:
    """Nothing but the service and what is listed, in these versions; and all that is required."""
    freeze = (tool("uv"), "pip", "freeze", "--quiet", "--python", str(installed / "python"))
    pins = [line.split("==") for line in run(*freeze).splitlines() if "==" in line]
    found = {canonicalize_name(name): version for name, version in pins}
    bill = json.loads(run(sys.executable, "-m", "tests.faults.supply.sbom"))
    every = {part["name"]: part["version"] for part in bill["components"]}
    required = {part["name"] for part in bill["components"] if part["scope"] == "required"}
    assert found.items() <= every.items()
    assert required <= set(found)


def test_the_demo_serves_the_page_and_mints_a_token(
    demo: tuple[str, subprocess.Popen[str]],
) -> None:
    """Outside the checkout: the page, what it fills in, and a token; SIGTERM ends it well."""
    url, process = demo
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert page.text == (ROOT / "static/index.html").read_text()
        filled_in = client.get("/tester.json").json()
        minted = client.post(
            "/v1/realtime/client_secrets",
            headers={"authorization": f"Bearer {filled_in['key']}"},
            json={"model": filled_in["models"][0]},
        )
    assert minted.status_code == 200, minted.text
    assert minted.json()["value"].startswith("ek_")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_the_program_knows_its_version(installed: Path, wheel: Path) -> None:
    """`signaller --version` agrees with the wheel's name."""
    assert wheel.name.split("-")[1] in run(str(installed / "signaller"), "--version")
