"""Counts and durations: of audit lines, of steps of the store, and of steps at providers."""

import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram

from signaller.errors import (
    RateLimitExceeded,
    SignallerError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from signaller.metrics.exposition import Collected, Exposition, check_mode, of_process, render
from signaller.metrics.series import WATCH_STATES, Series
from signaller.model import (
    Allowance,
    Answer,
    CallEntry,
    CallFacts,
    Deployment,
    EphemeralSecret,
    Grant,
    Kept,
    Offer,
    Peeked,
    ProviderRequest,
    Returned,
    SessionRequest,
    Spent,
    Told,
    Trace,
    Turn,
)
from signaller.policy import Rate
from signaller.ports import CallBook, Rates, Sideband, Store, Upstream
from signaller.secret import Secret

REQUESTS = frozenset({"mint", "call", "hangup", "introspect", "revoke", "models", "metrics"})
"""The events that answer a request; an error of theirs is a refusal."""

MAX_LABEL_CHARS = 128
"""Longer than a name in any configuration; each series repeats it in memory and in every scrape."""
UNKNOWN = "unknown"
"""The label where a line does not say."""


class Metrics:
    """What this process has done. One per process.

    Raises RuntimeError if PROMETHEUS_MULTIPROC_DIR was set too late.
    """

    def __init__(self) -> None:
        check_mode()
        self._callers: Container[str] = ()
        self._models: Container[str] = ()
        self._live: set[tuple[str, str]] = set()
        """Whose live calls have been counted: of those that have none left it is told too."""
        self._registry = CollectorRegistry()
        self._series = Series(self._registry)
        self.watches({})

    def name_callers(self, names: Container[str]) -> None:
        """Count these callers by their names from now on, and all others as `other`.

        A gateway may name any number of callers, and each label's value is a series.
        """
        self._callers = names

    def name_models(self, names: Container[str]) -> None:
        """Count these models by their names from now on, and all others as `other`.

        A pattern in the configuration lets clients name any number of models.
        """
        self._models = names

    def name_deployments(self, ids: Iterable[str]) -> None:
        """Begin the counts of these at 0: an alert sees the step to 1, not a 1 that appears."""
        series = self._series
        for each in ids:
            for counter in (series.warm_mints, series.watch_gaps, series.insufficient_quota):
                counter.labels(text(each))

    def observe(
        self, event: str, fields: Mapping[str, object], error: BaseException | None
    ) -> None:
        """Count one audit line (`logs.Observe`); one that means nothing here is passed over."""
        if event == "reload":
            failed = error is not None or fields.get("outcome", "ok") != "ok"
            self._series.reloads.labels("failed" if failed else "ok").inc()
        elif error is None:
            self._done(event, fields)
        elif event in REQUESTS and isinstance(error, Exception):  # a cancelled one was not refused
            self._series.refusals.labels(event, reason(error)).inc()

    def rests(self, deployment_id: str, until: float) -> None:
        """Tell until when (Unix seconds) a deployment rests; it is over when that time has come."""
        self._series.rests_until.labels(text(deployment_id)).set(until)

    def live_calls(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Tell how many calls are live in all replicas, by caller and model."""
        now: defaultdict[tuple[str, str], int] = defaultdict(int)
        for (caller, model), count in counts.items():
            now[named(caller, self._callers), named(model, self._models)] += count
        for labels in self._live - now.keys():
            self._series.calls_live.labels(*labels).set(0)
        for labels, count in now.items():
            self._series.calls_live.labels(*labels).set(count)
            # It begins at 0 here, for alerts: none is unknown for good without having been live.
            self._series.calls_unknown.labels(*labels)
        self._live |= now.keys()

    def frame_unread(self, call: CallFacts, kind: str | None) -> None:
        """Count a frame of a call's sideband by its event's name; None: it did not tell one."""
        self._series.sideband_unread.labels(text(call.deployment_id), text(kind)).inc()

    def watch_missed(self, call: CallFacts) -> None:
        """Count a gap in what is known of a call."""
        self._series.watch_gaps.labels(text(call.deployment_id)).inc()

    def out_of_credit(self, call: CallFacts) -> None:
        """Count that a provider said so in a call."""
        self._series.insufficient_quota.labels(text(call.deployment_id)).inc()

    def watches(self, states: Mapping[str, int]) -> None:
        """Tell how many calls this process watches, by the state of each watch."""
        for state in WATCH_STATES:
            self._series.calls_watched.labels(state).set(states.get(state, 0))

    def metered_store(self, store: Store) -> Store:
        """The same store, measured."""
        return MeteredStore(store, self._series)

    def metered_book(self, book: CallBook) -> CallBook:
        """The same book of calls, measured as steps of the store."""
        return MeteredCallBook(book, self._series)

    def metered_rates(self, rates: Rates) -> Rates:
        """The same rates, measured as the step `take` of the store."""
        return MeteredRates(rates, self._series)

    def metered_upstream(self, upstream: Upstream) -> Upstream:
        """The same upstream, measured."""
        return MeteredUpstream(upstream, self._series)

    @property
    def replays(self) -> int:
        """How many there were, of all callers, in all workers."""
        return sum(
            int(sample.value)
            for metric in self.collect()
            for sample in metric.samples
            if sample.name == "signaller_replays_total"
        )

    def exposition(self) -> Exposition:
        """Content-Type and text; with several workers of all of them, whichever is asked."""
        return render(self.collect)

    def collect(self) -> Collected:
        """The same before it is text."""
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
            case "call_ended":
                self._count_end(fields)
                self._count_billed(fields)
            case "call_recounted":
                self._count_billed(fields)
            case "hangup":
                series.hangups.inc()
            case "revoke":
                series.revocations.labels(self._caller(fields)).inc()
            case "replay":
                series.replays.labels(self._caller(fields)).inc()

    def _count(self, counter: Counter, fields: Mapping[str, object]) -> None:
        counter.labels(self._caller(fields), text(fields.get("deployment"))).inc()

    def _count_end(self, fields: Mapping[str, object]) -> None:
        caller, model = self._caller(fields), named(fields.get("model"), self._models)
        if not fields.get("answered"):
            self._series.calls_unknown.labels(caller, model).inc()
            return
        self._series.calls_ended.labels(caller, model, text(fields.get("ended_by"))).inc()
        seconds = fields.get("seconds")
        if isinstance(seconds, int):
            self._series.call_seconds.labels(caller, model).inc(seconds)

    def _count_billed(self, fields: Mapping[str, object]) -> None:
        """What a call has used, by the kind that it is billed as, and its cost."""
        caller, model = self._caller(fields), named(fields.get("model"), self._models)
        match fields.get("billed"):
            case {"tokens": dict(tokens), "usd": str(usd)}:
                for kind, count in tokens.items():
                    self._series.call_tokens.labels(caller, model, kind).inc(count)
                if float(usd):
                    self._series.call_cost.labels(caller, model).inc(float(usd))

    def _caller(self, fields: Mapping[str, object]) -> str:
        return named(fields.get("caller"), self._callers)


def named(value: object, names: Container[str]) -> str:
    """A label's value: a name of these; `other` for any other one, `unknown` for what is none."""
    if not isinstance(value, str) or not value:
        return UNKNOWN
    return text(value) if value in names else "other"


def text(value: object) -> str:
    """A label's value: `unknown` for all but a text, cut, and without what UTF-8 cannot hold."""
    if not isinstance(value, str) or not value:
        return UNKNOWN
    # A lone surrogate, which JSON may spell (`\ud800`), would make every later scrape fail.
    return value[:MAX_LABEL_CHARS].encode("utf-8", "replace").decode()


def reason(error: Exception) -> str:
    """Our own code for a failure, never one that a provider made up; `fault` if it is not ours."""
    if isinstance(error, UpstreamUnavailable):
        return "upstream_unavailable"
    if isinstance(error, UpstreamRefused):
        return "upstream_refused"
    if isinstance(error, SignallerError):
        return type(error).code
    return "fault"


class Measured:
    """A block whose duration is observed, and whose failure is reported.

    One that is cancelled counts as neither: a client that went away says nothing about the store
    or the provider. (`Histogram.time()` would observe it.)
    """

    def __init__(self, seconds: Histogram, failed: Callable[[Exception], None]) -> None:
        self._seconds, self._failed, self._began = seconds, failed, 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is None or isinstance(error, Exception):
            self._seconds.observe(time.perf_counter() - self._began)
        if isinstance(error, Exception):
            self._failed(error)


STORE_STEPS = (
    "put_grant",
    "redeem",
    "give_back",
    "uses_left",
    "peek",
    "revoke",
    "link",
    "put_warm",
    "get_warm",
    "drop_warm",
    "lease_warm",
    "pause_warm",
    "ping",
)
RATE_STEPS = ("take", "take_back")
BOOK_STEPS = (
    "begin",
    "answered",
    "withdraw",
    "find",
    "list",
    "begin_ending",
    "pause_ending",
    "end",
    "due",
    "lease",
    "release",
    "orphans",
    "saw",
    "events",
    "first_event",
    "last_event",
    "live",
)


class StoreSteps:
    """Measures a store's steps. Their series are there, at 0, before the first error."""

    def __init__(self, series: Series, names: Sequence[str]) -> None:
        self._seconds = {name: series.store_seconds.labels(name) for name in names}
        self._failed = {name: _counting(series.store_errors.labels(name)) for name in names}

    def measured(self, name: str) -> Measured:
        """A block that is one step."""
        return Measured(self._seconds[name], self._failed[name])

    @contextmanager
    def counted(self, name: str) -> Iterator[None]:
        """One that waits for others: how long it took says nothing about the store."""
        try:
            yield
        except Exception as error:
            self._failed[name](error)
            raise


def _counting(errors: Counter) -> Callable[[Exception], None]:
    def failed(error: Exception) -> None:
        if not isinstance(error, RateLimitExceeded):  # that is an answer
            errors.inc()

    return failed


class MeteredStore:
    """Does what a store does, and counts (`ports.Store`)."""

    def __init__(self, store: Store, series: Series) -> None:
        self._store = store
        self._step = StoreSteps(series, STORE_STEPS).measured

    async def put_grant(self, grant: Grant) -> None:
        """`Store.put_grant`, measured."""
        with self._step("put_grant"):
            await self._store.put_grant(grant)

    async def redeem(self, grant_id: str, *, withheld: int = 0) -> Grant | Spent | None:
        """`Store.redeem`, measured."""
        with self._step("redeem"):
            return await self._store.redeem(grant_id, withheld=withheld)

    async def give_back(self, grant: Grant, *, at_most: int | None = None) -> Returned:
        """`Store.give_back`, measured."""
        with self._step("give_back"):
            return await self._store.give_back(grant, at_most=at_most)

    async def uses_left(self, grant_id: str) -> int:
        """`Store.uses_left`, measured."""
        with self._step("uses_left"):
            return await self._store.uses_left(grant_id)

    async def peek(self, grant_id: str) -> Peeked | None:
        """`Store.peek`, measured."""
        with self._step("peek"):
            return await self._store.peek(grant_id)

    async def revoke(self, grant_id: str) -> None:
        """`Store.revoke`, measured."""
        with self._step("revoke"):
            await self._store.revoke(grant_id)

    async def link(self, grant: Grant, call_id: str) -> bool:
        """`Store.link`, measured."""
        with self._step("link"):
            return await self._store.link(grant, call_id)

    async def put_warm(self, name: str, sealed: str, until: int) -> bool:
        """`Store.put_warm`, measured."""
        with self._step("put_warm"):
            return await self._store.put_warm(name, sealed, until)

    async def get_warm(self, name: str) -> str | None:
        """`Store.get_warm`, measured."""
        with self._step("get_warm"):
            return await self._store.get_warm(name)

    async def drop_warm(self, record: str) -> None:
        """`Store.drop_warm`, measured."""
        with self._step("drop_warm"):
            await self._store.drop_warm(record)

    async def lease_warm(self, name: str, seconds: int) -> bool:
        """`Store.lease_warm`, measured."""
        with self._step("lease_warm"):
            return await self._store.lease_warm(name, seconds)

    async def pause_warm(self, name: str, seconds: int) -> None:
        """`Store.pause_warm`, measured."""
        with self._step("pause_warm"):
            await self._store.pause_warm(name, seconds)

    async def ping(self, *, within_seconds: float = 0) -> None:
        """`Store.ping`, measured."""
        with self._step("ping"):
            await self._store.ping(within_seconds=within_seconds)

    async def aclose(self) -> None:
        """Let go of the store's connections."""
        await self._store.aclose()


class MeteredCallBook:
    """Does what a book of calls does, and counts (`ports.CallBook`)."""

    def __init__(self, book: CallBook, series: Series) -> None:
        self._book = book
        self._steps = StoreSteps(series, BOOK_STEPS)
        self._step = self._steps.measured

    async def begin(
        self, entry: CallEntry, facts: str, *, at_most: int | None, of_one: int | None = None
    ) -> float | None:
        """`CallBook.begin`, measured."""
        with self._step("begin"):
            return await self._book.begin(entry, facts, at_most=at_most, of_one=of_one)

    async def answered(
        self, entry: CallEntry, facts: str, event: str, *, heir_seconds: float | None = None
    ) -> None:
        """`CallBook.answered`, measured."""
        with self._step("answered"):
            await self._book.answered(entry, facts, event, heir_seconds=heir_seconds)

    async def withdraw(self, entry: CallEntry) -> None:
        """`CallBook.withdraw`, measured."""
        with self._step("withdraw"):
            await self._book.withdraw(entry)

    async def find(self, call_id: str) -> Kept | None:
        """`CallBook.find`, measured."""
        with self._step("find"):
            return await self._book.find(call_id)

    async def list(
        self, *, caller: str | None, live: bool | None, after: str | None, limit: int
    ) -> Sequence[Kept] | None:
        """`CallBook.list`, measured."""
        with self._step("list"):
            return await self._book.list(caller=caller, live=live, after=after, limit=limit)

    async def begin_ending(self, call_id: str, state: str, *, seconds: float) -> Turn:
        """`CallBook.begin_ending`, measured."""
        with self._step("begin_ending"):
            return await self._book.begin_ending(call_id, state, seconds=seconds)

    async def pause_ending(self, call_id: str, *, seconds: float) -> None:
        """`CallBook.pause_ending`, measured."""
        with self._step("pause_ending"):
            await self._book.pause_ending(call_id, seconds=seconds)

    async def end(self, entry: CallEntry, state: str, *, kept_seconds: int, event: str) -> bool:
        """`CallBook.end`, measured."""
        with self._step("end"):
            return await self._book.end(entry, state, kept_seconds=kept_seconds, event=event)

    async def due(self, *, seconds: float, at_most: int) -> Sequence[Kept]:
        """`CallBook.due`, measured."""
        with self._step("due"):
            return await self._book.due(seconds=seconds, at_most=at_most)

    async def lease(self, call_id: str, owner: str, *, seconds: float) -> int | None:
        """`CallBook.lease`, measured."""
        with self._step("lease"):
            return await self._book.lease(call_id, owner, seconds=seconds)

    async def release(self, call_id: str, owner: str) -> None:
        """`CallBook.release`, measured."""
        with self._step("release"):
            await self._book.release(call_id, owner)

    async def orphans(self, *, at_most: int) -> Sequence[Kept]:
        """`CallBook.orphans`, measured."""
        with self._step("orphans"):
            return await self._book.orphans(at_most=at_most)

    async def saw(
        self, call_id: str, seen: str, *, fence: int, event: str | None, ended: bool = False
    ) -> bool:
        """`CallBook.saw`, measured."""
        with self._step("saw"):
            return await self._book.saw(call_id, seen, fence=fence, event=event, ended=ended)

    async def events(
        self, after: str | None, *, at_most: int, wait_seconds: float
    ) -> Sequence[Told]:
        """`CallBook.events`, whose errors are counted and whose duration is not."""
        with self._steps.counted("events"):
            return await self._book.events(after, at_most=at_most, wait_seconds=wait_seconds)

    async def first_event(self) -> str | None:
        """`CallBook.first_event`, measured."""
        with self._step("first_event"):
            return await self._book.first_event()

    async def last_event(self) -> str:
        """`CallBook.last_event`, measured."""
        with self._step("last_event"):
            return await self._book.last_event()

    async def live(self) -> Mapping[tuple[str, str], int]:
        """`CallBook.live`, measured."""
        with self._step("live"):
            return await self._book.live()


class MeteredRates:
    """Does what rates do, and counts it as a step of the store (`ports.Rates`)."""

    def __init__(self, rates: Rates, series: Series) -> None:
        self._rates = rates
        self._step = StoreSteps(series, RATE_STEPS).measured

    async def take(self, rates: Sequence[Rate]) -> Allowance | None:
        """`Rates.take`, measured; without a rate the store is not asked."""
        if not rates:
            return None
        with self._step("take"):
            return await self._rates.take(rates)

    async def take_back(self, allowance: Allowance) -> None:
        """`Rates.take_back`, measured."""
        with self._step("take_back"):
            await self._rates.take_back(allowance)


class MeteredUpstream:
    """Does what an upstream does, and counts by deployment (`ports.Upstream`)."""

    def __init__(self, upstream: Upstream, series: Series) -> None:
        self._upstream = upstream
        self._series = series

    def mint_request(self, deployment: Deployment, request: SessionRequest) -> ProviderRequest:
        """`Upstream.mint_request`: no step, for nothing is sent."""
        return self._upstream.mint_request(deployment, request)

    async def mint(self, deployment: Deployment, request: SessionRequest) -> EphemeralSecret:
        """`Upstream.mint`, measured."""
        with self._step(deployment, "mint"):
            return await self._upstream.mint(deployment, request)

    def check_offer(self, deployment: Deployment, offer: Offer) -> None:
        """`Upstream.check_offer`: nothing is asked of anybody."""
        self._upstream.check_offer(deployment, offer)

    @property
    def takes_sessions(self) -> bool:
        """`Upstream.takes_sessions`."""
        return self._upstream.takes_sessions

    async def call(
        self, deployment: Deployment, secret: Secret | None, offer: Offer, trace: Trace
    ) -> Answer:
        """`Upstream.call`, measured."""
        with self._step(deployment, "call"):
            return await self._upstream.call(deployment, secret, offer, trace)

    async def hang_up(self, deployment: Deployment, provider_call_id: str, trace: Trace) -> bool:
        """`Upstream.hang_up`, measured."""
        with self._step(deployment, "hangup"):
            return await self._upstream.hang_up(deployment, provider_call_id, trace)

    async def attach(
        self, deployment: Deployment, provider_call_id: str, trace: Trace
    ) -> Sideband | None:
        """`Upstream.attach`, measured until it is open."""
        with self._step(deployment, "attach"):
            return await self._upstream.attach(deployment, provider_call_id, trace)

    def _step(self, deployment: Deployment, step: str) -> Measured:
        name = text(deployment.id)

        def failed(error: Exception) -> None:
            self._series.provider_errors.labels(name, step, reason(error)).inc()

        return Measured(self._series.provider_seconds.labels(name, step), failed)
