"""What a run will cost, and where a month is heading: said only where there is enough to say it from."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger import figures_expected, spend
from ledger.db import Ledger
from ledger.figures_expected import NO_HISTORY, Expected, Month, expected, expected_of, month
from ledger.spend import Scope
from tests.ledger.books import Book, key

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
    """Half of ten runs cost at most $0.05, nine of ten at most $0.09; however they ended."""
    ended(ledger, [number * 10_000 for number in range(1, 10)])
    ended(ledger, [100_000], "could_not")
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
        Book(ledger, project="shop").end("failed")
    assert of_shop(ledger) == Expected(4, None, None)
    assert of_shop(ledger).text == NO_HISTORY
    assert of_shop(ledger, scripted=True).p50 == DOLLAR
    ended(ledger, [DOLLAR])
    assert of_shop(ledger).p50 == DOLLAR


def test_only_the_newest_like_runs_count(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs cost long ago does not count for ever."""
    monkeypatch.setattr(figures_expected, "NEWEST", 5)
    ended(ledger, [DOLLAR] * 5)
    ended(ledger, [7] * 5)
    assert of_shop(ledger) == Expected(5, 7, 7)


def test_a_run_that_was_let_in_is_compared_with_its_own_kind(ledger: Ledger) -> None:
    """Pipeline, project and whether it is played from a script come from the run's row; an unknown run has no history."""
    ended(ledger, [DOLLAR] * 5)
    ended(ledger, [0] * 5, scripted=True)
    paid, played = Book(ledger, project="shop"), Book(ledger, project="shop", scripted=True)
    assert ledger.read_now(expected_of, paid.trace).p90 == DOLLAR
    assert ledger.read_now(expected_of, played.trace).p90 == 0
    assert ledger.read_now(expected_of, "nobody's").text == NO_HISTORY


AT = datetime(2026, 11, 16, tzinfo=UTC)
"""Half of a November has passed."""


def test_a_month_is_carried_on_at_its_pace(ledger: Ledger) -> None:
    """$30 in half of a month are heading for $60; the project's own month is looked at by itself."""
    ledger.tx_now(spend.set_ceiling, Scope("month:2026-11", 100 * DOLLAR))
    for name, cost in (("month:2026-11", 30 * DOLLAR), ("project:shop:month:2026-11", 5 * DOLLAR)):
        made = ledger.tx_now(
            spend.reserve, name, [Scope(name, 100 * DOLLAR)], cost, price_version="test", worker="w", identity=name
        )
        ledger.tx_now(spend.settle, made, cost)
    found = ledger.read_now(month, AT, timedelta(days=3))
    assert found == Month("2026-11", 30 * DOLLAR, 0, 100 * DOLLAR, 60 * DOLLAR)
    assert ledger.read_now(month, AT, timedelta(days=3), "shop").projected == 10 * DOLLAR


def test_a_month_that_has_just_begun_is_heading_nowhere(ledger: Ledger) -> None:
    """Before so much of a month has passed nothing is projected, and a ceiling that is not there is not zero."""
    found = ledger.read_now(month, AT.replace(day=3, hour=23), timedelta(days=3))
    assert found == Month("2026-11", 0, 0, None, None)
    assert ledger.read_now(month, AT.replace(day=4), timedelta(days=3)).projected == 0
