"""Every link, picture and named test of the documentation leads somewhere."""

import ast
import re

import pytest

from tests.docs.pages import PAGES, page, section
from tests.packaging.tree import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
LINKS = sorted(
    {(path, target) for path, each in PAGES.items() for target in LINK.findall(each.prose())}
)


def slug(title: str) -> str:
    """The anchor that code hosts make of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize(("path", "target"), LINKS)
def test_a_link_leads_somewhere(path: str, target: str) -> None:
    """To a file of the repository, and to one heading there; nothing leads outside."""
    name, _, anchor = target.partition("#")
    file = (ROOT / path).parent / name if name else ROOT / path
    assert file.is_file()
    if anchor:
        there = page(file.resolve().relative_to(ROOT).as_posix())
        assert [slug(title) for title in there.titles()].count(anchor) == 1


def test_every_page_is_found_from_the_first() -> None:
    """Who starts at the README comes to each page in one step."""
    linked = {target.partition("#")[0] for path, target in LINKS if path == "README.md"}
    assert set(PAGES) - {"README.md"} <= linked


def test_every_promise_names_a_test_that_exists() -> None:
    """The tables of promises point at tests by name, in the file that they link; none twice."""
    tables = section("What is promised").tables()
    rows = [row for table in tables for row in table]
    assert len({row["Promise"] for row in rows}) == len(rows) > 40
    for row in rows:
        match = re.fullmatch(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)", row["Shown by"])
        assert match, row
        tree = ast.parse((ROOT / match[2]).read_text())
        assert match[1] in {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }, row


@pytest.mark.parametrize("path", PAGES)
def test_every_heading_has_an_anchor_of_its_own(path: str) -> None:
    """No two headings of a page share an anchor."""
    slugs = [slug(title) for title in page(path).titles()]
    assert len(set(slugs)) == len(slugs)


def test_the_picture_is_one_and_loads_at_once() -> None:
    """The page's picture is in the repository, and of a reasonable size."""
    picture = ROOT / ".github/tester-page.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000
