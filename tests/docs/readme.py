"""The README taken apart: sections by heading, fenced blocks by language, tables as rows."""

import re
from dataclasses import dataclass

from tests.packaging.tree import ROOT

TEXT = (ROOT / "README.md").read_text("utf-8")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_HEADING = re.compile(r"^(#{1,6}) (.+)$")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, deeper headings included."""

    title: str
    text: str

    def blocks(self, language: str) -> list[str]:
        """The fenced blocks of a language."""
        return [body for found, body in _FENCE.findall(self.text) if found == language]

    def tables(self) -> list[list[dict[str, str]]]:
        """Each table as rows, by the names of its columns."""
        tables = []
        for lines in re.findall(r"(?:^\|.*\n)+", _FENCE.sub("", self.text), re.M):
            head, _, *rows = (_cells(line) for line in lines.splitlines())
            assert all(len(row) == len(head) for row in rows), head
            tables.append([dict(zip(head, row, strict=True)) for row in rows])
        return tables

    def table(self, column: str) -> list[dict[str, str]]:
        """The one table that has this column."""
        (table,) = (rows for rows in self.tables() if column in rows[0])
        return table


def section(title: str) -> Section:
    """The one section with this heading."""
    lines = TEXT.splitlines(keepends=True)
    levels = dict(_levels())
    (start,) = (number for number in levels if _title(lines[number]) == title)
    later = (number for number in levels if number > start and levels[number] <= levels[start])
    return Section(title, "".join(lines[start + 1 : next(later, len(lines))]))


def titles() -> list[str]:
    """Every heading, in order."""
    lines = TEXT.splitlines()
    return [_title(lines[number]) for number, _ in _levels()]


def codes(text: str) -> list[str]:
    """What stands between backticks."""
    return _CODE.findall(text)


WHOLE = Section("README", TEXT)


def _levels() -> list[tuple[int, int]]:
    """Line number and depth of every heading; a comment in a shell block is none."""
    found, fenced = [], False
    for number, line in enumerate(TEXT.splitlines()):
        fenced ^= line.startswith("```")
        if not fenced and (match := _HEADING.match(line)):
            found.append((number, len(match[1])))
    return found


def _title(line: str) -> str:
    return line.lstrip("#").strip()


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
