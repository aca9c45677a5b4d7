"""When a shared secret is made new."""

import asyncio

from signaller.model import Deployment, EphemeralSecret, SessionRequest, Trace
from signaller.secret import Secret
from signaller.settings import WarmSettings
from signaller.stores import MemoryStore
from signaller.warming import REFRESH_SHARE, WarmSecrets
from tests.stores.making import SetClock
from tests.support.service import deployment, token_key

REQUEST = SessionRequest(
    session={"type": "realtime"}, expires_after_seconds=90, trace=Trace(request_id="r")
)
SECONDS = 600


class Provider:
    """Gives secrets by number, and can be made to wait."""

    def __init__(self, clock: SetClock) -> None:
        self.clock, self.asked = clock, 0
        self.free, self.answered = asyncio.Event(), asyncio.Event()
        self.free.set()

    async def mint(self, request: SessionRequest) -> EphemeralSecret:
        """A secret that lives as long as it was asked to."""
        self.asked += 1
        number = self.asked
        await self.free.wait()
        self.answered.set()
        return EphemeralSecret(
            value=Secret(f"ek_{number}"),
            expires_at=int(self.clock.now) + request.expires_after_seconds,
            session={},
        )


class Warmth:
    """Warm secrets with a clock and a provider that a test moves."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.provider = Provider(self.clock)
        self.deployment: Deployment = deployment("http://127.0.0.1:1")
        store = MemoryStore(self.clock)
        self.secrets = WarmSecrets(WarmSettings(seconds=SECONDS), [token_key()], store, self.clock)

    async def mint(self) -> str:
        """The secret that a mint gets now; its life is never shorter than was asked for."""
        shared = await self.secrets.mint(self.deployment, REQUEST, "web", self.provider.mint)
        left = shared.secret.expires_at - self.clock.now
        assert left >= REQUEST.expires_after_seconds
        return shared.secret.value.reveal()


async def test_it_serves_until_the_last_fifth_and_is_replaced_in_the_background() -> None:
    """Nobody waits for the new one while the old one serves."""
    warmth = Warmth()
    assert await warmth.mint() == "ek_1"
    warmth.clock.now += SECONDS * (1 - REFRESH_SHARE) - 1
    assert await warmth.mint() == "ek_1"
    assert warmth.provider.asked == 1
    warmth.clock.now += 2
    warmth.provider.free.clear()
    warmth.provider.answered.clear()
    assert [await warmth.mint() for _ in range(3)] == ["ek_1"] * 3
    warmth.provider.free.set()
    await warmth.provider.answered.wait()
    assert warmth.provider.asked == 2
    async with asyncio.timeout(10):
        while await warmth.mint() != "ek_2":  # noqa: ASYNC110 - a task of the service's own
            await asyncio.sleep(0)


async def test_one_that_has_run_out_is_waited_for() -> None:
    """A token with less than its full life is not given out."""
    warmth = Warmth()
    assert await warmth.mint() == "ek_1"
    warmth.clock.now += SECONDS + 1
    assert await warmth.mint() == "ek_2"


async def test_another_credential_is_another_secret() -> None:
    """After a deployment's key was rotated, no token stands on the old one."""
    warmth = Warmth()
    assert await warmth.mint() == "ek_1"
    warmth.deployment = deployment("http://127.0.0.1:1", api_key=Secret("sk-rotated"))
    assert await warmth.mint() == "ek_2"
