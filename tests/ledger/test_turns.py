"""Conversations: a turn is stored once, a chain is read in order, and other branches never enter it."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from contracts.errors import NotFound
from ledger import turns
from ledger.db import Ledger
from ledger.turns import NewTurn
from tests.depth import count
from tests.ledger.racing import at_once
from tests.ledger.samples import USAGE, result, turn

TREES = itertools.count()
"""Every example has a trace of its own: they share a ledger."""


def conversation(length: int, branch: str = "main", after: str = "") -> list[NewTurn]:
    """Some turns, each after the one before."""
    made: list[NewTurn] = []
    for number in range(length):
        made.append(turn(number, made[-1].id if made else after, branch))
    return made


def store(ledger: Ledger, new: list[NewTurn]) -> None:
    """Insert turns in an order that tells nothing about the chain."""

    def insert(connection: Connection) -> None:
        for one in sorted(new, key=lambda one: one.id):
            assert turns.insert(connection, one)

    ledger.tx_now(insert)


def chain(ledger: Ledger, head: str) -> list[str]:
    """Ids of the conversation that ends with this turn."""
    return [row.id for row in ledger.read_now(turns.chain, head)]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_conversation_with_a_turn_missing_is_no_conversation(ledger: Ledger, gone: int) -> None:
    """The first, the middle or the last is not there, as in a ledger from an older backup: said, and never left out."""
    made = conversation(3)
    store(ledger, [one for number, one in enumerate(made) if number != gone])
    with pytest.raises(NotFound, match=rf"there is no turn {made[gone].id[:12]}… in the ledger; was it restored"):
        chain(ledger, made[-1].id)


def test_a_turn_is_stored_once(ledger: Ledger) -> None:
    """The first answer under a key stands; a second attempt's answer is dropped and said to be."""
    first = turn(0)
    assert ledger.tx_now(turns.insert, first)
    assert not ledger.tx_now(turns.insert, NewTurn(**vars(first) | {"usd_micros": 1, "problem": "other"}))
    row = ledger.read_now(turns.get, first.id)
    assert (row.usd_micros, row.problem) == (first.usd_micros, "")


def test_one_of_many_simultaneous_attempts_is_stored(ledger: Ledger) -> None:
    """Whatever attempts of one call finish at once: exactly one of them is told that its answer counts."""
    answers = [NewTurn(**vars(turn(0)) | {"attempt": number}) for number in range(6)]
    stored = at_once(lambda one: ledger.tx_now(turns.insert, one), answers)
    assert (stored.count(True), stored.count(False)) == (1, 5)
    assert ledger.read_now(turns.get, turn(0).id).attempt == stored.index(True)


def test_a_stored_turn_comes_back_whole(ledger: Ledger) -> None:
    """Reply, calls, usage and money past 32 bits are there again."""
    new = turn(0)
    ledger.tx_now(turns.insert, new)
    row = ledger.read_now(turns.get, new.id)
    assert turns.reply_of(row) == new.reply
    assert turns.usage_of(row) == USAGE
    assert row.usd_micros == 3_000_000_000


@pytest.mark.parametrize("length", [1, 2, 300])
def test_a_conversation_is_read_from_its_first_turn(ledger: Ledger, length: int) -> None:
    """Oldest first, whatever order the rows were written in and however long it is."""
    made = conversation(length)
    store(ledger, made)
    assert chain(ledger, made[-1].id) == [one.id for one in made]


def test_a_conversation_can_be_read_from_any_turn(ledger: Ledger) -> None:
    """Up to a turn in the middle only what came before it is read."""
    made = conversation(5)
    store(ledger, made)
    assert chain(ledger, made[2].id) == [one.id for one in made[:3]]


def test_other_branches_stay_out(ledger: Ledger) -> None:
    """After a reset the same conversation goes on in another way: each branch has the shared start and only its own end."""
    start = conversation(3)
    left, right = conversation(2, "left", start[-1].id), conversation(3, "right", start[-1].id)
    store(ledger, start + left + right)
    assert chain(ledger, left[-1].id) == [one.id for one in start + left]
    assert chain(ledger, right[-1].id) == [one.id for one in start + right]


@settings(max_examples=count(8, soak=150))
@given(parents=st.lists(st.integers(0, 30), min_size=1, max_size=12))
def test_any_tree_of_branches_gives_the_way_from_its_root(ledger: Ledger, parents: list[int]) -> None:
    """For every shape of branching, a chain is exactly the way from the first turn to the head."""
    trace = f"tree {next(TREES)}"
    made: list[NewTurn] = []
    ways: list[list[str]] = []
    for number, pick in enumerate(parents):
        way = ways[pick % len(ways)] if ways and pick else []
        made.append(turn(number, way[-1] if way else "", trace=trace))
        ways.append([*way, made[-1].id])
    ledger.tx_now(lambda connection: [turns.insert(connection, one) for one in made])
    for way in ways:
        assert chain(ledger, way[-1]) == way


def test_an_empty_head_has_no_conversation(ledger: Ledger) -> None:
    """The start of a conversation is not an error; a turn that is not there is, by itself and as the head of one."""
    assert chain(ledger, "") == []
    assert ledger.read_now(turns.find, "nothing") is None
    for look in (turns.get, turns.chain):
        with pytest.raises(NotFound, match=r"no turn nothing….*backup"):
            ledger.read_now(look, "nothing")


def test_a_tool_result_is_stored_once(ledger: Ledger) -> None:
    """The first result of a call stands; the second is dropped and said to be."""
    new = turn(0)
    assert ledger.tx_now(turns.insert_result, result(new.id, 0, "first"))
    assert not ledger.tx_now(turns.insert_result, result(new.id, 0, "second"))
    found = ledger.read_now(turns.find_result, new.id, 0)
    assert found is not None
    assert (found.body, found.position) == ("first", 0)
    assert ledger.read_now(turns.find_result, new.id, 1) is None


def test_tool_results_come_by_turn_in_the_order_of_the_calls(ledger: Ledger) -> None:
    """However they finished, a turn's results stand in the order in which the model asked; others' results stay out."""
    one, two, other = turn(0).id, turn(1).id, turn(2).id
    for turn_id, index in ((two, 1), (one, 2), (other, 0), (one, 0), (two, 0), (one, 1)):
        ledger.tx_now(turns.insert_result, result(turn_id, index))
    found = ledger.read_now(turns.results, [one, two, "none"])
    assert {key: [row.position for row in rows] for key, rows in found.items()} == {one: [0, 1, 2], two: [0, 1], "none": []}
    assert ledger.read_now(turns.results, []) == {}
