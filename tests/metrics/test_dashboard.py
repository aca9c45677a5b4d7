"""The dashboard, and what a real Prometheus answers to it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.metrics.scene import FILES, PROVOCATIONS, RULES, Scene, staged
from tests.metrics.text import samples

DASHBOARD: dict[str, Any] = json.loads((FILES / "grafana-dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in PANELS
    for target in panel["targets"]
]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@pytest.fixture(scope="module")
def busy() -> Iterator[Scene]:
    """Everything that is counted has been counted, and grows."""
    with staged() as scene:
        for name in PROVOCATIONS.keys() - {"SignallerDown"}:
            PROVOCATIONS[name](scene)
        scene.ordinary_twice()
        yield scene


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_line_of_the_dashboard_shows_something(busy: Scene, expression: str) -> None:
    """Once there is something to show."""
    assert busy.prometheus.wait_for(expression.replace("$__rate_interval", "1m"))


def test_every_metric_that_is_mentioned_exists(busy: Scene) -> None:
    """By its exact name, in dashboard and rules; and every metric is on the dashboard."""
    shown = set(re.findall(r"signaller_\w+", json.dumps(DASHBOARD)))
    mentioned = shown | set(re.findall(r"signaller_\w+", RULES.read_text()))
    assert mentioned <= {key.partition("{")[0] for key in samples(busy.metrics.exposition())}
    assert {family(name) for name in shown} == {each.name for each in busy.metrics.collect()}


def test_the_dashboard_can_be_imported() -> None:
    """Its form is Grafana's, and whoever imports it chooses the data source."""
    assert DASHBOARD["schemaVersion"] >= 36
    assert "id" not in DASHBOARD, "Grafana would look for the one that has it"
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_a_title_a_unit_and_the_chosen_data_source(panel: dict[str, Any]) -> None:
    """And each of its lines a name."""
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert [target["datasource"] for target in panel["targets"]] == [DATASOURCE] * len(
        panel["targets"]
    )
    assert panel["datasource"] == DATASOURCE
    assert all(target["legendFormat"] for target in panel["targets"])
    lines = [target["refId"] for target in panel["targets"]]
    assert len(lines) == len(set(lines))


def test_panels_do_not_lie_upon_each_other() -> None:
    """Each has an id and a place of its own."""
    cells = [
        (x, y)
        for panel in PANELS
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def family(name: str) -> str:
    """A metric's name without what is added to it."""
    return re.sub("_(bucket|count|sum|total)$", "", name)
