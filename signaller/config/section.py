"""One mapping of the file: a wrong value becomes a fault with its path, and reads as absent."""

import difflib
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeGuard

from signaller.config.findings import (
    REFERENCE,
    SHOWN_CHARS,
    Findings,
    Text,
    as_text,
    fits_header,
    label,
    shown,
)
from signaller.secret import Secret

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")
_UNSET = object()


def _is_number(value: object) -> TypeGuard[int | float]:
    """Neither true, which Python counts among them, nor NaN, which compares with nothing."""
    if isinstance(value, float):
        return not math.isnan(value)
    return isinstance(value, int) and not isinstance(value, bool)


class Section:
    """One mapping of the file. `strict`: a key without a value is a fault, not an absence."""

    def __init__(
        self, path: str, values: Mapping[object, object], findings: Findings, *, strict: bool
    ) -> None:
        self.path, self.findings, self._strict = path, findings, strict
        self._values: dict[str, object] = {}
        for key, value in values.items():
            if not isinstance(key, str):
                self._odd_key(key)
            elif value is not None or strict:
                self._values[key] = value

    def _odd_key(self, key: object) -> None:
        """YAML reads on, no and 7 as other things than text; LiteLLM does not mind."""
        place = self.path or "the file"
        if self._strict:
            self.findings.fault(place, "names as keys", f"{shown(key)} as a key")
        else:
            self.findings.note(place, f"{shown(key)} as a key: no effect here")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def at(self, key: str) -> str:
        """The path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def fault(self, key: str, expected: str, found: str | None = None) -> None:
        """Say what is wrong with a key."""
        self.findings.fault(self.at(key), expected, found or shown(self._values.get(key)))

    def section(self, key: str, *, strict: bool | None = None) -> "Section":
        """A mapping below this one; empty where there is none."""
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            self.fault(key, "a mapping", shown(value, secret=True))
            value = {}
        strict = self._strict if strict is None else strict
        return Section(self.at(key), value, self.findings, strict=strict)

    def with_defaults(self, values: Mapping[object, object]) -> "Section":
        """The same, with other values where it has none."""
        both: dict[object, object] = {**values}
        both.update(self._values)
        return Section(self.path, both, self.findings, strict=self._strict)

    def list(self, key: str, expected: str) -> Sequence[object] | None:
        """A list below this one."""
        if key not in self:
            return None
        value = self._values[key]
        if not isinstance(value, list):
            self.fault(key, expected, shown(value, secret=True))
            return None
        return value

    def raw(self, key: str) -> object:
        """A value that nothing is demanded of."""
        return self._values.get(key)

    def raw_text(self, key: str) -> str | None:
        """A string that nothing is demanded of."""
        value = self._values.get(key)
        return value if isinstance(value, str) else None

    def text(self, key: str, *variables: str, secret: bool = False) -> Text | None:
        """A string, `os.environ/` resolved; where absent, the first of `variables` that is set."""
        if key in self:
            return as_text(self._values[key], self.at(key), self.findings, secret=secret)
        if found := self.findings.variable(*variables):
            return as_text(found[1], found[0], self.findings, secret=secret, variable=found[0])
        return None

    def first_text(self, key: str, *variables: str) -> Text | None:
        """The same, of a list the first: LiteLLM makes an entry for each."""
        value = self._values.get(key)
        if not isinstance(value, list) or not value:
            return self.text(key, *variables)
        self.findings.warn(self.at(key), f"only the first of {len(value)} is used")
        return as_text(value[0], f"{self.at(key)}[0]", self.findings)

    def secret(self, key: str, *variables: str) -> Secret | None:
        """A credential: printable ASCII without spaces, as HTTP headers demand."""
        text = self.text(key, *variables, secret=True)
        return Secret(text.value) if text and fits_header(text) else None

    def flag(self, key: str) -> bool | None:
        """True or false."""
        value = self._values.get(key)
        if isinstance(value, bool):
            return value
        if key in self:
            self.fault(key, "true or false")
        return None

    def whole(self, key: str, low: int, high: int) -> int | None:
        """A whole number within bounds."""
        value = self._number(key)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        if key in self and value is not _UNSET:
            self.fault(key, f"a whole number from {low} to {high}", shown(value))
        return None

    def seconds(self, key: str, high: int) -> float | None:
        """A duration: a number above zero."""
        value = self._number(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= high:
            return value
        if key in self and value is not _UNSET:
            self.fault(key, f"a number of seconds above 0, up to {high}", shown(value))
        return None

    def clamped(self, key: str, low: float, high: float) -> float | None:
        """A number of LiteLLM's, which knows no bounds: brought within ours, and said so."""
        value = self._number(key)
        if not _is_number(value):
            if key in self and value is not _UNSET:
                self.fault(key, "a number", shown(value))
            return None
        within = min(max(value, low), high)
        if within != value:
            self.findings.warn(self.at(key), f"{within:g} is used in place of {shown(value)}")
        return within

    def _number(self, key: str) -> object:
        value = self._values.get(key)
        if not isinstance(value, str) or (self._strict and not value.startswith(REFERENCE)):
            return value
        text = self.text(key)
        if text is None:
            return _UNSET
        if not _NUMBER.fullmatch(text.value):
            return text.value
        return float(text.value) if "." in text.value else int(text.value)

    def unknown(
        self, known: Collection[str], *, refuse: bool, besides: Collection[str] = ()
    ) -> Sequence[str]:
        """Keys that are not known. With `refuse` all of them are faults.

        Without it, one that looks like a slip of a known key is a fault where that is missing and
        a warning where it is there. Nothing is said of `besides`, and they are suggested to nobody.
        """
        others = []
        for key in self:
            if key in known or key in besides:
                continue
            near = difflib.get_close_matches(key[:SHOWN_CHARS].lower(), sorted(known), 1, 0.8)
            path = self.at(label(key))
            if near and not refuse and near[0] in self:
                self.findings.warn(path, f"no effect here (did you mean {near[0]}?)")
            elif near:
                expected = f"a known key (did you mean {near[0]}?)"
                self.findings.fault(path, expected, "another")
            elif refuse:
                self.findings.fault(path, f"one of {', '.join(sorted(known))}", "another key")
            else:
                others.append(label(key))
        return others
