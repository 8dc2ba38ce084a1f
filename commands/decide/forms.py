"""A form on a terminal: the fields of a JSON Schema, asked for one by one. And the same form, empty, to fill in by hand."""

from collections.abc import Mapping
from typing import Any

import typer

from commands.output import safe
from commands.questions import confirmed, told, told_if_any

Schema = Mapping[str, Any]

STARTS: Mapping[str, Any] = {"outcome": "done", "confidence": 1000}
"""What the fields around the body begin with. A person need not say how sure they are, or what they quote."""


class Form:
    """The fields of one schema, as `closed_schema` makes them: objects, lists, alternatives and plain values."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._parts: Mapping[str, Schema] = schema.get("$defs", {})

    def blank(self) -> dict[str, Any]:
        """An answer with every field empty, to be filled in: of a list one entry, of alternatives the first."""
        return {
            name: STARTS.get(name, "" if name == "reason" else []) if name != "body" else self._blank(part)
            for name, part in self._schema["properties"].items()
        }

    def asked(self) -> dict[str, Any]:
        """The answer, after asking for each of its fields. Raises `typer.Abort` at the end of the input."""
        fields = self._schema["properties"]
        outcome = _one_of("outcome", fields["outcome"]["enum"])
        made: dict[str, Any] = {"outcome": outcome, "reason": "", "confidence": 1000, "questions": [], "claims": []}
        if outcome != "done":
            made["reason"] = told("reason (why it is not done)")
        if outcome == "unsure":
            made["questions"] = self._asked(fields["questions"], "questions")
        wanted = outcome == "done" or (outcome == "unsure" and confirmed("is there a result, as far as it goes?"))
        return made | {"body": self._asked(_not_null(fields["body"]), "body") if wanted else None}

    def _whole(self, schema: Schema) -> Schema:
        reference = schema.get("$ref")
        return schema if reference is None else self._parts[reference.removeprefix("#/$defs/")]

    def _blank(self, schema: Schema) -> Any:
        schema = self._whole(schema)
        if "anyOf" in schema:
            return self._blank(schema["anyOf"][0])
        if "properties" in schema:
            return {name: self._blank(part) for name, part in schema["properties"].items()}
        if "enum" in schema or "const" in schema:
            return schema.get("const", (schema.get("enum") or [""])[0])
        return {"array": [], "integer": 0, "number": 0, "boolean": False, "null": None}.get(schema.get("type", ""), "")

    def _asked(self, schema: Schema, where: str) -> Any:
        schema, about = self._whole(schema), schema.get("description", "")
        if "anyOf" in schema:
            return self._alternative(schema, where)
        if "properties" in schema:
            return {name: self._asked(part, f"{where}.{name}") for name, part in schema["properties"].items()}
        if schema.get("type") == "array":
            return self._list(schema, where)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return _one_of(where, schema["enum"])
        return _value(schema.get("type", "string"), f"{where}: {safe(about, 400)}" if about else where)

    def _alternative(self, schema: Schema, where: str) -> Any:
        """One of several shapes; None where nothing is one of them and nothing was said."""
        shapes = [one for one in schema["anyOf"] if one.get("type") != "null"]
        optional = len(shapes) < len(schema["anyOf"])
        about = f"{where}: {safe(schema['description'], 400)}" if schema.get("description") else where
        if optional and len(shapes) == 1 and self._whole(shapes[0]).get("type") == "string":
            return told_if_any(about) or None
        if optional and not confirmed(f"{about}: is there one?"):
            return None
        number = 0 if len(shapes) == 1 else int(_one_of(f"{about}; which", [str(at + 1) for at in range(len(shapes))])) - 1
        return self._asked(shapes[number], where)

    def _list(self, schema: Schema, where: str) -> list[Any]:
        about = f"{where}: {safe(schema['description'], 400)}" if schema.get("description") else where
        item, made = self._whole(schema["items"]), list[Any]()
        if item.get("type") == "string" and "enum" not in item:
            while text := told_if_any(f"{about} [{len(made) + 1}]"):
                made.append(text)
            return made
        while confirmed(f"{about}: {'another' if made else 'one'}?"):
            made.append(self._asked(schema["items"], f"{where}[{len(made)}]"))
        return made


def _not_null(schema: Schema) -> Schema:
    shapes = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _one_of(about: str, values: list[str]) -> str:
    while (said := told(f"{about} ({' | '.join(safe(one, 80) for one in values)})").strip()) not in values:
        typer.echo(f"  that is none of {', '.join(safe(one, 80) for one in values)}", err=True)
    return said


def _value(kind: str, about: str) -> Any:
    if kind == "boolean":
        return confirmed(f"{about}?")
    while kind in ("integer", "number"):
        try:
            said = told(about).strip()
            return int(said) if kind == "integer" else float(said)
        except ValueError:
            typer.echo("  that is no number", err=True)
    return told(about)
