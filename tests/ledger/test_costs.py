"""What was spent, summed up where it is stored: the same money that `baton spend` finds call by call."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from contracts.programs import UNMETERED
from ledger.db import Ledger
from ledger.figures import charges
from ledger.figures.charges import Sums
from ledger.figures.costs import By, Cost, Wanted, costs, in_flight
from ledger.figures.period import Period
from ledger.tables import reservation
from tests.ledger.books import Book, key

EVER = Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
def spent(ledger: Ledger) -> Ledger:
    """Calls of every fate, of two runs of two projects: answered, without usage, lost, dropped, failed, under way."""
    shop, desk = Book(ledger, project="shop"), Book(ledger, project="desk", pipeline="Review")
    for number, book in enumerate((shop, desk)):
        book.call(key(number, "answered"), 900, 300)
        book.call(key(number, "in full"), 500, 500, model_asked="b:two", agent="writer@v2", path="write")
        book.call(key(number, "no usage"), 400, None)
        book.close(book.reserve(key(number, "lost"), 70), "lost")
        book.close(book.reserve(key(number, "released"), 60), "released")
        again = book.reserve(key(number, "again"), 50)
        book.call(key(number, "again"), 50, 20)
        del again
    desk.reserve(key("held"), 11, agent="writer@v2", model="b:two")
    return ledger


@pytest.mark.parametrize("by", ["model", "pipeline", "project", "day"])
@pytest.mark.parametrize("project", ["", "desk"])
def test_the_sums_are_those_of_the_single_calls(spent: Ledger, by: By, project: str) -> None:
    """Spent, held, not known, and how many calls each, in total and by group, of everything and of one project."""
    found = spent.read_now(costs, EVER, by, Wanted(project=project))
    single = spent.read_now(charges.spending, EVER, by, project or None)
    assert _plain(found.total) == _plain(single.total)
    assert {name: _plain(one) for name, one in found.groups.items()} == {
        name: _plain(one) for name, one in single.groups.items()
    }
    assert list(found.groups) == list(single.groups)
    assert sum(one.spent for one in found.days.values()) == found.total.spent
    assert found.prices == {"test": found.total.calls}


def _plain(one: Cost | Sums) -> tuple[int, ...]:
    return (one.spent, one.held, one.unknown, one.calls, one.calls_held, one.calls_unknown)


def test_agents_count_with_all_their_versions_and_filters_leave_out_the_rest(spent: Ledger) -> None:
    """As for ceilings."""
    found = spent.read_now(costs, EVER, "agent", Wanted())
    assert {name: one.spent for name, one in found.groups.items()} == {
        "planner": 2 * (300 + 400 + 70 + 50 + 20),
        "writer": 1000,
    }
    wanted = {"agent": "writer", "model": "b:two", "pipeline": "Review", "project": "desk"}
    for name, value in wanted.items():
        part = spent.read_now(costs, EVER, "agent", Wanted(**{name: value}))
        assert 0 < part.total.spent < found.total.spent, name
    both = spent.read_now(costs, EVER, "model", Wanted(**wanted))
    assert (both.total.spent, both.total.held) == (500, 11)
    assert spent.read_now(costs, EVER, "model", Wanted(agent="nobody")).total == Cost()


def test_what_is_under_way_is_listed_and_outside_programs_are_not_called_free(spent: Ledger) -> None:
    """What holds money now; and calls whose cost no amount holds."""
    (flying,) = spent.read_now(in_flight, 5)
    assert (flying.agent, flying.model, flying.project, flying.amount) == ("writer", "b:two", "desk", 11)
    values = {"price_version": UNMETERED, "settled": 0, "amount": 0}
    ours = update(reservation).where(reservation.c.model == "b:two", reservation.c.state == "settled").values(values)
    spent.tx_now(lambda connection: connection.execute(ours))
    found = spent.read_now(costs, EVER, "agent", Wanted())
    assert (found.groups["writer"].calls_unmetered, found.groups["planner"].calls_unmetered) == (2, 0)
    assert (found.total.calls_unmetered, found.prices[UNMETERED]) == (2, 2)
