"""JSON Schemas in the strict subset that every provider accepts, made from contracts."""

import functools
import json
from collections.abc import Mapping
from typing import Any

from contracts.base import Contract
from contracts.errors import Misconfigured

_KEPT = frozenset({"type", "enum", "const"})
_HANDLED = frozenset({"$ref", "$defs", "anyOf", "oneOf", "items", "properties", "required", "additionalProperties"})
_DROPPED = frozenset({"title", "description", "discriminator"})
_REFUSED = frozenset({"prefixItems", "allOf", "not", "if", "patternProperties", "contains", "dependentSchemas"})

_PHRASES = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "must match the regular expression {}",
    "format": "format {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "uniqueItems": "no item twice",
    "default": "default {}",
    "examples": "for example {}",
}


@functools.cache
def closed_schema(model: type[Contract]) -> Mapping[str, Any]:
    """The contract's JSON Schema with every object closed and every property required. Made once for each contract.

    Limits that strict output does not know (lengths, ranges, patterns, defaults) become text in the description: the model
    reads them there, and our own parsing enforces them. Raises `Misconfigured` for shapes that strict output cannot express.
    """
    label = model.contract or model.__name__
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    if "$ref" in schema:  # a contract that contains itself: the root has to be the object, not a pointer to it
        schema = dict(definitions[schema["$ref"].removeprefix("#/$defs/")])
    closed = _closed(schema, label)
    if definitions:
        closed["$defs"] = {name: _closed(part, f"{label}.{name}") for name, part in definitions.items()}
    return closed


def _closed(schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    """One level of the schema; `where` names it in errors."""
    _refuse_inexpressible(schema, where)
    # Sorted: the order of a set differs between processes, and providers cache by exact bytes.
    closed: dict[str, Any] = {key: schema[key] for key in sorted(_KEPT & schema.keys())}
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        closed["anyOf"] = [_closed(choice, where) for choice in choices]
    if "items" in schema:
        closed["items"] = _closed(schema["items"], f"{where}[]")
    if schema.get("type") == "object":
        properties = {name: _closed(part, f"{where}.{name}") for name, part in schema.get("properties", {}).items()}
        closed |= {"properties": properties, "required": list(properties), "additionalProperties": False}
    text = _description(schema)
    if "$ref" in schema:  # a $ref may have no siblings, so its description goes around it
        closed |= {"anyOf": [{"$ref": schema["$ref"]}]} if text else {"$ref": schema["$ref"]}
    return closed | ({"description": text} if text else {})


def _refuse_inexpressible(schema: Mapping[str, Any], where: str) -> None:
    """Raise `Misconfigured` for what a strict provider would answer with 400, while a person can still change the contract."""
    refused = sorted(_REFUSED & schema.keys())
    if refused:
        raise Misconfigured(
            f"{where} uses {', '.join(refused)}, which strict output cannot express; use a list or a closed object"
        )
    if schema.get("additionalProperties") not in (None, False):
        raise Misconfigured(
            f"{where} is a free mapping, which strict output cannot express; use a list of {{name, value}} objects"
        )
    if schema.get("$ref") == "#/$defs/JsonValue" or not (_KEPT | {"$ref", "anyOf", "oneOf"}) & schema.keys():
        raise Misconfigured(f"{where} accepts anything, which strict output cannot express; give the field a closed type")
    if schema.get("type") == "array" and "items" not in schema:
        raise Misconfigured(f"{where} is a list of anything, which strict output cannot express; give its items a type")


def _description(schema: Mapping[str, Any]) -> str:
    """The field's description, and the limits that only text can carry."""
    limits = [
        _phrase(key, value) for key, value in schema.items() if key not in _KEPT and key not in _HANDLED and key not in _DROPPED
    ]
    text = str(schema.get("description", "")).strip()
    return " ".join(part for part in (text, f"({'; '.join(limits)})" if limits else "") if part)


def _phrase(key: str, value: Any) -> str:
    said = value if isinstance(value, str) and key != "default" else json.dumps(value, ensure_ascii=False)
    return _PHRASES.get(key, f"{key} {{}}").replace("{}", said)
