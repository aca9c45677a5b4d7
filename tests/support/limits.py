"""Rates over a store's windows, as the service wires them."""

from signaller.limits import Limits
from signaller.stores import MemoryStore, RedisStore


def counting(store: MemoryStore | RedisStore) -> Limits:
    """The rates that this store counts."""
    windows = store.windows()
    return Limits(windows, windows.take_back)
