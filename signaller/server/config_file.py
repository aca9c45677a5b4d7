"""The configuration file, read and judged: at the start, and again at a reload."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from signaller.app import judge
from signaller.config import load_settings, with_included
from signaller.config.document import MAX_CHARS
from signaller.config.faults import Findings, readable
from signaller.errors import ConfigError
from signaller.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """Where a configuration is, and what the command line says about reading it."""

    path: Path | None
    """None: there is no file, and the environment is all there is."""
    workers: int = 1
    allow_public_master_key: bool = False

    def read(self, *, again: bool = False) -> Settings:
        """The settings that the file and the environment amount to now. Raises ConfigError.

        `again`: it is not read for the only time, so that a pipe will not do.
        """
        findings = Findings()
        settings = load_settings(
            self._text(findings, again=again),
            os.environ,
            workers=self.workers,
            allow_public_master_key=self.allow_public_master_key,
            findings=findings,
        )
        judge(settings)
        return settings

    def _text(self, findings: Findings, *, again: bool) -> str | None:
        """The file with what it includes."""
        if self.path is None:
            return None
        folder = self.path.parent
        return with_included(
            _read(self.path, "--config", may_be_pipe=not again),
            lambda name, place: _read(folder / name, place, may_be_pipe=False),
            findings,
        )


def _read(path: Path, place: str, *, may_be_pipe: bool) -> str:
    """The text of a file, or the beginning of one that is too long for a configuration."""
    found = readable(str(path))
    try:
        # A pipe gives all it has to its first reader; the next one would wait for ever.
        if not may_be_pipe and not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError([f"{place}: expected a file that can be read again, found {found}"])
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_CHARS + 1)
    except UnicodeDecodeError as error:
        raise ConfigError(
            [f"{place}: expected a YAML file in UTF-8, found other bytes in {found}"]
        ) from error
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        why = error.strerror if isinstance(error, OSError) else "no path"
        raise ConfigError([f"{place}: expected a readable file, found {found}: {why}"]) from error
