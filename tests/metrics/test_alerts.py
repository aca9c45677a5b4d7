"""The alert rules, as a real Prometheus evaluates them."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.metrics.scene import PROVOCATIONS, REPEATED, RULES, Scene, staged
from tests.support.prometheus import binary

PAGE = Path(__file__).parents[2] / "docs" / "operate.md"
ALERTS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]


@pytest.fixture(scope="module")
def quiet() -> Iterator[Scene]:
    """Nothing is wrong; what a test provokes concerns one alert only."""
    with staged() as scene:
        yield scene


def test_promtool_accepts_the_rules() -> None:
    """Their form, their expressions and their templates."""
    done = subprocess.run(  # noqa: S603 - our own file
        [binary("promtool"), "check", "rules", "--lint-fatal", str(RULES)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_every_alert_is_provoked_below() -> None:
    """An alert that nothing sets off is worth nothing."""
    assert {alert["alert"] for alert in ALERTS} == PROVOCATIONS.keys()


def test_the_page_names_alerts_that_exist() -> None:
    """By their very names."""
    named = set(re.findall(r"Signaller[A-Z]\w+", PAGE.read_text()))
    assert named
    assert named <= {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    """To somebody who is woken by it."""
    assert alert["for"]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "description"}
    assert len(alert["annotations"]["description"]) > 100


@pytest.mark.parametrize("name", PROVOCATIONS)
def test_an_alert_is_silent_until_its_cause_is_there(quiet: Scene, name: str) -> None:
    """Prometheus itself evaluates it before and after, and fills in what it says."""
    prometheus, provoke = quiet.prometheus, PROVOCATIONS[name]
    prometheus.wait_until(lambda: prometheus.rule(name)["health"] == "ok")
    prometheus.wait_until(lambda: prometheus.rule(name)["state"] == "inactive")
    provoke(quiet)
    rule = prometheus.rule(name)

    def is_raised() -> bool:
        nonlocal rule
        rule = prometheus.rule(name)
        # At its threshold an expression may hold at one moment and not at the next.
        return bool(rule["alerts"] and prometheus.query(rule["query"]))

    prometheus.wait_until(is_raised, meanwhile=lambda: name in REPEATED and provoke(quiet))
    assert rule["health"] == "ok", rule["lastError"]
    assert rule["state"] in {"pending", "firing"}
    for alert in rule["alerts"]:
        said = " ".join(alert["annotations"].values())
        assert not re.search("<error|<no value>|{{", said)


def test_a_target_that_asks_for_a_token_gets_it(quiet: Scene) -> None:
    """The fixture's own promise, for whoever scrapes a service with a key."""
    assert quiet.prometheus.wait_for('signaller_build_info{job="guarded"}')
