"""Audit lines become counts, with few labels, whatever they say."""

import asyncio
from collections.abc import Mapping
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller import __version__
from signaller.errors import (
    ConfigError,
    InvalidApiKey,
    TokenRejected,
    UpstreamRefused,
    UpstreamUnavailable,
)
from signaller.metrics import Metrics
from signaller.metrics.series import WATCH_STATES
from signaller.supervision.seen import Supervision
from tests.metrics.doubles import every_error, naming_everybody
from tests.metrics.text import grown, samples, series

WEB = {"caller": "web", "deployment": "d1", "model": "voice", "grant": "g1"}
STEPS = ("mint", "call", "hangup", "introspect", "revoke")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("mint", series("signaller_mints_total", caller="web", deployment="d1")),
        ("call", series("signaller_calls_total", caller="web", deployment="d1")),
        ("hangup", series("signaller_hangups_total")),
        ("revoke", series("signaller_revocations_total", caller="web")),
        ("replay", series("signaller_replays_total", caller="web")),
        ("reload", series("signaller_reloads_total", outcome="ok")),
    ],
)
def test_what_was_done_is_counted_once(metrics: Metrics, event: str, expected: str) -> None:
    """One line, one count, and nothing else changes."""
    assert grown(lambda: metrics.observe(event, WEB, None), metrics.exposition) == {expected: 1}


def test_what_calls_have_used_is_counted_with_the_line_that_tells_it(metrics: Metrics) -> None:
    """When it ends, and what comes on top if its watch knew more than could be told then."""
    line = {**WEB, "billed": {"tokens": {"input_text": 5, "output_audio": 7}, "usd": "0.25"}}
    for event in ("call_ended", "call_recounted"):
        changed = grown(lambda: metrics.observe(event, line, None), metrics.exposition)  # noqa: B023 - called at once
        of_call = {"caller": "web", "model": "voice"}
        changed.pop(series("signaller_calls_unknown_total", **of_call), None)
        assert changed == {
            series("signaller_call_tokens_total", **of_call, kind="input_text"): 5,
            series("signaller_call_tokens_total", **of_call, kind="output_audio"): 7,
            series("signaller_call_cost_usd_total", **of_call): 0.25,
        }


def test_how_long_a_call_lasted_is_added_up(metrics: Metrics) -> None:
    """By caller and model, beside the count of its end."""
    line = {**WEB, "answered": True, "ended_by": "client", "seconds": 7}
    of_call = {"caller": "web", "model": "voice"}
    assert grown(lambda: metrics.observe("call_ended", line, None), metrics.exposition) == {
        series("signaller_calls_ended_total", **of_call, reason="client"): 1,
        series("signaller_call_seconds_total", **of_call): 7,
    }


@pytest.mark.parametrize("event", ["introspect", "abandoned", ""])
def test_what_has_no_count_is_passed_over(metrics: Metrics, event: str) -> None:
    """A look at a token, and events that nobody told us of, change nothing."""
    assert grown(lambda: metrics.observe(event, WEB, None), metrics.exposition) == {}


@pytest.mark.parametrize("event", STEPS)
def test_a_refusal_is_counted_by_step_and_reason(metrics: Metrics, event: str) -> None:
    """And not as something done; the caller, who may be nobody, is no label."""
    error = TokenRejected("g1")
    changed = grown(lambda: metrics.observe(event, WEB, error), metrics.exposition)
    refusal = series("signaller_refusals_total", step=event, reason="token_rejected")
    assert changed == {refusal: 1}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidApiKey(), "invalid_api_key"),
        (UpstreamRefused(status=400, type=None, code="sk-canary"), "upstream_refused"),
        (UpstreamUnavailable(status=503, type=None, code="sk-canary"), "upstream_unavailable"),
        (ValueError("sk-canary"), "fault"),
    ],
)
def test_a_reason_is_ours(metrics: Metrics, error: Exception, reason: str) -> None:
    """What a provider calls its errors, and what is no error of ours, has one name each."""
    changed = grown(lambda: metrics.observe("call", {}, error), metrics.exposition)
    assert changed == {series("signaller_refusals_total", step="call", reason=reason): 1}


def test_a_request_that_was_cancelled_is_neither_done_nor_refused(metrics: Metrics) -> None:
    """Its client went away before there was an answer."""
    error = asyncio.CancelledError()
    assert grown(lambda: metrics.observe("mint", WEB, error), metrics.exposition) == {}


@pytest.mark.parametrize(
    ("fields", "error"), [({}, ConfigError(["no model_list"])), ({"outcome": "refused"}, None)]
)
def test_a_reload_fails_with_an_error_or_an_outcome(
    metrics: Metrics, fields: Mapping[str, object], error: Exception | None
) -> None:
    """Either way of writing the line counts."""
    changed = grown(lambda: metrics.observe("reload", fields, error), metrics.exposition)
    assert changed == {series("signaller_reloads_total", outcome="failed"): 1}


def test_both_outcomes_of_a_reload_are_there_from_the_start(metrics: Metrics) -> None:
    """So that an alert sees the first failure."""
    found = samples(metrics.exposition())
    assert found[series("signaller_reloads_total", outcome="failed")] == 0
    assert found[series("signaller_reloads_total", outcome="ok")] == 0


def test_the_version_is_told(metrics: Metrics) -> None:
    """As a label of a 1."""
    assert samples(metrics.exposition())[series("signaller_build_info", version=__version__)] == 1


def test_a_rest_is_the_time_at_which_it_ends(metrics: Metrics) -> None:
    """The last word counts."""
    metrics.rests("d1", 1_900_000_000.5)
    metrics.rests("d1", 1_900_000_060.5)
    resting = series("signaller_deployment_rests_until_seconds", deployment="d1")
    assert samples(metrics.exposition())[resting] == 1_900_000_060.5


def test_only_callers_that_are_named_are_known_by_their_names() -> None:
    """All others are one, and a reload may name others."""
    metrics = Metrics()
    metrics.name_callers({"web"})
    for caller in ("web", "mallory", "eve"):
        metrics.observe("replay", {"caller": caller}, None)
    metrics.name_callers({"eve"})
    for caller in ("web", "eve"):
        metrics.observe("replay", {"caller": caller}, None)
    found = samples(metrics.exposition())
    assert found[series("signaller_replays_total", caller="web")] == 1
    assert found[series("signaller_replays_total", caller="eve")] == 1
    assert found[series("signaller_replays_total", caller="other")] == 3


def test_ten_thousand_callers_and_codes_are_few_series() -> None:
    """Nothing that a client or a provider chooses adds a series."""
    metrics = Metrics()
    metrics.name_callers({"web"})
    metrics.observe("mint", WEB, None)
    refused = UpstreamRefused(status=400, type=None, code=None)
    metrics.observe("call", {"caller": "eve"}, refused)
    metrics.observe("mint", {"caller": "eve", "deployment": "d1"}, None)
    before = len(samples(metrics.exposition()))
    for number in range(10_000):
        fields = {"caller": f"caller-{number}", "deployment": "d1", "model": f"model-{number}"}
        metrics.observe("mint", fields, None)
        metrics.observe(f"event-{number}", fields, refused)
        refused = UpstreamRefused(status=400, type=None, code=f"code-{number}")
        metrics.observe("call", fields, refused)
    assert len(samples(metrics.exposition())) == before


def test_ten_thousand_models_are_one_series_of_each_kind() -> None:
    """A pattern lets clients name any: those that the configuration does not name are `other`."""
    metrics = Metrics()
    metrics.name_callers({"web"})
    metrics.name_models({"voice"})

    def talk(*models: str) -> None:
        metrics.live_calls({("web", model): 1 for model in models})
        for model in models:
            for answered in (True, False):
                ended = {"model": model, "answered": answered, "seconds": 1, "ended_by": "client"}
                billed = {"tokens": {"output_audio": int(answered)}, "usd": str(int(answered))}
                metrics.observe("call_ended", {**WEB, **ended, "billed": billed}, None)

    talk("voice", "one more")
    before = samples(metrics.exposition())
    talk("voice", *(f"model-{number}" for number in range(10_000)))
    after = samples(metrics.exposition())
    assert after.keys() == before.keys()
    assert after[series("signaller_calls_live", caller="web", model="other")] == 10_000
    for name in ("call_seconds", "calls_unknown", "call_tokens", "call_cost_usd"):
        counted = {
            key: value
            for key, value in after.items()
            if key.startswith(f"signaller_{name}_total") and 'model="other"' in key
        }
        assert list(counted.values()) == [10_001]


def test_what_an_alert_waits_for_begins_at_nothing() -> None:
    """An increase is a step from 0, and not a 1 that appears."""
    metrics = naming_everybody()
    metrics.name_deployments(["d1"])
    metrics.live_calls({("web", "voice"): 1})
    found = samples(metrics.exposition())
    assert found[series("signaller_watch_gaps_total", deployment="d1")] == 0
    assert found[series("signaller_insufficient_quota_total", deployment="d1")] == 0
    assert found[series("signaller_calls_unknown_total", caller="web", model="voice")] == 0


def test_watched_calls_are_told_by_their_state(metrics: Metrics) -> None:
    """Those that there are none of as well, so that none is left standing."""
    metrics.watches({"watched": 2, "lost": 1})
    metrics.watches({"watched": 1})
    found = samples(metrics.exposition())
    states = {
        state: found[series("signaller_calls_watched", state=state)] for state in WATCH_STATES
    }
    assert states == {"watched": 1, "lost": 0, "clock": 0}


def test_the_states_are_those_of_records() -> None:
    """By the same words."""
    assert set(WATCH_STATES) == set(get_args(Supervision))


def test_every_error_has_a_reason_that_its_class_fixes(metrics: Metrics) -> None:
    """As many reasons as there are kinds of errors, and none that an instance changed."""
    for kind in every_error():
        error = kind.__new__(kind)
        error.code = "made-up"
        metrics.observe("mint", {}, error)
    found = samples(metrics.exposition())
    reasons = [key for key in found if key.startswith("signaller_refusals_total")]
    assert sum(found[key] for key in reasons) == len(every_error())
    assert len(reasons) <= len(every_error())
    assert "made-up" not in str(reasons)


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (None, "unknown"),
        (7, "unknown"),
        ([], "unknown"),
        ("", "unknown"),
        ("x" * 5000, "x" * 128),
        ("\ud800", "?"),
    ],
)
def test_an_odd_caller_is_still_counted(metrics: Metrics, caller: object, expected: str) -> None:
    """Under a label that a scrape can carry."""
    metrics.observe("replay", {"caller": caller}, None)
    assert samples(metrics.exposition())[series("signaller_replays_total", caller=expected)] == 1


anything = st.none() | st.integers() | st.lists(st.text()) | st.text(st.characters())


@given(event=st.sampled_from((*STEPS, "replay", "reload")), caller=anything, deployment=anything)
def test_no_field_can_break_a_count_or_a_scrape(
    event: str, caller: object, deployment: object
) -> None:
    """Whatever a gateway calls its users, lone surrogates included."""
    metrics = naming_everybody()
    metrics.observe(event, {"caller": caller, "deployment": deployment}, None)
    _, body = metrics.exposition()
    assert body.decode()
