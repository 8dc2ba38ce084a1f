"""Children share what their run may spend: a part each, more where there is more, something left for what comes after."""

import pytest
from sqlalchemy import Connection, select

from ledger import ceilings, spend
from ledger.ceilings import Change
from ledger.db import Ledger
from ledger.spend import CeilingReached, Scope, Slice
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
    """A greedy child gets what nobody is promised, and then is refused, although the run has money left; a sibling goes on."""
    ledger.tx_now(child, "a", 2 * DOLLAR)
    ledger.tx_now(child, "b", 100)
    ledger.tx_now(child, "a", 3 * DOLLAR)  # b was promised a third of the six dollars that were left: two
    with pytest.raises(CeilingReached) as caught:
        ledger.tx_now(child, "a", DOLLAR + 1)
    assert "is promised to other children" in caught.value.refused.why
    assert caught.value.refused.scope == RUN
    ledger.tx_now(child, "b", 1_999_900)


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
    """Forty calls of four children at once: no more than the run's eight dollars are held, and slices and run agree."""
    given = [(name, number) for number in range(10) for name in "abcd"]

    def one(which: tuple[str, int]) -> str:
        return ledger.tx_now(child, which[0], 300_000, f"{which[0]}{which[1]}")

    outcomes = at_once(one, given)
    granted = sum(isinstance(outcome, str) for outcome in outcomes)
    assert all(isinstance(outcome, str | CeilingReached) for outcome in outcomes), outcomes
    held = {row.id: row.held for row in ledger.read_now(lambda connection: connection.execute(select(scope)).all())}
    assert held[RUN] == granted * 300_000 <= 8 * DOLLAR
    assert sum(amount for name, amount in held.items() if name != RUN) == held[RUN]
    # Eight dollars hold 26 calls; each child keeps less than the worth of one from the others, so at most three are lost.
    assert 23 <= granted <= 26
