"""Pages are short, the README the shortest, and what it shows of another page is said there too."""

import os
import re
from pathlib import Path

import click
import pytest

from signaller import cli
from signaller.config import load_settings
from tests.docs.pages import PAGES, blocks, codes, page, section
from tests.docs.test_examples import FRAGMENT
from tests.packaging.tree import ROOT

MOST_WORDS, MOST_LINES = 1250, 300
KEYS = section("Keys without an effect").table("Key")
EVERYDAY = {"API", "CPU", "GB", "HTTP", "ID", "JSON", "KB", "POST", "RFC", "SDK", "TLS", "UDP"} | {
    *("URL", "UTF", "W3C", "YAML", "APISIX", "ESP32", "MIT", "CHANGELOG", "README", "SECURITY"),
}
"""Abbreviations that nobody has to look up, and names."""
ALGORITHM = re.compile(r"[REP]S\d{3}")


def test_the_readme_is_read_in_five_minutes() -> None:
    """What it is, how it starts, and where to read on."""
    assert len(page("README.md").text.split()) <= MOST_WORDS


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_one_sitting(path: str) -> None:
    """Tables included."""
    assert len(page(path).text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", [path for path in PAGES if path.startswith("docs/")])
def test_a_page_says_whom_it_is_for(path: str) -> None:
    """Before its first chapter, or before all it has; only its title is of the first level."""
    title, *others = page(path).titles()
    assert page(path).text.startswith(f"# {title}\n\n")
    opening = page(path).text.split("\n\n", 2)[1]
    assert not opening.startswith(("#", "|", "```"))
    assert re.findall(r"^# ", page(path).prose(), re.M) == ["# "]
    assert title not in others


@pytest.mark.parametrize(
    ("here", "there"), [("How it compares", "From LiteLLM"), ("What it costs", "Performance")]
)
def test_the_readmes_figures_are_those_of_the_page(here: str, there: str) -> None:
    """Each row that the first page shows stands, word for word, on the one that it links."""
    ((rows),) = page("README.md").section(here).tables()
    (all_rows,) = (
        table for table in section(there).tables() if list(table[0])[:2] == list(rows[0])[:2]
    )
    names = list(rows[0])
    assert [row for row in rows if row not in [{n: r[n] for n in names} for r in all_rows]] == []


def test_the_readme_shows_a_whole_configuration() -> None:
    """It loads as it is, and gives out tokens."""
    (text,) = page("README.md").blocks("yaml")
    env = {name: f"value-of-{name}" for name in re.findall(r"os\.environ/(\w+)", text)}
    settings = load_settings(text, env)
    assert settings.master_key
    assert settings.warnings == ()


@pytest.mark.parametrize("key", [key for row in KEYS for key in codes(row["Key"])])
def test_a_key_without_an_effect_has_none(key: str) -> None:
    """LiteLLM's file with it is valid, and a note names it."""
    group, _, name = key.partition(".")
    entry = "{api_key: sk-x"
    text = FRAGMENT
    if group == "litellm_params":
        text = FRAGMENT.replace(entry[1:], f"{name}: 3, {entry[1:]}")
        assert text != FRAGMENT
    else:
        text += f"{group}: {{{name or 'any'}: 3}}\n"
    notes = [note for note in load_settings(text, {}).notes if note.endswith("no effect here")]
    assert any(re.search(rf"\b{name or group}\b", note) for note in notes)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_speaks_of_the_service_and_its_reader(path: str) -> None:
    """Nobody who reads it knows who "we" are; tables of keys are held by their declarations."""
    lines = [line for line in page(path).prose().splitlines() if not line.startswith("|")]
    assert re.findall(r"\b(?:we|us|ours)\b", "\n".join(lines), re.I) == []


@pytest.mark.parametrize("path", PAGES)
def test_an_abbreviation_is_explained(path: str) -> None:
    """In the glossary, unless whoever writes or runs a web service reads it every day."""
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)", "", page(path).prose())
    used = {word.removesuffix("s") for word in re.findall(r"\b[A-Z][A-Z\d]+s?\b", prose)}
    rows = [row for table in page("docs/glossary.md").tables() for row in table]
    explained = {word for row in rows for word in row["Word"].split(", ")}
    assert {word for word in used - explained - EVERYDAY if not ALGORITHM.fullmatch(word)} == set()


def test_no_block_is_told_twice() -> None:
    """What is to be copied stands in one place."""
    for language in ("yaml", "yml", "sh", "console", "js", "nginx"):
        found = blocks(language)
        assert len(set(found)) == len(found)


COMMAND = re.compile(r"(?:^|[\s/`])signaller((?: +(?:-[\w-]+|[\w./<>:=-]+))+)", re.M)


def test_commands_are_those_of_the_program() -> None:
    """Wherever a page shows one, between backticks or to be typed, its options are understood."""
    assert isinstance(cli.main, click.Group)
    shown = blocks("console") + blocks("sh")
    shown += [f"`{code}" for each in PAGES.values() for code in codes(each.prose())]
    seen = set()
    for words in COMMAND.findall("\n".join(shown)):
        command = cli.main.commands.get(words.split()[0], cli.main)
        options = {option for parameter in command.params for option in parameter.opts}
        used = set(re.findall(r"(?<= )--[\w-]+", words))
        assert used <= options, words
        seen |= {(command.name, option) for option in used}
    assert {("check", "--config"), ("keygen", "--caller"), ("main", "--uds")} <= seen


def test_a_page_that_is_named_is_there() -> None:
    """Wherever code, a command, the tester page or a test names one."""
    named = set()
    for folder in ("signaller", "static", "bench", "tests"):
        for place, below, files in os.walk(ROOT / folder):
            below[:] = [name for name in below if name != "node_modules" and name[0] != "."]
            for path in map(Path(place).joinpath, files):
                if path.suffix in {".py", ".js", ".html", ".yml"}:
                    named |= set(re.findall(r"\bdocs/[\w-]+\.md\b", path.read_text("utf-8")))
    assert named
    assert named <= set(PAGES)
