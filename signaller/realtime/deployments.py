"""Which deployments serve a model, in which order they are tried, and which ones rest."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from signaller.errors import ModelNotAllowed, ModelNotFound, UpstreamAuthFailed, UpstreamError
from signaller.logs import Line, ids_of
from signaller.model import PROVIDERS, Deployment, Provider, Trace
from signaller.policy import Policy, matches
from signaller.ports import Clock
from signaller.tokens.pseudonyms import credential_fingerprint

log = logging.getLogger("signaller")

T = TypeVar("T")

REST_SECONDS = 5.0
"""How long a failing deployment rests when it does not say."""
MAX_REST_SECONDS = 60.0
"""A provider's Retry-After beyond it would take a deployment out of sight of its operator."""

MAX_QUOTED_CHARS = 100


class Deployments:
    """The deployments of one service. A resting one is tried last, but still tried."""

    def __init__(
        self,
        deployments: Sequence[Deployment],
        clock: Clock,
        random: Callable[[], float],
        *,
        rests: Mapping[str, float] | None = None,
        on_rest: Callable[[str, float], None] = lambda _id, _until: None,
    ) -> None:
        self._deployments = tuple(deployments)
        self._by_id = {deployment.id: deployment for deployment in deployments}
        self._fingerprints = {each.id: credential_fingerprint(each) for each in deployments}
        self._by_credential = {
            f"{each.id}-{self._fingerprints[each.id]}": each for each in deployments
        }
        self._clock = clock
        self._random = random
        self._rests_until = dict(rests or {})
        self._on_rest = on_rest

    @property
    def rests(self) -> Mapping[str, float]:
        """Unix seconds until which deployments rest, by id; a reload hands them on."""
        return {key: until for key, until in self._rests_until.items() if key in self._by_id}

    @property
    def listed(self) -> tuple[Deployment, ...]:
        """All of them, in the order of the configuration."""
        return self._deployments

    @property
    def models(self) -> tuple[str, ...]:
        """The model names on offer, patterns included, in the order of the configuration."""
        return tuple(dict.fromkeys(deployment.model_name for deployment in self._deployments))

    def offered_under(self, policy: Policy) -> tuple[str, ...]:
        """The model names on offer to a caller.

        Where a pattern is on offer and the policy names models, those it serves take its place.
        """
        named = [name for patterns in policy.models for name in patterns]
        names = [
            name
            for offered in self.models
            for name in ([offered] if "*" not in offered else [*named, offered])
            if name == offered or matches(offered, name)
        ]
        return tuple(name for name in dict.fromkeys(names) if policy.allows_model(name))

    def only_model(self, policy: Policy) -> str | None:
        """The model of a caller who may use exactly one."""
        names = self.offered_under(policy)
        return names[0] if len(names) == 1 and "*" not in names[0] else None

    def named(self, id: str, fingerprint: str = "") -> Deployment | None:
        """The deployment a grant or a call sticks to; None once it has left the configuration.

        `fingerprint` is that of the credential behind the call. Entries that differ in nothing else
        have it in their ids, so an id gains or loses it when such a twin comes or goes.
        """
        return (
            self._by_id.get(id)
            or self._by_credential.get(id)
            or self._by_id.get(f"{id}-{fingerprint}")
        )

    def fingerprint_of(self, deployment: Deployment) -> str:
        """Of the credential of one of these deployments, whatever model it serves."""
        return self._fingerprints[deployment.id]

    def candidates(self, model: str, policy: Policy) -> list[Deployment]:
        """The deployments of a model in the order to try them.

        Raises ModelNotAllowed, whether there is such a model or not, and ModelNotFound.

        A name that begins with the same provider rules over others, an exact name over a pattern,
        a longer pattern over a shorter one. Among equals
        the order is random by weight, and those that rest come last.
        """
        self.check_allowed(model, policy, param="model")
        found = [
            (deployment.model_name, served)
            for deployment in self._deployments
            if (served := resolve(deployment, model))
        ]
        if not found:
            raise ModelNotFound(
                public=f"There is no model {_quoted(model)} here. {self._names(policy)}",
                param="model",
            )
        prefix = f"{provider_prefix(model)[0]}/"
        best = max(
            (name for name, _ in found),
            key=lambda name: (name.startswith(prefix), "*" not in name, len(name)),
        )
        return sorted((served for name, served in found if name == best), key=self._order)

    def check_allowed(self, model: str | None, policy: Policy, *, param: str) -> None:
        """Raise ModelNotAllowed for a model that a caller's policy does not name.

        Where the configuration knows no names with a provider before them, a policy that names the
        model allows it with its provider as well.
        """
        if model is None or policy.allows_model(model):
            return
        provider, name = provider_prefix(model)
        distinct = any(
            offered.startswith(f"{provider}/") and matches(offered, model)
            for offered in self.models
        )
        if provider is None or distinct or not policy.allows_model(name):
            raise ModelNotAllowed(
                public=f"You may not use the model {_quoted(model)}. {self._names(policy)}",
                param=param,
            )

    def check_nested(self, named: Iterable[tuple[str, str]], policy: Policy) -> None:
        """Raise ModelNotAllowed for one of the models that `sessions.nested_models` gives."""
        for place, model in named:
            self.check_allowed(model, policy, param=place)

    def rest(self, deployment: Deployment, seconds: float | None) -> None:
        """Let a failing deployment rest, for as long as it asked or a short time."""
        wanted = REST_SECONDS if seconds is None else min(seconds, MAX_REST_SECONDS)
        until = self._rests_until[deployment.id] = self._clock() + wanted
        self._on_rest(deployment.id, until)

    def _names(self, policy: Policy) -> str:
        names = self.offered_under(policy)
        return f"You may use: {', '.join(names)}." if names else "There is none that you may use."

    def _order(self, deployment: Deployment) -> tuple[bool, float]:
        resting = self._rests_until.get(deployment.id, 0) > self._clock()
        # Efraimidis and Spirakis, 2006: sorted by -log(u)/weight, items fall in a random order
        # in which each is first with a probability proportional to its weight.
        weight = deployment.weight
        return resting, -math.log(1 - self._random()) / weight if weight else math.inf


class Failover:
    """Goes on to the next deployment where that is safe, and lets the failed one rest."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments = deployments

    async def first(
        self,
        candidates: Sequence[Deployment],
        attempt: Callable[[Deployment], Awaitable[T]],
        *,
        seconds: float,
        leave_half: bool,
        trace: Trace,
        line: Line,
    ) -> tuple[Deployment, T]:
        """The first deployment that serves, and what it gave.

        `seconds` are for all of them together (the longest `timeout` of theirs, if that is more).
        `attempt` gets each with what it may take of them as its time-out: `leave_half` of what
        is left to those that come after it, or all. Raises UpstreamError: the first one that does
        not fail over, or the last.
        """
        loop = asyncio.get_running_loop()
        whole = max((each.timeout_seconds or seconds for each in candidates), default=seconds)
        until = loop.time() + whole
        for number, deployment in enumerate(candidates, 1):
            is_last = number == len(candidates)
            line.add(deployment=deployment.id)
            left = until - loop.time()
            share = left / 2 if leave_half and not is_last else left
            limited = min(deployment.timeout_seconds or seconds, share)
            try:
                return deployment, await attempt(replace(deployment, timeout_seconds=limited))
            except UpstreamError as error:
                if not error.fails_over:
                    raise
                self._failed(deployment, error, trace)
                if is_last:
                    raise
        raise ValueError("no deployment to try")

    def _failed(self, deployment: Deployment, error: UpstreamError, trace: Trace) -> None:
        # A refused credential may depend on what was asked for: it rests nothing.
        if not isinstance(error, UpstreamAuthFailed):
            self._deployments.rest(deployment, error.retry_after)
        fields = {
            **ids_of(trace),
            "deployment": deployment.id,
            "code": error.code,
            "detail": str(error),
        }
        log.warning("deployment failed", extra={"fields": fields})


def resolve(deployment: Deployment, model: str) -> Deployment | None:
    """The deployment as it serves `model`, wildcards filled in; None if it does not serve it.

    `openai/` or `azure/` before a name says whose model it must be, unless the deployment's own
    name begins so.
    """
    provider, name = provider_prefix(model)
    if provider and not deployment.model_name.startswith(f"{provider}/"):
        if provider != deployment.provider:
            return None
        model = name
    head, star, tail = deployment.model_name.partition("*")
    if not star:
        return deployment if model == deployment.model_name else None
    if len(model) < len(head) + len(tail) or not (model.startswith(head) and model.endswith(tail)):
        return None
    matched = model[len(head) : len(model) - len(tail)]
    upstream_model = deployment.upstream_model.replace("*", matched)
    return replace(deployment, upstream_model=upstream_model) if upstream_model else None


def provider_prefix(model: str) -> tuple[Provider | None, str]:
    """The provider that a name begins with, as LiteLLM's do, and the name without it."""
    head, slash, name = model.partition("/")
    provider = PROVIDERS.get(head) if slash else None
    return (provider, name) if provider else (None, model)


def _quoted(model: str) -> str:
    """A name as errors repeat it: a long one not at all, for half a key could not be masked."""
    return f"'{model}'" if len(model) <= MAX_QUOTED_CHARS else "of so long a name"
