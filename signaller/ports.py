"""What the service needs from the outside, as protocols."""

from collections.abc import Callable
from typing import Protocol

from signaller.model import (
    Answer,
    Call,
    Caller,
    Deployment,
    EphemeralSecret,
    Grant,
    Offer,
    SessionRequest,
)
from signaller.secret import Secret

Clock = Callable[[], float]
"""Unix time in seconds."""


class Callers(Protocol):
    """Tells who a caller is."""

    def identify(self, credential: Secret | None) -> Caller:
        """The caller behind a credential. Raises InvalidApiKey."""


class Store(Protocol):
    """The authority on grants and calls. Every method raises StoreUnavailable, and only that."""

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant until `grant.terms.start_by`, in one command with its TTL."""

    async def redeem(self, grant_id: str) -> Grant | None:
        """Take one use, atomically; None once the uses are spent or the grant has expired."""

    async def give_back(self, grant: Grant) -> None:
        """Undo one `redeem`; only for when it is certain that no call began."""

    async def put_call(self, call: Call) -> None:
        """Remember a call, or what has become of it, until `call.deadline`."""

    async def get_call(self, call_id: str) -> Call | None:
        """The call, or None when it is unknown or past its deadline."""

    async def ping(self) -> None:
        """Prove that the store answers."""

    async def aclose(self) -> None:
        """Let go of connections."""


class Upstream(Protocol):
    """Speaks to one kind of provider. Every method raises UpstreamError, and only that."""

    async def mint(self, deployment: Deployment, request: SessionRequest) -> EphemeralSecret:
        """Ask for an ephemeral secret."""

    async def call(
        self, deployment: Deployment, secret: Secret, offer: Offer, request_id: str
    ) -> Answer:
        """Trade an offer for the provider's answer; sent at most once."""

    async def hang_up(self, deployment: Deployment, provider_call_id: str, request_id: str) -> None:
        """End a call with the deployment's own credential; one that has ended is no error."""
