"""SIGHUP, within a process of our own."""

import asyncio
import logging
import os
import pickle
import signal
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest

from signaller.errors import ConfigError
from signaller.logs import Journal
from signaller.secret import Secret
from signaller.server.config_file import ConfigFile
from signaller.server.reload import WiredOnce, needs_restart, pinned, reload_at_sighup
from signaller.settings import MetricsSettings, RedisLogin, Settings, Timeouts
from tests.support.service import deployment, settings, token_key
from tests.support.serving import QuietConfig

BEFORE = settings()


class Reader:
    """Reads what a test wants read, puts it in force, and tells when."""

    def __init__(self) -> None:
        self.outcomes: list[Settings | Exception] = []
        self.settings = BEFORE
        self.in_force: asyncio.Queue[Settings] = asyncio.Queue()
        self.lines: asyncio.Queue[object] = asyncio.Queue()

    def read(self) -> Settings:
        """The next outcome."""
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def reload(self, settings: Settings) -> None:
        """Take them up."""
        self.settings = settings
        self.in_force.put_nowait(settings)

    @property
    def journal(self) -> Journal:
        """Whose lines the test can wait for."""
        return Journal(lambda _event, fields, _error: self.lines.put_nowait(dict(fields)))

    async def signal(self, outcome: Settings | Exception) -> object:
        """Send SIGHUP, and give the line that it ends in."""
        self.outcomes.append(outcome)
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(10):
            return await self.lines.get()


async def test_a_new_configuration_is_put_in_force() -> None:
    """As often as it is asked for."""
    reader = Reader()
    with reload_at_sighup(reader, reader.read):
        for changed in (replace(BEFORE, public_url=f"https://{n}.example") for n in range(3)):
            line = await reader.signal(changed)
            assert reader.in_force.get_nowait() == changed
            assert isinstance(line, dict)
            assert line["outcome"] == "ok"


async def test_a_faulty_one_changes_nothing_and_is_explained(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line for each fault; and the next good one is taken."""
    reader = Reader()
    faults = ["signaller.callers: expected a list, found 7", "port: expected less"]
    with reload_at_sighup(reader, reader.read):
        line = await reader.signal(ConfigError(faults))
        assert isinstance(line, dict)
        assert (line["outcome"], line["faults"]) == ("refused", 2)
        assert reader.in_force.empty()
        said = [
            record.__dict__["fields"]["fault"]
            for record in caplog.records
            if (record.getMessage(), record.levelno) == ("reload refused", logging.ERROR)
        ]
        assert said == faults
        await reader.signal(BEFORE)
        assert reader.in_force.get_nowait() == BEFORE


async def test_a_fault_of_ours_does_not_end_reloading() -> None:
    """It is logged with its kind, and the next signal is answered."""
    reader = Reader()
    with reload_at_sighup(reader, reader.read):
        line = await reader.signal(RuntimeError("bug"))
        assert isinstance(line, dict)
        assert line["outcome"] == "RuntimeError"
        await reader.signal(BEFORE)
        assert reader.in_force.get_nowait() == BEFORE


async def test_what_needs_a_restart_is_said() -> None:
    """Every time, measured against what the process was started with."""
    reader = Reader()
    changed = replace(BEFORE, cors_origins=("https://app.example",))
    with reload_at_sighup(reader, reader.read):
        for _ in range(2):
            line = await reader.signal(changed)
            assert isinstance(line, dict)
            assert line["needs_restart"] == ["signaller.cors_origins"]
            assert reader.in_force.get_nowait() == BEFORE


def test_everything_that_is_wired_once_needs_a_restart() -> None:
    """The store, its time-out, CORS and where metrics are served."""
    after = replace(
        BEFORE,
        redis_url=Secret("redis://127.0.0.1/0"),
        redis=RedisLogin(password=Secret("another")),
        timeouts=Timeouts(store_seconds=9, mint_seconds=9),
        cors_origins=("https://app.example",),
        metrics=MetricsSettings(port=9464, host="::1"),
    )
    assert needs_restart(BEFORE, after) == [
        "signaller.redis_url",
        "signaller.redis",
        "signaller.timeouts.store_seconds",
        "signaller.cors_origins",
        "signaller.metrics.port",
        "signaller.metrics.host",
    ]


def test_what_is_wired_once_stays_and_all_else_changes() -> None:
    """Nothing is left of what needs a restart, and nothing else is held back."""
    after = replace(
        BEFORE,
        redis_url=Secret("redis://127.0.0.1/0"),
        redis=RedisLogin(password=Secret("another")),
        timeouts=Timeouts(store_seconds=9, mint_seconds=9),
        cors_origins=("https://app.example",),
        metrics=MetricsSettings(port=9464, host="::1", key=Secret("scrape")),
        token_keys=(token_key(),),
        public_url="https://voice.example",
    )
    possible = pinned(BEFORE, after)
    assert needs_restart(BEFORE, possible) == []
    assert possible == replace(
        after,
        redis_url=BEFORE.redis_url,
        redis=BEFORE.redis,
        timeouts=replace(BEFORE.timeouts, mint_seconds=9),
        cors_origins=BEFORE.cors_origins,
        metrics=MetricsSettings(key=Secret("scrape")),
    )


def test_what_needs_a_restart_travels_to_a_worker() -> None:
    """Through the pipe that it is started with; what it finds in the file later does not count."""
    before = settings(
        redis_url=Secret("redis://:canary@127.0.0.1/0"),
        timeouts=Timeouts(store_seconds=3),
        cors_origins=("https://app.example",),
        metrics=MetricsSettings(port=9464),
    )
    wired = pickle.loads(ForkingPickler.dumps(WiredOnce.of(before)))  # noqa: S301 - our own
    assert needs_restart(before, wired.kept_in(BEFORE)) == []
    assert "canary" not in repr(wired)


def test_nothing_else_that_is_secret_travels_to_a_worker(tmp_path: Path) -> None:
    """It reads the configuration itself: neither its keys nor the provider's are in the pipe."""
    path = tmp_path / "config.yaml"
    path.write_text("")
    made = settings(
        deployment("http://127.0.0.1:1"), master_key=Secret("a master key of this test")
    )
    config = QuietConfig(ConfigFile(path=path), made, log_level="error", log_format="json")
    pickled = bytes(ForkingPickler.dumps(config))
    secrets = [made.master_key, *made.token_keys, *(each.api_key for each in made.deployments)]
    assert [each for each in secrets if each and each.reveal().encode() in pickled] == []
    assert all(secrets)


MADE_UP = settings(token_keys=(Secret("made up at the start"),), token_keys_generated=True)
MADE_UP_AGAIN = settings(token_keys=(Secret("made up again"),), token_keys_generated=True)
NAMED = settings(token_keys=(Secret("named"),))
RENAMED = settings(token_keys=(Secret("renamed"), Secret("named")))


@pytest.mark.parametrize(
    ("before", "read", "keys"),
    [
        pytest.param(MADE_UP, [MADE_UP_AGAIN] * 2, ["made up at the start"], id="never named"),
        pytest.param(MADE_UP, [NAMED], ["named", "made up at the start"], id="named"),
        pytest.param(
            MADE_UP, [NAMED, RENAMED], ["renamed", "named", "made up at the start"], id="renamed"
        ),
        pytest.param(
            MADE_UP, [NAMED, MADE_UP_AGAIN], ["made up at the start"], id="no longer named"
        ),
        pytest.param(NAMED, [RENAMED], ["renamed", "named"], id="always named"),
        pytest.param(NAMED, [MADE_UP, MADE_UP_AGAIN], ["made up at the start"], id="withdrawn"),
    ],
)
def test_a_key_that_was_made_up_lasts_as_long_as_the_process(
    before: Settings, read: list[Settings], keys: list[str]
) -> None:
    """Or every reload would void the tokens; one that the file names comes first."""
    in_force = before
    for changed in read:
        in_force = pinned(in_force, changed)
    assert [key.reveal() for key in in_force.token_keys] == keys
