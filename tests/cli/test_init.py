"""`signaller init`, as somebody begins: what it writes is checked, and starts."""

from pathlib import Path

import pytest

from tests.cli.client import client
from tests.support.process import MASTER, run, served
from tests.support.service import token_key

ENV = {
    "OPENAI_API_KEY": "sk-canary-of-the-provider",
    "OPENAI_BASE_URL": "http://127.0.0.1:1",
    "SIGNALLER_MASTER_KEY": MASTER,
    "SIGNALLER_TOKEN_KEY": token_key().reveal(),
    "REDIS_URL": "redis://:canary@127.0.0.1:1/0",
}


def test_what_it_writes_passes_check(tmp_path: Path) -> None:
    """Printed or in a file the same, valid where it was written, without a secret."""
    path = tmp_path / "config.yaml"
    printed, saved = run("init", **ENV), run("init", "--output", str(path), **ENV)
    assert (printed.returncode, printed.stderr) == (saved.returncode, saved.stderr) == (0, "")
    assert printed.stdout == path.read_text("utf-8")
    assert f"signaller check --config {path}" in saved.stdout
    for secret in ("canary", MASTER, ENV["SIGNALLER_TOKEN_KEY"]):
        assert secret not in printed.stdout
    checked = run("check", "--config", str(path), **ENV)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.timeout(120)
async def test_what_it_writes_starts(tmp_path: Path) -> None:
    """A key and a master key are enough for a service that lets its operator in."""
    path = tmp_path / "config.yaml"
    key = ENV["OPENAI_API_KEY"]
    done = run("init", "--output", str(path), OPENAI_API_KEY=key, SIGNALLER_MASTER_KEY=MASTER)
    assert done.returncode == 0
    with served("--config", str(path), OPENAI_API_KEY=key, SIGNALLER_MASTER_KEY=MASTER) as process:
        async with client(process) as page:
            listed = await page.http.get(
                "/v1/models", headers={"authorization": f"Bearer {MASTER}"}
            )
    assert listed.status_code == 200


def test_an_empty_environment_gets_a_skeleton() -> None:
    """Exit status 0, as it is where somebody begins; an editor finds the schema if it is named."""
    done = run("init", "--schema", "../schema.json")
    assert done.returncode == 0
    assert "Needed first: for OpenAI OPENAI_API_KEY" in done.stdout
    assert done.stdout.startswith("# yaml-language-server: $schema=../schema.json\n")


@pytest.mark.parametrize(
    ("env", "missing"),
    [
        ({}, ["OPENAI_API_KEY, or AZURE_API_KEY with AZURE_API_BASE", "SIGNALLER_MASTER_KEY"]),
        ({"OPENAI_API_KEY": "canary"}, ["SIGNALLER_MASTER_KEY"]),
        ({**ENV, "SIGNALLER_TOKEN_KEY": ""}, ["redis_url", "set SIGNALLER_TOKEN_KEY"]),
    ],
    ids=["nothing", "no master key", "no token key"],
)
def test_what_is_left_out_is_said_with_what_to_do(
    env: dict[str, str], missing: list[str], tmp_path: Path
) -> None:
    """Beside the file, not in it: a Redis that is set and not used would be found out too late."""
    path = tmp_path / "config.yaml"
    printed, saved = run("init", **env), run("init", "--output", str(path), **env)
    assert printed.returncode == saved.returncode == 0
    for words in missing:
        assert words in printed.stderr
        assert words in saved.stderr
    assert f"signaller init --force --output {path}" in saved.stderr
    assert printed.stdout == path.read_text("utf-8")
    assert "canary" not in printed.stderr


def test_a_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    """Whoever has a configuration keeps it."""
    path = tmp_path / "config.yaml"
    path.write_text("mine")
    refused = run("init", "--output", str(path), **ENV)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"signaller: --output: expected a new file (--force replaces one), found {path}\n"
    )
    assert (refused.stdout, path.read_text()) == ("", "mine")
    assert run("init", "--output", str(path), "--force", **ENV).returncode == 0
    assert path.read_text() == run("init", **ENV).stdout


@pytest.mark.parametrize("place", ["nowhere/config.yaml", "."])
def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, place: str) -> None:
    """Exit status 2 and one line, no traceback."""
    done = run("init", "--force", "--output", str(tmp_path / place), **ENV)
    assert done.returncode == 2
    assert done.stderr.startswith("signaller: --output: expected a file that can be written, found")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("schema", ["a\nsignaller: {}", "sch\u00e9ma.json"])
def test_a_schema_is_one_word(schema: str) -> None:
    """It stands in a comment, which another line would leave."""
    done = run("init", "--schema", schema)
    assert done.returncode == 2
    assert "expected a path or URL in ASCII without spaces" in done.stderr


def test_force_alone_is_refused() -> None:
    """Nothing that is asked for is without effect."""
    done = run("init", "--force")
    assert done.returncode == 2
    assert "--force: expected --output beside it" in done.stderr


def test_a_secrets_file_is_named_in_full(tmp_path: Path) -> None:
    """Whatever its path looks like to YAML."""
    path = f"{tmp_path}/two words #b: c/key"
    done = run("init", OPENAI_API_KEY_FILE=path)
    assert f'api_key: "file://{path}"' in done.stdout
