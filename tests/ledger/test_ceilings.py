"""Ceilings over time: set anew once and on the record, taken over from settings, waited at, and projected."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from contracts.errors import NotFound, Refused
from contracts.money import CeilingRefused
from ledger import runs
from ledger.db import Ledger
from ledger.money import ceilings, spend
from ledger.money.ceilings import CONFIGURED, Change
from ledger.money.spend import CeilingReached, Scope
from ledger.tables import scope
from tests.ledger import samples
from tests.ledger.racing import at_once

DOLLAR = 1_000_000
MONTH = "month:2026-11"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def ceiling(ledger: Ledger, name: str = MONTH) -> int:
    """A scope's ceiling now."""
    query = select(scope.c.ceiling).where(scope.c.id == name)
    return int(ledger.read_now(lambda connection: connection.execute(query).scalar_one()))


def said(to: int, name: str = "one") -> Change:
    """A person's decision."""
    return Change(name, MONTH, to * DOLLAR, "maria", "it is needed", "cli")


def hold(connection: Connection, amount: int, key: str = "call") -> str:
    """Reserve some of the month."""
    return spend.reserve(connection, key, [Scope(MONTH, 10 * DOLLAR)], amount, price_version="test", worker="w")


def test_a_change_counts_once_and_is_kept(ledger: Ledger) -> None:
    """However often and at once a decision is carried out, the ceiling moves once, and who did it and why is on the record."""
    ledger.tx_now(spend.begin, Scope(MONTH, DOLLAR))
    before = at_once(lambda _: ledger.tx_now(ceilings.change, said(5)), range(8))
    assert before == [DOLLAR] * 8
    ledger.tx_now(ceilings.change, said(3, "two"))
    assert ceiling(ledger) == 3 * DOLLAR
    kept = ledger.read_now(ceilings.changes, MONTH)
    assert [(row.before // DOLLAR, row.after // DOLLAR, row.by, row.why) for row in kept] == [
        (1, 5, "maria", "it is needed"),
        (5, 3, "maria", "it is needed"),
    ]


def test_a_raise_is_never_a_cut(ledger: Ledger) -> None:
    """Who wants to give more and names less, or as much, is refused; a cut has to be said as one. The record stays clean."""
    ledger.tx_now(spend.begin, Scope(MONTH, 5 * DOLLAR))
    for to in (4, 5):
        with pytest.raises(Refused, match=r"the ceiling is \$5\.00, and .* name a higher one"):
            ledger.tx_now(ceilings.raise_to, said(to))
    assert ledger.read_now(ceilings.changes) == []


def test_a_ceiling_lowered_while_money_is_held_stops_the_next_call(ledger: Ledger) -> None:
    """What is held stays and settles; from the cut on nothing more is granted, also where less is left than was spent."""
    identity = ledger.tx_now(hold, 4 * DOLLAR)
    ledger.tx_now(ceilings.change, said(1))
    with pytest.raises(CeilingReached):
        ledger.tx_now(hold, 1, "next")
    assert ledger.tx_now(spend.settle, identity, 3 * DOLLAR) == 3 * DOLLAR
    with pytest.raises(CeilingReached):
        ledger.tx_now(hold, 1, "next")
    ledger.tx_now(ceilings.change, said(4, "two"))
    ledger.tx_now(hold, DOLLAR, "next")


def test_a_scope_without_a_call_is_named_or_made(ledger: Ledger) -> None:
    """A ceiling that nothing has counted against is raised from its configured value; without one the error says so."""
    with pytest.raises(NotFound, match="no call has counted against 'month:2026-11' yet"):
        ledger.tx_now(ceilings.change, said(5))
    assert ledger.tx_now(ceilings.change, said(5), 2 * DOLLAR) == 2 * DOLLAR
    assert ceiling(ledger) == 5 * DOLLAR


def test_settings_are_taken_over_when_they_change(ledger: Ledger) -> None:
    """A changed setting counts from the next start; an unchanged one undoes no raise of a person's."""
    ledger.tx_now(spend.begin, Scope(MONTH, 10 * DOLLAR))
    assert ledger.tx_now(ceilings.configure, [Scope(MONTH, 10 * DOLLAR), Scope("month:2026-12", DOLLAR)]) == []
    ledger.tx_now(ceilings.change, said(50))
    assert ledger.tx_now(ceilings.configure, [Scope(MONTH, 10 * DOLLAR)]) == []
    assert ceiling(ledger) == 50 * DOLLAR
    changed = ledger.tx_now(ceilings.configure, [Scope(MONTH, 20 * DOLLAR)])
    assert [(one.by, one.to, one.why) for one in changed] == [(CONFIGURED, 20 * DOLLAR, "the setting was $10.00 before")]
    assert ledger.tx_now(ceilings.configure, [Scope(MONTH, 20 * DOLLAR)]) == []
    ledger.tx_now(ceilings.configure, [Scope(MONTH, 10 * DOLLAR)])
    ledger.tx_now(ceilings.configure, [Scope(MONTH, 20 * DOLLAR)])
    assert ceiling(ledger) == 20 * DOLLAR


def test_a_ceiling_is_used_up_when_nothing_fits_or_runs_wait(ledger: Ledger) -> None:
    """New work is kept out by a ceiling without room, and by one that a run waits at, until it waits no more."""
    ledger.tx_now(hold, 10 * DOLLAR)
    assert ledger.read_now(ceilings.exhausted, ["agent:a:2026-11-21"]) is None
    found = ledger.read_now(ceilings.exhausted, ["agent:a:2026-11-21", MONTH])
    assert found is not None
    assert (found.scope, found.resets_at) == (MONTH, datetime(2026, 12, 1, tzinfo=UTC))
    ledger.tx_now(ceilings.change, said(20))
    assert ledger.read_now(ceilings.exhausted, [MONTH]) is None
    refused = CeilingRefused(scope=MONTH, ceiling=20 * DOLLAR, wanted=15 * DOLLAR)
    ledger.tx_now(runs.begin, *samples.begin("trace-1"))
    ledger.tx_now(ceilings.trip_open, "trace-1", "ceiling-1", "shop", refused)
    assert ledger.read_now(ceilings.exhausted, [MONTH]) is not None
    assert [row.gate for row in ledger.read_now(ceilings.waiting, MONTH)] == ["ceiling-1"]
    ledger.tx_now(ceilings.change, said(30, "two"))
    assert ledger.read_now(ceilings.exhausted, [MONTH]) is None
    ledger.tx_now(ceilings.change, said(20, "three"))
    ledger.tx_now(ceilings.close_left_over, "trace-1")
    assert ledger.read_now(ceilings.exhausted, [MONTH]) is None
    assert ledger.read_now(ceilings.waiting) == []


@pytest.mark.parametrize(
    ("now", "after", "projected"),
    [
        (NOON, timedelta(days=3), 14_634_146),  # 10 dollars in 20.5 of 30 days
        (NOON, timedelta(days=21), None),
        (datetime(2026, 11, 1, 0, 0, 1, tzinfo=UTC), timedelta(days=3), None),
        (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), timedelta(days=3), 10_000_003),
    ],
)
def test_a_month_is_carried_on_at_its_pace(ledger: Ledger, now: datetime, after: timedelta, projected: int | None) -> None:
    """Spent and held so far, over the part of the month that has passed; nothing is said from too short a time."""
    assert ledger.read_now(ceilings.month_at_its_pace, now, after, MONTH) is None
    ledger.tx_now(spend.settle, ledger.tx_now(hold, 6 * DOLLAR), None)
    ledger.tx_now(hold, 4 * DOLLAR, "other")
    pace = ledger.read_now(ceilings.month_at_its_pace, now, after, MONTH)
    assert (pace and pace.projected) == projected
    assert pace is None or pace.ceiling == 10 * DOLLAR
