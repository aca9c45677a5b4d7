"""What the service needs from the outside, as protocols."""

from collections.abc import Callable, Sequence
from typing import Protocol

from signaller.model import (
    Allowance,
    Answer,
    Call,
    Caller,
    Deployment,
    EphemeralSecret,
    Evidence,
    Grant,
    Offer,
    ProviderRequest,
    Rate,
    Returned,
    SessionRequest,
    Spent,
    Trace,
    Turn,
)
from signaller.policy import Policy
from signaller.secret import Secret

Clock = Callable[[], float]
"""Unix time in seconds."""


class Callers(Protocol):
    """Tells who a caller is."""

    async def identify(self, evidence: Evidence) -> Caller:
        """Who sent a request. Raises InvalidApiKey, InvalidJwt, ScopeMissing, IssuerUnavailable."""

    def policy_of(self, name: str, credential_id: str) -> Policy | None:
        """The policy of a caller who minted before; None once that credential is withdrawn.

        What a JWT took away from it is not known any more: it is in the token's terms.
        """


class Rates(Protocol):
    """Counts what callers do, across all replicas."""

    async def take(self, rates: Sequence[Rate]) -> Allowance | None:
        """Count one in each bucket; what is left of the tightest, None without a rate.

        Raises RateLimitExceeded and StoreUnavailable.
        """

    async def take_back(self, rates: Sequence[Rate]) -> None:
        """Undo one `take`. Raises StoreUnavailable."""


class Store(Protocol):
    """The authority on grants and calls. Every method raises StoreUnavailable, and only that."""

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant until `grant.terms.start_by`, in one command with its TTL."""

    async def redeem(self, grant_id: str, *, withheld: int = 0) -> Grant | Spent | None:
        """Take one use, atomically; Spent if none is left, None if there is no such grant.

        A grant that has expired or was revoked is no more. Its last uses may be `withheld`: they
        count as spent.
        """

    async def give_back(self, grant: Grant, *, at_most: int | None = None) -> Returned:
        """Undo one `redeem`; only for when it is certain that no call began.

        A grant that was given back `at_most` times in this way before is not again.
        """

    async def uses_left(self, grant_id: str) -> int:
        """How many more calls a grant may start; 0 as well if there is no such grant."""

    async def revoke(self, grant_id: str) -> None:
        """Let a grant be no more, whatever is left of it; `give_back` does not bring it back."""

    async def link(self, grant: Grant, call_id: str) -> bool:
        """Remember, until the grant expires, that it began a call.

        False: it was replayed meanwhile, so nobody can tell whose call this is.
        """

    # Secrets that several tokens may share. Their names are `<owner>.<which>`, and what one owner
    # has here is bounded. They are a cache: nobody waits for them, nobody fails without them.

    async def put_warm(self, name: str, sealed: str, until: int) -> bool:
        """Keep a sealed secret until then (Unix seconds), and end the claim to make it new.

        The oldest ones of its owner make room. False: there is none, and the claim goes on.
        """

    async def get_warm(self, name: str) -> str | None:
        """The sealed secret of that name, if it is still there."""

    async def drop_warm(self, record: str) -> None:
        """Forget `<name>.<SHA-1 of what was sealed>`, unless another one has taken its place."""

    async def claim_warm(self, name: str, seconds: int) -> bool:
        """Be the one of all replicas that makes it new, for so long at the most."""

    async def pause_warm(self, name: str, seconds: int) -> None:
        """Let nobody claim it for so long; 0: whoever comes next may."""

    async def put_call(self, call: Call) -> None:
        """Remember a call, or what has become of it, until `call.deadline`.

        Whoever redeemed a grant was told then that there is room for its call.
        """

    async def get_call(self, call_id: str) -> Call | None:
        """The call, or None when it is unknown or past its deadline."""

    async def begin_ending(self, call: Call, *, seconds: float, at_most: int) -> Turn:
        """Be the only one who asks the provider for a call's end, for so long at the most.

        No more than `at_most` ever are.
        """

    async def pause_ending(self, call: Call, *, seconds: float) -> None:
        """End one's turn; the next one begins so much later."""

    async def ping(self, *, within_seconds: float = 0) -> None:
        """Prove that the store keeps what it is given, and has room; a proof so recent will do."""

    async def aclose(self) -> None:
        """Let go of connections."""


class Upstream(Protocol):
    """Speaks to one kind of provider. Every method raises UpstreamError, and only that."""

    def mint_request(self, deployment: Deployment, request: SessionRequest) -> ProviderRequest:
        """What `mint` would send: two that mean the same get secrets that are as good."""

    async def mint(self, deployment: Deployment, request: SessionRequest) -> EphemeralSecret:
        """Ask for an ephemeral secret."""

    def check_offer(self, deployment: Deployment, offer: Offer) -> None:
        """Refuse what this provider takes from nobody. Raises NotSupported too."""

    @property
    def takes_sessions(self) -> bool:
        """Whether a session may come with an offer, and the standard key with both."""

    async def call(
        self, deployment: Deployment, secret: Secret | None, offer: Offer, trace: Trace
    ) -> Answer:
        """Trade an offer for the provider's answer; sent at most once.

        `secret` is an ephemeral one; None: the deployment's own credential.
        """

    async def hang_up(self, deployment: Deployment, provider_call_id: str, trace: Trace) -> bool:
        """End a call with the deployment's own credential.

        False: it knows no such call, which may have ended, or be another project's.
        """
