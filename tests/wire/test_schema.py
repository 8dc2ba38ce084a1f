"""Schemas stay in the subset that every provider accepts, and lose nothing that a model has to know."""

from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, JsonValue

from activities.providers.schema import closed_schema
from contracts.base import Contract, Digest
from contracts.errors import Misconfigured

ALLOWED = {"type", "enum", "const", "anyOf", "$ref", "$defs", "items", "properties", "required", "additionalProperties"}


class Circle(Contract):
    """A round thing."""

    kind: Literal["circle"]
    radius: int = Field(ge=1, le=9, default=3, description="in metres")


class Square(Contract):
    kind: Literal["square"]
    colour: Literal["red", "blue"] | None = None


class Drawing(Contract, name="drawing/1"):
    """What was drawn."""

    title: str = Field(min_length=1, max_length=80, description="one line")
    digest: Digest
    at: datetime
    frame: Circle = Field(description="around it all")
    shapes: tuple[Annotated[Circle | Square, Field(discriminator="kind")], ...] = Field(max_length=5)
    inner: "tuple[Drawing, ...]" = ()


def nodes(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Every schema within the schema."""
    parts = [schema.get("items"), *schema.get("anyOf", []), *schema.get("properties", {}).values()]
    parts += schema.get("$defs", {}).values()
    return [schema] + [node for part in parts if part for node in nodes(part)]


def test_every_object_is_closed_and_complete() -> None:
    """No open object, no optional property, no unsupported word, and nothing beside a pointer."""
    for node in nodes(closed_schema(Drawing)):
        assert node.keys() <= ALLOWED | {"description"}
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])
        if "$ref" in node:
            assert list(node) == ["$ref"]


def test_limits_move_into_the_description() -> None:
    """What strict output cannot enforce is said in words, after the field's own description."""
    schema = closed_schema(Drawing)
    title, digest, at = (schema["properties"][name]["description"] for name in ("title", "digest", "at"))
    assert title == "one line (at most 80 characters; at least 1 characters)"
    assert digest == "(must match the regular expression ^[0-9a-f]{64}$)"
    assert at == "(format date-time)"
    radius = schema["$defs"]["Circle"]["properties"]["radius"]
    assert radius == {"type": "integer", "description": "in metres (default 3; at most 9; at least 1)"}
    assert schema["properties"]["frame"] == {"anyOf": [{"$ref": "#/$defs/Circle"}], "description": "around it all"}


def test_a_contract_that_contains_itself_is_an_object_at_the_root() -> None:
    """The root is the object itself, which both providers want, and its inner pointers still lead somewhere."""
    schema = closed_schema(Drawing)
    assert schema["type"] == "object"
    for node in nodes(schema):
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/$defs/") in schema["$defs"]


class Mapping(Contract):
    values: dict[str, int]


class Anything(Contract):
    value: JsonValue


class Pair(Contract):
    pair: tuple[int, str]


class Loose(Contract):
    items: list[Any]


@pytest.mark.parametrize("model", [Mapping, Anything, Pair, Loose])
def test_what_cannot_be_said_strictly_is_refused_here(model: type[Contract]) -> None:
    """A shape that a provider would answer with 400 is refused by name before any call is paid."""
    with pytest.raises(Misconfigured, match=rf"^{model.__name__}\.(values|value|pair|items).*strict output cannot express; "):
        closed_schema(model)
