"""What is kept of runs for figures is what their rows say, whatever happens to them, in whatever order, and by whom."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select, text, update

from contracts.errors import LedgerUnavailable
from contracts.runs import RunChange
from ledger import folding, runs, turns
from ledger.db import Ledger, from_us, now_us
from ledger.figures import charges, quality
from ledger.figures.kept import By
from ledger.figures.period import Period
from ledger.money import spend
from ledger.tables import feed, figures_changed, kept_figures, kept_spending, reservation, run, turn
from ledger.turns import NewTurn
from tests.depth import count
from tests.ledger import samples
from tests.ledger.books import Book, key

EVER = Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
BYS: tuple[By, ...] = ("run", "agent", "model", "pipeline", "project", "day")


def keep(ledger: Ledger) -> int:
    """Keep the figures of every run that has changed, also of those that just went on. Returns how many that were."""
    traces = ledger.read_now(lambda connection: sorted(set(connection.execute(select(figures_changed.c.trace)).scalars())))
    return ledger.tx_now(folding.fold, traces)


def told(connection: Connection, period: Period) -> list[Any]:
    """All that is told of a period."""
    found: list[Any] = []
    for project in (None, "other"):
        for by in BYS:
            spent = charges.spending(connection, period, by, project)
            found.append((by, project, asdict(spent.total), {name: asdict(one) for name, one in spent.groups.items()}))
        for read in (quality.agents, quality.pipelines):
            figures = read(connection, period, project)
            found.append({name: one.packed for name, one in figures.items()})
    return found


def from_rows(ledger: Ledger, period: Period) -> list[Any]:
    """As `told`, as if nothing was kept."""
    with ledger.engine.begin() as connection:
        for table in (kept_figures, kept_spending):
            connection.execute(delete(table))
        everybody = connection.execute(select(run.c.trace).union(select(reservation.c.trace), select(turn.c.trace))).scalars()
        folding.mark(connection, list(everybody))
        found = told(connection, period)
        connection.rollback()
    return found


class Played:
    """Runs to which things happen. Each method of `THINGS` takes a number that says to which, and how."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.books = [Book(ledger, project=project) for project in ("default", "other")]
        self.held: list[tuple[Book, str]] = []
        self.closed: list[tuple[Book, str]] = []
        self.turns: list[NewTurn] = []
        self.made = 0

    def call(self, nth: int) -> None:
        book, self.made = self._book(nth), self.made + 1
        cost, problem = ((3, ""), (5, "no JSON"), (None, ""))[nth % 3]
        name = key(book.trace, self.made)
        self.turns.append(book.call(name, 1000 + nth, cost, path=self._path(nth), problem=problem))

    def hold(self, nth: int) -> None:
        book, self.made = self._book(nth), self.made + 1
        name = self.turns[nth % len(self.turns)].id if self.turns and nth % 2 else key(book.trace, self.made)
        self.held.append((book, book.reserve(name, 500 + nth, path=self._path(nth), model="a:other")))

    def lose(self, nth: int) -> None:
        if self.held:
            book, made = self.held.pop(nth % len(self.held))
            book.close(made, ("lost", "released")[nth % 2])
            self.ledger.tx_now(spend.note_error, made, "timeout")
            self.closed.append((book, made))

    def settle_late(self, nth: int) -> None:
        some = self.closed or self.held
        if some:
            book, made = some.pop(nth % len(some))
            book.settle(made, nth % 400)

    def hand_on(self, nth: int) -> None:
        book = self._book(nth)
        made = book.answer(self._path(nth), ("done", "unsure", "could_not")[nth % 3], said=str(nth), degraded="x" * (nth % 2))
        book.ask(1 + nth % 3, made, kind=("plan", "change")[nth % 2])

    def use_tool(self, nth: int) -> None:
        if self.turns:
            one = self.turns[nth % len(self.turns)]
            self.ledger.tx_now(turns.insert_result, samples.result(one.id, nth))

    def end(self, nth: int) -> None:
        state = ("done", "could_not", "cancelled", "failed")[nth % 4]
        self.ledger.tx_now(runs.change, samples.ref(self._book(nth).trace), RunChange(state=state))

    def correct(self, nth: int) -> None:
        """A person corrects the record."""
        row = self._book(nth).trace
        by_hand = (
            update(run).where(run.c.trace == row).values(project=("default", "other")[nth % 2]),
            update(turn).where(turn.c.trace == row).values(agent="writer@v2", flagged=bool(nth % 2)),
            delete(reservation).where(reservation.c.trace == row, reservation.c.amount % 2 == 0),
            update(reservation).where(reservation.c.trace == row).values(at=reservation.c.at - 86_400_000_000),
        )
        self.ledger.tx_now(lambda connection: connection.execute(by_hand[nth // 2 % 4]))

    def keep(self, _: int) -> None:
        keep(self.ledger)

    def _book(self, nth: int) -> Book:
        return self.books[nth % len(self.books)]

    def _path(self, nth: int) -> str:
        return ("plan", "write/1/a", "test/1")[nth // 2 % 3]


THINGS: tuple[Callable[[Played, int], None], ...] = (
    *(Played.call, Played.hold, Played.lose, Played.settle_late, Played.hand_on, Played.use_tool),
    *(Played.end, Played.correct, Played.keep),
)


EACH = [
    *((Played.call, 0), (Played.call, 1), (Played.call, 4), (Played.hold, 0), (Played.hold, 3), (Played.keep, 0)),
    *((Played.lose, 0), (Played.use_tool, 1), (Played.hand_on, 2), (Played.hand_on, 3), (Played.keep, 0)),
    *((Played.settle_late, 7), (Played.end, 2), (Played.correct, 1), (Played.correct, 2), (Played.correct, 4)),
    *((Played.end, 1), (Played.keep, 0), (Played.correct, 7), (Played.call, 3)),
]
"""Each of these things at least once, some of them to runs whose figures were kept before."""


@settings(max_examples=count(1, soak=300))
@example(happened=EACH)
@given(happened=st.lists(st.tuples(st.sampled_from(THINGS), st.integers(0, 50)), min_size=3, max_size=25))
def test_what_is_kept_is_what_the_rows_say(ledger: Ledger, happened: list[tuple[Callable[[Played, int], None], int]]) -> None:
    """Calls, late answers, handoffs, gates, tools, ends, and corrections by hand: figures of all time, and of periods that cut
    runs in two, are the same with what is kept as without it; and nothing that is kept is wrong at any time."""
    played = Played(ledger)
    for thing, nth in happened:
        thing(played, nth)
        assert ledger.read_now(folding.compare, "", 10_000).wrong == []
    instants = ledger.read_now(lambda connection: sorted(connection.execute(select(reservation.c.at)).scalars()))
    middle = from_us(instants[len(instants) // 2]) if instants else EVER.until
    periods = (EVER, Period(EVER.since, middle), Period(middle, EVER.until))
    for period in periods:
        assert ledger.read_now(told, period) == from_rows(ledger, period)
    keep(ledger)
    assert ledger.read_now(folding.compare, "", 10_000)[1:] == ([], _families(ledger), 0)
    for period in periods:
        assert ledger.read_now(told, period) == from_rows(ledger, period)


def _families(ledger: Ledger) -> int:
    return ledger.read_now(lambda connection: len(connection.execute(select(run.c.trace)).all()))


def test_of_a_run_that_a_period_cuts_its_part_counts(ledger: Ledger) -> None:
    """A run with a call of today and one of the day before, kept: each day has its own call, and both together have both."""
    book = Book(ledger, project="cut")
    book.call(key(book.trace, 1), 900, 300)
    early = update(reservation).where(reservation.c.trace == book.trace).values(at=reservation.c.at - 86_400_000_000)
    ledger.tx_now(lambda connection: connection.execute(early))
    book.call(key(book.trace, 2), 900, 70)
    keep(ledger)
    between = from_us(now_us() - 43_200_000_000)
    periods = (EVER, Period(EVER.since, between), Period(between, EVER.until))
    assert [ledger.read_now(charges.spending, period, "day", "cut").total.spent for period in periods] == [370, 300, 70]


def test_what_changes_nothing_of_the_figures_marks_nothing(ledger: Ledger) -> None:
    """A stage, a feed line or a reply that is removed says nothing about money: what is kept still holds. A change of a call
    does not only mark its run: figures tell it at once."""
    book = Book(ledger)
    book.call(key("a"), 900, 300)
    assert keep(ledger) >= 1
    ledger.tx_now(runs.change, samples.ref(book.trace), RunChange(stage="plan", next="write"))
    ledger.tx_now(lambda connection: connection.execute(update(turn).where(turn.c.trace == book.trace).values(reply="")))
    ledger.tx_now(lambda connection: connection.execute(update(feed).values(did="nothing")))
    assert keep(ledger) == 0
    made = book.reserve(key("b"), 70)
    assert ledger.read_now(charges.spending, EVER, "run").total.held >= 70
    book.settle(made, 50)
    assert keep(ledger) == 1


def test_a_run_that_goes_on_is_kept_once_it_is_quiet(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers leave a run that has just gone on, and keep it when it has ended or was quiet for a minute."""
    book = Book(ledger)
    book.call(key("a"), 900, 300)
    assert ledger.read_now(folding.changed) == []
    monkeypatch.setattr(folding, "QUIET_US", -1_000_000)
    assert ledger.read_now(folding.changed) == [book.trace]
    monkeypatch.undo()
    book.end()
    assert ledger.read_now(folding.changed) == [book.trace]


def test_what_is_wrong_is_found_and_mended(ledger: Ledger) -> None:
    """A sum, a family that is not there, and one too many: each is named, and is right after it was kept again."""
    books = [Book(ledger) for _ in range(4)]
    for book in books:
        book.call(key(book.trace), 900, 300)
    keep(ledger)
    first, second, third, _ = (book.trace for book in books)

    def damage(connection: Connection) -> None:
        connection.execute(update(kept_spending).where(kept_spending.c.trace == first).values(useful=299))
        connection.execute(delete(kept_figures).where(kept_figures.c.trace == second))
        connection.execute(delete(kept_spending).where(kept_spending.c.trace == third))

    ledger.tx_now(damage)
    assert ledger.read_now(folding.compare, "", 10_000).wrong == sorted([first, second, third])
    ledger.tx_now(folding.fold, [first, second, third])
    assert ledger.read_now(folding.compare, "", 10_000)[1:] == ([], _families(ledger), 0)


def _impatient(connection: Connection, made: str) -> None:
    connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
    spend.note_error(connection, made, "late")


def test_a_family_that_is_being_changed_is_not_kept(postgres_url: str, tmp_path: Any) -> None:
    """On PostgreSQL, where many write: what another transaction has not committed yet can be in no sum, so its run waits. And
    a change of one that is being kept waits until then, and marks it again."""
    ledger = Ledger(postgres_url, tmp_path / "artifacts")
    try:
        book = Book(ledger)
        made = book.reserve(key("a"), 900)
        keep(ledger)
        with ledger.engine.begin() as other:
            spend.settle(other, made, 200)
            assert ledger.tx_now(folding.fold, [book.trace]) == 0
            assert ledger.read_now(charges.spending, EVER, "run").total.spent == 0
        assert ledger.read_now(charges.spending, EVER, "run").total.spent == 200
        with ledger.engine.begin() as keeper:
            assert folding.fold(keeper, [book.trace]) == 1
            with pytest.raises(LedgerUnavailable, match="lock timeout"):
                ledger.tx_now(_impatient, made)
        assert keep(ledger) == 0
    finally:
        ledger.close()
