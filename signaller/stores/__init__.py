"""Where grants and calls are kept: in memory, or in a Redis that replicas share."""

from signaller.stores.memory import MemoryStore
from signaller.stores.redis import RedisStore

__all__ = ["MemoryStore", "RedisStore"]
