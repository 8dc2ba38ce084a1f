"""What a row has to be, from a JSON Schema or a pydantic class. A rule that is not checked here is refused."""

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from contracts.base import violation
from contracts.errors import Misconfigured
from contracts.tables import ColumnType, TableColumn

_SAYS_NOTHING = frozenset(
    ("title", "description", "default", "examples", "$comment", "$schema", "$id", "deprecated", "readOnly", "writeOnly")
)
_KNOWN = _SAYS_NOTHING | frozenset(
    (
        *("type", "format", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum"),
        *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "anyOf", "oneOf", "$ref"),
    )
)
_ROOT = _SAYS_NOTHING | frozenset(("type", "properties", "required", "additionalProperties", "$defs", "definitions"))

_TYPES: Mapping[tuple[str, str], ColumnType] = {
    ("string", ""): "text",
    ("string", "date"): "date",
    ("string", "date-time"): "datetime",
    ("string", "decimal"): "decimal",
    ("string", "uuid"): "text",
    ("integer", ""): "integer",
    ("number", ""): "number",
    ("number", "decimal"): "decimal",
    ("boolean", ""): "boolean",
}
_UUID = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"

_LIMIT = 1024 * 1024


def columns_of(table: str, contract: str) -> tuple[TableColumn, ...]:
    """The columns of the contract that the settings name for a table. Raises `Misconfigured`, which says what to correct."""
    where = f"{table}: the contract {contract}"
    schema = _of_class(where, contract) if re.fullmatch(r"[\w.]+:\w+", contract) else _of_file(where, Path(contract))
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict) or not schema["properties"]:
        raise Misconfigured(f"{where} describes no object with properties; a row is one object, its columns are the properties")
    _known(where, schema, _ROOT)
    parts = schema.get("$defs", {}) | schema.get("definitions", {})
    required = set(schema.get("required", ()))
    return tuple(_column(where, name, part, parts, name in required) for name, part in schema["properties"].items())


def _of_file(where: str, path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
        if len(data) > _LIMIT:
            raise ValueError("it is larger than a megabyte")
        found = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise Misconfigured(f"{where} cannot be read: {error}") from None
    return found


def _of_class(where: str, contract: str) -> dict[str, Any]:
    module, _, name = contract.partition(":")
    try:
        # Named by the settings of this worker and by nothing else: whoever writes those already decides what runs here.
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Misconfigured(f"{where} cannot be imported: {error}; put its module on the worker's PYTHONPATH") from None
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise Misconfigured(f"{where} is no pydantic model")
    try:
        schema = found.model_json_schema()
    except PydanticInvalidForJsonSchema as error:
        raise Misconfigured(f"{where} has no JSON Schema: {error.message}") from None
    # Decimals are text or a number for pydantic; which digits they may have is only in its own metadata.
    for field_name, field in found.model_fields.items():
        part = schema["properties"].get(field.alias or field_name, {})
        if "Decimal" in str(field.annotation):
            _as_decimal(part, field.metadata)
    return schema


def _as_decimal(part: dict[str, Any], metadata: list[Any]) -> None:
    optional = any(one.get("type") == "null" for one in part.get("anyOf", ()))
    limits: dict[str, Any] = next((one for one in part.get("anyOf", ()) if one.get("type") == "number"), {})
    part.pop("anyOf", None)
    kept = {name: value for name, value in limits.items() if name != "type"}
    places = next((one.decimal_places for one in metadata if getattr(one, "decimal_places", None) is not None), None)
    if places is not None:
        kept["multipleOf"] = 10.0**-places
    whole = {"type": "number", "format": "decimal"} | kept
    part.update({"anyOf": [whole, {"type": "null"}]} if optional else whole)


def _column(where: str, name: str, part: Any, parts: Mapping[str, Any], required: bool) -> TableColumn:
    here = f"{where}, property {name!r}"
    about = part.get("description", "") if isinstance(part, dict) else ""
    part, optional = _one(here, part, parts)
    choices = tuple(_choice(one) for one in part.get("enum", [part["const"]] if "const" in part else []) if one is not None)
    kind = part.get("type") or ("string" if choices else None)
    form = str(part.get("format", ""))
    found = _TYPES.get((str(kind), form))
    if found is None:
        raise Misconfigured(
            f"{here} is {kind or 'of no type'}{f', format {form}' if form else ''}, which no column can be here"
        )
    places = _places(here, part.get("multipleOf"))
    try:
        return TableColumn(
            name=name,
            type="decimal" if found == "number" and places is not None else found,
            required=required and not optional,
            about=str(about)[:500],
            shortest=part.get("minLength"),
            longest=part.get("maxLength"),
            pattern=_UUID if form == "uuid" else _pattern(here, part.get("pattern")),
            choices=choices,
            least=_text(part.get("minimum")),
            most=_text(part.get("maximum")),
            above=_text(part.get("exclusiveMinimum")),
            below=_text(part.get("exclusiveMaximum")),
            places=places,
        )
    except ValidationError as error:
        raise Misconfigured(f"{here}: {violation(TableColumn, error)}") from None


def _one(here: str, part: Any, parts: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The one schema that a value has to meet, and whether it may be null as well."""
    if not isinstance(part, dict):
        raise Misconfigured(f"{here} is no schema object")
    _known(here, part, _KNOWN)
    if "$ref" in part:
        referred = parts.get(str(part["$ref"]).rpartition("/")[2])
        return _one(here, {**(referred or {}), **{key: value for key, value in part.items() if key != "$ref"}}, parts)
    options = part.get("anyOf") or part.get("oneOf")
    if options:
        real = [one for one in options if one.get("type") != "null"]
        if len(real) != 1:
            raise Misconfigured(f"{here} may be one of {len(real)} things; a column has one type")
        return _one(here, real[0], parts)[0], len(real) < len(options)
    kind = part.get("type")
    if isinstance(kind, list):
        real_kinds = [one for one in kind if one != "null"]
        if len(real_kinds) != 1:
            raise Misconfigured(f"{here} may be {' or '.join(map(str, kind))}; a column has one type")
        return part | {"type": real_kinds[0]}, len(real_kinds) < len(kind)
    return part, False


def _known(where: str, part: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(part.keys() - known)
    if unknown:
        raise Misconfigured(
            f"{where} uses {', '.join(unknown)}, which is not checked here; a rule that is not checked is refused"
        )


def _places(here: str, multiple: Any) -> int | None:
    if multiple is None:
        return None
    for places in range(13):
        if abs(float(multiple) - 10.0**-places) < 10.0 ** -(places + 3):
            return places
    raise Misconfigured(f"{here}: multipleOf {multiple} is no 1, 0.1, 0.01 …, and nothing else is checked here")


def _pattern(here: str, pattern: Any) -> str | None:
    if pattern is None:
        return None
    try:
        re.compile(str(pattern))
    except re.error as error:
        raise Misconfigured(f"{here}: the pattern is no regular expression: {error}") from None
    return str(pattern)


def _choice(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _text(number: Any) -> str | None:
    return None if number is None else str(number)
