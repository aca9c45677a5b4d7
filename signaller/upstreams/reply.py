"""What whoever sent a request holds: a head, and a body that may still be on its way."""

from signaller.upstreams.connection import Connection
from signaller.upstreams.response import Response


class Reply:
    """A response whose head is there; whoever asked for it closes it."""

    __slots__ = ("_connection", "_response", "headers", "status")

    def __init__(self, connection: Connection, response: Response) -> None:
        self._connection, self._response = connection, response
        self.status, self.headers = response.status, response.headers

    async def body(self) -> bytes:
        """All of it; it mostly came with the head. Raises httpx.TransportError."""
        if not self._response.complete:
            await self._connection.rest(self._response)
        return self._response.body

    def close(self) -> None:
        """Drop the connection if the body is not complete; otherwise it may be another's now."""
        if not self._response.complete:
            self._connection.abort()
