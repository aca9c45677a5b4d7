"""YAML text to plain values: hostile or mistyped files end in one line with a place."""

import re
from collections.abc import Hashable

import yaml

from signaller.config.findings import shown
from signaller.errors import ConfigError

MAX_CHARS = 4 * 1024 * 1024  # ten thousand callers with policies of their own stay below
MAX_DEPTH = 32  # the deepest documented LiteLLM file nests a dozen levels
MAX_ALIASED_DEPTH = 64  # below an alias, where a value is deeper than it is written
MAX_COPIES = 100_000  # values that aliases repeat; a policy merged into a thousand callers is less
_MERGE = "tag:yaml.org,2002:merge"
_STANDARD_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "int", "map", "null", "seq", "str")
}

# PyYAML quotes what it met, which may be a key in the wrong place; single characters are safe.
_QUOTED = re.compile(r"""\s*(['"])(.*?)\1""", re.S)


def parse_document(text: str) -> dict[object, object]:
    """The top-level mapping of a YAML text. Raises ConfigError."""
    if len(text) > MAX_CHARS:
        raise ConfigError([f"the file: expected at most {MAX_CHARS} characters, found {len(text)}"])
    try:
        loader = _Loader(text)
        value = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_fault(error)]) from None  # its context would quote the file
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = _place(before.count("\n"), len(before) - before.rfind("\n") - 1)
        raise ConfigError([f"{place}: expected text, found an unprintable character"]) from None
    except (ValueError, OverflowError):  # of the scanner: "\U00110000", %YAML with 5000 digits
        mark = loader.get_mark()
        place = _place(mark.line, mark.column)
        raise ConfigError([f"{place}: expected YAML, found a number out of its range"]) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a single value"
        raise ConfigError([f"the file: expected a mapping with model_list, found {kind}"])
    return value


def _fault(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = _place(mark.line, mark.column) if mark else "the file"
    problem = _QUOTED.sub(_unless_long, error.problem or error.context or "something else")
    if problem.startswith("but found"):
        return f"{place}: {error.context}, {problem}"
    if problem.startswith("expected "):
        return f"{place}: {problem}"
    return f"{place}: expected YAML, found: {problem.removeprefix('found ')}"


def _unless_long(quoted: re.Match[str]) -> str:
    return quoted[0] if len(quoted[2]) < 4 or quoted[2].startswith("<") else ""


def _place(line: int, column: int) -> str:
    return f"line {line + 1}, column {column + 1}"


class _Loader(yaml.SafeLoader):
    """SafeLoader without tags of others, duplicate keys, deep nesting and alias bombs.

    What an alias repeats is counted as if it were written out, merges and aliases in it included.
    """

    _depth = 0
    _deepest = 0
    _values = 0
    _copies = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._sizes: dict[str, tuple[int, int]] = {}
        """anchor -> how many values it stands for, and how many levels; once it is complete."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it untyped
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)  # an undefined one is a fault of its own
            if event.anchor not in self._sizes:
                raise _at(event, "expected an alias of what stands before it, found one within it")
            values, levels = self._sizes[event.anchor]
            self._copies += values
            if self._copies > MAX_COPIES:
                raise _at(event, f"expected aliases to repeat at most {MAX_COPIES} values")
            self._count(event, values, self._depth + levels, MAX_ALIASED_DEPTH)
            return node
        if event.tag not in _STANDARD_TAGS and event.tag is not None:
            raise _at(event, "expected a value without a tag, found a tag")
        before, deepest = self._values, self._deepest
        self._depth += 1
        self._deepest = self._depth
        self._count(event, 1, self._depth, MAX_DEPTH)
        node = super().compose_node(parent, index)
        if event.anchor is not None:
            size = self._values - before, self._deepest - self._depth + 1
            self._sizes[event.anchor] = size
        self._depth -= 1
        self._deepest = max(deepest, self._deepest)
        return node

    def _count(self, event: yaml.Event, values: int, depth: int, most: int) -> None:
        self._values += values
        self._deepest = max(self._deepest, depth)
        if depth > most:
            raise _at(event, f"expected at most {most} levels of nesting, found more")

    def compose_mapping_node(self, anchor: object) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)  # type: ignore[arg-type]  # stubs
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    raise _at(key, f"expected each key once, found {shown(key.value)} again")
                seen.add(key.value)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Hashable:
        try:
            value: Hashable = super().construct_object(node, deep)
        except (ValueError, OverflowError, LookupError):  # 2025-13-40, 1:1:1:...:1.5, !!int ''
            raise _at(node, "expected a number or a date, found what only looks like one") from None
        return value


def _at(place: yaml.Event | yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    mark = place.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)  # type: ignore[arg-type]  # stubs
