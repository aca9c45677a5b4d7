"""The last record of a call: written as soon as its sideband closes, for whoever ends it."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from signaller.model import CallFacts, Deployment, Ending, Trace, Watching
from signaller.realtime.call_records import CallRecord
from tests.supervision.test_outages import Line, Scene, scene

WATCHED = Watching(mode="best_effort")
SPENT = {"input_text": 3, "output_text": 4}
"""By one response."""


class Talking(Line):
    """A sideband that the test speaks and closes."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[str | None] = asyncio.Queue()
        self.closed_cleanly = False

    def responds(self, response: str) -> None:
        """A response begins and ends."""
        usage = {
            "input_tokens": 3,
            "output_tokens": 4,
            "input_token_details": {"text_tokens": 3},
            "output_token_details": {"text_tokens": 4},
        }
        begun = {"id": response, "status": "in_progress"}
        self._told.put_nowait(json.dumps({"type": "response.created", "response": begun}))
        done = {"id": response, "status": "completed", "output": [], "usage": usage}
        self._told.put_nowait(json.dumps({"type": "response.done", "response": done}))

    def closes(self, *, cleanly: bool = True) -> None:
        """What was told before is heard first."""
        self.closed_cleanly = cleanly
        self._told.put_nowait(None)

    async def receive(self) -> str | None:
        """In the order in which it was told."""
        return await self._told.get()


@dataclass
class Lines:
    """Lets everybody attach whose line is there; all others wait for one."""

    waiting: asyncio.Queue[Talking] = field(default_factory=asyncio.Queue)

    async def attach(
        self, deployment: Deployment, provider_call_id: str, trace: Trace
    ) -> Line | None:
        """`Upstream.attach`."""
        return await self.waiting.get()


async def watched(this: Scene) -> tuple[CallFacts, Talking, Lines]:
    """A call that the first replica watches."""
    lines, line = Lines(), Talking()
    this.upstream.attach = lines.attach  # type: ignore[method-assign]
    lines.waiting.put_nowait(line)
    call = await this.call()
    await this.replicas[0].begin(call)
    return call, line, lines


async def until(this: Scene, call: CallFacts, holds: Callable[[CallRecord], bool]) -> CallRecord:
    """Its record, as soon as something holds of it."""
    async with asyncio.timeout(20):
        while not (record := await this.book.find(call.id)) or not holds(record):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return record


def is_watched(record: CallRecord) -> bool:
    """Whether somebody listens, and has said so."""
    return record.seen.get("supervision") == "watched" and not record.is_final


async def asked(this: Scene, call: CallFacts) -> None:
    """Somebody, at another replica, has asked the provider for the end."""
    await this.book.begin_ending(call, Ending(by="operator", since=call.started_at), seconds=60)


async def test_a_call_that_is_being_ended_has_its_last_record_when_its_sideband_closes() -> None:
    """With what was told last; and should it go on all the same, the record says so again."""
    this = scene(WATCHED)
    async with this.replicas[0].running():
        call, line, lines = await watched(this)
        await until(this, call, is_watched)
        await asked(this, call)
        line.responds("one")
        line.closes()
        record = await until(this, call, lambda record: record.is_final)
        usage = record.as_json()["usage"]
        assert isinstance(usage, dict)
        assert (usage["label"], usage["responses"], usage["output_tokens"]) == ("complete", 1, 4)
        again = Talking()
        lines.waiting.put_nowait(again)
        record = await until(this, call, is_watched)
        assert record.as_json()["usage"] == {**usage, "label": "partial"}


async def test_a_sideband_that_breaks_is_no_end() -> None:
    """Nor is one that is closed where nobody has asked for it: what was heard is written."""
    for cleanly, is_asked in ((False, True), (True, False)):
        this = scene(WATCHED)
        async with this.replicas[0].running():
            call, line, _ = await watched(this)
            await until(this, call, is_watched)
            if is_asked:
                await asked(this, call)
            line.responds("one")
            line.closes(cleanly=cleanly)
            record = await until(this, call, lambda record: not is_watched(record))
        assert (record.is_final, record.seen["supervision"]) == (False, "lost")
        assert record.billed.tokens == SPENT


async def test_a_last_record_is_not_overtaken() -> None:
    """By one that was on its way before."""
    this = scene(WATCHED)
    on_its_way, may_go_on, saw = asyncio.Event(), asyncio.Event(), this.gate.saw
    writing: list[asyncio.Task[bool]] = []

    async def slowly(
        call_id: str, seen: str, *, fence: int, event: str | None, ended: bool = False
    ) -> bool:
        if not on_its_way.is_set():
            on_its_way.set()
            await may_go_on.wait()
        writing.append(
            asyncio.create_task(saw(call_id, seen, fence=fence, event=event, ended=ended))
        )
        return await writing[-1]

    this.gate.saw = slowly  # type: ignore[method-assign]
    owner = this.replicas[0]
    async with owner.running():
        call, line, _ = await watched(this)
        async with asyncio.timeout(20):
            await on_its_way.wait()
        await asked(this, call)
        line.responds("one")
        line.closes()
        hearing = asyncio.create_task(owner.hear_out(call.id))
        await asyncio.sleep(0.2)  # in which the last one would be written
        may_go_on.set()
        await hearing
        async with asyncio.timeout(20):
            while len(writing) < 2:  # noqa: ASYNC110 - by tasks of the service
                await asyncio.sleep(0.02)
            await asyncio.gather(*writing)
        record = await this.book.find(call.id)
    assert record is not None
    assert (record.is_final, record.billed.tokens) == (True, SPENT)
