"""A form on a page from a JSON Schema, as `closed_schema` makes them, and the value that somebody has filled in.

Texts, numbers, yes and no, choices, lists of these, and objects within objects become fields of their own. Everything else,
such as a list of objects, is typed as JSON. What the value has to be beyond that, whoever takes it checks.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from contracts.errors import Refused

Schema = Mapping[str, Any]
Kind = Literal["text", "area", "number", "choice", "lines", "several", "json", "fixed", "group"]

DEEPEST = 4
"""Objects within objects that become fields; what is deeper is typed as JSON."""

THERE = ".there"
"""Ends the name of the box that says whether there is an object that may be missing."""

SHORT = 200
"""Most characters of a text that one line is enough for."""

YES, NO = "yes", "no"

_MOST = re.compile(r"at most (\d+) characters")


@dataclass(frozen=True)
class Field:
    """One field. `options` are what a `choice` or `several` offers; `begins` is what it begins with.

    A `group` has `fields`; `optional` says that it may be missing as a whole, that a field may stay empty, or both.
    """

    name: str
    label: str
    kind: Kind
    about: str = ""
    options: tuple[str, ...] = ()
    begins: str = ""
    optional: bool = False
    fields: "tuple[Field, ...]" = ()


class SchemaForm:
    """The form of one schema, whose fields' names begin with `name`. `starts` are values that some of them begin with."""

    def __init__(self, schema: Schema, name: str, starts: Mapping[str, Any] | None = None) -> None:
        self._schema, self._name, self._starts = schema, name, starts or {}
        self._parts: Mapping[str, Schema] = schema.get("$defs", {})

    def fields(self) -> tuple[Field, ...]:
        """The fields, in the schema's order."""
        return self._field(self._schema, self._name, "", 0).fields

    def value(self, typed: Mapping[str, str]) -> Any:
        """What was filled in. Raises `Refused`, naming the field, for what is no number, none of the choices, or no JSON."""
        return self._value(self._schema, self._name, typed, 0)

    def _whole(self, schema: Schema) -> tuple[Schema, bool]:
        """The schema that counts, and whether null is taken as well. With what is said where it is used."""
        found = self._referred(schema)
        shapes = [one for one in found.get("anyOf", ()) if one.get("type") != "null"]
        if "anyOf" not in found:
            return found, False
        if len(shapes) != 1:
            return found, len(shapes) < len(found["anyOf"])
        inner = self._referred(shapes[0])
        return {**inner, "description": found.get("description", inner.get("description", ""))}, True

    def _referred(self, schema: Schema) -> Schema:
        reference = schema.get("$ref")
        if reference is None:
            return schema
        return {**self._parts[reference.removeprefix("#/$defs/")], **{k: v for k, v in schema.items() if k != "$ref"}}

    def _kind(self, schema: Schema, depth: int) -> Kind:
        kind = schema.get("type")
        if "const" in schema:
            return "fixed"
        if "enum" in schema or kind == "boolean":
            return "choice"
        if kind == "string":
            most = _MOST.search(schema.get("description", ""))
            return (
                "text" if "regular expression" in schema.get("description", "") or (most and int(most[1]) <= SHORT) else "area"
            )
        if kind in ("integer", "number"):
            return "number"
        if kind == "object" and "properties" in schema and depth < DEEPEST:
            return "group"
        if kind == "array":
            item, null = self._whole(schema.get("items", {}))
            listed = {"choice": "several", "text": "lines", "area": "lines", "number": "lines"}.get(
                self._kind(item, depth), "json"
            )
            return "json" if null or item.get("type") == "boolean" else listed  # type: ignore[return-value]
        return "json"

    def _field(self, schema: Schema, name: str, label: str, depth: int) -> Field:
        whole, null = self._whole(schema)
        kind, about = self._kind(whole, depth), str(whole.get("description", ""))
        item = self._whole(whole.get("items", {}))[0] if kind in ("several", "lines", "json") else {}
        fields: tuple[Field, ...] = ()
        if kind == "group":
            fields = tuple(self._field(part, f"{name}.{key}", key, depth + 1) for key, part in _properties(whole))
        if kind == "json" and item:
            about = f"{about} JSON; an entry looks like {json.dumps(self._blank(item))}".strip()
        begins = self._starts.get(name, whole.get("const", "[]" if kind == "json" and whole.get("type") == "array" else ""))
        optional = null or kind in ("lines", "several", "json") or (kind == "area" and "at least" not in about)
        return Field(name, label, kind, about, _options(item if kind == "several" else whole), str(begins), optional, fields)

    def _value(self, schema: Schema, name: str, typed: Mapping[str, str], depth: int) -> Any:
        whole, null = self._whole(schema)
        kind, text = self._kind(whole, depth), typed.get(name, "").replace("\r\n", "\n")
        if kind == "group":
            if null and f"{name}{THERE}" not in typed:
                return None
            return {key: self._value(part, f"{name}.{key}", typed, depth + 1) for key, part in whole["properties"].items()}
        if kind == "fixed":
            return whole["const"]
        if kind in ("lines", "several"):
            item = self._whole(whole["items"])[0]
            offered = enumerate(_options(item))
            given = [one for at, one in offered if f"{name}.{at}" in typed] if kind == "several" else text.split("\n")
            return [_plain(item, one.strip(), name) for one in given if one.strip()]
        if null and not text.strip():
            return None
        return _json(text, name) if kind == "json" else _plain(whole, text, name)

    def _blank(self, schema: Schema, depth: int = 0) -> Any:
        """A value of this shape with everything empty, to be copied."""
        whole, _ = self._whole(schema)
        if "properties" in whole and depth < DEEPEST:
            return {key: self._blank(part, depth + 1) for key, part in whole["properties"].items()}
        empty = {"array": [], "object": {}, "integer": 0, "number": 0, "boolean": False, "string": ""}
        return whole.get("const", (whole.get("enum") or [empty.get(whole.get("type", ""))])[0])


def _properties(schema: Schema) -> list[tuple[str, Schema]]:
    """In the order in which they were declared: a stored schema has them sorted, but not the list of those required."""
    declared = [*schema.get("required", ()), *schema["properties"]]
    return [(name, schema["properties"][name]) for name in dict.fromkeys(declared)]


def _options(schema: Schema) -> tuple[str, ...]:
    return (YES, NO) if schema.get("type") == "boolean" else tuple(str(one) for one in schema.get("enum", ()))


def _plain(schema: Schema, text: str, name: str) -> Any:
    """A text, number, choice, or yes and no."""
    kind = schema.get("type")
    if "enum" in schema:
        chosen = [one for one in schema["enum"] if str(one) == text]
        return chosen[0] if chosen else _none_of(schema, text, name)
    if kind == "boolean":
        return text == YES if text in (YES, NO) else _none_of(schema, text, name)
    if kind in ("integer", "number"):
        try:
            return int(text) if kind == "integer" else float(text)
        except ValueError:
            raise Refused(
                f"{_said(name)}: {text[:80]!r} is no {'whole ' if kind == 'integer' else ''}number; nothing was sent"
            ) from None
    return text


def _none_of(schema: Schema, text: str, name: str) -> Any:
    raise Refused(f"{_said(name)}: {text[:80]!r} is none of {', '.join(_options(schema))}; nothing was sent")


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{_said(name)} is not JSON: {error}; nothing was sent") from None


def _said(name: str) -> str:
    return name.partition(".")[2] or name
