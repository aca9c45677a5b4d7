"""The sound of a call, as the page saves it."""

from array import array
from pathlib import Path

import av
from playwright.async_api import Page

from signaller.loopback.voice import loudness
from tests.e2e.tester import button

QUIET = 0.005
HEARD = """
async () => {
  for (;;) {
    for (const stat of (await peers.at(-1).getStats()).values()) {
      if (stat.type === "inbound-rtp" && stat.kind === "audio" && stat.totalAudioEnergy > 0.001)
        return { packets: stat.packetsReceived, energy: stat.totalAudioEnergy };
    }
    await new Promise((resolve) => setTimeout(resolve, 50)); // statistics send no event
  }
}
"""
"""Waits until something of the newest call is heard, in a page that keeps its `peers`."""


def sides(path: Path) -> tuple[float, float, float]:
    """How loud the left and the right are, and how long they last in seconds."""
    left, right, samples = bytearray(), bytearray(), 0
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=48_000)
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            for made in resampler.resample(frame):
                both = array("h", bytes(made.planes[0])[: made.samples * 4])
                left += both[0::2].tobytes()
                right += both[1::2].tobytes()
                samples += made.samples
    return loudness(bytes(left)), loudness(bytes(right)), samples / 48_000


async def saved(page: Page) -> tuple[str, Path]:
    """Press Save sound: the name of the file, and where it lies."""
    async with page.expect_download() as saving:
        await button(page, "Save sound").click()
    download = await saving.value
    return download.suggested_filename, Path(await download.path())
