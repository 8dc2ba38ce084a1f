"""What people wait for is read by indexes: none of it goes through a table that grows with every run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text

from contracts.errors import NotFound
from contracts.money import Ceilings
from ledger import folding
from ledger.db import Ledger
from ledger.figures import approvals, ceilings, charges, forecast, quality
from ledger.figures.costs import Wanted, costs, in_flight
from ledger.figures.period import Period
from ledger.views.details import details
from ledger.views.feed import Filter, newest
from ledger.views.money import lost_calls
from ledger.views.runs import find_run, recent
from ledger.views.status import status
from tests.ledger.books import Book, key

NOW = datetime.now(UTC)
MONTH = Period(NOW - timedelta(days=30), NOW)
LARGE = frozenset({"feed", "turn", "tool_result", "reservation", "handoff", "claim", "edge", "seen", "kept_spending"})
"""Tables of which every run has many rows."""

PARTIAL = frozenset({"ix_reservation_held", "ix_reservation_lost"})
"""Indexes of few rows: to go through one of these is what it is there for."""

BACKWARDS = {"status": frozenset({"feed"})}
"""What reads a table from its newest row until it has found one, and finds it among the last."""

READS: dict[str, Callable[[Connection], object]] = {
    "status": lambda connection: status(connection, Ceilings(), "baton"),
    "runs": recent,
    "show": lambda connection: details(connection, "trace-of-nobody", 5),
    "spend by day": lambda connection: charges.spending(connection, MONTH, "day"),
    "spend by run": lambda connection: charges.spending(connection, MONTH, "run", "default"),
    "month": lambda connection: forecast.month(connection, NOW, timedelta(0)),
    "figures agents": lambda connection: quality.agents(connection, MONTH),
    "figures pipelines": lambda connection: quality.pipelines(connection, MONTH, "default"),
    "figures actions": lambda connection: approvals.decided(connection, MONTH),
    "budget review": lambda connection: ceilings.reviews(connection, MONTH, Ceilings(), NOW),
    "lost calls": lost_calls,
    "cost": lambda connection: costs(connection, MONTH, "agent", Wanted()),
    "cost of a run": lambda connection: costs(connection, MONTH, "model", Wanted(trace="trace-1")),
    "calls in flight": lambda connection: in_flight(connection, 20),
    "feed of a run": lambda connection: newest(connection, Filter(trace="trace-1"), 50, before=None, details=True),
    "alerts": lambda connection: newest(connection, Filter(alerts=True), 50, before=None, details=True),
    "what to keep": folding.changed,
    "a run that nobody knows": lambda connection: find_run(connection, "unknown"),
}


@contextmanager
def asked(ledger: Ledger) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are run meanwhile, with their parameters."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            found.append((statement, parameters))

    event.listen(ledger.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(ledger.engine, "before_cursor_execute", note)


def scanned(connection: Connection, statement: str, parameters: Any) -> set[str]:
    """The tables that the database would go through for this statement."""
    if connection.dialect.name == "sqlite":
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps = [str(row.detail).split() for row in plan]
        return {step[1] for step in steps if step[0] == "SCAN" and step[-1] not in PARTIAL}
    # The tables of a test are so small that it would go through all of them; so it is told to wherever nothing else helps.
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
    lines = [str(row[0]) for row in plan]
    return {line.partition("Seq Scan on ")[2].split()[0] for line in lines if "Seq Scan on " in line}


def fill(ledger: Ledger) -> None:
    """Put in a run that is kept, and one that is not."""
    for _ in range(2):
        book = Book(ledger)
        book.call(key(book.trace), 900, 300)
        book.end()
    ledger.tx_now(folding.fold, ledger.read_now(folding.changed, "", 1))


def test_nothing_that_grows_with_every_run_is_gone_through(ledger: Ledger) -> None:
    """Of each read, every statement: the large tables are searched by an index and never from one end to the other."""
    fill(ledger)
    wrong: dict[str, set[str]] = {}
    for name, read in READS.items():
        with asked(ledger) as statements, suppress(NotFound):
            ledger.read_now(read)
        assert statements, f"{name} asked for nothing"
        for statement, parameters in statements:
            tables = ledger.read_now(scanned, statement, parameters) & LARGE - BACKWARDS.get(name, frozenset())
            if tables:
                wrong[name] = wrong.get(name, set()) | tables
    assert wrong == {}


def test_a_table_that_is_gone_through_is_seen(sqlite_url: str, tmp_path: Path) -> None:
    """Without its index a read goes through its table, and this is what the test above would say."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    try:
        fill(ledger)
        with asked(ledger) as statements:
            ledger.read_now(lost_calls)
        for name in ("ix_reservation_lost", "ix_reservation_at"):
            ledger.tx_now(lambda connection, name=name: connection.execute(text(f"DROP INDEX {name}")))  # type: ignore[misc]
        found = [ledger.read_now(scanned, statement, parameters) for statement, parameters in statements]
        assert any("reservation" in one for one in found)
    finally:
        ledger.close()
