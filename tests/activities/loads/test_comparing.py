"""Two sides are compared by the key that was named: files with files, files with tables, tables with tables."""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.loads import records
from contracts.errors import ContractViolation
from contracts.reconcile import Difference, Reconciled
from tests.activities.loads.places import TABLE, Place, csv

BANK = "Day;Customer Name;Total\n05.01.2026;ann;12,51\n06.01.2026;bob;8,00\n07.01.2026;cat;x\n08.01.2026;dan;1,00\n"
BOOKS = "day,customer,total,note\n2026-01-05,ann,12.50,a\n2026-01-06,bob,8.0,b\n2026-01-08,dan,1.25,c\n2026-01-09,eve,3,d\n"
READ = {
    "columns": [
        {"to": "day", "source": "Day", "date": "day_first"},
        {"to": "customer", "source": "Customer Name"},
        {"to": "total", "source": "Total", "decimal": "comma"},
    ]
}


def _said(found: Reconciled) -> list[tuple[str, str]]:
    return [(one.kind, one.said()) for one in found.differences]


def test_two_files_are_compared_by_any_columns_each_with_its_own_tolerance(
    books: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Differences name both files and lines; a cell that cannot be read is counted and not guessed; no file of ours is left."""
    monkeypatch.setattr(records, "ROWS", 2)
    books.file(BANK, "bank.csv")
    books.file(BOOKS)
    found = books.compared(
        reconcile="bank.csv", against="orders.csv", key="customer, day", mapping=READ, tolerances="total=0.01"
    )
    assert (found.compared, found.bad, found.alone, found.corrections) == (3, 1, "note", ())
    assert _said(found) == [
        ("values", "customer dan, day 2026-01-08, line 5: total: 1.00 in bank.csv, 1.25 in orders.csv"),
        ("only_in_right", "customer eve, day 2026-01-09, line 5"),
    ]
    assert json.loads(books.sources.read(found.artifact).splitlines()[0])["kind"] == "values"
    assert list((books.folder / "copies").iterdir()) == []
    exactly = books.compared(reconcile="bank.csv", against="orders.csv", key="customer,day", mapping=READ)
    assert [one.key["customer"] for one in exactly.differences] == ["ann", "dan", "eve"]


def test_files_of_other_formats_are_compared_by_the_names_of_their_columns(books: Place) -> None:
    """Without a mapping a name counts in small letters; text is text, and one tolerance is for whatever is a number."""
    books.file("Order No,Zip,Rate\n1,007,0.30\n2,08,1.10\n", "left.csv")
    books.file('{"order_no": 1, "zip": "7", "rate": 0.1}\n{"order_no": 2, "zip": "08", "rate": 1}\n', "right.jsonl")
    found = books.compared(reconcile="left.csv", against="right.jsonl", key="order_no")
    assert [[cell.column for cell in one.cells] for one in found.differences] == [["zip", "rate"], ["rate"]]
    near = books.compared(reconcile="left.csv", against="right.jsonl", key="order_no", tolerances="rate=0.1")
    assert [[cell.column for cell in one.cells] for one in near.differences] == [["zip", "rate"]]


def _with_duckdb(path: Path) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"copy (select 1 as id, 'ann' as customer, 5.5 as amount) to '{path}' (format parquet)")


def test_parquet_is_one_of_two_sides(books: Place) -> None:
    """Its values are compared as text, and as numbers where a tolerance says so."""
    _with_duckdb(books.folder / "inbox" / "left.parquet")
    books.file(csv("1,ann,5.50,"))
    found = books.compared(reconcile="left.parquet", against="orders.csv", key="id", tolerances="amount=0")
    assert (found.compared, found.differences, found.alone) == (1, (), "placed")


def test_a_key_that_is_there_twice_is_told_with_both_counts_and_not_compared(place: Place) -> None:
    """On either side, against a file and against a table, in both databases."""
    place.rows("insert into orders values (1, 'ann', 5, null), (2, 'ann', 6, null), (3, 'bob', 7, null), (4, 'cat', 1, null)")
    mapping: dict[str, Any] = {"columns": [{"to": name, "source": name} for name in ("customer", "amount")]}
    twice = csv("1,ann,5,", "2,bob,7,", "3,bob,8,", "4,cat,3,", "5,dan,9,")
    found = place.reconciled(twice, mapping, key="customer", correct=True)
    assert _said(found) == [
        ("duplicate", "customer ann, line 2: 1 row in the file, 2 in the table; none is compared"),
        ("duplicate", "customer bob, line 3: 2 rows in the file, 1 in the table; none is compared"),
        ("only_in_file", "customer dan, line 6"),
        ("values", found.differences[3].said()),
    ]
    # Which row it is there, the table says; and a new row has no id that anybody could know.
    assert [json.loads(one.arguments)["values"] | {"amount": 0} for one in found.corrections] == [
        {"id": 4, "customer": "cat", "amount": 0}
    ]
    place.file(twice, "left.csv")
    place.file(csv("1,ann,5,", "1,ann,5,", "2,bob,7,", "9,cat,3,"), "right.csv")
    files = place.compared(reconcile="left.csv", against="right.csv", key="customer")
    assert [(one.kind, one.key["customer"], one.rows) for one in files.differences] == [
        ("duplicate", "ann", (1, 2)),
        ("duplicate", "bob", (2, 1)),
        ("only_in_left", "dan", None),
        ("values", "cat", None),
    ]


def test_two_tables_of_a_target_are_compared_there(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the key of the second or another one; what would mend the second is proposed for it alone."""
    place.rows(f"create table ledger ({TABLE})")
    place.rows(
        "insert into ledger values (1, 'ann', 5, null), (2, 'bob', 6.005, null), (3, 'cat', 7, null)".replace("6.005", "6.01")
    )
    place.rows("insert into orders values (1, 'ann', 5, null), (2, 'bob', 6, null), (4, 'dan', 7, null)")
    more = {"about": "the ledger", "table": "ledger", "row": str(place.contract), "key": ["id"]}
    targets = type(place).targets
    monkeypatch.setattr(type(place), "targets", property(lambda self: _and(targets.fget(self), more)))
    found = place.compared(reconcile_table="ledger", correct=True)
    assert [(one.kind, one.key["id"]) for one in found.differences] == [
        ("only_in_left", "3"),
        ("values", "2"),
        ("only_in_right", "4"),
    ]
    assert "6.01 in table ledger" in found.differences[1].said()
    assert [one.intent.summary.split(":")[0] for one in found.corrections] == [
        "adds an order",
        "corrects an order",
        "removes an order",
    ]
    assert len(place.compared(reconcile_table="ledger", tolerances="amount=0.01").differences) == 2
    with pytest.raises(ApplicationError, match="declares no table 'payroll'"):
        place.compared(reconcile_table="payroll")
    place.rows("drop table ledger")


def _and(targets: Any, more: dict[str, Any]) -> Any:
    from activities.actions.declared import Targets
    from contracts.effects.targets import SqlTarget

    books = targets.get("books", SqlTarget)
    table = type(books.tables["orders"]).model_validate(more)
    return Targets({"books": books.model_copy(update={"tables": books.tables | {"ledger": table}})})


def test_numbers_are_as_far_apart_as_they_are_written(place: Place) -> None:
    """1.10 and 1.00 are 0.10 apart, whatever binary fractions make of it; and a file without rows leaves the table's over."""
    place.rows("insert into orders values (1, 'ann', 1.00, null)")
    assert place.reconciled(csv("1,ann,1.10,"), tolerance="0.1").differences == ()
    assert len(place.reconciled(csv("1,ann,1.10,"), tolerance="0.09").differences) == 1
    assert [one.kind for one in place.reconciled(csv()).differences] == ["only_in_table"]


def test_columns_that_nothing_is_mapped_to_are_not_compared_and_not_overwritten(books: Place) -> None:
    """A row is not changed by a statement that needs a value which nobody compared."""
    books.rows("insert into orders values (1, 'ann', 5, null)")
    mapping: dict[str, Any] = {"columns": [{"to": name, "source": name} for name in ("id", "amount")]}
    found = books.reconciled(csv("1,bob,6,"), mapping, correct=True)
    assert [[cell.column for cell in one.cells] for one in found.differences] == [["amount"]]
    assert found.corrections == ()


def test_memory_does_not_grow_with_the_rows(books: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than two batches are held at a time, however many there are."""
    import gc
    import weakref

    import activities.loads.comparing as comparing

    monkeypatch.setattr(records, "ROWS", 10)
    alive: list[weakref.ref[Any]] = []
    most = []
    rows_of = comparing.rows_of

    def counting(*given: Any) -> Any:
        found = rows_of(*given)
        alive.append(weakref.ref(found))
        gc.collect()
        most.append(sum(one() is not None for one in alive))
        return found

    monkeypatch.setattr(comparing, "rows_of", counting)
    for name in ("left.csv", "right.csv"):
        books.file(csv(*(f"{number},ann,5," for number in range(100))), name)
    assert books.compared(reconcile="left.csv", against="right.csv", key="id").differences == ()
    assert (len(most), max(most)) == (20, 2)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"against": "b.csv", "key": "id", "correct": True}, "leave out target, table and correct"),
        ({"against": "b.csv"}, "two files have no key of their own"),
        ({"against": "b.csv", "key": "id;name"}, "'id;name' is no column"),
        ({"against": "b.csv", "key": "id,id"}, "name each column once"),
        ({"against": "b.csv", "key": "id", "tolerances": "amount"}, "'amount' is none; write each column once"),
        ({"against": "b.csv", "key": "id", "tolerances": "amount=-1"}, "'amount=-1' is none"),
        ({"against": "b.csv", "key": "id", "tolerances": "id=1"}, "id is of the key"),
        ({"target": "books", "against_mapping": READ}, "name the target and its table"),
        ({"target": "books", "table": "orders", "against_mapping": READ}, "against_mapping is for the file"),
        ({"target": "books", "table": "orders", "reconcile": None, "against": "b.csv", "file": "a"}, "name the first one"),
    ],
)
def test_a_comparison_that_means_nothing_is_refused(books: Place, asked: dict[str, Any], says: str) -> None:
    """Before a run is started, by what is wrong with it."""
    with pytest.raises(ContractViolation, match=says):
        books.asked(**{"file": None, "target": None, "table": None, "reconcile": "a.csv"} | asked)


@pytest.mark.parametrize(
    ("left", "asked", "says"),
    [
        ("a b,a_b\n1,2\n", {"key": "a_b"}, "are both a_b; name them by a mapping"),
        ("ident,amount\n1,2\n", {"key": "id"}, "id is not in both files; these are: amount"),
        (csv("1,ann,5,"), {"key": "id", "tolerances": "price=1"}, "price is not in both files"),
        (
            csv("1,ann,5,"),
            {"key": "id", "mapping": {"columns": [{"to": "id", "source": "no"}]}},
            "left.csv: id: the file has no",
        ),
        ("", {"key": "id"}, "left.csv is empty"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(books: Place, left: str, asked: dict[str, Any], says: str) -> None:
    """With what both have, and what to do."""
    books.file(left, "left.csv")
    books.file(csv("1,ann,5,"), "right.csv")
    with pytest.raises(ApplicationError, match=says):
        books.compared(reconcile="left.csv", against="right.csv", **asked)


def test_a_key_or_tolerance_that_the_table_does_not_have_is_refused(books: Place) -> None:
    """As are tolerances of what is no number."""
    for asked, says in (
        ({"key": "colour"}, "colour is not on both sides"),
        ({"tolerances": "customer=1"}, "is no number that is compared"),
    ):
        with pytest.raises(ApplicationError, match=says):
            books.reconciled(csv("1,ann,5,"), **asked)


def test_a_difference_of_before_reads_as_it_did() -> None:
    """Stored reports have neither counts nor the names of sides."""
    old = {"kind": "values", "key": {"id": "1"}, "line": 2, "cells": [{"column": "amount", "file": "1", "table": "2"}]}
    assert Difference.model_validate(old).model_dump(mode="json") == old
    assert Difference.model_validate(old).said() == "id 1, line 2: amount: 1 in the file, 2 in the table"
