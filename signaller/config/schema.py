"""The declarations of all keys as one JSON Schema, and as rows for tables and listings."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from signaller.config.declared import File
from signaller.config.faults import Node
from signaller.config.values import FILE, VARIABLE
from signaller.secret import Secret

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE, _OR_FILE = f"^{VARIABLE.replace('.', '[.]')}", f"|^{FILE}"
_KEPT = ("description", "default")


class _Declarations(GenerateJsonSchema):
    """No titles that are made of names, and no null: a key without a value is a fault."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Only titles that are written are kept: they say what is expected."""
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A key may be left out, not empty."""
        return self.generate_inner(schema["schema"])

    def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> JsonSchemaValue:
        """In the file a secret is a text."""
        if schema["cls"] is Secret:
            return {"type": "string", "writeOnly": True}
        return super().is_instance_schema(schema)


@cache
def declarations() -> Node:
    """The whole file: every place holds its declaration itself, none refers to another."""
    whole = File.model_json_schema(schema_generator=_Declarations)
    defs = whole.pop("$defs")
    found: Node = _inlined(whole, defs)
    return found


def _inlined(node: Any, defs: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(each, defs) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = {**defs[node["$ref"].rpartition("/")[2]], **node}
    is_object = node.get("type") == "object" and "properties" in node
    unwanted = {"$ref", *(("title", "default") if is_object else ())}
    return {
        key: _inlined(value, defs)
        for key, value in node.items()
        if key not in unwanted and not (key == "default" and value is None)
    }


def json_schema() -> str:
    """The JSON Schema of the file (2020-12), for editors and other tools."""
    node = _for_editors(declarations(), ours=False)
    node["properties"]["signaller"]["type"].append("null")
    return json.dumps({"$schema": DIALECT, "title": "signaller", **node}, indent=2)


def _for_editors(node: Node, *, ours: bool) -> dict[str, Any]:
    """What may stand in the file: references too, and in LiteLLM's part nothing or a text."""
    result = {**node}
    if "properties" in node:
        result["properties"] = {
            key: _for_editors(each, ours=ours or key == "signaller")
            for key, each in node["properties"].items()
        }
    if isinstance(node.get("items"), dict):
        result["items"] = _for_editors(node["items"], ours=ours)
    if not ours:
        return _with_nothing_or_text(result)
    reference = {"type": "string", "pattern": _REFERENCE}
    if "anyOf" in node:
        return {**result, "anyOf": [*node["anyOf"], reference]}
    if node["type"] != "string":  # not as anyOf: editors then mark the fault in it, not all of it
        secrets = node.get("items", {}).get("writeOnly")
        pattern = f"{_REFERENCE}{_OR_FILE}" if secrets else _REFERENCE
        return {**result, "type": [node["type"], "string"], "pattern": pattern}
    if {"pattern", "enum"} & node.keys():
        kept = {key: result.pop(key) for key in _KEPT if key in node}
        return {**kept, "anyOf": [result, reference]}
    return result


def _with_nothing_or_text(node: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in node:
        return {**node, "anyOf": [*node["anyOf"], {"type": ["string", "null"]}]}
    if "type" not in node:
        return node
    text = ["string"] if node["type"] in {"integer", "number", "boolean"} else []
    return {**node, "type": [node["type"], *text, "null"]}


def rows(prefix: str) -> list[tuple[str, str, str]]:
    """Key, default in words and sentence of every key at or below a path, as they are declared.

    What an entry of a list holds stands at `[]`: `signaller.callers[].name`.
    """
    return [
        row
        for row in _rows(declarations(), "")
        if row[0] == prefix or row[0].startswith((f"{prefix}.", f"{prefix}["))
    ]


def _rows(node: Node, path: str) -> Iterator[tuple[str, str, str]]:
    required = node.get("required", ())
    for key, each in node["properties"].items():
        place = f"{path}.{key}" if path else key
        if "properties" in each:
            yield from _rows(each, place)
            continue
        yield place, _default(each, required=key in required), _sentence(each)
        if "properties" in each.get("items", {}):
            yield from _rows(each["items"], f"{place}[]")


def _default(node: Node, *, required: bool) -> str:
    if required:
        return "required"
    if "x-default" in node:
        return str(node["x-default"])
    value = node.get("default")
    return f"`{json.dumps(value).strip(chr(34))}`" if value or value is False else "none"


def _sentence(node: Node) -> str:
    text = " ".join(node.get("description", "").split())
    if "maximum" in node and "minimum" in node:
        return f"{text} {node['minimum']} to {node['maximum']}."
    return f"{text} Up to {node['maximum']}." if "maximum" in node else text
