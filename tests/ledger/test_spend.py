"""Money: never more than a ceiling allows, never charged twice, nothing forgotten."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from contracts.errors import NotFound
from contracts.money import usd
from ledger.db import Ledger
from ledger.money import ceilings, holdings, spend
from ledger.money.ceilings import Change
from ledger.money.spend import CeilingReached, Scope
from ledger.tables import reservation, scope
from tests import forks
from tests.children import PATIENCE
from tests.ledger.racing import at_once, overlapped

DOLLAR = 1_000_000
RUN, MONTH = Scope("run:r", 10 * DOLLAR), Scope("month:2026-11", 100 * DOLLAR)


def reserve(connection: Connection, amount: int, key: str = "call", scopes: tuple[Scope, ...] = (RUN, MONTH)) -> str:
    """Hold some money, as an attempt of a call does."""
    spend.lose_earlier(connection, key)
    return spend.reserve(connection, key, list(scopes), amount, price_version="test", worker="w")


def books(ledger: Ledger, scope_id: str = RUN.id) -> tuple[int, int]:
    """(spent, held) of a scope."""
    row = ledger.read_now(lambda connection: connection.execute(select(scope).where(scope.c.id == scope_id)).one())
    return row.spent, row.held


def state(ledger: Ledger, identity: str) -> str:
    """A reservation's state."""
    query = select(reservation.c.state).where(reservation.c.id == identity)
    return str(ledger.read_now(lambda connection: connection.execute(query).scalar_one()))


def granted(ledger: Ledger, attempt: Callable[[int], object], threads: int, each: int) -> int:
    """How many of `threads` times `each` simultaneous attempts got their money."""

    def many(first: int) -> int:
        won = 0
        for number in range(first, first + each):
            try:
                attempt(number)
            except CeilingReached:
                continue
            won += 1
        return won

    outcomes = at_once(many, range(0, threads * each, each))
    assert all(isinstance(one, int) for one in outcomes), outcomes
    return sum(one for one in outcomes if isinstance(one, int))


CROWD = Scope("run:crowd", 10 * DOLLAR)
PRICE = 300_000
ROOM = CROWD.ceiling // PRICE


def test_simultaneous_reservations_never_pass_the_ceiling(ledger: Ledger) -> None:
    """A hundred reservations at once near a ceiling: as many are granted as fit, not one more and not one fewer."""

    def attempt(number: int) -> None:
        ledger.tx_now(reserve, PRICE, f"call-{number}", (CROWD, MONTH))

    assert granted(ledger, attempt, threads=10, each=10) == ROOM
    assert books(ledger, CROWD.id) == (0, ROOM * PRICE)
    assert books(ledger, MONTH.id) == (0, ROOM * PRICE)


def spender(barrier: threading.Barrier, url: str, files: Path, name: str, each: int) -> None:
    """A process of its own that reserves again and again, a call for each attempt, and settles every other one at once."""
    ledger = Ledger(url, files)
    barrier.wait(PATIENCE)
    for number in range(each):
        with contextlib.suppress(CeilingReached):
            identity = ledger.tx_now(reserve, PRICE, f"{name}-{number}", (CROWD, MONTH))
            if number % 2:
                ledger.tx_now(spend.settle, identity, PRICE)
    ledger.close()


def test_processes_share_one_ceiling(ledger: Ledger) -> None:
    """Several workers on one ledger grant exactly as much as fits, while calls are being settled."""
    crowded = forks.crowd()
    barrier = crowded.Barrier(3)
    workers = [
        crowded.Process(daemon=True, target=spender, args=(barrier, ledger.url, ledger.files, f"worker-{number}", ROOM))
        for number in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
    assert [worker.exitcode for worker in workers] == [0] * 3
    assert sum(books(ledger, CROWD.id)) == ROOM * PRICE
    assert books(ledger, CROWD.id) == books(ledger, MONTH.id)


def test_the_race_finds_a_reservation_that_reads_first_and_writes_later(ledger: Ledger) -> None:
    """The test above is not blind: a reservation that looks before it writes overspends in the same race."""
    ledger.tx_now(spend.begin, CROWD)
    looked = threading.Barrier(10)

    def attempt(number: int) -> None:
        spent, held = books(ledger, CROWD.id)
        looked.wait(PATIENCE)
        if spent + held + PRICE > CROWD.ceiling:
            raise CeilingReached(CROWD.id, CROWD.ceiling, spent, held, PRICE)
        later = update(scope).where(scope.c.id == CROWD.id).values(held=held + PRICE)
        ledger.tx_now(lambda connection: connection.execute(later))

    assert granted(ledger, attempt, threads=10, each=10) > ROOM


def test_a_settled_call_costs_what_it_cost(ledger: Ledger) -> None:
    """Settlement puts the real cost in place of what was held, in every scope; settling again changes nothing."""
    identity = ledger.tx_now(reserve, 5 * DOLLAR)
    assert books(ledger) == (0, 5 * DOLLAR)
    assert ledger.tx_now(spend.settle, identity, 1_234_567) == 1_234_567
    assert ledger.tx_now(spend.settle, identity, 9 * DOLLAR) == 1_234_567
    assert books(ledger) == books(ledger, MONTH.id) == (1_234_567, 0)
    assert state(ledger, identity) == "settled"


def test_missing_usage_settles_at_the_reservation(ledger: Ledger) -> None:
    """A reply without usage is charged in full."""
    identity = ledger.tx_now(reserve, 2 * DOLLAR)
    assert ledger.tx_now(spend.settle, identity, None) == 2 * DOLLAR
    assert books(ledger) == (2 * DOLLAR, 0)


def test_a_cost_above_the_reservation_is_charged_as_it_is(ledger: Ledger) -> None:
    """What a provider really took is written down, also where it is more than was held."""
    identity = ledger.tx_now(reserve, DOLLAR)
    assert ledger.tx_now(spend.settle, identity, 3 * DOLLAR) == 3 * DOLLAR
    assert books(ledger) == (3 * DOLLAR, 0)


def test_a_released_call_costs_nothing(ledger: Ledger) -> None:
    """A call that was refused before it was made gives its money back; releasing it again changes nothing."""
    identity = ledger.tx_now(reserve, 2 * DOLLAR)
    ledger.tx_now(spend.close, identity, "released")
    ledger.tx_now(spend.close, identity, "lost")
    assert ledger.tx_now(spend.settle, identity, DOLLAR) == 0
    assert books(ledger) == (0, 0)
    assert state(ledger, identity) == "released"


def test_a_lost_call_stays_charged(ledger: Ledger) -> None:
    """A second attempt turns what the first still held into lost money, charged in full, and holds its own."""
    first = ledger.tx_now(reserve, 2 * DOLLAR)
    second = ledger.tx_now(reserve, 3 * DOLLAR)
    assert (state(ledger, first), state(ledger, second)) == ("lost", "held")
    assert books(ledger) == books(ledger, MONTH.id) == (2 * DOLLAR, 3 * DOLLAR)


def test_other_calls_are_not_given_up(ledger: Ledger) -> None:
    """Only earlier attempts of the same call are lost; another call's money stays held."""
    other = ledger.tx_now(reserve, DOLLAR, "other")
    ledger.tx_now(reserve, DOLLAR)
    assert state(ledger, other) == "held"


def test_a_lost_call_that_answers_after_all_corrects_itself(ledger: Ledger) -> None:
    """An attempt that was given up and answers replaces the full charge by the real one; the other attempt is untouched."""
    first = ledger.tx_now(reserve, 2 * DOLLAR)
    second = ledger.tx_now(reserve, 2 * DOLLAR)
    assert ledger.tx_now(spend.settle, first, 500_000) == 500_000
    assert books(ledger) == books(ledger, MONTH.id) == (500_000, 2 * DOLLAR)
    assert ledger.tx_now(spend.settle, second, 700_000) == 700_000
    assert ledger.tx_now(spend.settle, first, 900_000) == 500_000
    assert books(ledger) == books(ledger, MONTH.id) == (1_200_000, 0)


def test_a_lost_call_that_was_not_charged_after_all_costs_nothing(ledger: Ledger) -> None:
    """An attempt that was given up and ends surely uncharged gives its money back, once; an answered one keeps its cost."""
    first = ledger.tx_now(reserve, 2 * DOLLAR)
    second = ledger.tx_now(reserve, 3 * DOLLAR)
    assert ledger.tx_now(spend.close, first, "released")
    assert books(ledger) == books(ledger, MONTH.id) == (0, 3 * DOLLAR)
    assert not ledger.tx_now(spend.close, first, "released")
    ledger.tx_now(spend.settle, second, DOLLAR)
    assert not ledger.tx_now(spend.close, second, "released")
    assert books(ledger) == books(ledger, MONTH.id) == (DOLLAR, 0)
    assert (state(ledger, first), state(ledger, second)) == ("released", "settled")


def test_a_late_answer_and_a_new_attempt_at_once_charge_once(ledger: Ledger) -> None:
    """While one attempt settles, the next gives it up as lost: the settlement stands and nothing is charged twice."""
    first = ledger.tx_now(reserve, 2 * DOLLAR)
    charged, second = overlapped(
        ledger, lambda one: spend.settle(one, first, 500_000), lambda other: reserve(other, 3 * DOLLAR)
    )
    assert charged == 500_000
    assert (state(ledger, first), state(ledger, second)) == ("settled", "held")
    assert books(ledger) == books(ledger, MONTH.id) == (500_000, 3 * DOLLAR)


def test_two_settlements_at_once_charge_once(ledger: Ledger) -> None:
    """The same reply settled by two transactions at once is charged once, and both say what."""
    identity = ledger.tx_now(reserve, 2 * DOLLAR)
    charged = overlapped(ledger, lambda one: spend.settle(one, identity, 5), lambda other: spend.settle(other, identity, 7))
    assert charged == (5, 5)
    assert books(ledger) == (5, 0)


def test_sums_pass_the_32_bit_limit(ledger: Ledger) -> None:
    """$5,000 in micro-dollars does not fit 32 bits and is held, spent and settled all the same."""
    big = Scope("month:big", 6_000 * DOLLAR)
    identity = ledger.tx_now(reserve, 5_000 * DOLLAR, "call", (big,))
    assert ledger.tx_now(spend.settle, identity, None) == 5_000 * DOLLAR
    assert books(ledger, big.id) == (5_000 * DOLLAR, 0)


def test_one_refusing_scope_holds_nothing_anywhere(ledger: Ledger) -> None:
    """Where any scope has no room the call is refused whole: no scope holds money and no reservation is left."""
    full = Scope("project:full", DOLLAR)
    with pytest.raises(CeilingReached):
        ledger.tx_now(reserve, 2 * DOLLAR, "call", (RUN, full, MONTH))
    ledger.tx_now(reserve, DOLLAR, "other")
    assert books(ledger) == books(ledger, MONTH.id) == (0, DOLLAR)
    rows = ledger.read_now(lambda connection: connection.execute(select(reservation.c.call_key)).scalars().all())
    assert rows == ["other"]


def test_a_refusal_names_the_scope_and_all_its_numbers(ledger: Ledger) -> None:
    """The message says which ceiling, how high, what is spent, what is held and what the call could cost."""
    ledger.tx_now(spend.settle, ledger.tx_now(reserve, 4 * DOLLAR, "a"), None)
    ledger.tx_now(reserve, 3 * DOLLAR, "b")
    with pytest.raises(CeilingReached) as caught:
        ledger.tx_now(reserve, 3_500_000, "c")
    refused = caught.value.refused
    text = "run:r: the ceiling is $10.00, $4.00 is spent and $3.00 held; the call could cost $3.50 and was not made"
    assert str(caught.value) == text
    numbers = (refused.scope, refused.ceiling, refused.spent, refused.held, refused.wanted)
    assert numbers == (RUN.id, 10 * DOLLAR, 4 * DOLLAR, 3 * DOLLAR, 3_500_000)


def test_a_call_that_exactly_fits_is_granted(ledger: Ledger) -> None:
    """A ceiling may be used up to its last micro-dollar."""
    ledger.tx_now(reserve, RUN.ceiling)
    with pytest.raises(CeilingReached):
        ledger.tx_now(reserve, 1, "other")


def test_a_scope_that_is_not_there_is_no_reached_ceiling(ledger: Ledger) -> None:
    """A scope seen for the first time begins with the ceiling it is given; it does not look like one that is used up."""
    new = Scope("agent:planner:2026-11-20", 2 * DOLLAR)
    ledger.tx_now(reserve, 2 * DOLLAR, "call", (new,))
    assert books(ledger, new.id) == (0, 2 * DOLLAR)


def test_a_raised_ceiling_counts_at_once_and_stays(ledger: Ledger) -> None:
    """After a raise the same call is granted; the ceiling that callers bring does not lower it again."""
    ledger.tx_now(spend.begin, Scope(RUN.id, DOLLAR))
    with pytest.raises(CeilingReached):
        ledger.tx_now(reserve, 2 * DOLLAR)
    ledger.tx_now(ceilings.raise_to, Change("raise-1", RUN.id, 3 * DOLLAR, "maria", "it is worth it", "cli"))
    ledger.tx_now(reserve, 2 * DOLLAR)
    assert books(ledger) == (0, 2 * DOLLAR)


def test_several_ceilings_are_taken_by_one_statement_or_not_at_all(ledger: Ledger) -> None:
    """On SQLite one statement takes all of them, or, where one has no room or is not there, none; to the last micro-dollar, and
    a free call needs no room. On PostgreSQL it takes none, because they have to be locked one by one."""
    names = [RUN.id, "agent:a:today", MONTH.id]
    for one, ceiling in zip(names, (10, 7, 9), strict=True):
        ledger.tx_now(spend.begin, Scope(one, ceiling))
    sqlite = ledger.engine.dialect.name == "sqlite"
    taken = [ledger.tx_now(holdings.take_all, names, amount) for amount in (8, 7, 1, 0)]
    assert taken == [False, sqlite, False, sqlite]
    assert not ledger.tx_now(holdings.take_all, [*names, "month:unknown"], 0)
    assert [books(ledger, one) for one in names] == [(0, 7 if sqlite else 0)] * 3


def test_a_reservation_that_is_not_there_is_named(ledger: Ledger) -> None:
    """Settling an unknown reservation says so instead of charging nothing."""
    with pytest.raises(NotFound, match=r"no reservation 'nothing'.*backup"):
        ledger.tx_now(spend.settle, "nothing", 1)


@pytest.mark.parametrize("column", ["spent", "held"])
def test_the_database_itself_refuses_negative_books(ledger: Ledger, column: str) -> None:
    """Whatever the code does wrong: no scope ever has less than nothing."""
    ledger.tx_now(spend.begin, Scope("run:x", 1))
    wrong = update(scope).where(scope.c.id == "run:x").values({column: -1})
    with pytest.raises(Exception, match=f"ck_scope_{column}"):
        ledger.tx_now(lambda connection: connection.execute(wrong))


@pytest.mark.parametrize(
    ("micros", "shown"),
    [(0, "$0.00"), (1_500_000, "$1.50"), (12_345, "$0.0123"), (5_000 * DOLLAR, "$5,000.00"), (1_200, "$0.0012")],
)
def test_money_is_shown_with_cents_and_no_more_than_needed(micros: int, shown: str) -> None:
    """People read dollars with cents, and hundredths of a cent only where there are some."""
    assert usd(micros) == shown
