"""Turn audit lines into counts."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter

from signaller.metrics.exposition import Exposition, check_mode, of_process
from signaller.metrics.labels import reason, text
from signaller.metrics.series import Series
from signaller.metrics.store import MeteredRates, MeteredStore
from signaller.metrics.upstream import MeteredUpstream
from signaller.ports import Rates, Store, Upstream

STEPS = frozenset({"mint", "call", "hangup", "introspect", "revoke", "models", "metrics"})
"""The events that answer a request; an error of theirs is a refusal."""


class Metrics:
    """What this process has done. One per process.

    `label` maps a caller's name to one of a bounded number of values; deployments are as many as
    the configuration names. Raises RuntimeError if PROMETHEUS_MULTIPROC_DIR was set too late.
    """

    def __init__(self, *, label: Callable[[str], str]) -> None:
        check_mode()
        self._label = label
        self._registry = CollectorRegistry()
        self._series = Series(self._registry)

    def observe(
        self, event: str, fields: Mapping[str, object], error: BaseException | None
    ) -> None:
        """Count one audit line (`journal.Observe`); one that means nothing here is passed over."""
        if event == "reload":
            failed = error is not None or fields.get("outcome", "ok") != "ok"
            self._series.reloads.labels("failed" if failed else "ok").inc()
        elif error is None:
            self._done(event, fields)
        elif event in STEPS and isinstance(error, Exception):  # a cancelled one was not refused
            self._series.refusals.labels(event, reason(error)).inc()

    def rests(self, deployment_id: str, until: float) -> None:
        """Tell until when (Unix seconds) a deployment rests; it is over when that time has come."""
        self._series.rests_until.labels(text(deployment_id)).set(until)

    def metered_store(self, store: Store) -> Store:
        """The same store, measured."""
        return MeteredStore(store, self._series)

    def metered_rates(self, rates: Rates) -> Rates:
        """The same rates, measured as the step `take` of the store."""
        return MeteredRates(rates, self._series)

    def metered_upstream(self, upstream: Upstream) -> Upstream:
        """The same upstream, measured."""
        return MeteredUpstream(upstream, self._series)

    def exposition(self) -> Exposition:
        """Content-Type and text; with several workers of all of them, whichever is asked."""
        return of_process(self._registry)

    def _done(self, event: str, fields: Mapping[str, object]) -> None:
        series = self._series
        match event:
            case "mint":
                self._count(series.mints, fields)
                if fields.get("warm"):
                    series.warm_mints.labels(text(fields.get("deployment"))).inc()
            case "call":
                self._count(series.calls, fields)
            case "hangup":
                series.hangups.inc()
            case "revoke":
                series.revocations.labels(self._caller(fields)).inc()
            case "replay":
                series.replays.labels(self._caller(fields)).inc()

    def _count(self, counter: Counter, fields: Mapping[str, object]) -> None:
        counter.labels(self._caller(fields), text(fields.get("deployment"))).inc()

    def _caller(self, fields: Mapping[str, object]) -> str:
        name = fields.get("caller")
        return text(self._label(name) if isinstance(name, str) else None)
