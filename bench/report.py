"""The table (Markdown), every number (JSON), the plots and profiles: what a run leaves behind."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.outcome import Finding, Outcome
from bench.plot import svg


def write(folder: Path, outcomes: Mapping[str, Outcome], about: Mapping[str, object]) -> None:
    """Everything into `folder`; what an earlier run left under other names stays."""
    folder.mkdir(parents=True, exist_ok=True)
    findings = [each for outcome in outcomes.values() for each in outcome.findings]
    (folder / "table.md").write_text(table(findings, about))
    (folder / "numbers.json").write_text(json.dumps(_numbers(outcomes, about), indent=1) + "\n")
    for outcome in outcomes.values():
        for chart in outcome.charts:
            (folder / f"{chart.name}.svg").write_text(svg(chart))
        for name, content in outcome.files.items():
            (folder / name).write_text(content)


def table(findings: Sequence[Finding], about: Mapping[str, object]) -> str:
    """Markdown: one line per finding."""
    lines = [f"{name}: {value}  " for name, value in about.items()]
    lines += ["", "| row | what | figure | bar | verdict |", "|---|---|---|---|---|"]
    lines += [
        f"| {each.row} | {each.what} | {each.figure} | {each.bar} | {each.verdict} |"
        for each in findings
    ]
    return "\n".join(lines) + "\n"


def machine() -> dict[str, object]:
    """What absolute figures depend on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "python": platform.python_version(),
        "processor": model,
        "cores": os.cpu_count() or 0,
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _numbers(outcomes: Mapping[str, Outcome], about: Mapping[str, object]) -> dict[str, object]:
    return {
        "about": dict(about),
        "findings": [
            {
                "row": each.row,
                "what": each.what,
                "figure": each.figure,
                "bar": each.bar,
                "verdict": each.verdict,
            }
            for outcome in outcomes.values()
            for each in outcome.findings
        ],
        "samples": {name: dict(outcome.numbers) for name, outcome in outcomes.items()},
    }
