"""Where grants and calls are kept: in memory, or in a Redis that replicas share."""

from signaller.stores.call_book import RedisCallBook
from signaller.stores.memory import MemoryStore
from signaller.stores.memory_calls import MemoryCallBook
from signaller.stores.redis import RedisStore

__all__ = ["MemoryCallBook", "MemoryStore", "RedisCallBook", "RedisStore"]
