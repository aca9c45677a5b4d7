"""What a caller asks for, judged before anything is asked of anybody else."""

from collections.abc import Mapping

import msgspec

from signaller.deployments import Deployments
from signaller.errors import OriginNotAllowed
from signaller.journal import Line
from signaller.model import Caller, Deployment, Trace
from signaller.policy import Policy
from signaller.safety import SafetyIdentifiers
from signaller.sessions import MintRequest, forced


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks for, and from which web page."""

    caller: Caller
    request: MintRequest
    origin: str | None
    trace: Trace


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A wish that may be fulfilled, as far as that can be known here."""

    candidates: list[Deployment]
    """In the order to try them."""
    session: Mapping[str, object]
    """With the policy's fields; the models as the caller names them."""
    origins: tuple[str, ...]
    """The pages that may use what comes of it; none: any."""
    safety_identifier: str | None


class Wishes:
    """Holds wishes against policies and deployments."""

    def __init__(self, *, deployments: Deployments, safety: SafetyIdentifiers) -> None:
        self._deployments = deployments
        self._safety = safety

    def judge(self, wish: Wish, line: Line) -> Judged:
        """What may be done.

        Raises ModelNotAllowed, ModelNotFound, OriginNotAllowed and InvalidRequest (an end user
        the policy does not let the caller name).
        """
        request, policy = wish.request, wish.caller.policy
        line.add(model=request.model)
        candidates = self._deployments.candidates(request.model, policy)
        self._deployments.check_nested(request.session, policy)
        return Judged(
            candidates=candidates,
            session=forced(request.session, policy.session),
            origins=pinned_origins(policy, wish.origin),
            safety_identifier=self._safety.of(wish.caller, request.safety_identifier),
        )


def pinned_origins(policy: Policy, origin: str | None) -> tuple[str, ...]:
    """The origins a token is bound to; none: any. Raises OriginNotAllowed.

    A web page gets a token for itself; a backend, which has no origin, one for all its pages.
    """
    if policy.origins is None:
        return ()
    if origin is None and policy.origins:
        return policy.origins
    if origin is None or not policy.allows_origin(origin):
        raise OriginNotAllowed(
            public="You may not ask for tokens from this origin. The operator lists the allowed "
            "ones under 'origins' of your policy."
        )
    return (origin,)
