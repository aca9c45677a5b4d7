"""Pages that are clients of the service, served from an origin of their own."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

HERE = Path(__file__).parent
SDK_BUNDLE = (
    HERE.parent / "agents_sdk" / "node_modules" / "@openai" / "agents-realtime" / "dist" / "bundle"
)


def pages() -> Starlette:
    """An application's own server: `/` is an empty page, `/js` our scripts, `/sdk` OpenAI's."""
    if not SDK_BUNDLE.is_dir():
        raise RuntimeError(
            f"the browser SDK is not installed: run 'make test', or 'npm ci' in "
            f"{SDK_BUNDLE.parents[4]}"
        )
    return Starlette(
        routes=[
            Route("/", lambda _: FileResponse(HERE / "index.html")),
            Mount("/sdk", StaticFiles(directory=SDK_BUNDLE)),
            Mount("/js", StaticFiles(directory=HERE)),
        ]
    )
