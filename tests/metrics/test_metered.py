"""What is measured does the same as before, and is counted."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from signaller.errors import (
    RateLimitExceeded,
    StoreUnavailable,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from signaller.metrics import Metrics
from signaller.model import (
    Answer,
    EphemeralSecret,
    Peeked,
    Returned,
    Spent,
)
from signaller.policy import Rate
from signaller.ports import Store, Upstream
from tests.metrics.doubles import (
    GRANT,
    OFFER,
    REQUEST,
    SECRET,
    TRACE,
    FakeStore,
    FakeUpstream,
    deployment,
)
from tests.metrics.text import samples, series

RATE = Rate(bucket="mint:web", per_minute=9)
STORE_STEPS: dict[str, tuple[Callable[[Store], Awaitable[object]], object]] = {
    "put_grant": (lambda store: store.put_grant(GRANT), None),
    "redeem": (lambda store: store.redeem("g1"), Spent(call_ids=("g1",))),
    "give_back": (
        lambda store: store.give_back(GRANT),
        Returned(given_back=True, uses_left=3),
    ),
    "uses_left": (lambda store: store.uses_left("g1"), 3),
    "revoke": (lambda store: store.revoke("g1"), None),
    "link": (lambda store: store.link(GRANT, "rtc_1"), True),
    "put_warm": (lambda store: store.put_warm("w", "sealed", 1), True),
    "get_warm": (lambda store: store.get_warm("w"), "w"),
    "drop_warm": (lambda store: store.drop_warm("w"), None),
    "lease_warm": (lambda store: store.lease_warm("w", 1), True),
    "pause_warm": (lambda store: store.pause_warm("w", 1), None),
    "peek": (lambda store: store.peek("g1"), Peeked(grant=GRANT, uses_left=3)),
    "ping": (lambda store: store.ping(), None),
}
UPSTREAM_STEPS: dict[str, tuple[Callable[[Upstream], Awaitable[object]], object]] = {
    "mint": (
        lambda upstream: upstream.mint(deployment(), REQUEST),
        EphemeralSecret(value=SECRET, expires_at=7, session={}),
    ),
    "call": (
        lambda upstream: upstream.call(deployment(), SECRET, OFFER, TRACE),
        Answer(sdp=OFFER.sdp, provider_call_id="d1"),
    ),
    "hangup": (lambda upstream: upstream.hang_up(deployment(), "p1", TRACE), True),
}


@pytest.mark.parametrize("step", STORE_STEPS)
async def test_a_step_of_the_store_is_measured(metrics: Metrics, step: str) -> None:
    """It answers what the store answers; its duration is counted, and no error."""
    act, answer = STORE_STEPS[step]
    assert await act(metrics.metered_store(FakeStore())) == answer
    found = samples(metrics.exposition())
    assert found[series("signaller_store_seconds_count", step=step)] == 1
    assert found[series("signaller_store_errors_total", step=step)] == 0


@pytest.mark.parametrize("step", STORE_STEPS)
async def test_a_step_at_which_the_store_fails_is_counted(metrics: Metrics, step: str) -> None:
    """The error goes on as it is; its duration counts as well."""
    store = FakeStore()
    store.error = StoreUnavailable("gone")
    with pytest.raises(StoreUnavailable, match="gone"):
        await STORE_STEPS[step][0](metrics.metered_store(store))
    found = samples(metrics.exposition())
    assert found[series("signaller_store_seconds_count", step=step)] == 1
    assert found[series("signaller_store_errors_total", step=step)] == 1


async def test_a_metered_store_closes_the_store(metrics: Metrics) -> None:
    """Closing is no step."""
    store = FakeStore()
    await metrics.metered_store(store).aclose()
    assert store.closed


@pytest.mark.parametrize(
    ("error", "errors"),
    [(RateLimitExceeded(limit=1, reset_seconds=1), 0), (StoreUnavailable("gone"), 1)],
)
async def test_a_limit_that_is_reached_is_no_error_of_the_store(
    metrics: Metrics, error: Exception, errors: int
) -> None:
    """A store that cannot count is one."""
    store = FakeStore()
    store.error = error
    with pytest.raises(type(error)):
        await metrics.metered_rates(store).take([RATE])
    found = samples(metrics.exposition())
    assert found[series("signaller_store_seconds_count", step="take")] == 1
    assert found[series("signaller_store_errors_total", step="take")] == errors


async def test_without_a_rate_the_store_is_not_asked(metrics: Metrics) -> None:
    """No step, so none to measure."""
    store = FakeStore()
    store.error = StoreUnavailable("gone")
    assert await metrics.metered_rates(store).take([]) is None
    assert series("signaller_store_seconds_count", step="take") not in [
        key for key, count in samples(metrics.exposition()).items() if count
    ]


async def test_metered_rates_count_what_they_are_given(metrics: Metrics) -> None:
    """What is left comes from the rates themselves."""
    left = await metrics.metered_rates(FakeStore()).take([RATE])
    assert left is not None
    assert left.remaining == 1


@pytest.mark.parametrize("step", UPSTREAM_STEPS)
async def test_a_step_of_a_provider_is_measured(metrics: Metrics, step: str) -> None:
    """By deployment; it answers what the provider answers."""
    act, answer = UPSTREAM_STEPS[step]
    assert await act(metrics.metered_upstream(FakeUpstream())) == answer
    found = samples(metrics.exposition())
    assert found[series("signaller_provider_seconds_count", deployment="d1", step=step)] == 1
    assert not [key for key in found if key.startswith("signaller_provider_errors")]


@pytest.mark.parametrize("step", UPSTREAM_STEPS)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UpstreamTimeout("slow"), "upstream_timeout"),
        (UpstreamRefused(status=400, type=None, code="sk-canary"), "upstream_refused"),
        (UpstreamUnavailable(status=429, type=None, code="sk-canary"), "upstream_unavailable"),
        (KeyError("sk-canary"), "fault"),
    ],
)
async def test_a_provider_that_fails_is_counted_by_a_reason_of_ours(
    metrics: Metrics, step: str, error: Exception, reason: str
) -> None:
    """The error goes on as it is; the provider's own code stays out of the labels."""
    upstream = FakeUpstream()
    upstream.error = error
    with pytest.raises(type(error)) as raised:
        await UPSTREAM_STEPS[step][0](metrics.metered_upstream(upstream))
    assert raised.value is error
    text = metrics.exposition()
    failed = {"deployment": "d1", "step": step, "reason": reason}
    assert samples(text)[series("signaller_provider_errors_total", **failed)] == 1
    seconds = series("signaller_provider_seconds_count", deployment="d1", step=step)
    assert samples(text)[seconds] == 1
    assert b"canary" not in text[1]


async def test_a_step_that_was_cancelled_does_not_count(metrics: Metrics) -> None:
    """A client that went away says nothing about store or provider."""
    store, upstream = FakeStore(), FakeUpstream()
    store.error = upstream.error = asyncio.CancelledError()
    before = samples(metrics.exposition())
    with pytest.raises(asyncio.CancelledError):
        await metrics.metered_upstream(upstream).mint(deployment(), REQUEST)
    metered = metrics.metered_store(store)
    with pytest.raises(asyncio.CancelledError):
        await metered.ping()
    changed = {
        key for key, value in samples(metrics.exposition()).items() if value != before.get(key, 0)
    }
    assert changed == set()


async def test_a_duration_falls_into_its_bucket(metrics: Metrics) -> None:
    """Seconds, not milliseconds: what takes no time is below the first bound."""
    await metrics.metered_upstream(FakeUpstream()).mint(deployment(), REQUEST)
    await metrics.metered_store(FakeStore()).ping()
    found = samples(metrics.exposition())
    bucket = {"deployment": "d1", "step": "mint", "le": "0.5"}
    assert found[series("signaller_provider_seconds_bucket", **bucket)] == 1
    assert found[series("signaller_store_seconds_bucket", step="ping", le="0.5")] == 1


async def test_histograms_are_small_and_reach_as_far_as_time_outs_do(metrics: Metrics) -> None:
    """At most twelve buckets each: from 1 ms of a store to 30 s of a provider."""
    await metrics.metered_upstream(FakeUpstream()).mint(deployment(), REQUEST)
    metrics.metered_store(FakeStore())
    keys = samples(metrics.exposition())
    store = [key for key in keys if key.startswith("signaller_store_seconds_bucket")]
    provider = [key for key in keys if key.startswith("signaller_provider_seconds_bucket")]
    assert len(store) / len(STORE_STEPS) <= 12
    assert len(provider) <= 12
    assert series("signaller_store_seconds_bucket", step="ping", le="0.001") in store
    longest = {"deployment": "d1", "step": "mint", "le": "30.0"}
    assert series("signaller_provider_seconds_bucket", **longest) in provider
