"""Every link, picture and named test of the README leads somewhere."""

import ast
import re

import pytest

from tests.docs.readme import TEXT, section, titles
from tests.packaging.tree import ROOT

LINKS = re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", TEXT)


def slug(title: str) -> str:
    """The anchor that code hosts make of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("target", sorted({target for _, target in LINKS}))
def test_a_link_leads_somewhere(target: str) -> None:
    """An anchor to one heading, a path to a file of the repository; nothing leads outside."""
    if target.startswith("#"):
        assert [slug(title) for title in titles()].count(target[1:]) == 1
    else:
        assert (ROOT / target).is_file()


def test_every_promise_names_a_test_that_exists() -> None:
    """The table of promises points at tests by name, in the file that it links."""
    rows = section("Security").table("Promise")
    assert len(rows) > 10
    for row in rows:
        match = re.fullmatch(r"\[`(test_\w+)`\]\((tests/[\w/]+\.py)\)", row["Shown by"])
        assert match, row
        tree = ast.parse((ROOT / match[2]).read_text())
        assert match[1] in {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }, row


def test_every_heading_has_an_anchor_of_its_own() -> None:
    """No two headings share an anchor."""
    slugs = [slug(title) for title in titles()]
    assert len(set(slugs)) == len(slugs)


def test_the_picture_is_one_and_loads_at_once() -> None:
    """The page's picture is in the repository, and of a reasonable size."""
    picture = ROOT / ".github/tester-page.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000
