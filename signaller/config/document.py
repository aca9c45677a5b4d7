"""YAML text to plain values: hostile or mistyped files end in one line with a place."""

import re
from collections.abc import Hashable

import yaml

from signaller.config.findings import shown
from signaller.errors import ConfigError

MAX_CHARS = 4 * 1024 * 1024  # ten thousand callers with policies of their own stay below
MAX_DEPTH = 32  # the deepest documented LiteLLM file nests a dozen levels
MAX_ALIASES = 1000
MAX_MERGED_KEYS = 1000  # with the above, a million keys at most, which take a second or two

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
    """SafeLoader without tags, duplicate keys, deep nesting, or aliases inside anchors.

    The last is what an alias bomb is made of: without it, a text grows by no more than the
    number of its aliases.
    """

    _depth = 0
    _aliases = 0
    _open_anchors = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it untyped
        if isinstance(event, yaml.AliasEvent):
            self._aliases += 1
            if self._open_anchors:
                raise _at(event, "expected a written-out value, found an alias within an anchor")
            if self._aliases > MAX_ALIASES:
                raise _at(event, f"expected at most {MAX_ALIASES} aliases, found more")
            return super().compose_node(parent, index)
        if event.tag is not None:
            raise _at(event, "expected a value without a tag, found a tag")
        anchored = event.anchor is not None
        self._depth += 1
        self._open_anchors += anchored
        if self._depth > MAX_DEPTH:
            raise _at(event, f"expected at most {MAX_DEPTH} levels of nesting, found more")
        node = super().compose_node(parent, index)
        self._open_anchors -= anchored
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: object) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)  # type: ignore[arg-type]  # stubs
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _at(key, f"expected each key once, found {shown(key.value)} again")
                seen.add(key.value)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        merged = 0
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                merged += sum(len(source.value) for source in sources)
        if merged > MAX_MERGED_KEYS:
            raise _at(node, f"expected at most {MAX_MERGED_KEYS} merged keys, found {merged}")
        super().flatten_mapping(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Hashable:
        try:
            value: Hashable = super().construct_object(node, deep)
        except (ValueError, OverflowError):  # 2025-13-40, 0b, 5000 digits, 1:1:1:...:1.5
            raise _at(node, "expected a number or a date, found what only looks like one") from None
        return value


def _at(place: yaml.Event | yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    mark = place.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)  # type: ignore[arg-type]  # stubs
