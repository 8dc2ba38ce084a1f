"""Tables and contracts that cannot be loaded into say so before anything is mapped, and what to do about it."""

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field
from sqlalchemy.engine import make_url
from temporalio.exceptions import ApplicationError

from activities.loads.schema import columns_of
from contracts.errors import Misconfigured
from tests.activities.loads.places import Place, csv

OTHER = (
    ("drop table orders", "the database has no table orders"),
    ("alter table orders drop column placed", "has no column placed, which its contract has"),
    ("alter table orders rename column placed to day", "has no column placed"),
)


@pytest.mark.parametrize(("change", "says"), OTHER)
def test_a_table_that_is_another_is_refused(place: Place, change: str, says: str) -> None:
    """It is compared with its contract when the load starts."""
    place.rows(change)
    place.file(csv("1,ann,5,"))
    with pytest.raises(ApplicationError, match=says) as refused:
        place.examined()
    assert refused.value.type == "InputRefused"


def test_a_table_without_its_key_is_refused(place: Place) -> None:
    """Without a unique index a row could be there twice, whatever we do."""
    place.rows("drop table orders")
    place.rows("create table orders (id bigint, customer text not null, amount numeric not null, placed date)")
    place.file(csv("1,ann,5,"))
    with pytest.raises(ApplicationError, match="no unique index over id"):
        place.examined()
    place.rows("create unique index by_id on orders (id)")
    assert place.examined().rows == 1


def test_a_table_that_needs_more_than_its_contract_is_refused(place: Place) -> None:
    """No row could be inserted."""
    place.rows("drop table orders")
    place.rows(
        "create table orders (id bigint primary key, customer text not null, amount numeric not null, placed date, "
        "shop text not null, made integer not null default 1)"
    )
    place.file(csv("1,ann,5,"))
    with pytest.raises(ApplicationError, match="needs a value for shop, which"):
        place.examined()


def test_a_table_that_is_gone_at_the_load_is_told(place: Place) -> None:
    """After the approval, too; nothing is half done."""
    place.file(csv("1,ann,5,"))
    planned = place.planned()
    place.approved(planned)
    place.rows("drop table orders")
    with pytest.raises(ApplicationError):
        place.batch(planned)
    assert place.count(planned).batches == 0


def test_what_the_database_has_no_room_for_is_a_bad_row(postgresql: Place) -> None:
    """Nothing is cut or rounded there: limits of its types are rules, and what it cannot read is told in its own words."""
    place = postgresql
    place.rows("drop table orders")
    place.rows("create type colour as enum ('red', 'blue')")
    columns = "customer varchar(3) not null, amount numeric(4,1) not null, placed colour"
    place.rows(f"create table orders (id integer primary key, {columns})")
    properties = {"id": {"type": "integer"}, "customer": {"type": "string"}, "placed": {"type": ["string", "null"]}}
    amount = {"type": "string", "format": "decimal"}
    place.contract.write_text(
        json.dumps({"type": "object", "properties": properties | {"amount": amount}, "required": ["id", "customer", "amount"]})
    )
    rows = ("1,ann,5.5,red", "2,anna,1,red", "3,bob,1.25,red", "4,cat,1234,red", "5,dan,1,green", "3000000000,eve,1,red")
    counted = place.loaded(csv(*rows, "6,fay,999.9,blue"))
    assert [(bad["_line"], bad["_rule"], bad["_column"]) for bad in place.bad(counted)] == [
        (3, "length", "customer"),
        (4, "places", "amount"),
        (5, "range", "amount"),
        (6, "table", "placed"),
        (7, "range", "id"),
    ]
    assert [row[0] for row in place.rows()] == [1, 6]


def test_a_time_without_its_zone_is_no_column(postgresql: Place) -> None:
    """PostgreSQL would drop the zone without a word."""
    place = postgresql
    place.rows("create table seen (id bigint primary key, at timestamp not null)")
    place.contract.write_text(
        json.dumps(
            {"type": "object", "properties": {"id": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}}}
        )
    )
    place.more = {"table": "seen"}
    place.file("id,at\n1,2026-01-01T00:00:00Z\n")
    with pytest.raises(ApplicationError, match="keeps at without its zone"):
        place.examined()


def test_a_role_without_rights_is_told(postgresql: Place) -> None:
    """In the dry run, before anybody is asked; the database's own words say which right is missing."""
    place = postgresql
    place.rows("create role reader login")
    place.rows("grant select on orders to reader")
    place.file(csv("1,ann,5,"))
    place.url = make_url(place.url).set(username="reader").render_as_string(hide_password=False)
    with pytest.raises(ApplicationError, match="permission denied for table orders") as refused:
        place.planned()
    assert refused.value.type == "InputRefused"


class Order(BaseModel):
    """A row, as pydantic has it."""

    id: int = Field(gt=0)
    colour: Literal["red", "blue"] = "red"
    note: str | None = Field(default=None, max_length=5)


def test_a_pydantic_class_is_a_contract() -> None:
    """Optional fields may be missing, limits are rules, and literals are choices."""
    found = {one.name: one for one in columns_of("orders", "tests.activities.loads.test_tables:Order")}
    assert (found["id"].type, found["id"].above, found["id"].required) == ("integer", "0", True)
    assert (found["colour"].choices, found["colour"].required) == (("red", "blue"), False)
    assert (found["note"].type, found["note"].longest, found["note"].required) == ("text", 5, False)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "object"}, "no object with properties"),
        (
            {"type": "object", "properties": {"a": {"type": "string", "contentEncoding": "x"}}},
            "uses contentEncoding, which is not checked",
        ),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "minProperties": 1}, "uses minProperties"),
        ({"type": "object", "properties": {"a": {"type": ["string", "integer"]}}}, "may be string or integer"),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, "is array"),
        ({"type": "object", "properties": {"a": {"type": "string", "format": "email"}}}, "format email"),
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}, "no regular expression"),
        ({"type": "object", "properties": {"a": {"type": "number", "multipleOf": 0.3}}}, "multipleOf 0.3"),
        ({"type": "object", "properties": {"A b": {"type": "string"}}}, "property 'A b'"),
        ([], "no JSON object"),
    ],
)
def test_a_rule_that_is_not_checked_is_refused(tmp_path: Any, schema: Any, says: str) -> None:
    """Never ignored: whoever wrote it relies on it."""
    (tmp_path / "row.json").write_text(json.dumps(schema))
    with pytest.raises(Misconfigured, match=says):
        columns_of("orders", str(tmp_path / "row.json"))
