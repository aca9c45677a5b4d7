"""What a configuration says, and every fault on the way: no message holds a secret."""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

REFERENCE = "os.environ/"
MAX_TEXT_CHARS = 16_384  # the longest value a file has a use for is an Entra token of some 4 KB
SHOWN_CHARS = 60
HUGE = 10**18
"""Numbers beyond it are not written out: Python refuses to, for thousands of digits."""
# Keys, JWTs, and URLs with a password or a query, wherever they were put by mistake.
_LOOKS_SECRET = re.compile(r"(?:^|[^a-z])[se]k[-_]|eyJ|[?@]", re.I)
_KINDS = (
    (type(None), "nothing"),
    (list, "a list"),
    (dict, "a mapping"),
    (int | float, "a number"),
    (datetime.date, "a date"),
)


@dataclass(slots=True, kw_only=True)
class Findings:
    """What one reading of a configuration came to."""

    env: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)
    """path -> the name its reader knows it by, where there is no file."""
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fault(self, path: str, expected: str, found: str) -> None:
        """Remember one fault."""
        self.faults.append(f"{self.names.get(path, path)}: expected {expected}, found {found}")

    def warn(self, path: str, sentence: str) -> None:
        """Remember what is taken otherwise than the file may mean it, or is dangerous."""
        self.warnings.append(f"{self.names.get(path, path)}: {sentence}")

    def note(self, path: str, sentence: str) -> None:
        """Remember what a reader should know."""
        self.notes.append(f"{self.names.get(path, path)}: {sentence}")

    def variable(self, *names: str) -> tuple[str, str] | None:
        """The first of these environment variables that is set and not empty."""
        return next(((name, self.env[name]) for name in names if self.env.get(name)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string and where it stands."""

    value: str
    path: str
    findings: Findings
    variable: str | None = None
    """The environment variable it came from."""
    secret: bool = False

    def fault(self, expected: str, found: str | None = None) -> None:
        """Say what is wrong with it."""
        found = found or shown(self.value, secret=self.secret)
        if self.variable and self.variable != self.path:
            found += f" in the environment variable {self.variable}"
        self.findings.fault(self.path, expected, found)


def as_text(
    value: object,
    path: str,
    findings: Findings,
    *,
    secret: bool = False,
    variable: str | None = None,
) -> Text | None:
    """A non-empty string, `os.environ/` resolved; None after a fault."""
    if isinstance(value, str) and value.startswith(REFERENCE):
        variable = value.removeprefix(REFERENCE)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", variable):
            findings.fault(path, f"{REFERENCE}NAME", "something else after the slash")
            return None
        value = findings.env.get(variable)
        if not value:
            found = "it unset" if value is None else "it empty"
            findings.fault(path, f"the environment variable {variable}", found)
            return None
    if type(value) is datetime.date:  # what YAML makes of an api_version such as 2025-04-01
        value = value.isoformat()
    if not isinstance(value, str):
        findings.fault(path, "a string", shown(value, secret=secret))
        return None
    if not value or len(value) > MAX_TEXT_CHARS:
        found = f"one of {len(value)} characters" if value else "an empty one"
        findings.fault(path, f"a string of 1 to {MAX_TEXT_CHARS} characters", found)
        return None
    return Text(value=value, path=path, findings=findings, variable=variable, secret=secret)


def fits_header(text: Text) -> bool:
    """Whether a string can be sent in a header; a fault otherwise."""
    if re.fullmatch(r"[!-~]+", text.value):
        return True
    text.fault("ASCII without spaces or line breaks", f"others among {len(text.value)} characters")
    return False


def fits_line(text: Text, most: int) -> bool:
    """Whether a string can stand in a line that people read; a fault otherwise."""
    if len(text.value) > most:
        text.fault(f"at most {most} characters", f"{len(text.value)}")
    elif not text.value.isprintable():  # half a surrogate pair is not either
        text.fault("printable characters in one line", f"others among {len(text.value)} characters")
    else:
        return True
    return False


def label(key: str) -> str:
    """A key as it can be printed: it may be a value in the wrong place."""
    plain = re.fullmatch(r"[\w.-]{1,60}", key) and not looks_secret(key)
    return key if plain else shown(key)


def shown(value: object, *, secret: bool = False) -> str:
    """What was found, in one line that holds no secret."""
    if isinstance(value, str):
        if secret or looks_secret(value):
            return f"a string of {len(value)} characters"
        return repr(value[:SHOWN_CHARS]) + ("..." if len(value) > SHOWN_CHARS else "")
    if isinstance(value, bool) and not secret:
        return str(value).lower()
    if isinstance(value, int | float) and not secret:
        return f"{value}" if abs(value) < HUGE else "a number beyond all bounds"
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "something else")


def looks_secret(text: str) -> bool:
    """Whether a text is, or may hold, a credential."""
    return bool(_LOOKS_SECRET.search(text))
