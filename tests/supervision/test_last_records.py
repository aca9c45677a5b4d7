"""The last record of a call: written as soon as its sideband closes, for whoever ends it."""

import asyncio
import math
from dataclasses import replace

import pytest

from signaller.model import CallFacts, Ending, Watching
from signaller.realtime.call_records import CallRecord
from signaller.supervision.seen import LEAVING
from tests.supervision.scene import OVER, Hands, Line, Scene, scene, until
from tests.supervision.told import began, done, usage

WATCHED = Watching(mode="best_effort")
SPENT = {"input_text": 3, "output_text": 4}
"""By one response."""
TOLD = (began("one"), done("one", spent=usage(text_in=3, text_out=4)))


async def watched(this: Scene) -> CallFacts:
    """A call that the first replica watches, and to which nobody can attach again for now."""
    call = await this.call()
    await this.replicas[0].begin(call)
    await until(lambda: this.upstream.attached == 1)
    this.upstream.lets.clear()
    return call


def responds(line: Line) -> None:
    """A response begins and ends."""
    for text in TOLD:
        line.says.put_nowait(text)


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
        call, line = await watched(this), this.upstream.line
        await this.until_it_shows(call, is_watched)
        await asked(this, call)
        responds(line)
        line.closes(cleanly=True)
        record = await this.until_it_shows(call, lambda record: record.is_final)
        used = record.as_json()["usage"]
        assert isinstance(used, dict)
        assert (used["label"], used["responses"], used["output_tokens"]) == ("complete", 1, 4)
        this.upstream.lets.set()
        record = await this.until_it_shows(call, is_watched)
        assert record.as_json()["usage"] == {**used, "label": "partial"}


async def test_a_sideband_that_breaks_is_no_end() -> None:
    """Nor is one that is closed where nobody has asked for it: what was heard is written."""
    for cleanly, is_asked in ((False, True), (True, False)):
        this = scene(WATCHED)
        async with this.replicas[0].running():
            call, line = await watched(this), this.upstream.line
            await this.until_it_shows(call, is_watched)
            if is_asked:
                await asked(this, call)
            responds(line)
            line.closes(cleanly=cleanly)
            record = await this.until_it_shows(call, lambda record: not is_watched(record))
        assert (record.is_final, record.seen["supervision"]) == (False, "lost")
        assert record.billed.tokens == SPENT


async def test_the_gap_of_a_mute_sideband_begins_when_it_was_last_heard() -> None:
    """Pings find one that is half open only seconds later: what was told meanwhile, nobody heard.

    One that is closed with a word was heard until then.
    """
    for cleanly, unheard_seconds in ((False, 15), (True, 0)):
        hands = Hands()
        this = scene(WATCHED, monotonic=hands)
        owner = this.replicas[0]
        async with owner.running():
            call, line = await watched(this), this.upstream.line
            await this.until_it_shows(call, is_watched)
            heard_at = owner.clock()
            hands.now += 15
            line.mute_seconds = 15
            line.closes(cleanly=cleanly)
            this.upstream.lets.set()
            record = await this.until_it_shows(
                call, lambda record: bool(record.seen.get("gaps")) and is_watched(record)
            )
            attached_at = heard_at + 15
        assert record.as_json()["gaps"] == [
            {"from": int(attached_at - unheard_seconds), "to": math.ceil(attached_at)}
        ]


mute_or_not = pytest.mark.parametrize(
    ("mute_seconds", "label"), [(11.0, "complete"), (13.0, "partial")]
)


@mute_or_not
async def test_a_call_that_ends_on_a_mute_sideband_may_have_used_more(
    mute_seconds: float, label: str
) -> None:
    """It owes an answer to a ping, and whether it is half open nobody will find out any more.

    Whether this process ends the call, or finds that another one has.
    """
    for is_ended_here in (True, False):
        hands = Hands()
        this = scene(WATCHED, monotonic=hands)
        owner = this.replicas[0]
        async with owner.running():
            call, line = await watched(this), this.upstream.line
            record = await this.until_it_shows(call, is_watched)
            await line.tells(*TOLD)
            line.mute_seconds = mute_seconds
            hands.now += 20
            if is_ended_here:
                await owner.hear_out(call.id)
            else:
                await this.book.end(replace(record, state=OVER))
            record = await this.until_it_shows(call, lambda record: record.is_final)
        check_label(record, label)


@mute_or_not
async def test_who_leaves_a_mute_sideband_tells_its_heir(mute_seconds: float, label: str) -> None:
    """The heir listens since it is attached; what came before that, nobody may have heard."""
    this = scene(WATCHED, handover_seconds=5)
    (leaver, heir), leaving = this.replicas, asyncio.Event()
    async with leaver.running(leaving):
        call, line = await watched(this), this.upstream.line
        await this.until_it_shows(call, is_watched)
        await line.tells(*TOLD)
        line.mute_seconds = mute_seconds
        this.upstream.lets.set()
        leaving.set()
        async with heir.running():
            await until(lambda: heir.watches(call.id) and not leaver.watches(call.id))
            record = await this.until_it_shows(
                call, lambda record: is_watched(record) and LEAVING not in record.seen
            )
    check_label(record, label)


def check_label(record: CallRecord, label: str) -> None:
    """With a gap, or without; what was heard counts."""
    shown = record.as_json()
    used = shown["usage"]
    assert isinstance(used, dict)
    assert (used["label"], used["responses"]) == (label, 1)
    assert bool(shown["gaps"]) == (label == "partial")


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
        call, line = await watched(this), this.upstream.line
        async with asyncio.timeout(20):
            await on_its_way.wait()
        await asked(this, call)
        responds(line)
        line.closes(cleanly=True)
        hearing = asyncio.create_task(owner.hear_out(call.id))
        await asyncio.sleep(0.2)  # in which the last one would be written
        may_go_on.set()
        await hearing
        await until(lambda: len(writing) >= 2)
        await asyncio.gather(*writing)
        record = await this.book.find(call.id)
    assert record is not None
    assert (record.is_final, record.billed.tokens) == (True, SPENT)
