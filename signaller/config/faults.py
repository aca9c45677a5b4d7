"""What is wrong with a configuration, in one line each that holds no secret."""

import datetime
import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from signaller.secret import Secret

Node = Mapping[str, Any]
"""One place of the JSON Schema of the file."""
Loc = tuple[int | str, ...]
UNREADABLE = object()
"""Stands for a value of which a fault was said."""
THE_FILE, INCLUDED = "the file", "the included file"

MAX_TEXT_CHARS = 16_384  # the longest value a file has a use for is an Entra token of some 4 KB
SHOWN_CHARS = 60
JOINED_BY_OR = 3
"""So many choices at most are joined by 'or'; more are a list."""
LINE = "printable characters in one line"
SHORTEST = 16  # characters of a key, which may have been put in a path's place
MAX_PATH_CHARS = 300  # most paths have less than a hundred
HUGE = 10**18
"""Numbers beyond it are not written out: Python refuses to, for thousands of digits."""
# Keys, JWTs, and URLs with a password or a query, wherever they were put by mistake.
_RUN = re.compile(rf"[A-Za-z0-9]{{{SHORTEST},}}")
_LOOKS_SECRET = re.compile(r"(?:^|[^a-z])[se]k[-_]|eyJ|[?@]", re.I)
_KINDS = (
    (type(None), "nothing"),
    (list, "a list"),
    (dict, "a mapping"),
    (bool, "true or false"),  # before the numbers, which Python counts it among
    (int | float, "a number"),
    (datetime.date, "a date"),
)
_WORDS = {"object": "a mapping", "array": "a list", "boolean": "true or false"}
_WORDS |= {"integer": "a whole number", "number": "a number", "string": "a string"}


@dataclass(slots=True, kw_only=True)
class Findings:
    """What one reading of a configuration came to."""

    names: dict[str, str] = field(default_factory=dict)
    """path -> the variable its reader knows it by."""
    sources: dict[str, str] = field(default_factory=dict)
    """path -> from where its value came; of what stands in lists only what came from elsewhere."""
    faults: list[str] = field(default_factory=list)
    faulty: set[str] = field(default_factory=set)
    """Paths that a fault was said of."""
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fault(self, path: str, expected: str, found: str) -> None:
        """Remember one fault."""
        self.faulty.add(path)
        name, source = self.names.get(path, path), self.source(path)
        variable = name.partition(",")[0]  # an item of a list is "SIGNALLER_NAME, item 2"
        is_said = source in {THE_FILE, f"the environment variable {variable}"}
        where = "" if is_said else f" in {source}"
        line = f"{name}: expected {expected}, found {found}{where}"
        if line not in self.faults:
            self.faults.append(line)

    def source(self, path: str) -> str:
        """From where a value, or the list or mapping that it is part of, came."""
        while path and path not in self.sources:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.sources.get(path, THE_FILE)

    def warn(self, path: str, sentence: str) -> None:
        """Remember what is taken otherwise than the file may mean it, or is dangerous."""
        self.warnings.append(f"{self.names.get(path, path)}: {sentence}")

    def note(self, path: str, sentence: str) -> None:
        """Remember what a reader should know."""
        line = f"{self.names.get(path, path)}: {sentence}"
        if line not in self.notes:
            self.notes.append(line)

    def explain(self, error: ValidationError, path: str, root: Node) -> None:
        """The faults that pydantic found in what stands at a path."""
        for each in error.errors(include_url=False):
            loc, kind, value = each["loc"], each["type"], each["input"]
            if value is UNREADABLE or (kind == "too_short" and value):  # faulty items are counted
                continue
            place = path_of(loc, path)
            node, context = node_at(root, loc), each.get("ctx", {})
            expected, found = words(node), shown(value, secret=self.may_be_secret(value, place))
            if kind == "wrong":
                expected, found = context["expected"], context["found"] or found
            elif kind in {"missing", "missing_argument"}:
                expected, found = node.get("title", expected), "nothing"
            elif kind in {"extra_forbidden", "unexpected_keyword_argument"}:
                expected, found = known(str(loc[-1]), node_at(root, loc[:-1])["properties"])
            elif kind == "too_short":
                expected, found = f"{expected}, at least {context['min_length']}", "an empty list"
            elif kind == "string_too_long":
                expected, found = f"at most {context['max_length']} characters", f"{len(value)}"
            elif kind == "predicate_failed":
                expected, found = LINE, others_among(value)
            self.fault(place, expected, found)

    def may_be_secret(self, value: object, place: str) -> bool:
        """Whether a value came from a variable that may hold a key: it may be the wrong one."""
        source = self.source(place)
        written = source == THE_FILE or source.startswith(INCLUDED)
        return not written and len(str(value)) >= SHORTEST


def wrong(expected: str, found: str | None = None) -> PydanticCustomError:
    """What a validator of ours raises; without `found` the value is shown, unless it is secret."""
    return PydanticCustomError("wrong", "not as expected", {"expected": expected, "found": found})


def others_among(value: str) -> str:
    """What was found where some characters do not belong."""
    return f"others among {len(value)} characters"


def words(node: Node) -> str:
    """What is expected at a place, from its declaration."""
    node = node.get("anyOf", (node,))[0]
    kind = node.get("type", "string")
    if kind == "integer" and "maximum" in node:
        return f"a whole number from {node['minimum']} to {node['maximum']}"
    if kind == "number" and "maximum" in node:
        return f"a number of seconds above 0, up to {node['maximum']}"
    if choices := node.get("enum"):
        listed = " or ".join(choices)
        return listed if len(choices) <= JOINED_BY_OR else f"one of {', '.join(choices)}"
    titled = kind == "array" or "pattern" in node
    return str(node["title"]) if titled and "title" in node else _WORDS[kind]


def known(key: str, properties: Collection[str]) -> tuple[str, str]:
    """What is expected in place of an unknown key, and what was found."""
    near = slip_of(key, properties)
    if near:
        return f"a known key (did you mean {near}?)", "another"
    return f"one of {', '.join(sorted(properties))}", "another key"


def slip_of(key: str, known: Iterable[str]) -> str | None:
    """The name that one may be a slip of, or the beginning of: ttl for ttl_seconds."""
    known = list(known)
    begun = next((each for each in known if each.startswith(f"{key}_")), None)
    return begun or nearest(key, known)


def nearest(key: str, properties: Collection[str]) -> str | None:
    """The known key that one may be a slip of."""
    found = difflib.get_close_matches(key[:SHOWN_CHARS].lower(), sorted(properties), 1, 0.8)
    return found[0] if found else None


def node_at(node: Node, loc: Loc) -> Node:
    """The declaration of a place; empty for one that is not declared."""
    for step in loc:
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {})
        node = node if isinstance(step, int) else node.get(step, {})
    return node


def path_of(loc: Loc, path: str = "") -> str:
    """A place as people write it: `signaller.callers[0].name`."""
    for step in loc:
        path += f"[{step}]" if isinstance(step, int) else f".{label(step)}" if path else label(step)
    return path


def label(key: str) -> str:
    """A key as it can be printed: it may be a value in the wrong place."""
    plain = re.fullmatch(r"[\w.-]{1,60}", key) and not looks_secret(key)
    return key if plain else shown(key)


def shown(value: object, *, secret: bool = False) -> str:
    """What was found, in one line that holds no secret."""
    if isinstance(value, Secret):
        value, secret = value.reveal(), True
    if isinstance(value, str):
        if secret or looks_secret(value):
            return f"a string of {len(value)} characters"
        return repr(value[:SHOWN_CHARS]) + ("..." if len(value) > SHOWN_CHARS else "")
    if isinstance(value, bool) and not secret:
        return str(value).lower()
    if isinstance(value, int | float) and not secret:
        return f"{value}" if abs(value) < HUGE else "a number beyond all bounds"
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "something else")


def readable(text: str) -> str:
    """A name or an address as it is, unless it may be a secret or is not of one line."""
    return text if text.isprintable() and not looks_secret(text) else shown(text)


def file_named(path: Path | str) -> str:
    """A path in full, as it is to be found; unless it looks like something else."""
    text = str(path)
    is_path = ("/" in text or len(text) < SHORTEST) and len(text) <= MAX_PATH_CHARS
    is_path = is_path and not looks_secret(text)
    return repr(text) if is_path else shown(text, secret=True)


def looks_secret(text: str) -> bool:
    """Whether a text is, or may hold, a credential."""
    # Azure's keys and those of tokens have no mark of their own; no word mixes digits in for long.
    mixed = any(not run.isalpha() and not run.isdigit() for run in _RUN.findall(text))
    return mixed or bool(_LOOKS_SECRET.search(text))
