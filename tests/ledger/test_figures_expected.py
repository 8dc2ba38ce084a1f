"""What a run will cost, and where a month is heading: said only where there is enough to say it from."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from ledger.db import Ledger, to_us
from ledger.figures import forecast
from ledger.figures.forecast import NO_HISTORY, Expected, Month, expected, expected_of, month
from ledger.money import ceilings, spend
from ledger.money.spend import Scope
from ledger.tables import reservation, scope
from tests.ledger.books import DAY, Book, key
from tests.ledger.books import MONTH as BOOKED

DOLLAR = 1_000_000


def ended(ledger: Ledger, costs: list[int], state: str = "done", project: str = "shop", scripted: bool = False) -> None:
    """Runs that have cost this."""
    for cost in costs:
        book = Book(ledger, project=project, scripted=scripted)
        book.call(key(book.trace), cost, cost)
        book.end(state)  # type: ignore[arg-type]


def of_shop(ledger: Ledger, scripted: bool = False) -> Expected:
    """What is expected of a run of the shop's."""
    return ledger.read_now(expected, "Delivery", "shop", scripted=scripted)


def test_like_runs_say_what_a_run_will_cost(ledger: Ledger) -> None:
    """Half of ten runs cost at most $0.05, nine of ten at most $0.09; those that had a change to show count however they ended.

    Runs that were given up at their plan cost little, and would make it look cheap.
    """
    ended(ledger, [number * 10_000 for number in range(1, 10)])
    rejected = Book(ledger, project="shop")
    rejected.call(key(rejected.trace), 100_000, 100_000)
    rejected.ask(1, rejected.answer("plan/1"), "change")
    rejected.end("could_not")
    for state in ("could_not", "cancelled", "failed"):
        given_up = Book(ledger, project="shop")
        given_up.call(key(given_up.trace), 7, 7)
        given_up.ask(1, given_up.answer("plan/1"))
        given_up.end(state)  # type: ignore[arg-type]  # one of the states
    found = of_shop(ledger)
    assert found == Expected(10, 50_000, 90_000)
    assert found.text == "$0.05, at most $0.09 in 9 of 10 (10 runs like it)"


def test_too_few_like_runs_are_no_history(ledger: Ledger) -> None:
    """Four runs say nothing; nor do other projects', open ones, those without an answer, or those played from a script."""
    ended(ledger, [DOLLAR] * 4)
    ended(ledger, [DOLLAR] * 5, project="other")
    ended(ledger, [DOLLAR] * 6, scripted=True)
    for _ in range(5):
        Book(ledger, project="shop").call(key("open"), 5, 5)
        refused = Book(ledger, project="shop")
        ledger.tx_now(spend.begin, Scope(f"run:{refused.trace}", DOLLAR))
        refused.end("failed")
    assert of_shop(ledger) == Expected(4, None, None)
    assert of_shop(ledger).text == NO_HISTORY
    assert of_shop(ledger, scripted=True).p50 == DOLLAR
    ended(ledger, [DOLLAR])
    assert of_shop(ledger).p50 == DOLLAR


def test_only_the_newest_like_runs_count(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs cost long ago does not count for ever."""
    monkeypatch.setattr(forecast, "NEWEST", 5)
    ended(ledger, [DOLLAR] * 5)
    ended(ledger, [7] * 5)
    assert of_shop(ledger) == Expected(5, 7, 7)


def test_a_run_that_was_let_in_is_compared_with_its_own_kind(ledger: Ledger) -> None:
    """Pipeline, project and whether it is played from a script come from the run's row."""
    ended(ledger, [DOLLAR] * 5)
    ended(ledger, [0] * 5, scripted=True)
    paid, played = Book(ledger, project="shop"), Book(ledger, project="shop", scripted=True)
    assert ledger.read_now(expected_of, paid.trace) == Expected(5, DOLLAR, DOLLAR)
    assert ledger.read_now(expected_of, played.trace) == Expected(5, 0, 0)
    assert ledger.read_now(expected_of, "nobody's") is None


AT = datetime(2026, 11, 16, tzinfo=UTC)
"""Half of a November has passed."""
MONTH, SHOPS = Scope("month:2026-11", 100 * DOLLAR), Scope("project:shop:month:2026-11", 50 * DOLLAR)


def spent(ledger: Ledger, key: str, cost: int, *scopes: Scope, project: str = "") -> None:
    """A call of the month's first day; without a cost it is still under way."""
    made = ledger.tx_now(spend.reserve, key, list(scopes), cost or DOLLAR, price_version="test", worker="w")
    changes = {"at": to_us(AT.replace(day=1)), "project": project}
    ledger.tx_now(lambda connection: connection.execute(update(reservation).where(reservation.c.id == made).values(changes)))
    if cost:
        ledger.tx_now(spend.settle, made, cost)


def test_a_month_is_carried_on_at_its_pace(ledger: Ledger) -> None:
    """$30 in half of a month are heading for $60; a project is looked at by itself, with its own ceiling if it has one."""
    spent(ledger, "1", 24 * DOLLAR, MONTH)
    spent(ledger, "2", 5 * DOLLAR, SHOPS, MONTH, project="shop")
    spent(ledger, "3", 0, MONTH, project="other")
    found = ledger.read_now(month, AT, timedelta(days=3))
    assert found == Month("2026-11", 29 * DOLLAR, DOLLAR, 100 * DOLLAR, 60 * DOLLAR)
    refused_by = ledger.read_now(ceilings.month_at_its_pace, AT, timedelta(days=3), MONTH.id)
    assert refused_by is not None
    assert (found.ceiling, found.projected) == (refused_by.ceiling, refused_by.projected)
    assert all(type(one) is int for one in (found.spent, found.held, found.projected))
    assert ledger.read_now(month, AT, timedelta(days=3), "shop") == Month("2026-11", 5 * DOLLAR, 0, 50 * DOLLAR, 10 * DOLLAR)
    assert ledger.read_now(month, AT, timedelta(days=3), "other") == Month("2026-11", 0, DOLLAR, None, 2 * DOLLAR)


def test_a_month_that_has_just_begun_is_heading_nowhere(ledger: Ledger) -> None:
    """Before so much of a month has passed, or anything was spent, nothing is projected; no ceiling is not one of zero."""
    assert ledger.read_now(month, AT, timedelta(days=3)) == Month("2026-11", 0, 0, None, None)
    spent(ledger, "1", DOLLAR, MONTH)
    assert ledger.read_now(month, AT.replace(day=3, hour=23), timedelta(days=3)).projected is None
    assert ledger.read_now(month, AT.replace(day=4), timedelta(days=3)).projected == 10 * DOLLAR


def test_the_month_has_what_its_ceiling_has_counted(ledger: Ledger) -> None:
    """Whatever became of its calls: the month's figure and the month's ceiling agree."""
    book = Book(ledger)
    book.call(key("1"), 70, 50)
    book.close(book.reserve(key("2"), 700), "lost")
    book.close(book.reserve(key("3"), 7000), "released")
    book.reserve(key("4"), 9)
    then = datetime.fromisoformat(f"{DAY}T12:00:00+00:00")
    ledger.tx_now(lambda connection: connection.execute(update(reservation).values(at=to_us(then))))
    found = ledger.read_now(month, then, timedelta(days=40))
    row = ledger.read_now(lambda connection: connection.execute(select(scope).where(scope.c.id == BOOKED)).one())
    assert (found.spent, found.held) == (row.spent, row.held) == (750, 9)
