"""Children share what their run may spend: a part each, more where there is more, something left for what comes after."""

import pytest
from sqlalchemy import Connection, select

from ledger.db import Ledger
from ledger.money import ceilings, spend
from ledger.money.ceilings import Change
from ledger.money.slices import Slice
from ledger.money.spend import CeilingReached, Scope
from ledger.tables import scope
from tests.ledger.racing import at_once

DOLLAR = 1_000_000
RUN = "run:r"
TEN = 10 * DOLLAR


def child(connection: Connection, name: str, amount: int, key: str = "", among: int = 4, kept_back: int = 200) -> str:
    """A call in a child's slice of a run of ten dollars, of which a fifth is kept back."""
    scopes = [Scope(RUN, TEN, kept_back), Slice(RUN, "write/1", name, among, kept_back)]
    return spend.reserve(connection, key or f"{name}-{amount}", scopes, amount, price_version="test", worker="w")


def coordinator(connection: Connection, amount: int) -> str:
    """A call of the run itself."""
    return spend.reserve(connection, f"own-{amount}", [Scope(RUN, TEN)], amount, price_version="test", worker="w")


def slices(ledger: Ledger) -> dict[str, tuple[int, int]]:
    """(ceiling, spent and held) of each slice."""
    query = select(scope).where(scope.c.parent == RUN)
    rows = ledger.read_now(lambda connection: connection.execute(query).all())
    return {row.id.rsplit("/", 1)[1]: (row.ceiling, row.spent + row.held) for row in rows}


def test_each_child_gets_an_equal_part(ledger: Ledger) -> None:
    """Four children of ten dollars, two of them kept back, get two each, whoever comes first."""
    for name in ("a", "b", "c", "d"):
        ledger.tx_now(child, name, 100)
    assert slices(ledger) == dict.fromkeys("abcd", (2 * DOLLAR, 100))


def test_a_child_cannot_starve_its_siblings(ledger: Ledger) -> None:
    """A child that has used its part is refused, although the run has money left: the rest is promised, begun or not."""
    ledger.tx_now(child, "a", 2 * DOLLAR)
    ledger.tx_now(child, "b", 100)
    with pytest.raises(CeilingReached) as caught:
        ledger.tx_now(child, "a", 1)
    assert caught.value.refused.why == "$5.9999 of it is promised to other children, 2 of which have not begun; "
    assert caught.value.refused.scope == RUN
    for name, amount in {"b": 1_999_900, "c": 2 * DOLLAR, "d": 2 * DOLLAR}.items():
        ledger.tx_now(child, name, amount)


def test_a_first_call_may_take_more_than_an_equal_part(ledger: Ledger) -> None:
    """A call dearer than an equal part is made; the others share what it leaves, and it gets no second one like it."""
    ledger.tx_now(child, "a", 5 * DOLLAR)
    with pytest.raises(CeilingReached, match="3 of which have not begun"):
        ledger.tx_now(child, "a", 1)
    for name in "bcd":
        ledger.tx_now(child, name, DOLLAR)
    with pytest.raises(CeilingReached):
        ledger.tx_now(child, "b", 1)


def test_a_child_that_never_called_leaves_its_part(ledger: Ledger) -> None:
    """One that ends without a call gives its part back: what was kept for it is free for others. Said twice it counts once."""
    ledger.tx_now(child, "a", 4 * DOLLAR, among=2)
    with pytest.raises(CeilingReached, match="1 of which has not begun"):
        ledger.tx_now(child, "a", DOLLAR, among=2)
    for _ in range(2):
        ledger.tx_now(spend.give_back, f"{RUN}/write/1/b")
    ledger.tx_now(child, "a", 4 * DOLLAR, "all", among=2)
    assert slices(ledger) == {"a": (8 * DOLLAR, 8 * DOLLAR), "b": (0, 0)}


def test_a_child_of_a_run_that_never_called_leaves_nothing(ledger: Ledger) -> None:
    """Where no scope is there to give back to, nothing is made."""
    ledger.tx_now(spend.give_back, f"{RUN}/write/1/b")
    assert slices(ledger) == {}


def test_a_child_that_had_ended_may_begin_again(ledger: Ledger) -> None:
    """After a reset a child that never called, or had ended, gets a slice again."""
    ledger.tx_now(child, "a", 100)
    for name in "ab":
        ledger.tx_now(spend.give_back, f"{RUN}/write/1/{name}")
        ledger.tx_now(child, name, DOLLAR)
    assert slices(ledger) == {"a": (DOLLAR + 100, DOLLAR + 100), "b": (DOLLAR, DOLLAR)}


def test_a_call_that_costs_nothing_finds_room_where_there_is_none(ledger: Ledger) -> None:
    """Whatever is spent, kept back or promised, and however low a ceiling was set since: what costs nothing is let through."""
    ledger.tx_now(coordinator, 9 * DOLLAR)
    ledger.tx_now(ceilings.change, Change("one", RUN, DOLLAR, "maria", "", "cli"))
    with pytest.raises(CeilingReached):
        ledger.tx_now(child, "a", 1)
    for name in "aab":
        ledger.tx_now(child, name, 0)
    ledger.tx_now(coordinator, 0)
    assert slices(ledger) == {"a": (0, 0), "b": (0, 0)}


def test_what_a_child_leaves_is_free_again(ledger: Ledger) -> None:
    """A child that has ended gives back what it did not use, and another can have it."""
    ledger.tx_now(child, "a", 4 * DOLLAR, among=2)
    ledger.tx_now(child, "b", 100, among=2)
    with pytest.raises(CeilingReached):
        ledger.tx_now(child, "a", DOLLAR, among=2)
    ledger.tx_now(spend.give_back, f"{RUN}/write/1/b")
    ledger.tx_now(child, "a", DOLLAR, among=2)
    assert slices(ledger)["b"] == (100, 100)


def test_children_leave_the_share_that_is_kept_back(ledger: Ledger) -> None:
    """The last fifth is for coordinator, tester and synthesis: no child gets it, the run's own calls do."""
    ledger.tx_now(child, "a", 8 * DOLLAR, among=1)
    with pytest.raises(CeilingReached) as caught:
        ledger.tx_now(child, "a", 1, among=1)
    assert "$2.00 is kept back for what comes after its children" in str(caught.value)
    ledger.tx_now(coordinator, 2 * DOLLAR)


def test_a_raise_of_the_run_is_one_for_its_children(ledger: Ledger) -> None:
    """Raised, the run has room for the child that was refused, in the same way as for itself."""
    ledger.tx_now(child, "a", 8 * DOLLAR, among=1)
    ledger.tx_now(ceilings.change, Change("one", RUN, 2 * TEN, "maria", "", "cli"))
    ledger.tx_now(child, "a", 8 * DOLLAR, "again", among=1)


def test_nothing_is_held_anywhere_after_a_refusal(ledger: Ledger) -> None:
    """A refused call leaves run, slice and reservations as they were."""
    ledger.tx_now(child, "a", 100)
    before = slices(ledger)
    with pytest.raises(CeilingReached):
        ledger.tx_now(child, "a", 9 * DOLLAR)
    assert slices(ledger) == before


def test_simultaneous_children_never_pass_what_children_may_have(ledger: Ledger) -> None:
    """Forty calls of four children at once: each gets the six that its two dollars hold, and slices and run agree."""
    given = [(name, number) for number in range(10) for name in "abcd"]

    def one(which: tuple[str, int]) -> str:
        return ledger.tx_now(child, which[0], 300_000, f"{which[0]}{which[1]}")

    outcomes = at_once(one, given)
    granted = sum(isinstance(outcome, str) for outcome in outcomes)
    assert all(isinstance(outcome, str | CeilingReached) for outcome in outcomes), outcomes
    held = {row.id: row.held for row in ledger.read_now(lambda connection: connection.execute(select(scope)).all())}
    assert held == {RUN: granted * 300_000} | {f"{RUN}/write/1/{name}": 6 * 300_000 for name in "abcd"}
