"""Asks Sentinels where the master is, one question at a time."""

import asyncio
from typing import Any

from redis.asyncio import Sentinel


class OrderlySentinel(Sentinel):
    """redis-py's, made safe for concurrent steps.

    It moves the one that answered to the front of its list; of two that do so at the same time,
    the later one writes over an entry: that Sentinel is never asked again, and never closed.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]  # redis-py's
        self._asking = asyncio.Lock()

    async def discover_master(self, service_name: str) -> Any:
        """The master's address. Raises MasterNotFoundError."""
        async with self._asking:
            return await super().discover_master(service_name)
