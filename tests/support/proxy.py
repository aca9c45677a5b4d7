"""A forward proxy such as companies have between their servers and the world.

async with forward_proxy() as proxy:                    # or password="..."
    proxy.routes["api.example:443"] = provider_url      # where names lead; others resolve as ever
    ...  # Egress(proxy=Secret(proxy.url))
    assert proxy.asked == ["CONNECT api.example:443"]
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote, urlsplit

USER = "signaller"


class ForwardProxy:
    """What it was asked for, and what became of it."""

    def __init__(self, password: str | None) -> None:
        self.host = ""
        """Its address and port."""
        self.password = password
        self.asked: list[str] = []
        """`CONNECT host:port` or `POST http://...`, in the order of arrival; refused ones too."""
        self.refused = 0
        """How many of them came without the right user and password."""
        self.routes: dict[str, str] = {}
        """host:port -> the base URL of a server of the test's own."""
        self.connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """As a configuration names it, with the right password if it wants one."""
        return self.with_password(self.password) if self.password else f"http://{self.host}"

    def with_password(self, password: str) -> str:
        """As a configuration names it, with some password."""
        return f"http://{USER}:{quote(password, safe='')}@{self.host}"

    async def cut(self) -> None:
        """End every connection there is; whoever wants another one must ask again."""
        cut = tuple(self.connections)
        for task in cut:
            task.cancel()
        await asyncio.gather(*cut, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request, and then whatever comes."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
        method, target, version = line.split(" ")
        self.asked.append(f"{method} {target}")
        if self.password and f"proxy-authorization: basic {self._proof}" not in map(
            _folded, fields
        ):
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if method == "CONNECT":
            onwards = await self._connected(target)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            url = urlsplit(target)
            onwards = await self._connected(url.netloc)
            kept = [
                each for each in fields if not each.lower().startswith(("proxy-", "connection"))
            ]
            path = target.partition(url.netloc)[2]
            lines = [f"{method} {path} {version}", *kept, "Connection: close", "", ""]
            onwards[1].write("\r\n".join(lines).encode("latin-1"))
        await _relayed((reader, writer), onwards)

    @property
    def _proof(self) -> str:
        return base64.b64encode(f"{USER}:{self.password}".encode()).decode()

    async def _connected(self, place: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        to = urlsplit(self.routes.get(place, f"//{place}"))
        return await asyncio.open_connection(to.hostname, to.port)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def _folded(field: str) -> str:
    """A field whose name is compared without regard to case."""
    name, _, value = field.partition(": ")
    scheme, _, proof = value.partition(" ")
    return f"{name.lower()}: {scheme.lower()} {proof}"


async def _relayed(one: Ends, other: Ends) -> None:
    """Both ways, until either side is done."""
    ways = [
        asyncio.create_task(_copied(one[0], other[1])),
        asyncio.create_task(_copied(other[0], one[1])),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        other[1].close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(64 * 1024):
        writer.write(piece)
        await writer.drain()


@contextlib.asynccontextmanager
async def forward_proxy(*, password: str | None = None) -> AsyncIterator[ForwardProxy]:
    """A proxy until the block ends; it wants a password if there is one."""
    proxy = ForwardProxy(password)
    async with _listening(proxy.serve, proxy.connections) as proxy.host:
        yield proxy


@contextlib.asynccontextmanager
async def secured(url: str, context: ssl.SSLContext) -> AsyncIterator[str]:
    """The https:// address of a server that speaks plain HTTP."""
    to = urlsplit(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _relayed((reader, writer), await asyncio.open_connection(to.hostname, to.port))

    async with _listening(serve, set(), context) as host:
        yield f"https://{host}"


@contextlib.asynccontextmanager
async def _listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    connections: set[asyncio.Task[None]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """An address whose connections are served, each by a task, until the block ends."""

    async def until_it_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # either side may go at any time
        finally:
            writer.close()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(until_it_ends(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        left = tuple(connections)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
