"""The only place where parts are wired."""

import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from signaller.callers import FrontDesk, KeySets
from signaller.errors import SignallerError
from signaller.logs import Journal
from signaller.masking import NOTHING_HELD, Masking, MaskingFilter, masked_logs
from signaller.metrics import Metrics
from signaller.model import PROVIDERS, Provider
from signaller.ports import CallBook, Clock, Rates, Store, Upstream
from signaller.providers import Azure, EntraTokens, OpenAI, Sockets, fetch, http_client
from signaller.realtime.call_access import CallAccess
from signaller.realtime.call_feed import CallFeed
from signaller.realtime.call_lists import CallLists
from signaller.realtime.call_records import CallRecords, SealedBook
from signaller.realtime.calls import Calls
from signaller.realtime.deployments import Deployments, Failover
from signaller.realtime.hangups import Hangups
from signaller.realtime.minting import MintChecks, Minting
from signaller.realtime.service_state import ServiceState
from signaller.realtime.token_control import TokenControl
from signaller.realtime.unified_calls import UnifiedCalls
from signaller.realtime.warm_secrets import WarmSecrets
from signaller.settings import MASTER, Settings
from signaller.stores import MemoryStore, RedisStore
from signaller.stores.call_book import RedisCallBook
from signaller.stores.memory_calls import MemoryCallBook
from signaller.stores.rates import WindowRates
from signaller.supervision.clock import CallClock
from signaller.supervision.handover import HANDOVER_SECONDS
from signaller.supervision.owner import Owner, Parts
from signaller.supervision.prices import our_prices
from signaller.tokens.pseudonyms import Pseudonyms
from signaller.tokens.tokens import Tokens
from signaller.web.middleware import RequestContext, UnexpectedErrors
from signaller.web.rendering import RATE_HEADERS, render
from signaller.web.routes import routes
from signaller.web.state import InForce, LifespanState, Service

EXPOSED_HEADERS = [
    *("Location", "Retry-After", "Server-Timing", "X-Request-Id", "Link"),
    *RATE_HEADERS,
]
PREFLIGHT_SECONDS = 600
MARGIN_SECONDS = 5.0
"""By how much a call's intent outlasts its request to the provider: for the store, before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """What a reload leaves as it is: connections, caches, counts."""

    clock: Clock
    client: httpx.AsyncClient
    sockets: Sockets
    entra: EntraTokens
    key_sets: KeySets
    store: Store
    book: CallBook
    feed: CallFeed
    owner: Owner
    rates: Rates
    metrics: Metrics
    journal: Journal
    log_filter: MaskingFilter

    def tell(self, service: Service) -> None:
        """Name what is counted and mask secrets as the configuration of this service says."""
        listed = (caller.name for caller in service.settings.callers)
        self.metrics.name_callers(frozenset((MASTER, *listed)))
        self.metrics.name_models(_models_named(service.settings))
        self.metrics.name_deployments(each.id for each in service.settings.deployments)
        self.log_filter.masking = service.masking
        self.feed.renew(CallRecords(service.settings.token_keys), service.masking)


def create_app(
    settings: Settings,
    *,
    clock: Clock = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Starlette:
    """The service. Connections are opened and closed by its lifespan.

    The lifespan's state holds `in_force`, which takes other settings (`InForce.reload`).
    `clock` may be set while it runs; calls are watched, and without Redis they end, by `monotonic`.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[LifespanState]:
        async with AsyncExitStack() as stack:
            yield {"in_force": await _open(stack, settings, clock, steady(clock, monotonic))}

    app = Starlette(
        routes=routes(),
        lifespan=lifespan,
        middleware=[
            Middleware(RequestContext),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "DELETE", "OPTIONS"],
                allow_headers=["*"],  # x-stainless-*, openai-* and the like: an open set
                expose_headers=EXPOSED_HEADERS,
                allow_private_network=True,  # Chromium asks where a service has a private address
                max_age=PREFLIGHT_SECONDS,
            ),
            Middleware(UnexpectedErrors),
        ],
        exception_handlers={SignallerError: render, HTTPException: render},
    )
    # A slash too many is another path: no redirect to an address built from the Host header.
    app.router.redirect_slashes = False
    return app


def judge(settings: Settings) -> None:
    """Raise ConfigError for what only its user can tell: a Redis URL, a public key."""
    open_store(settings, time.time, time.time)
    client = http_client(settings.egress)  # it connects to nothing before the first request
    FrontDesk(settings, KeySets(partial(fetch, client), time.time))


def steady(clock: Clock, monotonic: Callable[[], float]) -> Clock:
    """What the clock says now, and from then on how time goes by, though the clock be set."""
    began_at = clock() - monotonic()
    return lambda: began_at + monotonic()


def open_store(
    settings: Settings, clock: Clock, steady_clock: Clock
) -> tuple[MemoryStore | RedisStore, CallBook]:
    """A store and the book of calls in it: Redis where it is configured, memory otherwise.

    Connects lazily. `steady_clock`: for calls in memory; those in Redis go by its own.
    """
    if settings.redis_url is None:
        book = MemoryCallBook(steady_clock)
        return MemoryStore(clock, check_calls=book.check_room), book
    store = RedisStore.from_url(
        settings.redis_url,
        timeout_seconds=settings.timeouts.store_seconds,
        clock=clock,
        login=settings.redis,
    )
    return store, RedisCallBook(store.steps)


async def _open(
    stack: AsyncExitStack, settings: Settings, clock: Clock, steady_clock: Clock
) -> InForce:
    client = await stack.enter_async_context(http_client(settings.egress))
    sockets = Sockets(settings.egress)
    stack.push_async_callback(sockets.aclose)
    entra = EntraTokens(egress=settings.egress)
    stack.push_async_callback(entra.aclose)
    store, unmetered = open_store(settings, clock, steady_clock)
    stack.push_async_callback(store.aclose)
    key_sets = KeySets(partial(fetch, client), clock)
    stack.push_async_callback(key_sets.aclose)
    metrics = Metrics()
    book = metrics.metered_book(unmetered)
    feed = CallFeed(book)
    stack.push_async_callback(feed.aclose)
    owner = Owner(
        our_prices(),
        counts=metrics,
        clock=steady_clock,
        # What is in the memory of this process ends with it.
        handover_seconds=0 if settings.redis_url is None else HANDOVER_SECONDS,
    )
    lasting = Lasting(
        clock=clock,
        client=client,
        sockets=sockets,
        entra=entra,
        key_sets=key_sets,
        store=metrics.metered_store(store),
        book=book,
        feed=feed,
        owner=owner,
        rates=metrics.metered_rates(WindowRates(store)),
        metrics=metrics,
        journal=Journal(metrics.observe),
        log_filter=stack.enter_context(masked_logs(NOTHING_HELD)),
    )
    assemble = partial(_assemble, lasting)
    in_force = InForce(service=assemble(settings, {}), assemble=assemble)
    call_clock = CallClock(lambda: in_force.service.hangups, metrics.live_calls)
    await stack.enter_async_context(call_clock.running())
    await stack.enter_async_context(owner.running(in_force.leaving))
    return in_force


def _assemble(lasting: Lasting, settings: Settings, rests: Mapping[str, float]) -> Service:
    """All that a configuration decides on, over what lasts."""
    clock, store, rates, metrics = lasting.clock, lasting.store, lasting.rates, lasting.metrics
    masking = Masking.of(settings)
    callers = FrontDesk(settings, lasting.key_sets)
    tokens = Tokens(settings.token_keys, clock)
    deployments = Deployments(
        settings.deployments,
        clock,
        random.SystemRandom().random,
        rests=rests,
        on_rest=metrics.rests,
    )
    client, sockets = lasting.client, lasting.sockets
    openai = OpenAI(client, settings.timeouts, masking=masking, sockets=sockets)
    azure = Azure(client, settings.timeouts, lasting.entra, masking=masking, sockets=sockets)
    upstreams: dict[Provider, Upstream] = {
        "openai": metrics.metered_upstream(openai),
        "azure": metrics.metered_upstream(azure),
    }
    checks = MintChecks(
        deployments=deployments,
        pseudonyms=Pseudonyms(settings.token_keys),
        supervision=settings.supervision,
    )
    failover = Failover(deployments)
    minting = Minting(
        checks=checks,
        failover=failover,
        upstreams=upstreams,
        tokens=tokens,
        store=store,
        rates=rates,
        warm=_warm_secrets(settings, store, clock),
        clock=clock,
        token_settings=settings.token,
        mint_seconds=settings.timeouts.mint_seconds,
        aliases=settings.aliases,
    )
    records = CallRecords(settings.token_keys)
    book = SealedBook(
        lasting.book,
        records,
        clock,
        kept_seconds=settings.calls.kept_seconds,
        patience_seconds=_longest_call_step(settings) + MARGIN_SECONDS,
    )
    access = CallAccess(callers=callers, tokens=tokens, book=book)
    hangups = Hangups(
        access=access,
        deployments=deployments,
        upstreams=upstreams,
        book=book,
        journal=lasting.journal,
        clock=clock,
        call_seconds=settings.timeouts.call_seconds,
        hear_out=lasting.owner.hear_out,
    )
    lasting.owner.renew(
        Parts(
            book=book,
            deployments=deployments,
            upstreams=upstreams,
            hangups=hangups,
            max_watched=settings.calls.watched_at_once,
        )
    )
    calls = Calls(
        callers=callers,
        deployments=deployments,
        upstreams=upstreams,
        tokens=tokens,
        store=store,
        rates=rates,
        journal=lasting.journal,
        book=book,
        hangups=hangups,
        watchers=lasting.owner,
        clock=clock,
        aliases=settings.aliases,
    )
    unified_calls = UnifiedCalls(
        checks=checks,
        failover=failover,
        upstreams=upstreams,
        book=book,
        rates=rates,
        hangups=hangups,
        watchers=lasting.owner,
        clock=clock,
        call_seconds=settings.timeouts.call_seconds,
        aliases=settings.aliases,
    )
    service = Service(
        callers=callers,
        deployments=deployments,
        minting=minting,
        calls=calls,
        unified_calls=unified_calls,
        hangups=hangups,
        call_access=access,
        call_lists=CallLists(book=lasting.book, records=records),
        call_feed=lasting.feed,
        service_state=ServiceState(
            deployments=deployments,
            store=store,
            book=lasting.book,
            replays=lambda: metrics.replays,
            masking=masking,
            clock=clock,
            in_memory=settings.redis_url is None,
        ),
        token_control=TokenControl(
            callers=callers, deployments=deployments, tokens=tokens, store=store, clock=clock
        ),
        store=store,
        journal=lasting.journal,
        exposition=metrics.exposition,
        collect=metrics.collect,
        masking=masking,
        settings=settings,
    )
    lasting.tell(service)
    return service


def _models_named(settings: Settings) -> frozenset[str]:
    """The names that models are counted by: where a pattern is on offer, clients know any number.

    Those of the configuration, and those that are on the list of prices.
    """
    policies = (settings.policy, *(caller.policy for caller in settings.callers))
    names = {
        *(each.model_name for each in settings.deployments),
        *(name for policy in policies for patterns in policy.models for name in patterns),
        *our_prices().models,
    }
    # A client may say whose model it is: `openai/gpt-realtime`.
    prefixed = (f"{provider}/{name}" for provider in PROVIDERS for name in names)
    return frozenset((*names, *prefixed))


def _longest_call_step(settings: Settings) -> float:
    """For how long a provider may be asked for an answer."""
    own = (each.timeout_seconds or 0 for each in settings.deployments)
    return max(settings.timeouts.call_seconds, *own, 0)


def _warm_secrets(settings: Settings, store: Store, clock: Clock) -> WarmSecrets | None:
    if settings.warm_secrets.seconds is None:
        return None
    return WarmSecrets(
        seconds=settings.warm_secrets.seconds,
        across_callers=settings.warm_secrets.across_callers,
        ring=settings.token_keys,
        store=store,
        clock=clock,
    )
