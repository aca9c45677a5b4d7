"""The documentation taken apart: sections by heading, fenced blocks by language, tables as rows."""

import re
from dataclasses import dataclass

from tests.packaging.tree import ROOT

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_HEADING = re.compile(r"^(#{1,6}) (.+)$")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, deeper headings included; or a whole page, by path."""

    title: str
    text: str

    def section(self, title: str) -> "Section":
        """The one section in it with this heading."""
        lines = self.text.splitlines(keepends=True)
        headings = self._headings()
        ((start, level),) = ((at, level) for at, level, name in headings if name == title)
        later = (at for at, depth, _ in headings if at > start and depth <= level)
        return Section(title, "".join(lines[start + 1 : next(later, len(lines))]))

    def titles(self) -> list[str]:
        """Every heading in it, in order."""
        return [name for _, _, name in self._headings()]

    def blocks(self, language: str) -> list[str]:
        """The fenced blocks of a language."""
        return [body for found, body in _FENCE.findall(self.text) if found == language]

    def languages(self) -> set[str]:
        """Those of its fenced blocks; a drawing has none."""
        return {found for found, _ in _FENCE.findall(self.text)} - {""}

    def tables(self) -> list[list[dict[str, str]]]:
        """Each table as rows, by the names of its columns."""
        tables = []
        for lines in re.findall(r"(?:^\|.*\n)+", self.prose(), re.M):
            head, _, *rows = (_cells(line) for line in lines.splitlines())
            assert all(len(row) == len(head) for row in rows), head
            tables.append([dict(zip(head, row, strict=True)) for row in rows])
        return tables

    def table(self, column: str) -> list[dict[str, str]]:
        """The one table that has this column."""
        (table,) = (rows for rows in self.tables() if column in rows[0])
        return table

    def prose(self) -> str:
        """What stands outside of fenced blocks."""
        return _FENCE.sub("", self.text)

    def _headings(self) -> list[tuple[int, int, str]]:
        """Line, depth and words of every heading; a comment in a shell block is none."""
        found, fenced = [], False
        for number, line in enumerate(self.text.splitlines()):
            fenced ^= line.startswith("```")
            if not fenced and (match := _HEADING.match(line)):
                found.append((number, len(match[1]), match[2].strip()))
        return found


PAGES = {
    path.relative_to(ROOT).as_posix(): Section(
        path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    )
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
        *sorted((ROOT / "docs").glob("*.md")),
    )
}
"""What is written for readers, by path; the changelog is a record of what was."""


def page(path: str) -> Section:
    """All of one page, such as `docs/azure.md`."""
    return PAGES[path]


def section(title: str) -> Section:
    """The one section with this heading, on whichever page it stands."""
    (found,) = (each.section(title) for each in PAGES.values() if title in each.titles())
    return found


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language on all pages."""
    return [body for each in PAGES.values() for body in each.blocks(language)]


def codes(text: str) -> list[str]:
    """What stands between backticks."""
    return _CODE.findall(text)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
