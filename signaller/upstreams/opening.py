"""Opening a connection: addresses, the first of them that answers, TLS."""

import asyncio
import socket
import ssl

import httpx
from aiohappyeyeballs import start_connection

from signaller.upstreams.connection import Connection

NEXT_ADDRESS_SECONDS = 0.25
"""After which the next address is tried as well (RFC 8305, 8: "Connection Attempt Delay")."""
TLS_GOODBYE_SECONDS = 1
"""How long a peer may take to confirm that a connection ends, which none of them needs to."""


class Opener:
    """Opens connections, all with the same TLS context: the one given, or one made when needed."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls

    async def __call__(self, connection: Connection) -> None:
        """Connect it. Raises httpx.ConnectError, or TimeoutError: nothing was sent."""
        scheme, host, port = connection.origin
        loop = asyncio.get_running_loop()
        tls = self._context() if scheme == "https" else None
        opened: socket.socket | None = None
        try:
            addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            opened = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.create_connection(
                lambda: connection,
                sock=opened,
                ssl=tls,
                server_hostname=None if tls is None else host,
                ssl_shutdown_timeout=None if tls is None else TLS_GOODBYE_SECONDS,
            )
            opened = None  # the transport's from now on
        except TimeoutError:
            raise
        # ValueError: a name that is none. RuntimeError: uvloop's, in place of some OSErrors.
        except (OSError, ValueError, RuntimeError) as error:
            raise httpx.ConnectError(str(error) or type(error).__name__) from error
        finally:
            if opened is not None:
                opened.close()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:  # reading the authorities' certificates takes 20 ms
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls
