"""What the service needs from the outside, as protocols."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from signaller.model import (
    Allowance,
    Answer,
    CallEntry,
    Caller,
    CallFacts,
    Deployment,
    EphemeralSecret,
    Evidence,
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
from signaller.policy import Policy, Rate
from signaller.secret import Secret

Clock = Callable[[], float]
"""Unix time in seconds."""
Fetch = Callable[[str], Awaitable[bytes]]
"""The document at a URL. Raises FetchFailed."""


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

    async def take_back(self, allowance: Allowance) -> None:
        """Undo the `take` that gave it, and no other one. Raises StoreUnavailable."""


class Store(Protocol):
    """The authority on grants. Every method raises StoreUnavailable, and only that."""

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

    async def peek(self, grant_id: str) -> Peeked | None:
        """A grant that has uses left, without taking one; None where there are none."""

    async def revoke(self, grant_id: str) -> None:
        """Let a grant be no more, whatever is left of it; `give_back` does not bring it back."""

    async def link(self, grant: Grant, call_id: str) -> bool:
        """Remember, until the grant expires, that it began a call.

        False: it was replayed meanwhile, so nobody can tell whose call this is.
        """

    # Secrets that several tokens may share. Their names are `<holder>.<which>`, and what one holder
    # has here is bounded. They are a cache: nobody waits for them, nobody fails without them.

    async def put_warm(self, name: str, sealed: str, until: int) -> bool:
        """Keep a sealed secret until then (Unix seconds), and end the lease to make it new.

        The oldest ones of its holder make room. False: there is none, and the lease goes on.
        """

    async def get_warm(self, name: str) -> str | None:
        """The sealed secret of that name, if it is still there."""

    async def drop_warm(self, record: str) -> None:
        """Forget `<name>.<SHA-1 of what was sealed>`, unless another one has taken its place."""

    async def lease_warm(self, name: str, seconds: int) -> bool:
        """Be the one of all replicas that makes it new, for so long at the most."""

    async def pause_warm(self, name: str, seconds: int) -> None:
        """Let nobody lease it for so long; 0: whoever comes next may."""

    async def ping(self, *, within_seconds: float = 0) -> None:
        """Prove that the store keeps what it is given, and has room; a proof so recent will do."""

    async def aclose(self) -> None:
        """Let go of connections."""


class CallBook(Protocol):
    """The book of calls that all replicas keep.

    Every method raises StoreUnavailable, and only that. What is written into it is sealed before:
    it is told only what it needs to keep, find, count and forget a call (`CallEntry`). Steps that
    decide something are atomic.
    """

    async def begin(
        self, entry: CallEntry, facts: str, *, at_most: int | None, of_one: int | None = None
    ) -> float | None:
        """Write down the intent to call, and take one of the caller's `at_most` places.

        And one of the `of_one` that the entry's person has of them, where it names one.
        None: it is done. Otherwise nothing is, and in so many seconds, at least 1, a place may be
        free. A call has its place until it ends or is past `ends_by`.
        """

    async def answered(
        self, entry: CallEntry, facts: str, event: str, *, heir_seconds: float | None = None
    ) -> None:
        """Replace the facts of a call that the provider has answered, and tell `call.started`.

        It is due at the entry's `ends_by` then. One that was lost meanwhile is written anew; one
        that has ended stays ended. `heir_seconds`: one that nobody has leased by then is one of
        the orphans; None: it never is, for it is not to be watched.
        """

    async def withdraw(self, entry: CallEntry) -> None:
        """Forget an intent and free its place; only for when it is certain that no call began."""

    async def find(self, call_id: str) -> Kept | None:
        """The call; None when it is unknown or forgotten.

        A live one is kept for two hours past its `ends_by`: its end may be hard to confirm.
        """

    async def list(
        self, *, caller: str | None, live: bool | None, after: str | None, limit: int
    ) -> Sequence[Kept] | None:
        """Up to `limit` calls, those that were begun last first; None: all callers', either kind.

        `after` is the id of a call (of that caller): those that come behind it; the answer is None
        when there is none (any more).
        """

    async def begin_ending(self, call_id: str, state: str, *, seconds: float) -> Turn:
        """Be the only one who asks the provider for a call's end, for so long at the most.

        The state tells who wanted it; the first one is kept. A turn that nobody has ended lets the
        call be due. Of a call that has ended, or is not known, there is no turn ever.
        """

    async def pause_ending(self, call_id: str, *, seconds: float) -> None:
        """End one's turn; so much later (a minute at the most) the call is due again.

        Then anybody may have the next turn.
        """

    async def end(self, entry: CallEntry, state: str, *, kept_seconds: int, event: str) -> bool:
        """Write down that a call has ended, free its place, and tell `call.ended`.

        It is kept for so long. False: it had ended before, and the first end stays; or it is not
        known.
        """

    async def due(self, *, seconds: float, at_most: int) -> Sequence[Kept]:
        """Live calls whose moment has come, and nobody else's for so long; then they are due again.

        Each with its `left_seconds`. A call that cannot be read is left out: it must not hold up
        the others.
        """

    async def lease(self, call_id: str, owner: str, *, seconds: float) -> int | None:
        """Be the one who watches a call, for so long (a minute at the most).

        Gives a number that grows with each change of owner; who has it already renews it and keeps
        the number. None: it is another's, or the call has ended or is not known.
        """

    async def release(self, call_id: str, owner: str) -> None:
        """Let another one lease it at once; nothing if it is another's already."""

    async def orphans(self, *, at_most: int) -> Sequence[Kept]:
        """Live calls that were leased, or were to be, and are no more, the longest first.

        Each with its `left_seconds`. A call that cannot be read is left out.
        """

    async def saw(
        self, call_id: str, seen: str, *, fence: int, event: str | None, ended: bool = False
    ) -> bool:
        """Write down what the watch has seen; `event` tells `call.updated`.

        False: another one has leased it since that number was given, it is not known, or it has
        ended and was not said to have (`ended`: its usage may come late); nothing is written then.
        """

    async def events(
        self, after: str | None, *, at_most: int, wait_seconds: float
    ) -> Sequence[Told]:
        """What was told after that event, the oldest first; waits for the first of them.

        None: from now on (between two such questions some may be missed: see `last_event`). Where
        it is no event's id, or one that this feed has not come to: all that is kept. Each one who
        waits costs a connection: one reader a process, and it tells the others.
        """

    async def first_event(self) -> str | None:
        """The oldest event that is kept: of the last 1,000, and of some ten minutes.

        Ids can be compared as texts: whoever was told one before this may have missed some.
        """

    async def last_event(self) -> str:
        """Where the feed is now: what to ask `events` for what comes next."""

    async def live(self) -> Mapping[tuple[str, str], int]:
        """How many calls have not ended, by caller and model; intents count as well."""


class Watchers(Protocol):
    """Who keeps an ear on calls."""

    def check_room(self) -> None:
        """Raise SupervisionUnavailable where there is no room for another call."""

    async def begin(self, call: CallFacts) -> None:
        """Watch a call that the provider has just answered, as its terms say.

        Where it has to be watched, until that is so. Raises SupervisionUnavailable.
        """


class Sideband(Protocol):
    """The open control connection of a call."""

    async def receive(self) -> str | None:
        """The next text that the provider sends; None: it is closed."""

    @property
    def closed_cleanly(self) -> bool:
        """Whether the provider said that it closes."""

    @property
    def mute_seconds(self) -> float:
        """How long ago the provider was surely heard: by a text, or by an answer to a ping."""

    async def send(self, text: str) -> bool:
        """Send a text; False: it is closed, or does not take any."""

    async def close(self) -> None:
        """Let go of it; the call goes on."""


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

    async def attach(
        self, deployment: Deployment, provider_call_id: str, trace: Trace
    ) -> Sideband | None:
        """Open a call's control connection with the deployment's own credential.

        None: it knows no such call, which may have ended, or be another project's. Closing it does
        not end the call.
        """
