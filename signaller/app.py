"""The only place where parts are wired."""

import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypedDict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from signaller.call_book import CallBook
from signaller.callers import FrontDesk, KeySets
from signaller.calls import Calls
from signaller.deployments import Deployments
from signaller.errors import SignallerError
from signaller.failover import Failover
from signaller.hangups import Hangups
from signaller.journal import Journal
from signaller.limits import Limits
from signaller.logs import masked
from signaller.masking import Masking
from signaller.metrics import Metrics
from signaller.minting import Minting
from signaller.model import Provider
from signaller.ports import Clock, Rates, Store, Upstream
from signaller.reloading import reload_on_hangup
from signaller.safety import SafetyIdentifiers
from signaller.settings import MASTER, Settings
from signaller.stores import MemoryStore, RedisStore
from signaller.token_control import TokenControl
from signaller.tokens import Tokens
from signaller.unified_calls import UnifiedCalls
from signaller.upstreams import Azure, EntraTokens, OpenAI, ProviderClient, http_client
from signaller.warming import WarmSecrets
from signaller.web import rate_headers
from signaller.web.handlers import InForce, Service
from signaller.web.middleware import Cors, Envelope, LastResort
from signaller.web.rendering import render
from signaller.web.routes import routes
from signaller.wishes import Wishes

EXPOSED_HEADERS = [
    *("Location", "Retry-After", "Server-Timing", "X-Request-Id", "Link"),
    *rate_headers.NAMES,
]
PREFLIGHT_SECONDS = 600


class State(TypedDict):
    """What the lifespan lends to every request."""

    in_force: InForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """What a reload leaves as it is: connections, caches, counts."""

    clock: Clock
    client: ProviderClient
    entra: EntraTokens
    key_sets: KeySets
    store: Store
    rates: Rates
    metrics: Metrics
    journal: Journal


def create_app(
    settings: Settings,
    *,
    clock: Clock = time.time,
    reload: Callable[[], Settings] | None = None,
) -> Starlette:
    """The service. Connections are opened and closed by its lifespan.

    `reload` reads the configuration anew when the process gets a SIGHUP; it raises ConfigError.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            lasting, in_force = await _open(stack, settings, clock)

            def put_in_force(changed: Settings) -> None:
                rests = in_force.service.deployments.rests
                in_force.service = _assemble(changed, lasting, rests)

            if reload is not None:
                stack.enter_context(
                    reload_on_hangup(reload, settings, put_in_force, lasting.journal)
                )
            yield {"in_force": in_force}

    app = Starlette(
        routes=routes(),
        lifespan=lifespan,
        middleware=[
            Middleware(Envelope),
            Middleware(
                Cors,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "DELETE", "OPTIONS"],
                allow_headers=["*"],  # x-stainless-*, openai-* and the like: an open set
                expose_headers=EXPOSED_HEADERS,
                allow_private_network=True,  # Chromium asks where a service has a private address
                max_age=PREFLIGHT_SECONDS,
            ),
            Middleware(LastResort),
        ],
        exception_handlers={SignallerError: render, HTTPException: render},
    )
    # A slash too many is another path: no redirect to an address built from the Host header.
    app.router.redirect_slashes = False
    return app


def judge(settings: Settings) -> None:
    """Raise ConfigError for what only its user can tell: a Redis URL, a public key."""
    open_store(settings, time.time)
    FrontDesk(settings, KeySets(http_client(), time.time))  # neither connects to anything


def open_store(settings: Settings, clock: Clock) -> MemoryStore | RedisStore:
    """Redis where it is configured, memory otherwise. Connects lazily."""
    if settings.redis_url is None:
        return MemoryStore(clock)
    return RedisStore.from_url(
        settings.redis_url, timeout_seconds=settings.timeouts.store_seconds, clock=clock
    )


async def _open(stack: AsyncExitStack, settings: Settings, clock: Clock) -> tuple[Lasting, InForce]:
    client = await stack.enter_async_context(http_client())
    entra = EntraTokens()
    stack.push_async_callback(entra.aclose)
    store = open_store(settings, clock)
    stack.push_async_callback(store.aclose)
    windows = store.windows()
    key_sets = KeySets(client, clock)
    stack.push_async_callback(key_sets.aclose)
    # A JWT may name any number of callers: metrics name those of the configuration only.
    metrics = Metrics(label=lambda name: name if name in in_force.service.names else "other")
    lasting = Lasting(
        clock=clock,
        client=client,
        entra=entra,
        key_sets=key_sets,
        store=metrics.metered_store(store),
        rates=metrics.metered_rates(Limits(windows, windows.take_back)),
        metrics=metrics,
        journal=Journal(metrics.observe),
    )
    in_force = InForce(service=_assemble(settings, lasting, rests={}))

    def mask(text: str) -> str:
        return in_force.service.masking.masked(text)  # a reload changes what there is to mask

    stack.enter_context(masked(mask))
    return lasting, in_force


def _assemble(settings: Settings, lasting: Lasting, rests: Mapping[str, float]) -> Service:
    """All that a configuration decides on."""
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
    openai = OpenAI(lasting.client, settings.timeouts, masking=masking)
    azure = Azure(lasting.client, settings.timeouts, lasting.entra, masking=masking)
    upstreams: dict[Provider, Upstream] = {
        "openai": metrics.metered_upstream(openai),
        "azure": metrics.metered_upstream(azure),
    }
    wishes = Wishes(deployments=deployments, safety=SafetyIdentifiers(settings.token_keys))
    failover = Failover(deployments)
    book = CallBook(store, settings.token_keys)
    minting = Minting(
        wishes=wishes,
        failover=failover,
        upstreams=upstreams,
        tokens=tokens,
        store=store,
        rates=rates,
        warm=WarmSecrets(settings.warm_secrets, settings.token_keys, store, clock),
        clock=clock,
        token_settings=settings.token,
        mint_seconds=settings.timeouts.mint_seconds,
        aliases=settings.aliases,
    )
    hangups = Hangups(
        callers=callers,
        deployments=deployments,
        upstreams=upstreams,
        tokens=tokens,
        store=store,
        book=book,
        journal=lasting.journal,
        clock=clock,
        call_seconds=settings.timeouts.call_seconds,
    )
    calls = Calls(
        callers=callers,
        deployments=deployments,
        upstreams=upstreams,
        tokens=tokens,
        store=store,
        book=book,
        rates=rates,
        journal=lasting.journal,
        hangups=hangups,
        clock=clock,
        aliases=settings.aliases,
    )
    unified_calls = UnifiedCalls(
        wishes=wishes,
        failover=failover,
        upstreams=upstreams,
        store=store,
        rates=rates,
        hangups=hangups,
        clock=clock,
        call_seconds=settings.timeouts.call_seconds,
        aliases=settings.aliases,
    )
    return Service(
        callers=callers,
        deployments=deployments,
        minting=minting,
        calls=calls,
        unified_calls=unified_calls,
        hangups=hangups,
        token_control=TokenControl(
            callers=callers, deployments=deployments, tokens=tokens, store=store, clock=clock
        ),
        store=store,
        journal=lasting.journal,
        exposition=metrics.exposition,
        masking=masking,
        names=frozenset((MASTER, *(caller.name for caller in settings.callers))),
        settings=settings,
    )
