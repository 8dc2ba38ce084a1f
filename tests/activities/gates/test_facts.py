"""What a run will cost stands among the facts of its plan gate, and nowhere in what is decided on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.gates.gates import Gates
from activities.gates.policy import load_policy
from contracts.gates import GateView
from ledger import feed, gates
from ledger.db import Ledger
from tests.ledger.books import Book, key
from tests.ledger.samples import claim, opening, view

ENVIRONMENT = ActivityEnvironment()


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with four runs that cost a dollar each."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    for _ in range(4):
        ended(opened)
    yield opened
    opened.close()


def ended(ledger: Ledger) -> None:
    """A run that cost a dollar."""
    book = Book(ledger)
    book.call(key(book.trace), 1_000_000, 1_000_000)
    book.end()


async def opened(ledger: Ledger, gate: str = "plan-1", kind: str = "plan") -> GateView:
    """Open a gate of a new run; gives back what people are shown."""
    shown = view(gate, trace=Book(ledger).trace, kind=kind, facts=("2 files",))
    await ENVIRONMENT.run(Gates(ledger, load_policy(Path("policy.toml"))).open_gate, opening(shown))
    kept, state = ledger.read_now(gates.find, shown.trace, gate)
    assert (state, kept.subject, kept.verbs) == ("open", shown.subject, shown.verbs)
    return kept


async def test_a_plan_gate_shows_what_runs_like_it_cost(ledger: Ledger) -> None:
    """With too few like runs it says so; with five it names p50 and p90, in the gate and in its feed line."""
    assert (await opened(ledger)).facts == ("2 files", "expected cost of the run: no history yet")
    ended(ledger)
    expected = "expected cost of the run: $1.00, at most $1.00 in 9 of 10 (5 runs like it)"
    assert (await opened(ledger)).facts == ("2 files", expected)
    assert expected in ledger.read_now(feed.after)[-1].why


async def test_other_gates_say_nothing_about_cost(ledger: Ledger) -> None:
    """At the change gate the money is spent."""
    assert (await opened(ledger, "change-1", "change")).facts == ("2 files",)


async def test_opening_it_again_and_deciding_work_as_before(ledger: Ledger) -> None:
    """A second attempt of the activity changes nothing, also where another run has ended meanwhile; an approval counts."""
    shown = await opened(ledger)
    ended(ledger)
    desk = Gates(ledger, load_policy(Path("policy.toml")))
    await ENVIRONMENT.run(desk.open_gate, opening(shown.model_copy(update={"facts": ("2 files",)})))
    assert ledger.read_now(gates.find, shown.trace, "plan-1")[0] == shown
    from tests.ledger.samples import admit

    assert (await ENVIRONMENT.run(desk.admit_decision, admit(shown, claim("olga")))).won
