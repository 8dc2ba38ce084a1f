"""Rows of a file get into their table, each once, and every other row is kept apart with the rule that it breaks."""

import json
import sqlite3

import pytest
from sqlalchemy import URL
from temporalio.exceptions import ApplicationError

from activities.actions import sql_book
from activities.actions.adapter import NotSent
from activities.loads import records
from contracts.load import Counts
from tests.activities.loads.places import CONTRACT, MAPPING, Place, csv

BROKEN = {
    "type": ("x1,ann,5,", "id", "x1"),
    "required": ("2,,5,", "customer", None),
    "range": ("3,ann,-5,", "amount", "-5"),
    "places": ("4,ann,5.005,", "amount", "5.005"),
    "length": (f"5,{'a' * 21},5,", "customer", "a" * 21),
    "cells": ("6,ann,5", "", None),
    "table": ("7,ann,100000,", "", None),
    "number": ('8,ann,"1,5",', "amount", "1,5"),
}


def test_every_row_is_accounted_for_and_bad_ones_say_why(place: Place) -> None:
    """Each bad row says rule, column, value and line; the good rows around it are loaded; the target's own book adds up."""
    good = [f"{number},ann,{number}.50,2026-01-02" for number in range(100, 104)]
    counted = place.loaded(csv(*good[:2], *(row for row, _, _ in BROKEN.values()), *good[2:], good[0]))
    counts = counted.counts
    assert counted.problem == ""
    assert (counts.rows, counts.loaded, counts.duplicates, counts.quarantined) == (13, 4, 1, 8)
    assert [row[0] for row in place.rows()] == [100, 101, 102, 103]
    for line, ((rule, (_, column, value)), bad) in enumerate(zip(BROKEN.items(), place.bad(counted), strict=True), 4):
        assert (bad["_line"], bad["_rule"], bad["_column"]) == (line, rule, column)
        assert value is None or bad["_value"] == value
        assert bad["_why"]


def test_the_same_load_is_the_same_rows(place: Place) -> None:
    """Performed again, in another run or by another worker, a batch says what it came to; no row is there twice."""
    first = place.loaded(csv("1,ann,5,", "2,bob,6,"))
    again = place.loaded(csv("1,ann,5,", "2,bob,6,"))
    assert first == again
    assert len(place.rows()) == 2


def test_a_file_with_some_known_rows_loads_the_others(place: Place) -> None:
    """A row that is there with the same values is a duplicate; with other values it is set apart and changes nothing."""
    place.loaded(csv("1,ann,5.00,2026-01-02", "2,bob,6,"))
    counted = place.loaded(csv("1,ann,5,2026-01-02", "2,bob,7,", "3,cat,8,", "3,cat,9,"))
    assert (counted.counts.loaded, counted.counts.duplicates, counted.counts.quarantined) == (1, 1, 2)
    assert [(bad["_line"], bad["_rule"]) for bad in place.bad(counted)] == [(3, "key"), (5, "key")]
    assert "amount 6" in place.bad(counted)[0]["_why"]
    assert [(row[0], float(row[2])) for row in place.rows()] == [(1, 5.0), (2, 6.0), (3, 8.0)]


def test_a_dry_run_counts_and_leaves_nothing(place: Place) -> None:
    """It is what the load then comes to, and the table is as before it."""
    place.loaded(csv("1,ann,5,"))
    place.file(csv("1,ann,5,", "2,bob,100000,", "3,cat,8,"))
    planned = place.planned()
    assert (planned.dry.loaded, planned.dry.duplicates, planned.dry.quarantined) == (1, 1, 1)
    assert len(place.rows()) == 1
    assert any("dry run of all rows: read 3 = loaded 1 + quarantined 1 + duplicates 1" in fact for fact in planned.facts)


def test_what_was_approved_is_what_is_loaded(place: Place) -> None:
    """A file that is changed between approval and load loads nothing, and says so."""
    place.file(csv("1,ann,5,"))
    planned = place.planned()
    place.approved(planned)
    place.file(csv("1,ann,6,"))
    with pytest.raises(ApplicationError, match="has changed since it was approved"):
        place.batch(planned)
    assert place.rows() == []
    assert place.count(planned).problem == "the target has 0 of 1 batches"


def test_nothing_is_loaded_that_was_not_opened_there(place: Place) -> None:
    """Without the row that an approved action writes at the target no batch is taken."""
    place.file(csv("1,ann,5,"))
    planned = place.planned()
    with pytest.raises(ApplicationError, match="was not opened at the target"):
        place.batch(planned)
    assert place.rows() == []


def test_only_the_bad_rows_are_loaded_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from the quarantine with a better mapping they get in, and say the lines of the first file where they do not."""
    first = place.loaded(csv("1,ann,5,", '2,bob,"6,5",', '3,cat,"7,5",2026-02-30'))
    assert (first.counts.loaded, first.counts.quarantined) == (1, 2)
    fixed = {"columns": [one | ({"decimal": "comma"} if one["to"] == "amount" else {}) for one in MAPPING["columns"]]}
    place.file(place.sources.read(first.counts.quarantine[0]), "bad.jsonl")
    again = place.loaded(place.sources.read(first.counts.quarantine[0]), fixed, "bad.jsonl")
    assert (again.counts.rows, again.counts.loaded, again.counts.quarantined) == (2, 1, 1)
    assert [(bad["_line"], bad["_rule"], bad["_why"]) for bad in place.bad(again)] == [(4, "type", "there is no such day")]
    assert [row[0] for row in place.rows()] == [1, 2]


def test_rules_across_rows_and_tables(place: Place) -> None:
    """Further unique columns, an order of rows, and rows of another table that have to be there."""
    place.rows("create table customers (name text primary key)")
    place.rows("insert into customers values ('ann'), ('bob')")
    place.more = {"unique": [["placed"]], "increasing": ["amount"], "references": {"customer": "customers.name"}}
    rows = ("1,ann,1,2026-01-01", "2,bob,2,2026-01-02", "3,cat,3,2026-01-03", "4,ann,2.50,2026-01-04", "5,ann,4,2026-01-02")
    counted = place.loaded(csv(*rows, "6,bob,3.50,2026-01-06", "7,bob,5,"))
    assert [(bad["_line"], bad["_rule"], bad["_value"]) for bad in place.bad(counted)] == [
        (4, "reference", "cat"),
        (5, "order", "2.50"),
        (6, "unique", "2026-01-02"),
        (7, "order", "3.50"),
    ]
    assert [row[0] for row in place.rows()] == [1, 2, 7]
    later = place.loaded(csv("8,ann,1,2026-01-01"))
    assert [bad["_rule"] for bad in place.bad(later)] == ["unique"]


def test_batches_go_on_where_the_one_before_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are counted through, an order of rows holds across batches, and of two rows with one key the earlier counts."""
    monkeypatch.setattr(records, "ROWS", 3)
    place.more = {"increasing": ["amount"]}
    counted = place.loaded(csv(*(f'{number},"a\nb",{number},' for number in range(1, 8)), "8,late,2,", "1,other,9,"))
    assert counted.batches == counted.expected == 3
    assert [(bad["_line"], bad["_rule"]) for bad in place.bad(counted)] == [(16, "order"), (17, "key")]
    assert len(place.rows()) == 7


def test_a_table_that_does_not_keep_what_it_is_given_is_a_mismatch(place: Place) -> None:
    """A trigger that drops rows is noticed by the query in the same transaction, which is undone."""
    if place.url.startswith("sqlite"):
        place.rows("create trigger eats after insert on orders when new.id = 2 begin delete from orders where id = 2; end")
    else:
        place.rows("create function eats() returns trigger language plpgsql as 'begin return null; end'")
        place.rows("create trigger eats before insert on orders for each row when (new.id = 2) execute function eats()")
    place.file(csv("1,ann,5,", "2,bob,6,", "3,cat,7,"))
    with pytest.raises(ApplicationError, match="1 of them are not in it"):
        place.planned()
    assert place.rows() == []


def test_counts_that_do_not_add_up_are_told(place: Place) -> None:
    """The target's book is asked, and not whoever loaded."""
    place.file(csv("1,ann,5,"))
    planned = place.planned()
    place.approved(planned)
    place.batch(planned)
    place.rows("update baton_action_batch set loaded = 0")
    assert place.count(planned).problem == "read 1 ≠ loaded 0 + quarantined 0 + duplicates 0"


def test_counts_add() -> None:
    """Rules keep their first example."""
    one = Counts(rows=2, loaded=1, quarantined=1)
    assert one.with_(one).said() == "read 4 = loaded 2 + quarantined 2 + duplicates 0"


def test_a_row_that_cannot_be_read_removes_nothing(place: Place) -> None:
    """To reconcile, a row that breaks a rule may be the one that the table seems to have alone."""
    place.rows("insert into orders values (1, 'ann', 5, null), (2, 'bob', 6, null)")
    whole = place.reconciled(csv("1,ann,5,"), correct=True)
    assert [(one.kind, one.key) for one in whole.differences] == [("only_in_table", {"id": "2"})]
    assert [one.intent.summary for one in whole.corrections] == ["removes an order: id 2"]
    unreadable = place.reconciled(csv("1,ann,5,", "2,bob,x,"), correct=True)
    assert (unreadable.bad, len(unreadable.differences), unreadable.corrections) == (1, 1, ())


def test_a_value_that_is_too_long_to_keep_is_never_written_in_part(place: Place) -> None:
    """Its row is told with the beginning of it, and no correction of it is proposed; that of the next row is."""
    whole = CONTRACT | {"properties": CONTRACT["properties"] | {"customer": {"type": "string"}}}
    place.contract.write_text(json.dumps(whole))
    found = place.reconciled(csv(f"1,{'a' * 2001},5,", f"2,{'b' * 2000},5,"), correct=True)
    assert [one.key for one in found.differences] == [{"id": "1"}, {"id": "2"}]
    assert [json.loads(one.arguments)["values"]["customer"] for one in found.corrections] == ["b" * 2000]


def test_a_full_disk_at_the_target_is_no_bad_row_and_with_room_the_load_goes_on(
    books: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is undone as a whole and can be tried again: nothing is there twice, and nothing is in quarantine."""
    monkeypatch.setattr(records, "ROWS", 500)
    books.file(csv(*(f"{number},{'a' * 20},1," for number in range(1000))))
    planned = books.planned()
    books.approved(planned)
    books.batch(planned, 0)
    [(pages,)] = books.rows("pragma page_count")
    room = [pages]
    connect = sql_book._sqlite

    def small(url: URL, seconds: int) -> sqlite3.Connection:
        connection = connect(url, seconds)
        connection.execute(f"pragma max_page_count = {room[0]}")
        return connection

    monkeypatch.setattr(sql_book, "_sqlite", small)
    with pytest.raises(NotSent, match=r"the database books cannot be used: .*full"):
        books.batch(planned, 1)
    assert len(books.rows()) == 500
    assert books.count(planned).problem.endswith("the target has 1 of 2 batches")
    room[0] = pages * 100
    books.batch(planned, 1)
    counted = books.count(planned)
    assert (counted.problem, counted.counts.said()) == ("", "read 1000 = loaded 1000 + quarantined 0 + duplicates 0")
