"""A configuration in several files, as LiteLLM's `include` puts them together."""

import asyncio
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


def test_one_file_may_be_named_without_a_list(tmp_path: Path) -> None:
    """LiteLLM's documentation says so."""
    path = written(tmp_path)
    Path(path).write_text("include: models.yaml")
    assert run("check", "--config", path).returncode == 0
