"""A configuration in several files, as LiteLLM's `include` puts them together."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from tests.cli.client import client
from tests.support.process import MASTER, run, served

ENTRY = "{{model_name: {0}, litellm_params: {{model: openai/{0}, api_key: k}}}}"
PARENT = "include: [models.yaml, more/others.yaml]\nmodel_list: [" + ENTRY.format("first") + "]\n"


def written(folder: Path) -> str:
    """The first file's path; the others are written beside it."""
    (folder / "more").mkdir()
    texts = {
        "config.yaml": PARENT,
        "models.yaml": f"model_list: [{ENTRY.format('second')}]\nlitellm_settings: {{a: 1}}\n",
        "more/others.yaml": f"general_settings: {{master_key: {MASTER}}}\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return str(folder / "config.yaml")


@pytest.mark.timeout(120)
async def test_lists_are_joined_and_a_reload_reads_all_files_again(tmp_path: Path) -> None:
    """From the folder of the first file, wherever the process was started."""
    path = written(tmp_path)
    with served("--config", path) as process:
        await asyncio.to_thread(process.ready)
        async with client(process) as page:
            assert await page.models() == {"first", "second"}
            (tmp_path / "models.yaml").write_text(f"model_list: [{ENTRY.format('third')}]")
            process.send(signal.SIGHUP)
            await asyncio.to_thread(process.logged, "reload", outcome="ok")
            assert await page.models() == {"first", "third"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param(
            "config.yaml", "include: [absent.yaml]", "absent.yaml: No such file", id="gone"
        ),
        pytest.param("config.yaml", "include: {a: b}", "include: expected a list of", id="mapping"),
        pytest.param("config.yaml", "include: [7]", "include: expected a list of", id="number"),
        pytest.param("config.yaml", 'include: ["a\\0"]', "no path", id="a NUL"),
        pytest.param("models.yaml", "a: [", "models.yaml: line 1", id="not YAML"),
        pytest.param("models.yaml", "include: [x]", "in the first file only", id="nested"),
        pytest.param("models.yaml", f"a: 0x{'f' * 9000}", "thousands of digits", id="huge"),
    ],
)
def test_a_file_that_cannot_be_included_is_named(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    """Exit status 2, and no traceback."""
    path = written(tmp_path)
    (tmp_path / name).write_text(text)
    done = run("check", "--config", path)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_all_files_that_cannot_be_included_are_named_at_once(tmp_path: Path) -> None:
    """Missing or broken: an operator mends them in one round."""
    path = written(tmp_path)
    Path(path).write_text("include: [gone.yaml, models.yaml, lost.yaml]")
    (tmp_path / "models.yaml").write_text("a: [")
    done = run("check", "--config", path)
    assert done.returncode == 2
    assert [name for name in ("gone", "models", "lost") if f"{name}.yaml" in done.stderr] == [
        *("gone", "models", "lost")
    ]


def test_one_file_may_be_named_without_a_list(tmp_path: Path) -> None:
    """LiteLLM's documentation says so."""
    path = written(tmp_path)
    Path(path).write_text("include: models.yaml")
    assert run("check", "--config", path).returncode == 0


def test_mappings_are_merged_and_the_main_file_rules(tmp_path: Path) -> None:
    """No caller and no limit is lost, and what differs is named with its place."""
    path = written(tmp_path)
    Path(path).write_text(
        f"include: [models.yaml]\nmodel_list: [{ENTRY.format('first')}]\n"
        "signaller: {token: {uses: 3}, policy: {session: {output_modalities: [text]}},"
        f" callers: [{{name: web, keys: [{MASTER}-of-the-web]}}]}}\n"
    )
    (tmp_path / "models.yaml").write_text(
        f"general_settings: {{master_key: {MASTER}}}\nenvironment_variables: {{A: b}}\n"
        "signaller: {token: {uses: 4, ttl_seconds: 300}, policy: {session: {instructions: hi}}}\n"
    )
    done = run("check", "--config", path)
    assert done.returncode == 0, done.stderr
    included = "the included file 'models.yaml'"
    said = f"signaller.token.uses: has another value in {included}, which has no effect"
    assert said in done.stdout
    assert done.stdout.count("has another value") == 1
    rows = [re.split(r"  +", row) for row in done.stdout.splitlines()]
    assert ["signaller.token.ttl_seconds", "300", included] in rows
    assert ["signaller.token.uses", "3", f"the file {path}"] in rows
    assert "web" in done.stdout


def test_a_fault_of_an_included_file_names_the_file(tmp_path: Path) -> None:
    """Of a key as of an entry, with the value that was found."""
    path = written(tmp_path)
    (tmp_path / "models.yaml").write_text(
        f"model_list: [{ENTRY.format('second').replace('k}', 'k, weight: heavy}')}]\n"
        "signaller: {public_url: not-the-url-of-a-service}\n"
    )
    done = run("check", "--config", path)
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert [line.endswith(" in the included file 'models.yaml'") for line in lines] == [True, True]
    assert "model_list[1].litellm_params.weight" in done.stderr
    assert "found 'not-the-url-of-a-service'" in done.stderr


def test_only_regular_files_are_included_and_none_is_read_without_end(tmp_path: Path) -> None:
    """A pipe would be waited for, and a device has no end; each is named at its place."""
    path = written(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    Path(path).write_text('include: [pipe, /dev/zero, gone.yaml, "a\\nb"]')
    done = run("check", "--config", path)
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert [f"include[{index}]: " in line for index, line in enumerate(lines)] == [True] * 4
    endless = run("check", "--config", "/dev/zero")
    assert endless.returncode == 2
    assert "at most 4194304 characters" in endless.stderr
