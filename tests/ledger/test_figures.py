"""What was spent and what came of it: nothing is missing, nothing counts twice, and what is not known is not called zero."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from ledger.db import Ledger, to_us
from ledger.figures import charges as figures
from ledger.figures.charges import PARTS, By, Charge, Sums
from ledger.figures.period import Period, day_of, month_of
from ledger.tables import reservation, scope
from tests.depth import count
from tests.ledger.books import MONTH, Book, key

EVER = Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
BYS: tuple[By, ...] = ("run", "agent", "model", "pipeline", "project", "day")


def every(ledger: Ledger) -> list[Charge]:
    """All charges that there are."""
    return ledger.read_now(lambda connection: list(figures.charges(connection, EVER)))


def charges(ledger: Ledger, book: Book) -> list[Charge]:
    """The charges of one run."""
    return [one for one in every(ledger) if one.trace == book.trace]


def parts(ledger: Ledger, book: Book) -> dict[str, int]:
    """What one run spent on what; parts without money are left out."""
    sums = Sums()
    for charge in charges(ledger, book):
        sums.add(charge)
    return {name: money for name, money in sums.parts.items() if money}


def booked(ledger: Ledger, name: str) -> tuple[int, int]:
    """(spent, held) that a ceiling counts."""
    row = ledger.read_now(lambda connection: connection.execute(select(scope).where(scope.c.id == name)).first())
    return (0, 0) if row is None else (row.spent, row.held)


ATTEMPT = st.sampled_from(["stored", "unusable", "unknown", "dropped", "lost", "late", "released", "held"])
CALL = st.tuples(
    st.sampled_from(["plan", "write/1/a", "test/1"]), st.integers(0, 10**10), st.lists(ATTEMPT, min_size=1, max_size=3)
)
STATE = st.sampled_from([None, "done", "could_not", "cancelled", "failed"])
OUTCOME = st.sampled_from([None, "done", "unsure", "could_not"])
RUN = st.tuples(st.lists(CALL, max_size=4), st.dictionaries(st.sampled_from(["plan", "test/1"]), OUTCOME), STATE)


ANSWERS = {"stored": (3, ""), "unusable": (3, "no JSON"), "unknown": (None, "")}
"""By what the reservation is divided for the cost, and what is wrong with the reply."""


def play(ledger: Ledger, calls: list[tuple[str, int, list[str]]], outcomes: dict[str, Any], state: Any) -> None:
    """One run, with every way in which an attempt of a call can end."""
    book, head = Book(ledger, project=f"project-{len(calls)}"), dict[str, str]()
    for number, (path, amount, attempts) in enumerate(calls):
        name, later = key(book.trace, number), []
        for attempt in attempts:
            made = book.reserve(name, amount, path=path)
            if attempt in ANSWERS:
                cost, problem = ANSWERS[attempt]
                charged = book.settle(made, None if cost is None else amount // cost)
                book.store(name, charged, after=head.get(path, ""), path=path, problem=problem, flagged=cost is None)
            elif attempt == "late":
                later.append(made)
            elif attempt == "dropped":
                book.settle(made, amount // 7)
            elif attempt != "held":
                book.close(made, attempt)
        for made in later:
            book.settle(made, amount // 3)
        head[path] = name
    for path, outcome in outcomes.items():
        if outcome is not None:
            book.answer(path, outcome)
    if state is not None:
        book.end(state)


@settings(max_examples=count(10, soak=200))
@given(played=st.lists(RUN, min_size=1, max_size=3))
def test_the_parts_add_up_to_what_the_ceilings_count(ledger: Ledger, played: list[Any]) -> None:
    """However calls, steps and runs end: useful, retried, repaired and thrown away are together what was spent, to the
    micro-dollar, in every grouping; and that is what the ceilings of run, agent and month have counted."""
    for one in played:
        play(ledger, *one)
    for by in BYS:
        found = ledger.read_now(figures.spending, EVER, by)
        for sums in (found.total, *found.groups.values()):
            assert sum(sums.parts[part] for part in PARTS) == sums.spent
            assert 0 <= sums.unknown <= sums.spent
        for name in ("spent", "held", "unknown", "calls"):
            assert sum(getattr(sums, name) for sums in found.groups.values()) == getattr(found.total, name)
        assert (found.total.spent, found.total.held) == booked(ledger, MONTH)
    runs = Counter[str](), Counter[str]()
    for charge in every(ledger):
        runs[0][charge.trace] += charge.charged
        runs[1][charge.trace] += charge.held
    assert all((runs[0][trace], runs[1][trace]) == booked(ledger, f"run:{trace}") for trace in runs[0])


def test_lost_and_dropped_attempts_are_retried_money(ledger: Ledger) -> None:
    """The stored answer is useful; an attempt that was lost before it, or answered after it, was paid for a repetition. Both
    are of the step, agent and model that they were made for."""
    book, name = Book(ledger), key("call")
    book.close(book.reserve(name, 500, model="a:other"), "lost")
    slow = book.reserve(name, 300)
    book.call(name, 300, 100)
    book.settle(slow, 120)
    assert parts(ledger, book) == {"retried": 620, "useful": 100}
    assert {(one.agent, one.path) for one in charges(ledger, book)} == {("planner@v1", "plan")}
    assert sorted((one.model, one.charged) for one in charges(ledger, book)) == [
        ("a:one", 100),
        ("a:one", 120),
        ("a:other", 500),
    ]


def test_the_stored_answer_is_told_from_a_dropped_one(ledger: Ledger) -> None:
    """An attempt that answers after the stored one is the dropped one by its cost; of two that cost the same, by its model."""
    book = Book(ledger)
    book.call(key("dear"), 300, 100)
    book.settle(book.reserve(key("dear"), 300), 120)
    book.settle(book.reserve(key("same"), 300, model="a:other"), 50)
    book.call(key("same"), 300, 50, path="other")
    book.settle(book.reserve(key("same"), 300, model="a:last"), 50)
    assert {(one.model, one.part, one.charged) for one in charges(ledger, book)} == {
        ("a:one", "useful", 100),
        ("a:one", "retried", 120),
        ("a:one", "useful", 50),
        ("a:other", "retried", 50),
        ("a:last", "retried", 50),
    }


def test_a_call_that_never_got_an_answer_is_retried_money_and_attributed(ledger: Ledger) -> None:
    """A run whose only call was lost has spent it: on nobody's turn, and for the agent that asked. Of which version it was is
    known where another call of it was answered."""
    book = Book(ledger)
    book.close(book.reserve(key("lone"), 700, agent="writer@v2", path="write/1/a"), "lost")
    (only,) = charges(ledger, book)
    assert (only.part, only.charged, only.agent, only.path, only.known) == ("retried", 700, "writer", "write/1/a", False)
    book.call(key("other"), 7, 7, agent="writer@v2", path="write/1/b")
    assert {one.agent for one in charges(ledger, book)} == {"writer@v2"}


def test_a_reply_that_could_not_be_used_is_repaired_money(ledger: Ledger) -> None:
    """The turn with the problem is money for a repair, the one after it is useful."""
    book = Book(ledger)
    book.call(key("bad"), 50, 40, problem="not JSON")
    book.call(key("good"), 50, 30, after=key("bad"))
    assert parts(ledger, book) == {"repaired": 40, "useful": 30}


@pytest.mark.parametrize("state", ["could_not", "cancelled", "failed"])
def test_what_a_run_without_result_spent_is_thrown_away(ledger: Ledger, state: Any) -> None:
    """Work of a run counts as kept while it is open; once it ended without its result, all of it was thrown away."""
    book = Book(ledger)
    book.call(key(state), 50, 40)
    book.answer("plan")
    assert parts(ledger, book) == {"useful": 40}
    book.end(state)
    assert parts(ledger, book) == {"thrown_away": 40}


def test_steps_that_came_to_nothing_are_thrown_away_also_in_a_run_that_is_done(ledger: Ledger) -> None:
    """A step that could not, and one that left no output, have spent for nothing; one that is unsure has not."""
    book = Book(ledger)
    for path, cost in (("good", 1), ("weak", 10), ("bad", 100), ("none", 1000)):
        book.call(key(path), 5000, cost, path=path)
    book.answer("good")
    book.answer("weak", "unsure")
    book.answer("bad", "could_not")
    assert parts(ledger, book) == {"useful": 1011, "thrown_away": 100}
    book.end()
    assert parts(ledger, book) == {"useful": 11, "thrown_away": 1100}


def test_a_plan_that_was_sent_back_is_thrown_away_with_what_was_written_on_it(ledger: Ledger) -> None:
    """After a second plan came to the gate, the first one's turns and those of every step that derives from it count for
    nothing; the new plan's do. The same plan put to the gate again is not its own successor."""
    book = Book(ledger)
    for path, cost in (("plan/1", 1), ("write/1/a", 10), ("test/1", 100), ("plan/2", 1000), ("write/2/a", 10_000)):
        book.call(key(path), 50_000, cost, path=path)
    first = book.answer("plan/1")
    written = book.answer("write/1/a", inputs=(first.id,))
    book.answer("test/1", inputs=(written.id,))
    book.ask(1, first)
    assert parts(ledger, book) == {"useful": 11_111}
    second = book.answer("plan/2")
    book.ask(2, second)
    book.answer("write/2/a", inputs=(second.id,))
    assert parts(ledger, book) == {"useful": 11_000, "thrown_away": 111}
    book.ask(3, second)
    assert parts(ledger, book) == {"useful": 11_000, "thrown_away": 111}


def test_a_way_that_a_reset_left_is_thrown_away(ledger: Ledger) -> None:
    """Where a run was set back and went on otherwise, the turns of before are in no conversation any more."""
    book = Book(ledger)
    book.call(key("1"), 50, 1)
    book.call(key("2"), 50, 10, after=key("1"))
    book.call(key("3"), 50, 100, after=key("2"))
    assert parts(ledger, book) == {"useful": 111}
    book.call(key("2 anew"), 5000, 1000, after=key("1"))
    assert parts(ledger, book) == {"useful": 1001, "thrown_away": 110}


def test_cost_that_nobody_knows_is_charged_and_counted_apart(ledger: Ledger) -> None:
    """A lost call, and an answer without usage, are charged at their reservation and said to be unknown. A free call is not."""
    book = Book(ledger)
    book.close(book.reserve(key("lost"), 500), "lost")
    book.call(key("no usage"), 300, None)
    book.call(key("known"), 300, 200)
    book.call(key("free"), 0, 0)
    found = Sums()
    for charge in charges(ledger, book):
        found.add(charge)
    assert (found.spent, found.unknown, found.calls, found.calls_unknown) == (1000, 800, 4, 2)


def test_held_money_is_not_spent(ledger: Ledger) -> None:
    """A call under way is in what is held; a call that was given back is in nothing, and is no call."""
    book = Book(ledger)
    book.reserve(key("now"), 500)
    book.close(book.reserve(key("given back"), 400), "released")
    total = ledger.read_now(figures.spending, EVER, "run").groups[f"delivery-{book.trace}"]
    assert (total.spent, total.held, total.calls, total.calls_held) == (0, 500, 1, 1)


def test_reservations_of_before_they_named_their_run_are_found_by_their_turn(ledger: Ledger) -> None:
    """A ledger that an older release wrote: what was answered is of its turn's run, agent and model; what was lost is of
    nobody, and still counted."""
    book = Book(ledger)
    book.call(key("old"), 50, 40)
    book.close(book.reserve(key("old"), 50), "lost")
    book.close(book.reserve(key("old and lost"), 7), "lost")
    nameless = dict.fromkeys(("trace", "path", "project", "agent", "model"), "")
    ledger.tx_now(lambda connection: connection.execute(update(reservation).values(**nameless)))
    assert parts(ledger, book) == {"useful": 40, "retried": 50}
    found = ledger.read_now(figures.spending, EVER, "agent")
    assert {name: sums.spent for name, sums in found.groups.items()} == {"planner@v1": 90, figures.UNKNOWN: 7}


def test_money_counts_in_the_time_in_which_it_was_reserved(ledger: Ledger) -> None:
    """Of a call that was reserved before midnight of the month's end, all is in that month, in whole days."""
    book = Book(ledger)
    book.call(key("before"), 50, 40)
    book.call(key("after"), 50, 30, after=key("before"))
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    before = update(reservation).where(reservation.c.call_key == key("before")).values(at=to_us(midnight) - 1)
    after = update(reservation).where(reservation.c.call_key == key("after")).values(at=to_us(midnight))
    ledger.tx_now(lambda connection: [connection.execute(one) for one in (before, after)])
    november, december = month_of(midnight - timedelta(1)), month_of(midnight)
    assert ledger.read_now(figures.spending, november, "day").groups.keys() == {"2026-11-30"}
    assert ledger.read_now(figures.spending, november, "day").total.spent == 40
    assert ledger.read_now(figures.spending, december, "day").total.spent == 30


def test_one_project_is_looked_at_alone(ledger: Ledger) -> None:
    """Asked for one project, nothing of another is counted."""
    Book(ledger, project="one").call(key("one"), 50, 40)
    Book(ledger, project="two").call(key("two"), 50, 30)
    found = ledger.read_now(figures.spending, EVER, "project")
    assert {name: sums.spent for name, sums in found.groups.items()} == {"one": 40, "two": 30}
    assert list(ledger.read_now(figures.spending, EVER, "project", "two").groups) == ["two"]


def test_sums_pass_64_bits_without_becoming_floats(ledger: Ledger) -> None:
    """Many large charges add up to the micro-dollar, whatever the database's own sums are."""
    book, large = Book(ledger), 2**50 + 1
    for number in range(3):
        made = book.reserve(key(number), 1)
        grown = update(reservation).where(reservation.c.id == made).values(state="settled", settled=large)
        ledger.tx_now(lambda connection, grown=grown: connection.execute(grown))
    assert ledger.read_now(figures.spending, EVER, "run").total.spent == 3 * large


def test_days_and_months_are_those_of_utc() -> None:
    """Whatever the zone of an instant: its month is UTC's, and December is followed by January."""
    zone = datetime.fromisoformat("2026-12-31T23:30:00-05:00")
    assert month_of(zone) == Period(datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC))
    assert month_of(datetime(2026, 12, 5, tzinfo=UTC)).until == datetime(2027, 1, 1, tzinfo=UTC)
    assert day_of(to_us(zone)) == "2027-01-01"
