"""What finished cases cost and saved: counted from what the ledger knows, and never more than that."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, update

from commands.look.value import columns, decided_after, fields, row, saved
from contracts.value import MinutesBefore
from ledger.db import Ledger, now_us
from ledger.figures.period import Period
from ledger.figures.value import MINUTE_US, Value, value
from ledger.tables import decision, gate, run
from ledger.views.details import Details, details
from tests import ledgers
from tests.ledger.books import Book, key

NOW = datetime.now(UTC)
ALL = Period(NOW - timedelta(days=1), NOW + timedelta(days=1))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger."""
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "files")
    ledgers.migrate(made)
    return made


def _decided(book: Book, minutes: int) -> None:
    """A plan gate that was open so long before a person decided."""
    book.ask(1, book.answer("plan"))
    at = now_us()
    words = dict.fromkeys(("note", "answers", "subject", "reason", "via"), "")
    said = {"verb": "approve", "by": "maria", "channel": "cli", "outcome": "won", "authenticated": False}

    def decide(connection: Connection) -> None:
        connection.execute(update(gate).where(gate.c.trace == book.trace).values(opened_at=at - minutes * MINUTE_US))
        connection.execute(
            decision.insert().values(id=key(book.trace, "said"), trace=book.trace, gate="plan-1", at=at, **words, **said)
        )

    book.ledger.tx_now(decide)


def _figures(ledger: Ledger, declared: MinutesBefore) -> dict[tuple[str, str], Value]:
    return ledger.read_now(value, ALL, declared)


def test_what_is_saved_lies_between_two_bounds(ledger: Ledger) -> None:
    """Two cases done and one not: the failed one's money counts, its minutes do not; waiting is the most that people took."""
    for minutes in (5, 10, 15):
        book = Book(ledger)
        book.call(key(book.trace), 400_000, 300_000)
        _decided(book, minutes)
        book.end("failed" if minutes == 15 else "done")
    [((pipeline, project), one)] = _figures(ledger, {}).items()
    assert (one.ended, one.finished, one.spent, one.per_case, one.waited_minutes) == (3, 2, 900_000, 450_000, 30)
    assert one.decisions["plan"].percentile(50) == 10 * MINUTE_US
    assert one.saved is None, "nothing is claimed where nobody has said what a case took"
    assert fields(pipeline, project, one)["saved_at_most_minutes"] is None
    [again] = _figures(ledger, {pipeline: 60}).values()
    assert again.saved == (2 * 60 - 30, 2 * 60)
    [own] = _figures(ledger, {pipeline: 60, f"{pipeline}/{project}": 20}).values()
    assert own.saved == (10, 40)
    shown = dict(zip(columns, row(pipeline, project, own), strict=True))
    assert (shown["SAVED"], shown["WAITED"], shown["DECIDED IN, P50/P95"]) == (
        "10 to 40 min",
        "30 min",
        "plan 10.0 min/15.0 min",
    )


def test_a_run_says_how_long_its_gates_waited_and_what_it_saved(ledger: Ledger) -> None:
    """By gate, with two bounds once a case's minutes are declared; nothing where it is not done."""
    book = Book(ledger)
    assert (decided_after(_details(ledger, book).people), saved(_details(ledger, book), {"Delivery": 60})) == ("", "")
    _decided(book, 5)
    book.end()
    found = _details(ledger, book)
    assert found.people.each == (("plan-1", 5 * MINUTE_US),)
    assert decided_after(found.people).startswith("decided plan-1 after 5.0 min; ")
    assert saved(found, {found.run.pipeline: 60}) == "55 to 60 min of the 60 min that a case took before"
    assert saved(found, {}) == ""
    other = Book(ledger)
    other.end("failed")
    assert saved(_details(ledger, other), {found.run.pipeline: 60}) == ""


def _details(ledger: Ledger, book: Book) -> Details:
    return ledger.read_now(details, book.trace, 5)


def test_outside_programs_make_every_cost_a_lower_bound(ledger: Ledger) -> None:
    """A run whose writer may be a program is marked, and its cost with it."""
    book = Book(ledger)
    book.store(key(book.trace), book.settle(book.reserve(key(book.trace), 400_000), 300_000), agent="writer@v1 (unmetered)")
    book.end()
    [((pipeline, project), one)] = _figures(ledger, {}).items()
    assert one.unmetered == 1
    assert "$0.30+?" in row(pipeline, project, one)


def test_what_did_not_end_in_the_period_does_not_count(ledger: Ledger) -> None:
    """Neither a run under way nor one that ended before."""
    Book(ledger)
    book = Book(ledger)
    book.end()
    before = update(run).where(run.c.trace == book.trace).values(ended_at=ALL.since_us - 1)
    ledger.tx_now(lambda connection: connection.execute(before))
    assert _figures(ledger, {"Delivery": 60}) == {}


@pytest.mark.parametrize("declared", [{"delivery": 60}, {"Delivery": 0}, {"Delivery": -5}, {"Delivery/": 5}])
def test_what_cannot_be_meant_is_refused(declared: dict[str, int]) -> None:
    """A name that is no pipeline's, no minutes, and a project without a name."""
    with pytest.raises(ValidationError):
        TypeAdapter(MinutesBefore).validate_python(declared)
