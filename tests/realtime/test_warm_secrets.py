"""When a shared secret is made new, and what it costs when it cannot be."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from signaller.errors import StoreUnavailable, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from signaller.model import Deployment, EphemeralSecret, ProviderRequest, SessionRequest, Trace
from signaller.providers import OpenAI, http_client
from signaller.realtime.warm_secrets import (
    MAX_PAUSE_SECONDS,
    MAX_RENEWALS,
    MAX_RENEWALS_OF_ONE,
    MAX_SEALED_CHARS,
    REFRESH_SHARE,
    Shared,
    WarmSecrets,
)
from signaller.secret import Secret
from signaller.settings import Timeouts
from signaller.stores import MemoryStore
from signaller.tokens.jwe import ContentKey, derive, encrypt
from signaller.tokens.tokens import master_bytes
from tests.metrics.doubles import FakeUpstream
from tests.stores.making import SetClock
from tests.support.service import deployment, token_key

REQUEST = SessionRequest(
    session={"type": "realtime"}, expires_after_seconds=90, trace=Trace(request_id="r")
)
SECONDS = 600


class Provider(FakeUpstream):
    """Gives secrets by number, and can be made to wait or to fail (`ports.Upstream`)."""

    def __init__(self, clock: SetClock) -> None:
        self.clock, self.asked = clock, 0
        self.free = asyncio.Event()
        self.free.set()
        self.session: dict[str, object] = {}
        self.longest = 10**9
        self.adapter = OpenAI(http_client(), Timeouts())

    def mint_request(self, deployment: Deployment, request: SessionRequest) -> ProviderRequest:
        """As OpenAI's adapter would send it."""
        return self.adapter.mint_request(deployment, request)

    async def mint(self, deployment: Deployment, request: SessionRequest) -> EphemeralSecret:
        """A secret that lives as long as it was asked to."""
        self.asked += 1
        number = self.asked
        await self.free.wait()
        self._act()
        return EphemeralSecret(
            value=Secret(f"ek_{number}"),
            expires_at=int(self.clock.now) + min(request.expires_after_seconds, self.longest),
            session=self.session,
        )


class Shelf(MemoryStore):
    """A store at which some steps fail."""

    def __init__(self, clock: SetClock, *, max_warm: int = 10_000) -> None:
        super().__init__(clock, max_warm=max_warm)
        self.broken: set[str] = set()
        self.kept = 0

    def _step(self, name: str) -> None:
        if name in self.broken:
            raise StoreUnavailable(name)

    async def ping(self, *, within_seconds: float = 0) -> None:
        """`MemoryStore.ping`."""
        self._step("ping")
        await super().ping(within_seconds=within_seconds)

    async def get_warm(self, name: str) -> str | None:
        """`MemoryStore.get_warm`."""
        self._step("get_warm")
        return await super().get_warm(name)

    async def put_warm(self, name: str, sealed: str, until: int) -> bool:
        """`MemoryStore.put_warm`."""
        self._step("put_warm")
        kept = await super().put_warm(name, sealed, until)
        self.kept += kept
        return kept

    async def lease_warm(self, name: str, seconds: int) -> bool:
        """`MemoryStore.lease_warm`."""
        self._step("lease_warm")
        return await super().lease_warm(name, seconds)

    async def pause_warm(self, name: str, seconds: int) -> None:
        """`MemoryStore.pause_warm`."""
        self._step("pause_warm")
        await super().pause_warm(name, seconds)


class Warmth:
    """Warm secrets with a clock, a store and a provider that a test moves."""

    def __init__(self, **bounds: int) -> None:
        self.clock = SetClock()
        self.provider = Provider(self.clock)
        self.deployment: Deployment = deployment("http://127.0.0.1:1")
        self.store = Shelf(self.clock, **bounds)
        self.key = token_key()
        self.secrets = self.replica()

    def replica(self) -> WarmSecrets:
        """Another process on the same store."""
        return WarmSecrets(
            seconds=SECONDS,
            across_callers=False,
            ring=[self.key],
            store=self.store,
            clock=self.clock,
        )

    async def shared(
        self,
        request: SessionRequest = REQUEST,
        *,
        caller: str = "web",
        by: WarmSecrets | None = None,
    ) -> Shared:
        """What a mint gets now; the secret's life is never shorter than was asked for."""
        secrets = by or self.secrets
        shared = await secrets.mint(self.provider, self.deployment, request, caller)
        left = shared.secret.expires_at - self.clock.now
        assert left >= REQUEST.expires_after_seconds
        return shared

    async def mint(self, request: SessionRequest = REQUEST, **options: Any) -> str:
        """The secret of it."""
        return (await self.shared(request, **options)).secret.value.reveal()

    def to_the_last_fifth(self) -> None:
        """Of the secret that was made just now."""
        self.clock.now += SECONDS * (1 - REFRESH_SHARE) + 1

    async def until(self, condition: Callable[[], bool]) -> None:
        """What happens in the background has happened."""
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - a task of the service's own
                await asyncio.sleep(0)

    async def at_rest(self) -> None:
        """Nothing is being made new any more."""
        await self.until(lambda: self.secrets.renewals == 0)


async def test_it_serves_until_the_last_fifth_and_is_replaced_in_the_background() -> None:
    """Nobody waits for the new one while the old one serves."""
    warmth = Warmth()
    assert await warmth.mint() == "ek_1"
    warmth.clock.now += SECONDS * (1 - REFRESH_SHARE) - 1
    assert await warmth.mint() == "ek_1"
    assert warmth.provider.asked == 1
    warmth.clock.now += 2
    warmth.provider.free.clear()
    assert [await warmth.mint() for _ in range(3)] == ["ek_1"] * 3
    warmth.provider.free.set()
    await warmth.at_rest()
    assert warmth.provider.asked == 2
    assert await warmth.mint() == "ek_2"


async def test_only_the_one_who_has_the_claim_makes_it_new() -> None:
    """Fifty mints at two replicas while another one is at it: the provider hears of none."""
    warmth = Warmth()
    shared = await warmth.shared()
    assert shared.record is not None
    warmth.to_the_last_fifth()
    assert await warmth.store.lease_warm(shared.record.rpartition(".")[0], 30)
    other = warmth.replica()
    for _ in range(25):
        assert [await warmth.mint(), await warmth.mint(by=other)] == ["ek_1", "ek_1"]
        await warmth.at_rest()
    assert warmth.provider.asked == 1
    warmth.clock.now += 31
    await warmth.mint()
    await warmth.at_rest()
    assert warmth.provider.asked == 2


def busy(retry_after: float | None = None) -> UpstreamUnavailable:
    """A provider over its limits."""
    return UpstreamUnavailable(status=429, type=None, code=None, retry_after=retry_after)


@pytest.mark.parametrize(
    ("failure", "pause"),
    [
        (UpstreamUnavailable(status=429, type=None, code=None, retry_after=45), 46),
        (UpstreamUnavailable(status=429, type=None, code=None, retry_after=0.2), 1),
        (
            UpstreamUnavailable(status=429, type=None, code=None, retry_after=3600),
            MAX_PAUSE_SECONDS,
        ),
        (UpstreamUnavailable(status=503, type=None, code=None), 30),
        (UpstreamTimeout(), 30),
    ],
    ids=["as it asks", "shorter", "at most a minute", "without a time", "silent"],
)
async def test_a_provider_that_fails_is_asked_once_per_pause(
    failure: UpstreamError, pause: int
) -> None:
    """Not once per mint: the old secret serves meanwhile."""
    warmth = Warmth()
    await warmth.mint()
    warmth.to_the_last_fifth()
    warmth.provider.error = failure
    for asked in (2, 3):
        for _ in range(20):
            assert await warmth.mint() == "ek_1"
            await warmth.at_rest()
        assert warmth.provider.asked == asked
        if asked == 2:
            warmth.clock.now += pause - 1
            if pause > 1:
                await warmth.mint()
                await warmth.at_rest()
                assert warmth.provider.asked == asked
            warmth.clock.now += 1


async def test_whoever_comes_after_a_failure_asks_for_all() -> None:
    """Without an old secret each mint has to ask; the first that gets an answer shares it."""
    warmth = Warmth()
    warmth.provider.error = UpstreamTimeout()
    for _ in range(2):
        with pytest.raises(UpstreamTimeout):
            await warmth.mint()
    warmth.provider.error = None
    assert [await warmth.mint() for _ in range(3)] == ["ek_3"] * 3


async def test_one_that_has_run_out_is_waited_for() -> None:
    """A token with less than its full life is not given out."""
    warmth = Warmth()
    assert await warmth.mint() == "ek_1"
    warmth.clock.now += SECONDS + 1
    assert await warmth.mint() == "ek_2"


async def test_a_secret_that_nobody_shares_has_no_record() -> None:
    """Minted while another replica was at it; those who waited for it here have it too."""
    warmth = Warmth()
    name = (await warmth.shared()).record
    assert name is not None
    warmth.clock.now += SECONDS + 1
    assert await warmth.store.lease_warm(name.rpartition(".")[0], 30)
    mints = [await each for each in [asyncio.create_task(warmth.shared()) for _ in range(20)]]
    assert {(each.secret.value.reveal(), each.record) for each in mints} == {("ek_2", None)}


async def test_a_refused_secret_does_not_take_its_successor_along() -> None:
    """A grant of an old secret is refused when the new one is already there."""
    warmth = Warmth()
    old = await warmth.shared()
    warmth.to_the_last_fifth()
    await warmth.mint()
    await warmth.at_rest()
    new = await warmth.shared()
    assert old.record is not None
    assert new.record is not None
    await warmth.store.drop_warm(old.record)
    assert await warmth.mint() == "ek_2"
    await warmth.store.drop_warm(new.record)
    assert await warmth.mint() == "ek_3"


STEPS = ["get_warm", "lease_warm", "put_warm", "pause_warm"]


@pytest.mark.parametrize("step", STEPS)
async def test_no_step_of_the_cache_fails_a_mint(step: str) -> None:
    """It goes on with a secret of its own, which nobody else's refusal concerns."""
    warmth = Warmth()
    warmth.store.broken = {step}
    assert await warmth.mint() == "ek_1"
    warmth.provider.error = UpstreamTimeout()
    with pytest.raises(UpstreamTimeout):
        await warmth.mint(replace(REQUEST, session={"type": "other"}))
    warmth.provider.error = None
    shared = await warmth.shared()
    if step in {"lease_warm", "put_warm"}:
        assert shared.record is None


async def test_a_store_that_is_gone_is_known_before_the_provider_is_asked() -> None:
    """A secret that no token can stand for is not paid for."""
    warmth = Warmth()
    warmth.store.broken = {"ping", *STEPS}
    with pytest.raises(StoreUnavailable):
        await warmth.mint()
    assert warmth.provider.asked == 0


async def test_a_cache_that_is_full_fails_no_mint() -> None:
    """Of this caller or of another: 200 end users, room for 40."""
    warmth = Warmth(max_warm=40)
    for number in range(200):
        person = replace(REQUEST, safety_identifier=str(number))
        await warmth.mint(person, caller=f"caller-{number % 8}")
    assert await warmth.mint(replace(REQUEST, safety_identifier="0"), caller="caller-0")


async def test_a_long_session_is_not_kept() -> None:
    """It would take the room of dozens of others; its mints have secrets of their own."""
    warmth = Warmth()
    warmth.provider.session = {"instructions": "x" * MAX_SEALED_CHARS}
    assert [(await warmth.shared()).record for _ in range(2)] == [None, None]
    assert warmth.provider.asked == 2
    assert warmth.store.kept == 0


async def test_what_is_made_new_at_once_is_bounded() -> None:
    """While a provider hangs: so many of one caller, so many of all; the old ones serve."""
    warmth = Warmth()
    people = [replace(REQUEST, safety_identifier=str(number)) for number in range(40)]
    callers = [f"caller-{number}" for number in range(5)]
    for person in people:
        for caller in callers:
            await warmth.mint(person, caller=caller)
    warmth.to_the_last_fifth()
    warmth.provider.free.clear()
    before = warmth.provider.asked
    for person in people:
        await warmth.mint(person, caller=callers[0])
    await warmth.until(lambda: warmth.provider.asked == before + MAX_RENEWALS_OF_ONE)
    for person in people:
        for caller in callers:
            await warmth.mint(person, caller=caller)
    await warmth.until(lambda: warmth.provider.asked == before + MAX_RENEWALS)
    assert warmth.secrets.renewals == MAX_RENEWALS
    warmth.provider.free.set()
    await warmth.at_rest()
    warmth.to_the_last_fifth()
    before = warmth.provider.asked
    for person in people[:MAX_RENEWALS_OF_ONE]:
        await warmth.mint(person, caller=callers[0])
    await warmth.at_rest()
    assert warmth.provider.asked == before + MAX_RENEWALS_OF_ONE


@pytest.mark.parametrize(
    "sealed_for",
    [
        pytest.param(None, id="another name"),
        pytest.param(b"", id="no name"),
        pytest.param(b"x", id="garbage"),
    ],
)
async def test_a_record_opens_under_its_own_name_only(sealed_for: bytes | None) -> None:
    """Whoever writes to the store gives nobody another one's secret: it is made anew."""
    warmth = Warmth()
    shared = await warmth.shared()
    other = await warmth.shared(caller="app")
    assert shared.record is not None
    assert other.record is not None
    name, others = (each.rpartition(".")[0] for each in (shared.record, other.record))
    planted = await warmth.store.get_warm(others)
    assert planted is not None
    if sealed_for is not None:
        key = ContentKey(derive(master_bytes(warmth.key), "warm secrets"))
        value = json.dumps(["ek_planted", int(warmth.clock.now) + 900, {}])
        planted = encrypt(value.encode(), key, bound_to=sealed_for)
    await warmth.store.put_warm(name, planted, int(warmth.clock.now) + 900)
    assert await warmth.mint() == "ek_3"


@pytest.mark.parametrize("text", ["[]", "{}", '["ek", "soon", {}]', "\xff"])
async def test_a_record_that_is_none_is_made_anew(text: str) -> None:
    """Sealed by a release that kept something else under that name."""
    warmth = Warmth()
    shared = await warmth.shared()
    assert shared.record is not None
    name = shared.record.rpartition(".")[0]
    key = ContentKey(derive(master_bytes(warmth.key), "warm secrets"))
    sealed = encrypt(text.encode("latin-1"), key, bound_to=name.encode())
    await warmth.store.put_warm(name, sealed, int(warmth.clock.now) + 900)
    assert await warmth.mint() == "ek_2"


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": Secret("sk-rotated")},
        {"organization": "org-2"},
        {"project": "proj-2"},
        {"base_url": "http://127.0.0.1:2"},
        {"id": "d2"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_reload_to_another_place_has_another_secret(change: dict[str, Any]) -> None:
    """No token stands on what the old credential, organization or project paid for."""
    warmth = Warmth()
    assert await warmth.mint() == "ek_1"
    warmth.deployment = deployment("http://127.0.0.1:1", **change)
    assert await warmth.mint() == "ek_2"


async def test_another_life_has_another_secret() -> None:
    """Even if both are as long as a provider allows, once they are to serve for several tokens."""
    warmth = Warmth()
    lives = [replace(REQUEST, expires_after_seconds=seconds) for seconds in (7000, 7100)]
    assert [await warmth.mint(request) for request in lives] == ["ek_1", "ek_2"]


async def test_who_asks_in_which_trace_makes_no_difference() -> None:
    """Every request has its own; the provider answers all of them alike."""
    warmth = Warmth()
    traced = Trace(request_id="other", traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    assert await warmth.mint() == await warmth.mint(replace(REQUEST, trace=traced))


async def test_a_provider_that_gives_less_is_not_asked_at_every_mint() -> None:
    """The last fifth is one of the life that a secret has, not of the one that was asked for."""
    warmth = Warmth()
    warmth.provider.longest = REQUEST.expires_after_seconds + 100
    for _ in range(79):
        await warmth.mint()
        warmth.clock.now += 1
    await warmth.at_rest()
    assert warmth.provider.asked == 1
    warmth.clock.now += 2
    await warmth.mint()
    await warmth.at_rest()
    assert warmth.provider.asked == 2


async def test_a_secret_that_lives_too_short_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing can be shared, and an operator learns of which deployment."""
    warmth = Warmth()
    warmth.provider.longest = REQUEST.expires_after_seconds
    await warmth.mint()
    await warmth.mint()
    assert warmth.provider.asked == 2
    assert "lives too short to be shared" in caplog.text
