"""`signaller demo` as a process of its own, as a newcomer starts it."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator

from tests.support.stage import PATIENCE_SECONDS


@contextlib.asynccontextmanager
async def demo() -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The process, and the address it prints for the page."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "signaller", "demo", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(3 * PATIENCE_SECONDS):  # a whole interpreter and its imports
            printed = await process.stdout.readuntil(b"Connect")
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+/", printed.decode())
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
