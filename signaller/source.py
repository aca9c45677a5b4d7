"""Where a configuration comes from: a file, or none, and the environment."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from signaller.app import judge
from signaller.config import load_settings, with_included
from signaller.errors import ConfigError
from signaller.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What can be read at the start, and again when it has changed."""

    path: Path | None
    """None: the environment alone."""
    workers: int = 1
    allow_public_master_key: bool = False

    def text(self, *, again: bool = False) -> str | None:
        """The file's text as it is now, with what it includes. Raises ConfigError."""
        if self.path is None:
            return None
        folder = self.path.parent
        return with_included(
            _read(self.path, again=again), lambda name: _read(folder / name, again=again)
        )

    def understood(self, text: str | None) -> Settings:
        """The settings that a text and the environment amount to. Raises ConfigError."""
        settings = load_settings(
            text,
            os.environ,
            workers=self.workers,
            allow_public_master_key=self.allow_public_master_key,
        )
        judge(settings)
        return settings

    def read(self, *, again: bool = False) -> Settings:
        """Both steps. Raises ConfigError."""
        return self.understood(self.text(again=again))


def _read(path: Path, *, again: bool) -> str:
    try:
        # A pipe gave all it had at the start: whoever read it again would wait for ever.
        if again and not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError([f"--config: expected a file that can be read again, found {path}"])
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            [f"--config: expected a YAML file in UTF-8, found other bytes in {path}"]
        ) from error
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        why = error.strerror if isinstance(error, OSError) else "no path"
        raise ConfigError([f"--config: expected a readable file, found {path}: {why}"]) from error
