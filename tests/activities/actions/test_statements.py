"""`sql.execute`: declared statements only, values of the declared types, and the key in the same transaction."""

import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import create_engine, text

from activities.actions.adapter import NotSent, TargetRefused
from activities.actions.declared import Targets
from activities.actions.sql_execute import SqlExecuteAdapter
from contracts.actions import Receipt
from contracts.effects.sql_execute import SqlExecute
from contracts.effects.targets import SqlTarget
from contracts.errors import ContractViolation, Misconfigured, Refused
from tests.activities.actions.cases import PAY, REFUND
from tests.postgres import Postgres

NOW = datetime(2026, 11, 20, tzinfo=UTC)
WANTED = {"target": "books", "event": "pay/7", "statement": "pay", "values": {"cents": 7, "name": "olga"}}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with one account."""
    if request.param == "sqlite":
        sqlite3.connect(tmp_path / "books.db").close()
        found = f"sqlite:///{tmp_path}/books.db"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        found = server.url(server.create())
    engine = create_engine(found)
    with engine.begin() as connection:
        connection.execute(text("create table account (name text primary key, cents integer not null check (cents >= 0))"))
        connection.execute(text("insert into account values ('olga', 1000)"))
    engine.dispose()
    return found


def asked(url: str, query: str) -> list[Any]:
    """What the database has."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return rows


def adapter(url: str, **statements: Any) -> SqlExecuteAdapter:
    """An adapter of one database."""
    table = SqlTarget.model_validate({"kind": "sql", "url": url, "statements": {"pay": PAY, "refund": REFUND} | statements})
    return SqlExecuteAdapter(Targets({"books": table}))


def stored(**changes: Any) -> bytes:
    """Arguments as they are kept."""
    return SqlExecute.read_typed_by_people(WANTED | changes).stored()


def test_statement_and_key_are_committed_together(url: str) -> None:
    """Sent by two at once and found after that: executed once. The compensation is an event of its own."""
    sender, given = adapter(url), list[str]()
    assert sender.find(stored()) is None
    both = [threading.Thread(target=lambda: given.append(sender.send(stored(), NOW))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert given == ["pay: 1 rows"] * 2
    assert (asked(url, "select cents from account"), sender.find(stored())) == ([(993,)], "pay: 1 rows")
    receipt = Receipt(key="0" * 64, type="pay", state="delivered", summary="paid")
    back = sender.compensation(stored(), receipt)
    assert isinstance(back, SqlExecute)
    assert (back.event, back.statement, back.values) == ("undo pay/7", "refund", {"cents": 7, "name": "olga"})
    assert sender.send(back.stored(), NOW) == "refund: 1 rows"
    assert asked(url, "select cents from account") == [(1000,)]
    assert sender.compensation(back.stored(), receipt) is None
    with pytest.raises(TargetRefused, match="has executed pay/7 with other values"):
        sender.find(stored(values={"cents": 8, "name": "olga"}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"values": {"cents": 2000, "name": "olga"}}, "refused pay: .*(?i:check)"),
        ({"values": {"cents": 7, "name": "otto"}}, "would have changed 0 rows and not 1, so it was undone"),
        ({"statement": "broken", "values": {}}, "refused broken: "),
        ({"statement": "broken-name", "values": {}}, "refused broken-name: "),
    ],
)
def test_what_the_database_refuses_leaves_nothing(url: str, changes: dict[str, Any], said: str) -> None:
    """A rule of a table, another number of rows, a wrong statement: refused for good; not even the key is left."""
    broken = {"about": "is wrong", "sql": "updat account"}
    sender = adapter(url, broken=broken, **{"broken-name": broken | {"sql": "update accounts set cents = 0"}})
    with pytest.raises(TargetRefused, match=said):
        sender.send(stored(**changes), NOW)
    assert asked(url, "select cents from account") == [(1000,)]
    assert asked(url, "select count(*) from baton_action") == [(0,)]
    assert sender.send(stored(), NOW) == "pay: 1 rows"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"statement": "drop"}, "declares no statement 'drop'; it has pay, refund"),
        ({"target": "other"}, "no target is called 'other' here; there are books"),
        ({"values": {"cents": 7}}, "pay takes cents, name; got cents"),
        ({"values": {"cents": 7, "name": "olga", "more": 1}}, "got cents, more, name"),
        ({"values": {"cents": "7", "name": "olga"}}, 'cents is declared as integer; got "7"'),
        ({"values": {"cents": True, "name": "olga"}}, "cents is declared as integer; got true"),
        ({"values": {"cents": 7, "name": 7}}, "name is declared as text; got 7"),
    ],
)
def test_what_is_not_declared_is_refused_without_asking(changes: dict[str, Any], said: str) -> None:
    """No database is needed for that, and none is asked: the URL leads nowhere."""
    with pytest.raises(Refused, match=said):
        adapter("sqlite:////nowhere/books.db").check(stored(**changes))


def test_numbers_with_a_fraction_are_text() -> None:
    """A float is refused by name; a decimal is written as text."""
    with pytest.raises(ContractViolation, match=r"values\.cents"):
        stored(values={"cents": 7.5, "name": "olga"})
    price = {"about": "sets a price", "sql": "update account set cents = :price", "parameters": {"price": "decimal"}}
    sender = adapter("sqlite:////nowhere/books.db", price=price)
    assert 'price = "7.50"' in sender.check(stored(statement="price", values={"price": "7.50"}))
    for wrong in ("seven", "NaN", "1e999999999", True):
        with pytest.raises(Refused, match="price is a decimal"):
            sender.check(stored(statement="price", values={"price": wrong}))


def test_a_database_that_is_not_there_is_tried_again_and_not_made(tmp_path: Path) -> None:
    """Nothing was sent; a wrong path makes no empty database."""
    with pytest.raises(NotSent, match="cannot be used"):
        adapter(f"sqlite:///{tmp_path}/wrong.db").send(stored(), NOW)
    assert list(tmp_path.iterdir()) == []


def test_tables_that_cannot_be_meant_are_refused() -> None:
    """An undo that is not declared, or has values of its own; a statement whose parameters are others."""
    for changed, said in (
        (PAY | {"undo": "no"}, "undo names no, which is not declared here"),
        (PAY | {"parameters": {"cents": "text", "name": "text"}}, "has parameters that pay has not, or of other types"),
    ):
        with pytest.raises(ValidationError, match=said):
            adapter("sqlite:///x.db", pay=changed)
    with pytest.raises(Misconfigured, match="declares no parameters, and its sql has cents, name"):
        adapter("sqlite:///x.db", other=PAY | {"parameters": {}, "undo": None}).check(stored(statement="other", values={}))
