"""A store, rates and an upstream that do what a test says."""

from collections.abc import Sequence

from signaller.errors import SignallerError
from signaller.metrics import Metrics
from signaller.model import (
    Allowance,
    Answer,
    Deployment,
    EphemeralSecret,
    Grant,
    Offer,
    Peeked,
    ProviderRequest,
    Returned,
    SessionRequest,
    Spent,
    Terms,
    Trace,
    Watching,
)
from signaller.policy import Places, Rate
from signaller.ports import Sideband
from signaller.secret import Secret

TRACE = Trace(request_id="r1")
OFFER = Offer(sdp=b"offer")
SECRET = Secret("ek_canary")
REQUEST = SessionRequest(session={}, expires_after_seconds=60, trace=TRACE)
GRANT = Grant(
    id="g1",
    sealed_secret="sealed",
    deployment_id="d1",
    credential_fingerprint="c1",
    caller="web",
    terms=Terms(model="voice", session_type="realtime", uses=1, start_by=2_000_000_000, origins=()),
    call_rates=(),
    models=(),
    places=Places(),
    max_call_seconds=None,
    watching=Watching(),
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

    async def peek(self, grant_id: str) -> Peeked | None:
        """Three are left of it."""
        self._act()
        return Peeked(grant=GRANT, uses_left=3)

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

    async def lease_warm(self, name: str, seconds: int) -> bool:
        """True."""
        self._act()
        return True

    async def pause_warm(self, name: str, seconds: int) -> None:
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

    async def take_back(self, allowance: Allowance) -> None:
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

    async def attach(
        self, deployment: Deployment, provider_call_id: str, trace: Trace
    ) -> Sideband | None:
        """None."""
        self._act()
        return None


def every_error() -> list[type[SignallerError]]:
    """Each class of our tree of errors."""
    found: list[type[SignallerError]] = [SignallerError]
    for kind in found:  # grows while it is walked
        found.extend(kind.__subclasses__())
    return found


class Everybody:
    """A set of names that none is missing from."""

    def __contains__(self, name: object) -> bool:
        return True


def naming_everybody() -> Metrics:
    """Metrics that count every caller and every model by its name."""
    metrics = Metrics()
    metrics.name_callers(Everybody())
    metrics.name_models(Everybody())
    return metrics
