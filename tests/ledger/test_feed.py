"""The feed: every line once, in an order that readers can rely on, and a chain that shows what was changed afterwards."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, case, select, text, update

from contracts.runs import FeedLine, Note, RunChange
from ledger import feed, runs
from ledger.db import Ledger
from ledger.tables import feed as table
from ledger.tables import run
from tests.children import PATIENCE
from tests.ledger.racing import at_once, overlapped
from tests.ledger.samples import NOW, begin, note, ref

WRITERS, EACH = 6, 15


def write(ledger: Ledger, *keys: str, trace: str = "trace-1", **more: Any) -> None:
    """Append lines in one transaction."""
    ledger.tx_now(feed.append, ref(trace), [note(key, **more) for key in keys])


def lines(ledger: Ledger, seq: int = 0, **only: Any) -> list[FeedLine]:
    """What a reader gets."""
    return ledger.read_now(feed.after, seq, **only)


def broken(connection: Connection, trace: str = "trace-1") -> list[int]:
    """Numbers of the lines whose chain does not hold, and -1 where the run's own end of the chain is another one."""
    previous, found = "", []
    for row in connection.execute(select(table).where(table.c.trace == trace).order_by(table.c.seq)).mappings():
        if row["previous_hash"] != previous or feed.chained(row) != row["hash"]:
            found.append(int(row["seq"]))
        previous = row["hash"]
    ends = connection.execute(select(run.c.feed_hash).where(run.c.trace == trace)).scalar()
    return found if ends in (None, previous) else [*found, -1]


@pytest.fixture(autouse=True)
def begun(ledger: Ledger) -> None:
    """Every test begins with one run."""
    ledger.tx_now(runs.begin, *begin())


def test_a_line_comes_back_whole(ledger: Ledger) -> None:
    """Everything that was noted is there again, the instant to the microsecond, with ids that a tracer understands."""
    more = {"actor": "olga", "channel": "cli", "authenticated": True, "inputs": ("a", "b"), "outputs": ("c",)}
    ledger.tx_now(
        feed.append, ref(path="write/item-3"), [note("k", importance="detail", **more)], tokens=5, usd_micros=9_000_000_000
    )
    (line,) = lines(ledger)
    assert (line.seq, line.trace, line.run, line.path) == (1, "trace-1", "delivery-trace-1", "write/item-3")
    assert (line.did, line.why, line.next, line.at) == ("did k", "because", "more", NOW)
    assert {name: getattr(line, name) for name in more} == more
    assert (line.tokens, line.usd_micros) == (5, 9_000_000_000)
    assert (len(line.trace_id), len(line.span_id)) == (32, 16)


def test_costs_stand_on_the_last_line(ledger: Ledger) -> None:
    """What a transaction cost is counted once, on its last line, so that sums over the feed are right."""
    ledger.tx_now(feed.append, ref(), [note("a"), note("b")], tokens=7, usd_micros=8)
    assert [(line.tokens, line.usd_micros) for line in lines(ledger)] == [(0, 0), (7, 8)]


def test_a_key_is_written_once(ledger: Ledger) -> None:
    """A story that runs again repeats no line: within one call, in a later one, and with other words."""
    write(ledger, "a", "a", "b")
    write(ledger, "b", "c", did="something else")
    assert [(line.seq, line.did) for line in lines(ledger)] == [(1, "did a"), (2, "did b"), (3, "something else")]


def test_nothing_new_takes_no_number(ledger: Ledger) -> None:
    """Empty and repeated appends leave the counter where it is."""
    write(ledger, "a")
    write(ledger)
    write(ledger, "a")
    write(ledger, "b")
    assert [line.seq for line in lines(ledger)] == [1, 2]


def test_a_transaction_that_fails_leaves_no_gap(ledger: Ledger) -> None:
    """A number is only used up by a commit."""

    def fails(connection: Connection) -> None:
        feed.append(connection, ref(), [note("lost")])
        raise ValueError

    write(ledger, "a")
    with pytest.raises(ValueError):
        ledger.tx_now(fails)
    write(ledger, "b")
    assert [line.seq for line in lines(ledger)] == [1, 2]
    assert ledger.read_now(broken) == []


def test_simultaneous_writers_leave_one_gap_free_chain(ledger: Ledger) -> None:
    """Several writers, two runs: numbers without a gap, each key once, each run's chain whole."""
    ledger.tx_now(runs.begin, *begin("trace-2"))

    def writer(number: int) -> None:
        for line in range(EACH):
            write(ledger, f"{number}-{line}", f"shared-{line}-{number % 2}", trace=f"trace-{number % 2 + 1}")

    assert at_once(writer, range(WRITERS)) == [None] * WRITERS
    found = lines(ledger)
    assert [line.seq for line in found] == list(range(1, len(found) + 1))
    assert len(found) == len({line.did for line in found}) == WRITERS * EACH + 2 * EACH
    assert ledger.read_now(broken) == ledger.read_now(broken, "trace-2") == []


def test_the_same_line_written_twice_at_once_is_one_line(ledger: Ledger) -> None:
    """Two attempts of one activity that carry the same lines both commit; nothing that was paid is undone by a line."""

    def attempt(connection: Connection) -> int:
        feed.append(connection, ref(), [note("rider"), note("own")])
        return runs.next_number(connection, "paid")

    assert overlapped(ledger, attempt, attempt) == (1, 2)
    assert [line.did for line in lines(ledger)] == ["did rider", "did own"]
    assert ledger.read_now(broken) == []


def test_a_line_and_a_change_of_the_same_run_do_not_block_each_other(ledger: Ledger) -> None:
    """One transaction writes lines only, another moves the run's row first: both commit, whoever comes first."""
    for number in range(6):

        def moves(connection: Connection, number: int = number) -> None:
            runs.change(connection, ref(), RunChange(state="working", stage=str(number)))
            feed.append(connection, ref(), [note(f"moves-{number}")])

        def notes(connection: Connection, number: int = number) -> None:
            feed.append(connection, ref(), [note(f"notes-{number}")])

        assert at_once(ledger.tx_now, [moves, notes, moves, notes]) == [None] * 4
    assert len(lines(ledger)) == 12
    assert ledger.read_now(broken) == []


def test_a_reader_that_resumes_by_number_misses_nothing(ledger: Ledger) -> None:
    """While writers commit, a reader that goes on after the last number it saw gets every line, in order, once."""
    ready = threading.Event()
    seen: list[int] = []

    def read() -> None:
        ready.set()
        while len(seen) < WRITERS * EACH:
            seen.extend(line.seq for line in lines(ledger, seen[-1] if seen else 0, limit=7))

    def job(number: int) -> None:
        if number == WRITERS:
            return read()
        assert ready.wait(PATIENCE)
        for line in range(EACH):
            write(ledger, f"{number}-{line}")
        return None

    assert at_once(job, range(WRITERS + 1)) == [None] * (WRITERS + 1)
    assert seen == list(range(1, WRITERS * EACH + 1))


def test_a_reader_gets_one_run_or_one_project(ledger: Ledger) -> None:
    """A filter keeps the numbers of the whole feed."""
    write(ledger, "a")
    ledger.tx_now(feed.append, ref("trace-2", project="other"), [note("b")])
    write(ledger, "c")
    assert [line.seq for line in lines(ledger, trace="trace-1")] == [1, 3]
    assert [line.seq for line in lines(ledger, project="other")] == [2]
    assert [line.seq for line in lines(ledger, 1, limit=1)] == [2]


CHANGES = {
    "did": "something nicer",
    "why": "''",
    "next": "x",
    "actor": "olga",
    "channel": "console",
    "authenticated": True,
    "importance": "detail",
    "stage": "act",
    "path": "write",
    "project": "other",
    "run": "another",
    "inputs": "[]",
    "outputs": '["x"]',
    "tokens": 0,
    "usd_micros": 0,
    "at": 1,
    "key": "another",
}


def test_a_changed_line_breaks_the_chain(ledger: Ledger) -> None:
    """Whatever is changed in a stored line afterwards, who, what, when or how much, the chain shows where."""
    write(ledger, "a")
    ledger.tx_now(feed.append, ref(), [note("b", inputs=("i",))], tokens=5, usd_micros=7)
    write(ledger, "c")
    assert ledger.read_now(broken) == []
    found = {}
    for column, changed in CHANGES.items():
        with ledger.engine.connect() as connection:  # rolled back at the end
            connection.execute(update(table).where(table.c.seq == 2).values({column: changed}))
            found[column] = broken(connection)
    assert [column for column, where in found.items() if where != [2]] == []


def test_a_removed_line_breaks_the_chain(ledger: Ledger) -> None:
    """In the middle the next line shows it, at the end the run's row does."""
    write(ledger, "a", "b", "c", "d")
    ledger.tx_now(lambda connection: connection.execute(text("DELETE FROM feed WHERE seq = 2")))
    assert ledger.read_now(broken) == [3]
    ledger.tx_now(lambda connection: connection.execute(text("DELETE FROM feed WHERE seq = 4")))
    assert ledger.read_now(broken) == [3, -1]


def test_a_removed_line_that_is_bridged_over_breaks_the_chain(ledger: Ledger) -> None:
    """Whoever points the next line at the one before has to make that line's own hash anew, and so all that follow."""
    write(ledger, "a", "b", "c")
    first = select(table.c.hash).where(table.c.seq == 1).scalar_subquery()
    ledger.tx_now(lambda connection: connection.execute(update(table).where(table.c.seq == 3).values(previous_hash=first)))
    ledger.tx_now(lambda connection: connection.execute(text("DELETE FROM feed WHERE seq = 2")))
    assert ledger.read_now(broken) == [3]


def test_lines_that_swapped_places_break_the_chain(ledger: Ledger) -> None:
    """The order is a part of what is chained."""
    write(ledger, "a", "b", "c")
    moved = case({2: 3, 3: 2}, value=table.c.seq, else_=table.c.seq)
    ledger.tx_now(lambda connection: connection.execute(update(table).values(seq=-moved)))
    ledger.tx_now(lambda connection: connection.execute(update(table).values(seq=-table.c.seq)))
    assert ledger.read_now(broken) == [2, 3, -1]


def test_a_run_without_a_row_has_a_chain_too(ledger: Ledger) -> None:
    """Lines of a run that was not admitted, such as a duplicate, are chained like others, over several transactions."""
    write(ledger, "a", trace="duplicate")
    write(ledger, "b", "c", trace="duplicate")
    assert len(lines(ledger, trace="duplicate")) == 3
    assert ledger.read_now(broken, "duplicate") == []


def test_lines_keep_what_people_typed(ledger: Ledger) -> None:
    """Other scripts and quotes stay; a NUL character is written out on every database, and the chain holds."""
    odd = "a\x00b 'x' \"höher\" 漢字 \U0001f600"
    write(ledger, odd, did=odd, why=odd, inputs=(odd,))
    write(ledger, odd, did="again")
    (line,) = lines(ledger)
    assert line.did == line.why == odd.replace("\x00", "\\u0000")
    assert line.inputs == (odd,)
    assert ledger.read_now(broken) == []


def test_instants_before_the_last_line_are_allowed(ledger: Ledger) -> None:
    """The number orders the feed, not the clock: a line that waited in a workflow comes later with an earlier instant."""
    notes: list[Note] = [note("late", at=NOW), note("early", at=NOW - timedelta(hours=1))]
    ledger.tx_now(feed.append, ref(), notes)
    assert [line.at for line in lines(ledger)] == [NOW, NOW - timedelta(hours=1)]
