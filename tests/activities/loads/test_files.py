"""Files as people have them: each is loaded as it was meant, or says what cannot be known and what to do."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from temporalio.exceptions import ApplicationError

from activities.loads import records
from contracts.errors import ContractViolation
from tests.activities.loads.places import MAPPING, Place, csv

TWO = csv("1,ann,5,2026-01-02", "2,bob,6,")
LOADED = [(1, "ann"), (2, "bob")]
WORDS = 'id,customer,amount,placed\n1,"ann, the first\nof two lines",5,\n2,"said ""no""",6,\n'


def ids(place: Place) -> list[Any]:
    """What was loaded."""
    return place.rows("select id, customer from orders order by id")


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (TWO.encode("utf-8-sig"), {}),
        (TWO.encode("utf-16"), {}),
        (TWO.encode("utf-16-le"), {"encoding": "utf-16-le"}),
        (TWO.encode(), {"encoding": "cp1252"}),
        (TWO.replace("\n", "\r\n").encode(), {}),
        (TWO.replace("\n", "\r").encode(), {}),
        (TWO.rstrip("\n").encode(), {}),
        (TWO.replace("\n", "\n\n").encode(), {}),
        (TWO.replace(",", ";").encode(), {}),
        (TWO.replace(",", "\t").encode(), {}),
        (TWO.replace(",", "|").encode(), {"delimiter": "|"}),
        (TWO.replace(",", "\t").encode(), {"delimiter": "tab"}),
        (TWO.replace("1,ann", " 1 , ann ").encode(), {}),
    ],
)
def test_the_same_rows_in_many_forms(books: Place, content: bytes, more: dict[str, Any]) -> None:
    """Marks, encodings, line ends, delimiters, blank lines and spaces change nothing."""
    counted = books.loaded(content, **more)
    assert (counted.counts.said(), ids(books)) == ("read 2 = loaded 2 + quarantined 0 + duplicates 0", LOADED)


def test_quotes_hold_delimiters_and_line_ends(place: Place) -> None:
    """And what the database has is what stood there, tabs and backslashes included."""
    place.contract.write_text(
        json.dumps({"type": "object", "properties": {"id": {"type": "integer"}, "customer": {"type": "string"}}})
    )
    mapping = {"columns": [{"to": "id", "source": "id"}, {"to": "customer", "source": "customer", "trim": False}]}
    place.rows("alter table orders rename to former")
    place.rows("create table orders (id bigint primary key, customer text)")
    counted = place.loaded(WORDS + '3,"tab\tback\\slash \\N \\.",7,\n4,ünï✓,1,\n', mapping)
    assert counted.problem == ""
    texts = ["ann, the first\nof two lines", 'said "no"', "tab\tback\\slash \\N \\.", "ünï✓"]
    assert ids(place) == list(enumerate(texts, 1))


@pytest.mark.parametrize(
    ("content", "more", "says"),
    [
        (b"", {}, "orders.csv is empty"),
        (b"\n\n", {}, "it has not even a header"),
        (b"id,total,total\n1,2,3\n", {}, "names total more than once"),
        (b"id,customer,amount\n1,Ren\xe9,5\n", {}, "line 2 holds the byte E9, which is not UTF-8"),
        (b"\xef\xbb\xbfid\n1\n", {"encoding": "utf-16"}, "begins with the mark of utf-8"),
        (TWO.encode("utf-16-le"), {"encoding": "cp1252"}, "so it is no text in this encoding"),
        (TWO.encode(), {"encoding": "klingon"}, "there is no encoding 'klingon'"),
        (TWO.encode(), {"encoding": "base64"}, "is no encoding of text"),
        (TWO.encode(), {"delimiter": "::"}, "is no single character"),
        (b"a,b;c\n1,2;3\n", {}, "rows can be cut at ',' or at ';' into 2 columns each; say the delimiter"),
        (b'id,customer,amount\n1,"ann,5\n2,bob,6\n', {}, "a quote that is opened in the row of line 2 is never closed"),
        (b"[]\n", {"format": "jsonl"}, "the file is empty: it has no row that names a column"),
        (b"PAR1 and no more", {"format": "parquet"}, "cannot be read as Parquet"),
    ],
)
def test_what_cannot_be_known_is_refused_with_what_to_do(books: Place, content: bytes, more: dict[str, Any], says: str) -> None:
    """Nothing is guessed between two meanings."""
    books.file(content)
    with pytest.raises(ApplicationError, match=says) as refused:
        books.examined(**more)
    assert refused.value.type == "InputRefused"


def test_a_header_alone_is_a_file_without_rows(books: Place) -> None:
    """As it comes from a day on which nothing happened."""
    books.file(csv())
    assert books.examined().rows == 0


def test_bytes_of_another_encoding_are_kept_apart(place: Place) -> None:
    """Where UTF-8 was said, only the rows that are none are bad, and their bytes are still known."""
    counted = place.loaded(csv("1,ann,5,").encode() + b"2,Ren\xe9,6,\n", encoding="utf-8")
    assert [(bad["_line"], bad["_rule"], bad["customer"]) for bad in place.bad(counted)] == [(3, "encoding", "Ren\udce9")]
    assert len(place.rows()) == 1


def test_a_row_that_is_no_row_is_one_bad_row(books: Place) -> None:
    """Text behind a quote, too many cells and too few: the rows after it are as they were."""
    counted = books.loaded(csv("1,ann,5,", '2,"bob"x,6,', "3,cat,7,,,", "4,dan,8", "5,eve,9,"))
    assert [(bad["_line"], bad["_rule"]) for bad in books.bad(counted)] == [(3, "format"), (4, "cells"), (5, "cells")]
    assert [row[0] for row in books.rows()] == [1, 5]


def test_a_cell_of_ten_megabytes(place: Place) -> None:
    """It is too long for its column, and says so; the rows beside it are loaded."""
    counted = place.loaded(csv("1,ann,5,", f"2,{'x' * 10_000_000},6,", "3,cat,7,"))
    bad = place.bad(counted)[0]
    assert (bad["_line"], bad["_rule"], len(bad["_value"])) == (3, "length", 10_000_000)
    assert len(counted.counts.rules[0].example) < 300
    assert [row[0] for row in place.rows()] == [1, 3]


def test_a_quote_that_takes_everything_is_bounded(books: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that does not end is refused before it fills the memory."""
    monkeypatch.setattr(records, "RECORD", 1000)
    books.file(csv("1,ann,5,", '2,"bob,6,', *(f"{number},cat,7," for number in range(1000))))
    with pytest.raises(ApplicationError, match="has more than 1000 bytes; is a quote not closed"):
        books.examined()


def test_json_lines(place: Place) -> None:
    """Values keep their digits; what is no single value, or named twice, is a bad row."""
    lines = (
        '{"id": 1, "customer": "ann", "amount": 5.10, "placed": null}',
        '{"customer": "bob", "id": "2", "amount": "6"}',
        '{"id": 3, "customer": ["cat"], "amount": 7}',
        '{"id": 4, "id": 5, "customer": "dan", "amount": 8}',
        "[1, 2]",
        '{"id": 6, "customer": "eve", "amount": NaN}',
        "{broken",
    )
    counted = place.loaded("\n".join(lines), name="orders.jsonl")
    assert ids(place) == LOADED
    assert [(bad["_line"], bad["_rule"]) for bad in place.bad(counted)] == [
        *((3, "format"), (4, "format"), (5, "format"), (6, "type"), (7, "format"))
    ]


def test_parquet(place: Place) -> None:
    """Numbers, dates and missing values arrive as they are; a file that is replaced after the approval is another one."""
    path = place.folder / "inbox" / "orders.parquet"
    rows = "(values (1, 'ann', 5.10, date '2026-01-02'), (2, 'bob', 6, null)) t(id, customer, amount, placed)"
    duckdb.sql(f"copy (select * from {rows}) to '{path}' (format parquet)")
    planned = place.planned(name=path.name)
    place.approved(planned)
    assert place.batch(planned).loaded == 2
    assert [(row[0], row[1], float(row[2]), str(row[3])) for row in place.rows()] == [
        (1, "ann", 5.1, "2026-01-02"),
        (2, "bob", 6.0, "None"),
    ]
    duckdb.sql(f"copy (select 1 as id, [1, 2] as customer) to '{path}' (format parquet)")
    with pytest.raises(ApplicationError, match="'customer' is INTEGER\\[\\], which is no single value"):
        place.examined(name=path.name)


def test_files_are_read_below_their_folder_alone(books: Place, tmp_path: Path) -> None:
    """No path leads out of it, no link, and no folder that is not declared."""
    (tmp_path / "secret.csv").write_text(TWO)
    (books.folder / "inbox" / "link.csv").symlink_to(tmp_path / "secret.csv")
    for name, says in (("../secret.csv", "leads upwards"), ("link.csv", "symbolic link"), ("/etc/passwd", "absolute")):
        with pytest.raises(ApplicationError, match=says):
            books.examined(name=name, format="csv")
    with pytest.raises(ApplicationError, match="no folder is called 'outbox' here"):
        books.examined(folder="outbox")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"mapping": '{"columns": 3}'}, "mapping is none: mapping/1: columns"),
        ({"mapping": "{{"}, "mapping is none"),
        ({"mapping": {"columns": [{"to": "id", "source": "id", "table": "payroll"}]}}, "columns.0.table"),
        ({"again": "load-1"}, "give one of file, again, reconcile and reconcile_table"),
        ({"folder": None}, "name the folder of the file"),
        ({"tolerance": "0.1"}, "tolerance, tolerances, key and correct are for reconcile"),
    ],
)
def test_an_input_that_means_nothing_is_refused_by_its_field(books: Place, given: dict[str, Any], says: str) -> None:
    """Before a run is started, in the words of the input."""
    with pytest.raises(ContractViolation, match=says):
        books.asked(**given)


def test_a_mapping_is_checked_against_both_sides(books: Place) -> None:
    """Each problem is named, so that an agent or a person can correct it."""
    books.file(TWO)
    wrong = {
        "columns": [
            {"to": "id", "source": "number"},
            {"to": "colour", "value": "red"},
            {"to": "customer", "source": "customer", "value": "x"},
            {"to": "placed", "source": "placed", "zone": "Mars/Phobos"},
        ]
    }
    problem = books.planned(wrong).problem
    for says in (
        "the file has no column 'number'",
        "no column 'colour'",
        "either source",
        "no zone 'Mars/Phobos'",
        "mapped to amount",
    ):
        assert says in problem
    assert books.planned(MAPPING).problem == ""
