"""Every series by name, with its labels and buckets."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from signaller import __version__

# With +Inf twelve series each. Redis on the same network answers in 1 ms, and is given 2 s.
STORE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
# A provider answers in 100 ms to 2 s, and is given 15 and 20 s.
PROVIDER_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

OUTCOMES = ("ok", "failed")
WATCH_STATES = ("watched", "lost", "clock")
"""As a call's record tells its supervision."""


class Series:
    """What is counted. One per process: in multiprocess mode a second would overwrite its files."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # `_created` doubles the series, nothing here asks for it, and multiprocess mode has none.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"signaller_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            # `max`: a rest that any worker knows of is a rest, and a version is 1 everywhere.
            return Gauge(
                f"signaller_{name}", meaning, labels, registry=registry, multiprocess_mode="max"
            )

        self.mints = counter("mints_total", "Tokens minted.", "caller", "deployment")
        self.warm_mints = counter(
            "warm_mints_total", "Tokens minted on a secret that was there.", "deployment"
        )
        self.calls = counter("calls_total", "Calls begun.", "caller", "deployment")
        # Of all replicas: whichever is asked tells the same, and the latest word counts.
        self.calls_live = Gauge(
            "signaller_calls_live",
            "Calls that have not ended.",
            ("caller", "model"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.calls_ended = counter(
            "calls_ended_total", "Calls that have ended.", "caller", "model", "reason"
        )
        self.call_seconds = counter(
            "call_seconds_total", "How long they lasted together.", "caller", "model"
        )
        self.calls_unknown = counter(
            "calls_unknown_total",
            "Calls that a provider was asked for, and nobody knows what became of them;"
            " counted when the longest of them would be over.",
            "caller",
            "model",
        )
        # Each process watches calls of its own.
        self.calls_watched = Gauge(
            "signaller_calls_watched",
            "Calls that are watched here, by whether a sideband is open, was, or never was.",
            ("state",),
            registry=registry,
            multiprocess_mode="sum",
        )
        self.watch_gaps = counter(
            "watch_gaps_total",
            "Gaps in what is known of watched calls: for a while nobody listened.",
            "deployment",
        )
        self.insufficient_quota = counter(
            "insufficient_quota_total",
            "How often a provider said in a call that its project has no credit left.",
            "deployment",
        )
        self.call_tokens = counter(
            "call_tokens_total",
            "Tokens of calls that were watched and have ended.",
            "caller",
            "model",
            "kind",
        )
        self.call_cost = counter(
            "call_cost_usd_total",
            "What they have cost, as far as it is known.",
            "caller",
            "model",
        )
        self.sideband_unread = counter(
            "sideband_frames_unread_total",
            "What providers told of watched calls and could not be read.",
            "deployment",
            "event",
        )
        self.hangups = counter("hangups_total", "Calls ended through this service.")
        self.revocations = counter("revocations_total", "Tokens revoked.", "caller")
        # No caller: those who are refused are often nobody we know.
        self.refusals = counter(
            "refusals_total", "Requests that ended with an error.", "step", "reason"
        )
        self.replays = counter("replays_total", "Tokens used once too often.", "caller")
        self.provider_seconds = Histogram(
            "signaller_provider_seconds",
            "How long a provider took, whether it failed or not.",
            ("deployment", "step"),
            registry=registry,
            buckets=PROVIDER_BUCKETS,
        )
        self.provider_errors = counter(
            "provider_errors_total", "What providers failed at.", "deployment", "step", "reason"
        )
        self.rests_until = gauge(
            "deployment_rests_until_seconds",
            "Unix time until which a deployment is tried last.",
            "deployment",
        )
        self.store_seconds = Histogram(
            "signaller_store_seconds",
            "How long the store took, whether it failed or not.",
            ("step",),
            registry=registry,
            buckets=STORE_BUCKETS,
        )
        self.store_errors = counter("store_errors_total", "What the store failed at.", "step")
        self.reloads = counter("reloads_total", "Configurations read again.", "outcome")
        for outcome in OUTCOMES:
            # `increase()` sees the step from 0 to 1, not the appearance of a 1.
            self.reloads.labels(outcome)
        gauge("build_info", "1; the label tells the version.", "version").labels(__version__).set(1)
