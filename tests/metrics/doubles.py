"""A store, rates and an upstream that do what a test says."""

from collections.abc import Sequence

from signaller.errors import SignallerError
from signaller.model import (
    Allowance,
    Answer,
    Call,
    Deployment,
    EphemeralSecret,
    Grant,
    Offer,
    ProviderRequest,
    Rate,
    Returned,
    SessionRequest,
    Spent,
    Terms,
    Trace,
    Turn,
)
from signaller.secret import Secret

TRACE = Trace(request_id="r1")
OFFER = Offer(sdp=b"offer")
SECRET = Secret("ek_canary")
REQUEST = SessionRequest(session={}, expires_after_seconds=60, trace=TRACE)
GRANT = Grant(
    id="g1",
    sealed_secret="sealed",
    deployment_id="d1",
    credential="c1",
    caller="web",
    terms=Terms(model="voice", session_type="realtime", uses=1, start_by=2_000_000_000, origins=()),
    call_rates=(),
    models=(),
)
CALL = Call(
    id="rtc_1",
    provider_call_id="p1",
    grant_id="g1",
    deployment_id="d1",
    credential="c1",
    caller="web",
    model="voice",
    started_at=1,
    deadline=2,
    ended=False,
)


def deployment(id: str = "d1") -> Deployment:
    """A deployment that nobody asks anything."""
    return Deployment(
        id=id,
        model_name="voice",
        provider="openai",
        upstream_model="gpt-realtime",
        base_url="http://provider.invalid",
    )


class Failing:
    """Raises `error` wherever it is set."""

    error: BaseException | None = None

    def _act(self) -> None:
        if self.error is not None:
            raise self.error


class FakeStore(Failing):
    """Answers every step with something recognisable (`ports.Store`, `ports.Rates`)."""

    closed = False

    async def put_grant(self, grant: Grant) -> None:
        """Nothing."""
        self._act()

    async def redeem(self, grant_id: str, *, withheld: int = 0) -> Grant | Spent | None:
        """A spent grant that names what it was asked for."""
        self._act()
        return Spent(call_ids=(grant_id,))

    async def give_back(self, grant: Grant, *, at_most: int | None = None) -> Returned:
        """Three are left."""
        self._act()
        return Returned(given_back=True, uses_left=3)

    async def uses_left(self, grant_id: str) -> int:
        """Three."""
        self._act()
        return 3

    async def revoke(self, grant_id: str) -> None:
        """Nothing."""
        self._act()

    async def link(self, grant: Grant, call_id: str) -> bool:
        """True."""
        self._act()
        return True

    async def put_warm(self, name: str, sealed: str, until: int) -> bool:
        """True."""
        self._act()
        return True

    async def get_warm(self, name: str) -> str | None:
        """The name."""
        self._act()
        return name

    async def drop_warm(self, record: str) -> None:
        """Nothing."""
        self._act()

    async def claim_warm(self, name: str, seconds: int) -> bool:
        """True."""
        self._act()
        return True

    async def pause_warm(self, name: str, seconds: int) -> None:
        """Nothing."""
        self._act()

    async def put_call(self, call: Call) -> None:
        """Nothing."""
        self._act()

    async def get_call(self, call_id: str) -> Call | None:
        """The call."""
        self._act()
        return CALL

    async def begin_ending(self, call: Call, *, seconds: float, at_most: int) -> Turn:
        """The last turn there is."""
        self._act()
        return Turn(attempt=at_most)

    async def pause_ending(self, call: Call, *, seconds: float) -> None:
        """Nothing."""
        self._act()

    async def ping(self, *, within_seconds: float = 0) -> None:
        """Nothing."""
        self._act()

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    async def take(self, rates: Sequence[Rate]) -> Allowance | None:
        """As much as there are rates."""
        self._act()
        return Allowance(limit=9, remaining=len(rates), reset_seconds=1)

    async def take_back(self, rates: Sequence[Rate]) -> None:
        """Nothing."""
        self._act()


class FakeUpstream(Failing):
    """Answers every step with something recognisable (`ports.Upstream`)."""

    def mint_request(self, deployment: Deployment, request: SessionRequest) -> ProviderRequest:
        """One that says nothing of what was asked for."""
        return ProviderRequest(url=deployment.base_url, headers={}, content=b"", tracing={})

    async def mint(self, deployment: Deployment, request: SessionRequest) -> EphemeralSecret:
        """A secret."""
        self._act()
        return EphemeralSecret(value=SECRET, expires_at=7, session=request.session)

    takes_sessions = True

    def check_offer(self, deployment: Deployment, offer: Offer) -> None:
        """Nothing."""

    async def call(
        self, deployment: Deployment, secret: Secret | None, offer: Offer, trace: Trace
    ) -> Answer:
        """The offer."""
        self._act()
        return Answer(sdp=offer.sdp, provider_call_id=deployment.id)

    async def hang_up(self, deployment: Deployment, provider_call_id: str, trace: Trace) -> bool:
        """True."""
        self._act()
        return True


def every_error() -> list[type[SignallerError]]:
    """Each class of our tree of errors."""
    found: list[type[SignallerError]] = [SignallerError]
    for kind in found:  # grows while it is walked
        found.extend(kind.__subclasses__())
    return found
