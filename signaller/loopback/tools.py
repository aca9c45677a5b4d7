"""Which of a session's functions the model calls, and with what: there is no model here.

`required` and a named function are obeyed; with `auto` a function is called whose name, or a word
of it, is in what the user wrote.
"""

import re
from collections.abc import Mapping
from typing import TypeGuard

from signaller.loopback.session import Json

MAX_DEPTH = 8
"""Of sample arguments: a schema may be nested as deeply as JSON can be read."""
MAX_LENGTH = 64
"""Of a sample text, however long a schema wants it."""
_SHORTEST_WORD = 4  # `get`, `set` and `the` are in every second sentence
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def choose(tools: object, choice: object, wrote: str) -> Json | None:
    """The function to call, of a session's `tools` and by its `tool_choice`; None: none."""
    functions = [tool for tool in _objects(tools) if tool.get("type") == "function"]
    functions = [tool for tool in functions if isinstance(tool.get("name"), str) and tool["name"]]
    if isinstance(choice, Mapping):
        return next((tool for tool in functions if tool["name"] == choice.get("name")), None)
    if choice == "none":
        return None
    mentioned = next((tool for tool in functions if _is_in(str(tool["name"]), wrote)), None)
    if choice == "required":
        return mentioned or next(iter(functions), None)
    return mentioned


def sample(schema: object, depth: int = 0) -> object:
    """A plain value that a JSON schema takes: what it lists or proposes, else by its type.

    Enough for a form to look right. Patterns, formats, references and what several keywords say
    together are not looked at.
    """
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return None
    proposed = [schema[name] for name in ("const", "default") if name in schema]
    for name in ("enum", "examples"):
        listed = schema.get(name)
        proposed += listed if isinstance(listed, list) else []
    if proposed:
        return proposed[0]
    options = [each for name in ("anyOf", "oneOf", "allOf") for each in _objects(schema.get(name))]
    return sample(options[0], depth + 1) if options else _of_type(schema, depth)


def _of_type(schema: Mapping[str, object], depth: int) -> object:
    kind = schema.get("type", "object" if "properties" in schema else None)
    kind = kind[0] if isinstance(kind, list) and kind else kind
    match kind:
        case "string":
            return "example".ljust(_bound(schema, "minLength"), ".")[: _bound(schema, "maxLength")]
        case "integer" | "number":
            return _number(schema)
        case "array":
            # More than one in each of nested lists would grow without a bound.
            return [sample(schema.get("items"), depth + 1)] if _bound(schema, "minItems") else []
        case "object":
            return _object(schema, depth)
    return True if kind == "boolean" else None


def _object(schema: Mapping[str, object], depth: int) -> Json:
    properties, required = schema.get("properties"), schema.get("required")
    known = properties if isinstance(properties, Mapping) else {}
    names = required if isinstance(required, list) else []
    return {name: sample(known.get(name), depth + 1) for name in names if isinstance(name, str)}


def _number(schema: Mapping[str, object]) -> float:
    """1, or what is nearest to it within the bounds."""
    least = _limit(schema, "minimum", "exclusiveMinimum", 1)
    most = _limit(schema, "maximum", "exclusiveMaximum", -1)
    value = 1 if least is None else max(1, least)
    return value if most is None else min(value, most)


def _limit(schema: Mapping[str, object], name: str, exclusive: str, step: int) -> float | None:
    if _is_number(limit := schema.get(name)):
        return limit
    beyond = schema.get(exclusive)
    return beyond + step if _is_number(beyond) else None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bound(schema: Mapping[str, object], name: str) -> int:
    """A length in a schema; none is as good as 0 for the least, and as MAX_LENGTH for the most."""
    value = schema.get(name)
    if not isinstance(value, int) or value < 0:
        return MAX_LENGTH if name.startswith("max") else 0
    return min(value, MAX_LENGTH)


def _objects(value: object) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _is_in(name: str, wrote: str) -> bool:
    said = wrote.lower()
    words = [word.lower() for word in _WORDS.findall(name)]
    said_words = set(re.findall(r"\w+", said))
    return name.lower() in said or any(
        word in said_words for word in words if len(word) >= _SHORTEST_WORD
    )
