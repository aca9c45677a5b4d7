"""The tester page: its files, sent from memory."""

import functools
import gzip
import hashlib
import os
from collections.abc import Awaitable, Callable
from importlib.resources import files
from mimetypes import guess_type
from pathlib import Path

from starlette.datastructures import Headers
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
    """Static files, compressed where that is asked for; a browser asks whether they are the same.

    Without `no-cache` it would guess for how long they are, and after an update run old modules
    beside new ones.
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
        packed = "gzip" in asked.get("accept-encoding", "")
        body = _read(Path(full_path), stat_result.st_mtime_ns, packed)
        headers = {
            "cache-control": "no-cache",
            "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            "vary": "accept-encoding",
        }
        if packed:
            headers["content-encoding"] = "gzip"
        kind, _ = guess_type(full_path)
        if kind == "text/html":
            headers |= PAGE_HEADERS
        response = Response(body, status_code, headers, kind)
        if self.is_not_modified(response.headers, asked):
            return NotModifiedResponse(response.headers)
        return response


def page_routes() -> list[BaseRoute]:
    """A mount at `/` would match every path, and turn 405s into 404s."""
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


@functools.lru_cache(maxsize=512)  # the page has some 130, each of them plain and compressed
def _read(path: Path, _modified: int, packed: bool) -> bytes:
    """All are small and the same for everybody: a compressed length tells nothing."""
    content = path.read_bytes()
    return gzip.compress(content, compresslevel=6, mtime=0) if packed else content
