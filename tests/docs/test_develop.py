"""docs/develop.md describes the house as it is."""

import re

import pytest

from tests.docs.pages import PAGES, codes, page, section
from tests.packaging.tree import ROOT
from tests.test_layers import LEVELS

TEXT = page("docs/develop.md").text
NAMED = sorted(set(re.findall(r"`((?:tests|signaller|[a-z]+)/[\w./]*|\w+\.py)`", TEXT)))


def test_the_diagram_has_every_room_at_its_height() -> None:
    """From the top downwards, those beside each other in any order; `signaller` itself is none."""
    (diagram,) = re.findall(r"^```\n(.*?)^```", TEXT, re.M | re.S)
    shown = [
        word for line in diagram.splitlines() for word in re.split(r" {2,}", line)[0].split(" ")
    ]
    level = {room: height for height, rooms in enumerate(LEVELS) for room in rooms}
    assert sorted(shown) == sorted(set(level) - {"signaller"})
    heights = [level[room] for room in shown]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("name", NAMED)
def test_what_it_names_is_there(name: str) -> None:
    """A file or folder of the repository, or of the package."""
    assert (ROOT / name).exists() or (ROOT / "signaller" / name).exists()


def test_every_kind_of_block_is_held() -> None:
    """What is not in the table of kinds would be read by nobody."""
    told = section("How these pages are held to the code").table("What")
    kinds = {kind for row in told if "a block marked" in row["What"] for kind in codes(row["What"])}
    assert kinds - {"signaller"} == {kind for each in PAGES.values() for kind in each.languages()}
