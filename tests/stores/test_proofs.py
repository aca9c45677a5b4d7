"""How recent a proof must be that Redis keeps what it is given."""

import pytest

from signaller.errors import StoreUnavailable
from signaller.secret import Secret
from signaller.stores import RedisStore
from tests.stores.making import SetClock, make_grant
from tests.support.redis import redis_server


async def test_a_recent_proof_will_do_until_a_write_fails(clock: SetClock) -> None:
    """Redis is gone: who takes no proof of before knows at once, who does from the first fault."""
    with redis_server() as port:
        url = Secret(f"redis://127.0.0.1:{port}")
        store = RedisStore.from_url(url, timeout_seconds=5, clock=clock)
        await store.ping()
    await store.ping(within_seconds=3600)
    with pytest.raises(StoreUnavailable):
        await store.put_grant(make_grant(clock))
    with pytest.raises(StoreUnavailable):
        await store.ping(within_seconds=3600)
    await store.aclose()


async def test_an_old_proof_will_not(clock: SetClock) -> None:
    """What was proven before the time that is asked for is proven anew."""
    with redis_server() as port:
        url = Secret(f"redis://127.0.0.1:{port}")
        store = RedisStore.from_url(url, timeout_seconds=5, clock=clock)
        await store.ping()
    with pytest.raises(StoreUnavailable):
        await store.ping(within_seconds=1e-9)
    await store.aclose()


async def test_nothing_is_proven_before_the_first_time(clock: SetClock) -> None:
    """A store that was never asked knows nothing."""
    with redis_server() as port:
        url = Secret(f"redis://127.0.0.1:{port}")
    store = RedisStore.from_url(url, timeout_seconds=5, clock=clock)
    with pytest.raises(StoreUnavailable):
        await store.ping(within_seconds=3600)
    await store.aclose()
