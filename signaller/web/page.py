"""The tester page: its files, sent from memory."""

import functools
import gzip
import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from mimetypes import guess_type
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

PAGE_HEADERS = {
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
"""What a browser holds a page to, beside `middleware.SECURITY_HEADERS`."""

MOUNTED = ("css", "js", "vendor")


class PageFiles(StaticFiles):
    """Static files from memory, compressed where that is asked for.

    Without `no-cache` a browser guesses for how long they are fresh, and a page that is loaded
    after an update might run old modules beside new ones.
    """

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """The file, or 304 where the browser has it."""
        asked = Headers(scope=scope)
        packed = takes_gzip(asked.get("accept-encoding", ""))
        version = (stat_result.st_ino, stat_result.st_mtime_ns, stat_result.st_size)
        try:
            content = _read(Path(full_path), version, packed)
        except OSError as gone:
            raise HTTPException(404) from gone
        headers = {"cache-control": "no-cache", "etag": content.etag, "vary": "accept-encoding"}
        if packed:
            headers["content-encoding"] = "gzip"
        kind, _ = guess_type(full_path)
        if kind == "text/html":
            headers |= PAGE_HEADERS
        response = Response(content.body, status_code, headers, kind)
        if self.is_not_modified(response.headers, asked):
            return NotModifiedResponse(response.headers)
        return response


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, and not with a weight of zero (RFC 9110, 12.5.3)."""
    weights = (each.replace(" ", "").partition(";q=") for each in accepted.lower().split(","))
    return any(
        name == "gzip" and (not weight or weight.strip("0.") != "") for name, _, weight in weights
    )


def page_routes() -> list[BaseRoute]:
    """The page at `/`, its icon, and a mount for each folder.

    One mount at `/` would match every path, and turn 405s into 404s.
    """
    static = static_directory()
    top = PageFiles(directory=static)
    return [
        Route("/", one_file(top, "index.html")),
        Route("/favicon.svg", one_file(top, "favicon.svg")),
        *(Mount(f"/{name}", PageFiles(directory=static / name)) for name in MOUNTED),
    ]


def one_file(page: PageFiles, name: str) -> Callable[[Request], Awaitable[Response]]:
    """A handler that sends one of them."""

    async def send(request: Request) -> Response:
        return await page.get_response(name, request.scope)

    return send


def static_directory() -> Path:
    """The page's files: inside the installed package, or beside it in a checkout."""
    packaged = Path(str(files("signaller"))) / "static"
    return packaged if packaged.is_dir() else packaged.parents[1] / "static"


@dataclass(frozen=True, slots=True)
class _Content:
    body: bytes
    etag: str


@functools.lru_cache(maxsize=512)  # the page has some 130 files, each of them plain and compressed
def _read(path: Path, _version: tuple[int, ...], packed: bool) -> _Content:
    """All are small and the same for everybody: a compressed length tells nothing."""
    body = path.read_bytes()
    if packed:
        body = gzip.compress(body, compresslevel=6, mtime=0)
    return _Content(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
