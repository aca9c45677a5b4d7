"""Sends commands over one connection, one after the other, in one round trip."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

Command = Sequence[str | int]


async def send(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """The replies. Raises the first that is an error, as redis-py does."""
    if len(commands) == 1:
        untyped: Any = client  # redis-py leaves execute_command untyped
        return [await untyped.execute_command(*commands[0])]
    pipeline: Any = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    replies: list[Any] = await pipeline.execute()
    return replies
