"""SIGHUP, within a process of our own."""

import asyncio
import logging
import os
import signal
from dataclasses import replace

import pytest

from signaller.errors import ConfigError
from signaller.journal import Journal
from signaller.reloading import needs_restart, reload_on_hangup
from signaller.secret import Secret
from signaller.settings import MetricsSettings, Settings, Timeouts
from tests.support.service import settings

BEFORE = settings()


class Reader:
    """Reads what a test wants read, and tells when."""

    def __init__(self) -> None:
        self.outcomes: list[Settings | Exception] = []
        self.in_force: asyncio.Queue[Settings] = asyncio.Queue()
        self.lines: asyncio.Queue[object] = asyncio.Queue()

    def read(self) -> Settings:
        """The next outcome."""
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def journal(self) -> Journal:
        """Whose lines the test can wait for."""
        return Journal(lambda _event, fields, _error: self.lines.put_nowait(dict(fields)))

    async def hang_up(self, outcome: Settings | Exception) -> object:
        """Send SIGHUP, and give the line that it ends in."""
        self.outcomes.append(outcome)
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(10):
            return await self.lines.get()


async def test_a_new_configuration_is_put_in_force() -> None:
    """As often as it is asked for."""
    reader = Reader()
    with reload_on_hangup(reader.read, BEFORE, reader.in_force.put_nowait, reader.journal()):
        for changed in (replace(BEFORE, public_url=f"https://{n}.example") for n in range(3)):
            line = await reader.hang_up(changed)
            assert reader.in_force.get_nowait() is changed
            assert isinstance(line, dict)
            assert line["outcome"] == "ok"


async def test_a_faulty_one_changes_nothing_and_is_explained(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line for each fault; and the next good one is taken."""
    reader = Reader()
    faults = ["signaller.callers: expected a list, found 7", "port: expected less"]
    with reload_on_hangup(reader.read, BEFORE, reader.in_force.put_nowait, reader.journal()):
        line = await reader.hang_up(ConfigError(faults))
        assert isinstance(line, dict)
        assert (line["outcome"], line["faults"]) == ("refused", 2)
        assert reader.in_force.empty()
        said = [
            record.__dict__["fields"]["fault"]
            for record in caplog.records
            if (record.getMessage(), record.levelno) == ("reload refused", logging.ERROR)
        ]
        assert said == faults
        await reader.hang_up(BEFORE)
        assert reader.in_force.get_nowait() is BEFORE


async def test_a_fault_of_ours_does_not_end_reloading() -> None:
    """It is logged with its kind, and the next signal is answered."""
    reader = Reader()
    with reload_on_hangup(reader.read, BEFORE, reader.in_force.put_nowait, reader.journal()):
        line = await reader.hang_up(RuntimeError("bug"))
        assert isinstance(line, dict)
        assert line["outcome"] == "RuntimeError"
        await reader.hang_up(BEFORE)
        assert reader.in_force.get_nowait() is BEFORE


async def test_what_needs_a_restart_is_said() -> None:
    """Every time, measured against what the process was started with."""
    reader = Reader()
    changed = replace(BEFORE, cors_origins=("https://app.example",))
    with reload_on_hangup(reader.read, BEFORE, reader.in_force.put_nowait, reader.journal()):
        for _ in range(2):
            line = await reader.hang_up(changed)
            assert isinstance(line, dict)
            assert line["needs_restart"] == ["signaller.cors_origins"]


def test_everything_that_is_wired_once_needs_a_restart() -> None:
    """The store, its time-out, CORS and where metrics are served."""
    after = replace(
        BEFORE,
        redis_url=Secret("redis://127.0.0.1/0"),
        timeouts=Timeouts(store_seconds=9, mint_seconds=9),
        cors_origins=("https://app.example",),
        metrics=MetricsSettings(port=9464, host="::1"),
    )
    assert needs_restart(BEFORE, after) == [
        "signaller.redis_url",
        "signaller.timeouts.store_seconds",
        "signaller.cors_origins",
        "signaller.metrics.port",
        "signaller.metrics.host",
    ]
