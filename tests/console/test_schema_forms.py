"""Forms from schemas: what becomes a field, and what was filled in."""

from typing import Any

import pytest

from console.schema_forms import SchemaForm
from contracts.errors import Refused

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": [
        "name",
        "count",
        "share",
        "sure",
        "level",
        "tags",
        "numbers",
        "picked",
        "maybe",
        "part",
        "rows",
        "either",
        "fixed",
    ],
    "properties": {
        "count": {"type": "integer"},
        "either": {"anyOf": [{"$ref": "#/$defs/Row"}, {"type": "string"}, {"type": "null"}]},
        "fixed": {"const": "v1"},
        "level": {"enum": ["low", "high"], "type": "string"},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "name": {"type": "string", "description": "(at most 80 characters)"},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "part": {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}], "description": "a part"},
        "picked": {"type": "array", "items": {"enum": ["x", "y", "z"]}},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
        "share": {"type": "number"},
        "sure": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "$defs": {
        "Part": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        "Row": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
    },
}
FORM = SchemaForm(SCHEMA, "f")
TYPED = {
    **{
        "f.name": "n",
        "f.count": "3",
        "f.share": "0.5",
        "f.sure": "no",
        "f.level": "high",
        "f.tags": "a\r\n\r\n b ",
        "f.numbers": "1\n2",
    },
    **{
        "f.picked.0": "1",
        "f.picked.2": "1",
        "f.maybe": " ",
        "f.part.text": "not there",
        "f.rows": '[{"id": "r"}]',
        "f.either": "",
    },
}
VALUE = {
    **{"name": "n", "count": 3, "share": 0.5, "sure": False, "level": "high", "tags": ["a", "b"], "numbers": [1, 2]},
    **{"picked": ["x", "z"], "maybe": None, "part": None, "rows": [{"id": "r"}], "either": None, "fixed": "v1"},
}


def test_each_kind_of_value_has_its_field() -> None:
    """In the order in which the schema requires them; what is too much for a field is typed as JSON."""
    kinds = [(one.label, one.kind) for one in FORM.fields()]
    assert kinds == [
        *(
            ("name", "text"),
            ("count", "number"),
            ("share", "number"),
            ("sure", "choice"),
            ("level", "choice"),
            ("tags", "lines"),
        ),
        *(
            ("numbers", "lines"),
            ("picked", "several"),
            ("maybe", "area"),
            ("part", "group"),
            ("rows", "json"),
            ("either", "json"),
        ),
        ("fixed", "fixed"),
    ]
    rows = next(one for one in FORM.fields() if one.label == "rows")
    assert (rows.about, rows.begins) == ('JSON; an entry looks like {"id": ""}', "[]")


def test_what_was_filled_in_has_the_schemas_types() -> None:
    """What may be missing is missing where nothing was said."""
    assert FORM.value(TYPED) == VALUE
    there = TYPED | {"f.part.there": "1", "f.maybe": "said"}
    assert FORM.value(there) == VALUE | {"part": {"text": "not there"}, "maybe": "said"}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"f.count": "3.5"}, "count: '3.5' is no whole number"),
        ({"f.share": "half"}, "share: 'half' is no number"),
        ({"f.sure": ""}, "sure: '' is none of yes, no"),
        ({"f.level": "HIGH"}, "level: 'HIGH' is none of low, high"),
        ({"f.numbers": "1\nx"}, "numbers: 'x' is no whole number"),
        ({"f.rows": "[}"}, "rows is not JSON"),
    ],
)
def test_what_does_not_fit_its_field_is_named(changed: dict[str, str], why: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Refused, match="nothing was sent") as refused:
        FORM.value(TYPED | changed)
    assert str(refused.value).startswith(why)


def test_a_schema_that_contains_itself_ends_in_json() -> None:
    """A form has an end."""
    nested = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/$defs/N"}}}
    form = SchemaForm(nested | {"$defs": {"N": nested}}, "f")
    inner, depth = form.fields()[0], 1
    while inner.kind == "group":
        inner, depth = inner.fields[0], depth + 1
    assert (inner.kind, depth) == ("json", 4)
