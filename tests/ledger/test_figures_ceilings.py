"""Whether ceilings fit: trips and changes are counted where they belong, and nothing is suggested from too little."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text, update

from contracts.money import CeilingRefused, Ceilings, Levels
from ledger.db import Ledger, to_us
from ledger.figures.ceilings import Named, Review, named_of, reviews
from ledger.figures.period import Period
from ledger.migrate import upgrade
from ledger.money import ceilings, spend
from ledger.money.ceilings import Change
from ledger.money.spend import Scope
from ledger.tables import ceiling_change, run, trip
from tests.ledger.books import Book, key
from tests.postgres import Postgres

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUARTER = Period(NOW - timedelta(days=90), NOW + timedelta(days=1))
DOLLAR = 1_000_000
SETTINGS = Ceilings(
    run_usd=Decimal(20),
    agent_day_usd=Decimal(100),
    month_usd=Decimal(1000),
    projects={"shop": Levels(run_usd=Decimal(5), month_usd=Decimal(50))},
)
RUN, AGENT, MONTH = Named("run", "default", ""), Named("agent", "", "writer"), Named("month", "", "")
CHANGES = itertools.count()


def reviewed(ledger: Ledger, settings: Ceilings = SETTINGS, now: datetime = NOW) -> dict[Named, Review]:
    """All reviews, by what they are of."""
    return {one.named: one for one in ledger.read_now(reviews, QUARTER, settings, now)}


def spent(ledger: Ledger, name: str, cost: int, ceiling: int = 10**9) -> None:
    """Money against a ceiling."""
    made = ledger.tx_now(spend.reserve, name, [Scope(name, ceiling)], cost, price_version="test", worker="w")
    ledger.tx_now(spend.settle, made, cost)


def ended(ledger: Ledger, cost: int, project: str = "default") -> str:
    """A run that has ended, in the time that is looked at; gives back its trace."""
    book = Book(ledger, project=project)
    ledger.tx_now(spend.begin, Scope(f"run:{book.trace}", 10**12))
    if cost:
        book.call(key(book.trace), cost, cost)
    book.end()
    moved = update(run).where(run.c.trace == book.trace).values(started_at=to_us(NOW - timedelta(days=1)))
    ledger.tx_now(lambda connection: connection.execute(moved))
    return book.trace


def tripped(ledger: Ledger, scope: str, trace: str = "t", project: str = "default", how: str = "") -> None:
    """A run that a ceiling parked; with `how` it waited for an hour."""
    refused = CeilingRefused(scope=scope, ceiling=1, wanted=2)
    ledger.tx_now(ceilings.trip_open, trace, f"ceiling-{next(CHANGES)}", project, refused)
    if how:
        ledger.tx_now(lambda connection: connection.execute(update(trip).values(at=to_us(NOW) - 3_600_000_000)))
        ledger.tx_now(lambda connection: connection.execute(update(trip).values(closed_at=to_us(NOW), how=how, by="olga")))
    ledger.tx_now(lambda connection: connection.execute(update(trip).values(at=to_us(NOW) - 3_600_000_000)))


def changed(ledger: Ledger, scope: str, to: int) -> None:
    """A ceiling that somebody set anew, in the time that is looked at."""
    made = Change(f"change-{next(CHANGES)}", scope, to, "olga", "a busy week", "cli")
    ledger.tx_now(ceilings.change, made)
    ledger.tx_now(lambda connection: connection.execute(update(ceiling_change).values(at=to_us(NOW) - 1)))


def test_spend_is_counted_against_the_ceiling_it_was_of(ledger: Ledger) -> None:
    """Ended runs by project, agents by whole days, months; free runs, today, this month and other times do not count."""
    for cost in (0, 1, 2, 3):
        ended(ledger, cost * DOLLAR)
    ended(ledger, 4 * DOLLAR, "shop")
    Book(ledger).call(key("open"), 9, 9)
    days = ("2026-11-18", "2026-11-19", "2026-11-20", "2026-01-01")
    for name in (*(f"agent:writer:{day}" for day in days), "month:2026-10", "month:2026-11", "month:2026-01"):
        spent(ledger, name, 7)
    spent(ledger, "project:shop:agent:writer:2026-11-18", 8)
    spent(ledger, "project:shop:month:2026-10", 9)
    found = {named: (one.spent.size, one.spent.percentile(50), one.ceiling) for named, one in reviewed(ledger).items()}
    assert found == {
        RUN: (3, 2 * DOLLAR, 20 * DOLLAR),
        Named("run", "shop", ""): (1, 4 * DOLLAR, 5 * DOLLAR),
        AGENT: (2, 7, 100 * DOLLAR),
        Named("agent", "shop", "writer"): (1, 8, 10**9),
        MONTH: (1, 7, 1000 * DOLLAR),
        Named("month", "shop", ""): (1, 9, 50 * DOLLAR),
    }


def test_trips_and_changes_are_of_their_ceiling(ledger: Ledger) -> None:
    """A run's, a child's slice of it, an agent's of a day: counted once for each run that waited, with how long and how it
    ended; changes with who made them and why. What was before does not count."""
    trace = ended(ledger, DOLLAR, "shop")
    tripped(ledger, f"run:{trace}", trace, "shop", how="raised")
    tripped(ledger, f"run:{trace}/write/a", trace, "shop")
    for waiting in ("a", "b"):
        tripped(ledger, "agent:writer:2026-11-20", waiting)
    changed(ledger, f"run:{trace}", 9 * DOLLAR)
    found = reviewed(ledger)
    shop = found[Named("run", "shop", "")]
    assert (shop.trips, len(shop.tripped), shop.ended) == (2, 1, {"raised": 1, "": 1})
    assert shop.waited.percentile(50) == 3_600_000_000
    assert [(one.by, one.why, one.after) for one in shop.changes] == [("olga", "a busy week", 9 * DOLLAR)]
    assert (found[AGENT].trips, len(found[AGENT].tripped), found[AGENT].verdict) == (2, 1, "not enough history")
    old = datetime(2026, 1, 1, tzinfo=UTC)
    for table in (trip, ceiling_change):
        ledger.tx_now(lambda connection, table=table: connection.execute(update(table).values(at=to_us(old))))
    again = reviewed(ledger)[Named("run", "shop", "")]
    assert (again.trips, again.changes) == (0, [])


def judged(costs: list[int], ceiling: int | None, trips: int = 0, level: str = "run") -> Review:
    """A review of a ceiling against which this was spent."""
    made = Review(Named(level, "", ""), ceiling)  # type: ignore[arg-type]
    for cost in costs:
        made.spent.add(cost)
    made.tripped = {str(number) for number in range(trips)}
    return made


RULE = [
    ([100] * 9, 1, 9, "not enough history", None),
    ([100] * 10, None, 0, "not set", 200),
    ([100] * 10, 1000, 0, "too generous", 200),
    ([100] * 10, 500, 0, "fits", None),
    ([100] * 10, 125, 0, "fits", None),
    ([100] * 10, 124, 0, "too tight", 200),
    ([100] * 40, 500, 2, "fits", None),
    ([100] * 39, 500, 2, "too tight", 750),
    ([100] * 40, 1000, 2, "fits", None),
    ([123] * 10, 10_000, 0, "too generous", 250),
]


@pytest.mark.parametrize(("costs", "ceiling", "trips", "verdict", "suggested"), RULE)
def test_the_verdict_follows_the_rule(
    costs: list[int], ceiling: int | None, trips: int, verdict: str, suggested: int | None
) -> None:
    """At least 10 runs; tight above 4/5 or with more than 1 trip in 20, generous below 1/5 without a trip; twice p95."""
    found = judged(costs, ceiling, trips)
    assert (found.verdict, found.suggested) == (verdict, suggested)


@pytest.mark.parametrize(("level", "enough"), [("run", 10), ("agent", 5), ("month", 2)])
def test_each_level_needs_its_history(level: str, enough: int) -> None:
    """Ten runs, five days of an agent, two months: one less says nothing."""
    assert judged([1] * (enough - 1), 100, level=level).verdict == "not enough history"
    assert judged([1] * enough, 100, level=level).verdict == "too generous"


@given(
    costs=st.lists(st.integers(1, 10**12), min_size=10, max_size=30), ceiling=st.integers(1, 10**12), trips=st.integers(0, 9)
)
def test_a_suggestion_goes_where_the_verdict_points(costs: list[int], ceiling: int, trips: int) -> None:
    """Whatever was spent: too tight suggests more than there is, too generous less, and both leave room above p95."""
    found = judged(costs, ceiling, trips)
    if found.suggested is None:
        assert found.verdict == "fits"
    else:
        assert found.suggested > ceiling if found.verdict == "too tight" else found.suggested < ceiling
        assert found.suggested >= 2 * (found.spent.percentile(95) or 0)


def test_what_somebody_raised_it_to_is_the_least_that_is_suggested(ledger: Ledger) -> None:
    """A ceiling that was raised to $70 because it was too tight is not suggested to be $30."""
    traces = [ended(ledger, 10 * DOLLAR) for _ in range(10)]
    tripped(ledger, f"run:{traces[0]}", traces[0])
    changed(ledger, f"run:{traces[0]}", 70 * DOLLAR)
    found = reviewed(ledger)[RUN]
    assert (found.verdict, found.suggested) == ("too tight", 70 * DOLLAR)


def test_a_ceiling_without_a_setting_is_the_newest_that_counted(ledger: Ledger) -> None:
    """Where a setting was taken away, what calls last counted against is shown."""
    spent(ledger, "month:2026-09", 5, 100)
    spent(ledger, "month:2026-10", 5, 200)
    assert reviewed(ledger, Ceilings())[MONTH].ceiling == 200
    assert named_of("project:shop:month:2026-10", "") == Named("month", "shop", "")


def test_a_language_that_sorts_otherwise_changes_no_review(postgres: Postgres, tmp_path: Path) -> None:
    """In a database of a language `;` comes before `:`, so what runs have spent is no range of ids. A run's ceiling is of the
    run and of no month, as everywhere else."""
    postgres._run("CREATE DATABASE english TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    ledger = Ledger(postgres.url("english"), tmp_path / "artifacts")
    try:
        upgrade(ledger)
        assert ledger.read_now(lambda connection: connection.execute(text("SELECT 'run;' < 'run:'")).scalar())
        for _ in range(10):
            ended(ledger, DOLLAR)
        for month in ("2026-09", "2026-10"):
            spent(ledger, f"month:{month}", 7 * DOLLAR)
        found = reviewed(ledger)
        assert {named: review.spent.size for named, review in found.items()} == {RUN: 10, MONTH: 2}
    finally:
        ledger.close()
        postgres.drop("english")
