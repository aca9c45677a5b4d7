"""The key sets of issuers, by URL: they outlive the configuration that names them."""

import asyncio
import contextlib
from functools import partial
from ipaddress import ip_address

import httpx

from signaller import __version__
from signaller.callers.jwks import PublicKey, parse_jwks
from signaller.callers.key_set import FetchFailed, KeySet
from signaller.ports import Clock

MAX_BYTES = 256 * 1024
"""A set of ten RSA keys with certificate chains has some 50 KB."""
FETCH_SECONDS = 5
"""The first requests wait for it."""
MAX_SETS = 8
"""One is in use; those of earlier configurations leave in the order in which they came."""


class KeySets:
    """Fetches key sets, and keeps them while configurations come and go."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._sets: dict[str, KeySet] = {}

    async def find(self, url: str, key_id: str | None) -> tuple[PublicKey, ...]:
        """The keys of a set with this id (None: its only key). Raises IssuerUnavailable."""
        return await self._of(url).find(key_id)

    async def aclose(self) -> None:
        """Give up what is under way; the client stays open."""
        for each in self._sets.values():
            await each.aclose()

    def _of(self, url: str) -> KeySet:
        if url not in self._sets:
            while len(self._sets) >= MAX_SETS:
                del self._sets[next(iter(self._sets))]
            self._sets[url] = KeySet(url, partial(_fetch, self._client, url), self._clock)
        return self._sets[url]


async def _fetch(client: httpx.AsyncClient, url: str) -> tuple[PublicKey, ...]:
    """The keys at a URL. Raises FetchFailed."""
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            return parse_jwks(await _body(client, _request(url)))
    except TimeoutError as error:
        raise FetchFailed(f"no complete answer in {FETCH_SECONDS} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise FetchFailed(f"{type(error).__name__}: {error}"[:200]) from error


def _request(url: str) -> httpx.Request:
    parsed = httpx.URL(url)
    # Keys that come in the clear are the keys of whoever sits on the way.
    if parsed.scheme != "https" and not (parsed.scheme == "http" and _is_loopback(parsed.host)):
        raise ValueError("neither https nor on this machine")
    headers = {
        "Accept": "application/jwk-set+json, application/json",
        "Accept-Encoding": "identity",  # nothing to inflate
        "User-Agent": f"signaller/{__version__}",
    }
    timeout = httpx.Timeout(FETCH_SECONDS).as_dict()
    return httpx.Request("GET", parsed, headers=headers, extensions={"timeout": timeout})


async def _body(client: httpx.AsyncClient, request: httpx.Request) -> bytes:
    async with contextlib.aclosing(
        await client.send(request, stream=True, follow_redirects=False)
    ) as response:
        if not response.is_success:
            raise ValueError(f"the status is {response.status_code}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise ValueError("an encoded body, though none was asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError(f"a body of more than {MAX_BYTES} bytes")
        return bytes(body)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
