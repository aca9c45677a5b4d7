"""The loopback provider as a process of its own, which can die while the service lives.

`python -m tests.support.alone` serves it and prints where; `provider_alone` is a test's way to it.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from signaller.loopback.app import create_loopback
from signaller.secret import Secret
from tests.support.service import PROVIDER_KEY
from tests.support.serving import serving


@contextlib.asynccontextmanager
async def provider_alone() -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The process, and its base URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.alone"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _serve() -> None:
    async with serving(create_loopback(api_key=Secret(PROVIDER_KEY))) as url:
        print(url, flush=True)  # noqa: T201 - that is what it is for
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
