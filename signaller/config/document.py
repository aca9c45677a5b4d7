"""YAML text to plain values, `include` followed: hostile files end in one line with a place."""

import re
from collections.abc import Callable, Hashable, Mapping

import yaml

from signaller.config.faults import INCLUDED, Findings, file_named, label, readable, shown
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


_PLAIN = {
    "<block end>": "expected a line in the same column as the ones it belongs to, or further in "
    "behind a ':', found neither (look at spaces, quotes and ':')",
    "mapping values are not allowed": "expected a key in the same column as the others, or a text "
    "with ': ' in quotes, found a ':' within a value",
}
"""What PyYAML says in words of its own -> what whoever has mistyped a line can act on."""


def parse_document(text: str) -> dict[object, object]:
    """The top-level mapping of a YAML text. Raises ConfigError."""
    if len(text) > MAX_CHARS:
        raise ConfigError([f"the file: expected at most {MAX_CHARS} characters, found more"])
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


def with_included(text: str, read: Callable[[str, str], str], findings: Findings) -> str:
    """A text that needs no other file; `read` gives the text of one by its name and its place here.

    As in LiteLLM, lists at the top are joined. Mappings are merged, and the file that stands
    earlier rules, the main one first: LiteLLM would lose what it says. Raises ConfigError, with the
    faults of all files.
    """
    if "include" not in text:
        return text
    document = parse_document(text)
    names = document.pop("include", None)
    if names is None:
        return text
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError([f"include: expected a list of files, found {shown(names)}"])
    faults: list[str] = []
    for index, name in enumerate(names):
        try:
            included = _parsed(name, read(name, f"include[{index}]"))
        except ConfigError as error:
            faults += error.faults
        else:
            document = _merged(document, included, "", f"{INCLUDED} {file_named(name)}", findings)
    if faults:
        raise ConfigError(faults)
    try:
        return str(yaml.safe_dump(document))
    except ValueError:  # Python refuses to write out integers of thousands of digits
        raise ConfigError(
            ["include: expected files without numbers of thousands of digits"]
        ) from None


def _merged(
    ruling: Mapping[object, object],
    other: Mapping[object, object],
    path: str,
    source: str,
    findings: Findings,
) -> dict[object, object]:
    """Two mappings as a new one, as an alias may stand for either elsewhere."""
    result = dict(ruling)
    for key, value in other.items():
        place = label(key) if isinstance(key, str) else shown(key)
        place = f"{path}.{place}" if path else place
        before = ruling.get(key)
        if isinstance(before, list) and isinstance(value, list) and not path:
            result[key] = [*before, *value]
            for index in range(len(before), len(before) + len(value)):
                findings.sources[f"{place}[{index}]"] = source
        elif isinstance(value, dict) and (before is None or isinstance(before, dict)):
            result[key] = _merged(before or {}, value, place, source, findings)
        elif before is None:  # a key without a value is an absent one
            result[key] = value
            findings.sources[place] = source
        elif value is not None and value != before:
            findings.warn(place, f"has another value in {source}, which has no effect")
    return result


def _parsed(name: str, text: str) -> dict[object, object]:
    try:
        return parse_document(text)
    except ConfigError as error:
        raise ConfigError([f"{readable(name)}: {fault}" for fault in error.faults]) from None


def _fault(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = _place(mark.line, mark.column) if mark else "the file"
    problem = _QUOTED.sub(_unless_long, error.problem or error.context or "something else")
    for words, plain in _PLAIN.items():
        if words in problem:
            return f"{place}: {plain}"
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
