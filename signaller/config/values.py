"""From where values come: the file itself, the environment, files that it or a variable names."""

import json
import math
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from signaller.config.faults import (
    HUGE,
    MAX_TEXT_CHARS,
    UNREADABLE,
    Findings,
    Node,
    file_named,
    label,
    looks_secret,
    shown,
    slip_of,
    words,
)
from signaller.secret import Secret

VARIABLE, FILE = "os.environ/", "file://"
PREFIX, BETWEEN = "SIGNALLER_", "__"
MAX_FILE_BYTES = 4 * MAX_TEXT_CHARS + 8
"""More than the longest value has, so that one that is too long is seen to be."""
MAX_WHOLE = 10**300
"""Beyond it a whole number has no float."""
# What other programs, and slips of the hand, write where we write a reference to a secret.
_SLIP = re.compile(r"(?i:os\.environ).*|\$[A-Z_][A-Z0-9_]*|\$[{(].*[)}]|\{\{.*\}\}|<.*>", re.S)
_SLIP_OF_FILE = re.compile(r"[Ff][Ii][Ll][Ee]:.*|(/[\w.-]+){2,}", re.S)
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")
# Kubernetes sets such variables for every service whose name begins with ours, as addresses.
_LINK = re.compile(r"SIGNALLER_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_\w+)")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
_PYTHON: Mapping[str, Any] = {
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "string": str,
    "array": list,
    "object": dict,
}


class _TwiceError(ValueError):
    """Of two values for one key it is not known which was meant."""


class Text(str):
    """What a variable or a file holds: text, whatever it stands for."""

    __slots__ = ()


class Values:
    """One reading's view of the world outside the file: nothing is remembered for the next."""

    def __init__(self, env: Mapping[str, str], findings: Findings) -> None:
        self.env, self.findings = env, findings
        self._used: set[str] = {"SIGNALLER_MASTER_KEY"}
        """Variables that something asks for. This one always counts: a file with a master key of
        its own asks for none, and whoever sends requests from here has it set all the same."""
        self._files: dict[str, object] = {}
        """variable -> what stands in the file that it names; each is read once."""

    def variable(self, *names: str) -> tuple[str, object] | None:
        """The first of these variables that is set and not empty, or whose like with _FILE is."""
        self._used.update(names)
        for name in names:
            path = self.env.get(like := f"{name}_FILE")
            if self.env.get(name):
                if path:
                    self.findings.note(label(like), f"no effect, as {label(name)} is set too")
                return name, Text(self.env[name])
            if path:
                if like not in self._files:
                    self._files[like] = self._in_file(path, like)
                return like, self._files[like]
        return None

    def unread(self, *others: str) -> Iterator[tuple[str, str]]:
        """Variables with our prefix, and others, that are set and that nothing has asked for.

        Each with the name of the value it stands for: NAME for NAME itself and for NAME_FILE.
        """
        for name, value in self.env.items():
            plain = name.removesuffix("_FILE")
            link = _LINK.fullmatch(name) or _ADDRESS.match(value)
            ours = plain in others or (plain.startswith(PREFIX) and not link)
            if value and ours and plain not in self._used:
                yield name, plain

    def fill(self, values: dict[str, object], key: str, path: str, *names: str) -> None:
        """Take a value that is absent from the first of these variables that is set."""
        if key not in values and (found := self.variable(*names)):
            values[key] = found[1]
            self.findings.names[path] = found[0]
            self.findings.sources[path] = f"the environment variable {found[0]}"

    def typed(self, value: object, node: Node, path: str) -> object:
        """A value with its references followed, of the type that is declared for its place.

        pydantic, which sees to bounds and forms afterwards, would take true for 1, 7.0 for 7 and
        null for any absent value; where it is strict it takes no mapping for a section.
        """
        options = node.get("anyOf", (node,))
        node = next((each for each in options if _is(value, each)), options[0])
        kind = node.get("type", "")
        secret = bool(node.get("writeOnly"))
        if isinstance(value, str) and value.startswith((VARIABLE, FILE)):
            secrets = secret or node.get("items", {}).get("writeOnly", False)
            value = self._referred(value, path, secret=secrets)
        if isinstance(value, Text):
            value = self.parsed(value, node, path)
        elif type(value) is date and kind == "string":  # an api_version such as 2025-04-01
            value = value.isoformat()
        if value is UNREADABLE:
            self.findings.faulty.add(path)
            return value
        if kind == "number" and isinstance(value, int) and abs(value) > MAX_WHOLE:
            value = math.inf if value > 0 else -math.inf  # it is cut down to what a key may be
        if "properties" not in node and "[" not in path:
            self.findings.sources[path] = self.findings.source(path)
        if not _is(value, node):
            hidden = secret or kind in {"array", "object"}
            hidden = hidden or self.findings.may_be_secret(value, path)
            expected = "a string" if kind == "string" and "enum" not in node else words(node)
            self.findings.fault(path, expected, shown(value, secret=hidden))
            return UNREADABLE
        if isinstance(value, dict) and "properties" in node:
            return self._mapping(value, node, path)
        if isinstance(value, list):
            return self._list(value, node, path)
        return self._text(value, path, secret=secret) if isinstance(value, str) else value

    def _text(self, value: str, path: str, *, secret: bool) -> object:
        if not 0 < len(value) <= MAX_TEXT_CHARS:
            found = f"one of {len(value)} characters" if value else "an empty one"
            self.findings.fault(path, f"a string of 1 to {MAX_TEXT_CHARS} characters", found)
            return UNREADABLE
        if secret and (near := _reference_meant(value)):
            expected = f"the secret itself or a reference to it (did you mean {near}?)"
            self.findings.fault(path, expected, "what looks like a reference")
            return UNREADABLE
        return Secret(value) if secret else value

    def parsed(self, text: Text, node: Node, path: str) -> object:
        """A text as what is declared, if it can be read as that.

        Lists and mappings are JSON; a list of names may be separated by commas instead.
        """
        kind = node.get("type")
        if kind == "boolean":
            return {"true": True, "false": False}.get(text.lower(), str(text))
        if kind in {"integer", "number"} and _NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        if kind not in {"array", "object"}:
            return str(text)
        if kind == "array" and not text.lstrip().startswith("["):
            parts = [Text(part.strip()) for part in text.split(",") if part.strip()]
            if name := self.findings.names.get(path):
                for index in range(len(parts)):
                    place = name if len(parts) == 1 else f"{name}, item {index + 1}"
                    self.findings.names[f"{path}[{index}]"] = place
            return parts
        return self._json(text, words(node), path)

    def _json(self, text: str, expected: str, path: str) -> object:
        try:
            value: object = json.loads(text, object_pairs_hook=_each_once)
        except _TwiceError as error:
            self.findings.fault(path, f"{expected} with each key once", f"{error} again")
        except (ValueError, RecursionError):
            self.findings.fault(path, f"{expected} as JSON", "what is not JSON")
        else:
            return value
        return UNREADABLE

    def _list(self, value: list[object], node: Node, path: str) -> object:
        items, most = node.get("items", {}), node.get("maxItems", len(value))
        if len(value) > most:  # before each of them is looked at
            self.findings.fault(path, f"{words(node)}, at most {most}", f"{len(value)} of them")
            return UNREADABLE
        return [self.typed(each, items, f"{path}[{index}]") for index, each in enumerate(value)]

    def _mapping(self, value: dict[object, object], node: Node, path: str) -> object:
        """A section, each value in it of its declared type.

        In one of ours unknown keys are kept, as pydantic then names them, and absent keys come from
        their variables. In one of LiteLLM's unknown keys are left out, and a text may stand for a
        number, true or false, as LiteLLM has it.
        """
        declared = node["properties"]
        if node.get("additionalProperties") is not False:
            return {
                key: self.typed(
                    Text(each) if isinstance(each, str) else each, declared[key], below(path, key)
                )
                for key, each in value.items()
                if isinstance(key, str) and key in declared
            }
        result: dict[str, object] = {}
        for key, each in value.items():
            if not isinstance(key, str) or not _is_text(key):
                # YAML reads on, no and 7 as other things than text, and has half of a surrogate.
                self.findings.fault(path, "names as keys", f"{shown(key)} as a key")
            elif key in declared:
                result[key] = self.typed(each, declared[key], below(path, key))
            else:
                result[key] = each  # pydantic names it
        if "[" not in path:
            self._complete(result, value, declared, path)
        return result

    def _complete(
        self, result: dict[str, object], written: Mapping[Any, object], declared: Node, path: str
    ) -> None:
        """Take values that are absent from the variables that are named for their keys."""
        for key, node in declared.items():
            if key in written:
                continue
            place = below(path, key)
            self.fill(result, key, place, _name_of(place))
            if key in result:
                result[key] = self.typed(result[key], node, place)
            elif "properties" in node and (section := self._mapping({}, node, place)):
                result[key] = section

    def _referred(self, value: str, path: str, *, secret: bool) -> object:
        if value.startswith(FILE):
            name = value.removeprefix(FILE)
            if not secret:
                expected = "the value itself, as only secrets are read from files"
                self.findings.fault(path, expected, f"{FILE}...")
                return UNREADABLE
            if not name.startswith("/"):
                self.findings.fault(path, f"{FILE}/path", "no path from the root")
                return UNREADABLE
            found = self._in_file(name, path)
            self.findings.sources[path] = f"the file {file_named(name)}"
            return found
        name = value.removeprefix(VARIABLE)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name):
            self.findings.fault(path, f"{VARIABLE}NAME", "something else after the slash")
        elif set_here := self.variable(name):
            self.findings.sources[path] = f"the environment variable {label(set_here[0])}"
            if str(set_here[1]).startswith((VARIABLE, FILE)):
                self.findings.fault(path, "the value itself", "another reference")
                return UNREADABLE
            return set_here[1]
        else:
            what = "it unset" if name not in self.env else "it empty"
            self.findings.fault(path, f"the environment variable {label(name)}", what)
        return UNREADABLE

    def _in_file(self, name: str, path: str) -> object:
        """The text of a file that holds one value, without line ends behind it."""
        shown_name, file = file_named(name), Path(name)
        try:
            mode = file.stat().st_mode
            text = ""
            if stat.S_ISREG(mode):  # a pipe would answer once, and perhaps never
                with file.open("rb") as opened:
                    text = opened.read(MAX_FILE_BYTES).decode("utf-8-sig").rstrip("\r\n")
        except (OSError, ValueError) as error:  # a NUL in a path and other bytes are ValueErrors
            why = error.strerror if isinstance(error, OSError) else "no path, or no text in UTF-8"
            self.findings.fault(path, "a readable file with the value", f"{shown_name}: {why}")
            return UNREADABLE
        if not text:
            what = "is empty" if stat.S_ISREG(mode) else "is no regular file"
            self.findings.fault(path, "a file with the value", f"{shown_name}, which {what}")
            return UNREADABLE
        if text.startswith((VARIABLE, FILE)):
            found = f"{shown_name}, which holds another reference"
            self.findings.fault(path, "a file with the value", found)
            return UNREADABLE
        if mode & 0o004:
            self.findings.warn(path, f"{shown_name} can be read by every user of this machine")
        return Text(text)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(shown(key))
        found[key] = value
    return found


def _reference_meant(secret: str) -> str | None:
    """What a secret was meant to say that looks like a slip of a reference."""
    if _SLIP.fullmatch(secret):
        return f"{VARIABLE}NAME"
    if _SLIP_OF_FILE.fullmatch(secret) and not looks_secret(secret):  # base64 has slashes too
        return f"{FILE}/path"
    return None


def names_of(node: Node, path: str = "signaller") -> list[str]:
    """The variables that may stand for the keys of a section of ours."""
    return [
        name
        for key, inner in node.get("properties", {}).items()
        for name in (_name_of(below(path, key)), *names_of(inner, below(path, key)))
    ]


def key_of(name: str) -> str:
    """The path of the key that a variable may stand for."""
    return f"signaller.{name.removeprefix(PREFIX).lower().replace(BETWEEN, '.')}"


def meant(name: str, known: Iterable[str]) -> str | None:
    """The variable that one may be a slip of, or the beginning of."""
    keys = [each.removeprefix(PREFIX).lower() for each in known]
    near = slip_of(name.removeprefix(PREFIX).lower(), keys)
    return near and f"{PREFIX}{near.upper()}"


def variables_of(section: Mapping[str, object], findings: Findings) -> dict[str, str]:
    """As LiteLLM does: for whatever the environment itself does not say, numbers as texts."""
    found = {}
    for key, value in section.items():
        is_number = isinstance(value, int | float) and abs(value) < HUGE
        if isinstance(value, str | date) or is_number:
            found[key] = str(value)
        else:
            said = f"no effect, as it is no text or number but {shown(value, secret=True)}"
            findings.warn(below("environment_variables", key), said)
    return found


def _name_of(path: str) -> str:
    """The variable of a key of ours: `SIGNALLER_TOKEN__USES`."""
    return path.upper().replace(".", BETWEEN).replace(BETWEEN, "_", 1)


def below(path: str, key: str) -> str:
    """The path of a key."""
    return f"{path}.{label(key)}" if path else label(key)


def _is_text(key: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in key)


def _is(value: object, node: Node) -> bool:
    """Whether a value is of the declared type; Python counts true among the numbers."""
    kind = node.get("type", "")
    odd = isinstance(value, bool) and kind in {"integer", "number"}
    return isinstance(value, _PYTHON.get(kind, object)) and not odd
