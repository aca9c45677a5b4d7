"""What a row found: a figure, the bar it was held against, the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the table."""

    row: str
    what: str
    figure: str
    bar: str = ""
    """Empty: for comparison only."""
    held: bool | None = None

    @property
    def verdict(self) -> str:
        """In a word."""
        return {True: "held", False: "MISSED", None: ""}[self.held]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars side by side, in groups; one bar per series in each group."""

    name: str
    title: str
    unit: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that one row found."""

    findings: Sequence[Finding]
    charts: Sequence[Chart] = ()
    numbers: Mapping[str, object] = field(default_factory=dict)
    """Every sample, for whoever wants to judge for himself."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name -> content of what else it wrote: profiles."""


def under(row: str, what: str, value: float, bar: float, unit: str, *, shown: str = "") -> Finding:
    """A finding that holds when `value` is at most the bar."""
    return Finding(
        row=row,
        what=what,
        figure=f"{value:.3g} {unit}{shown}".strip(),
        bar=f"at most {bar:.4g} {unit}".strip(),
        held=value <= bar,
    )


def ratio(row: str, what: str, found: tuple[float, float, float], bar: float) -> Finding:
    """A ratio's median with its least and most; the median is judged."""
    median, least, most = found
    return under(row, what, median, bar, "x", shown=f" ({least:.2f} to {most:.2f})")
