"""Calls as lines: of a table for people, or of JSON for machines."""

import json
import shutil
import sys
import time
from collections.abc import Iterable

import click

from signaller.calls_command.service import Call, Failed, printable

HEADINGS = ("ID", "STATUS", "CALLER", "MODEL", "STARTED", "UNTIL", "BY", "TOKENS", "USD")
LEAVE_FIRST = ("MODEL", "BY", "TOKENS", "STARTED", "UNTIL")
"""What a narrow terminal does without, in this order: who, how and how much it shows always."""


class JsonLines:
    """One JSON object a line."""

    def print(self, found: Iterable[Call], *, headings: bool = True) -> None:
        """Of each call."""
        for call in found:
            click.echo(json.dumps(call))


class Table:
    """Columns as wide as any call has needed so far, and no wider than the terminal."""

    def __init__(self) -> None:
        self._widths = [len(heading) for heading in HEADINGS]
        self.left_out: list[str] = []
        """Columns for which there was no room."""

    def print(self, found: Iterable[Call], *, headings: bool = True) -> None:
        """A line for each call. Raises Failed for what is none."""
        rows = [_row(call) for call in found]
        for column, width in enumerate(self._widths):
            self._widths[column] = max(width, *(len(row[column]) for row in rows), 0)
        room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        columns = self._that_fit(room)
        for row in [HEADINGS, *rows] if headings else rows:
            cells = (row[column].ljust(self._widths[column]) for column in columns)
            click.echo("  ".join(cells).rstrip()[:room])

    def _that_fit(self, room: int | None) -> list[int]:
        columns = list(range(len(HEADINGS)))
        self.left_out = []
        for name in LEAVE_FIRST:
            needed = sum(self._widths[column] + 2 for column in columns) - 2
            if room is None or needed <= room:
                break
            columns.remove(HEADINGS.index(name))
            self.left_out.append(name)
        return columns


def _row(call: Call) -> tuple[str, ...]:
    usage, cost, ending = (_part(call, name) for name in ("usage", "cost", "ending"))
    counted = [usage.get(name) for name in ("input_tokens", "output_tokens")]
    tokens = "?" if None in counted else f"{_about(usage)}{counted[0]}+{counted[1]}"
    usd = "?" if cost.get("usd") is None else f"{_about(cost)}{cost['usd']}"
    status = "ending" if ending else call.get("status")
    by = call.get("ended_by") or ending.get("by") or ""
    until = "ends_by" if call.get("ended_at") is None else "ended_at"
    times = (_clock_time(call, name) for name in ("started_at", until))
    cells = (call.get("id"), status, call.get("caller"), call.get("model"), *times, by, tokens, usd)
    return tuple(printable(str(cell)) for cell in cells)


def _about(counted: Call) -> str:
    return "~" if counted.get("label") == "partial" else ""


def _part(call: Call, name: str) -> Call:
    """An object in a call; empty where there is none. Raises Failed."""
    part = call.get(name) or {}
    if not isinstance(part, dict):
        raise Failed(f"the service told something else than a call: its {name} is no object")
    return part


def _clock_time(call: Call, name: str) -> str:
    """Today's as a time, with its date otherwise. Raises Failed."""
    seconds = call.get(name)
    if not isinstance(seconds, int):
        return ""
    try:
        at, now = time.localtime(seconds), time.localtime()
        same_day = at[:3] == now[:3]
        return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M", at)
    except (OSError, OverflowError, ValueError) as error:  # as the system's C library has it
        raise Failed(
            f"the service told something else than a call: its {name} is no time"
        ) from error
