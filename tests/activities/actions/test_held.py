"""Actions that came from something condemned are looked for and not sent, and a run that waits for its relay hears of it."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, update
from temporalio.exceptions import ApplicationError

from activities.actions import operating
from activities.actions.handing import Handing
from activities.actions.sending import Sender
from activities.gates import condemning
from activities.gates.policy import load_policy
from contracts.actions import Deliver
from contracts.errors import Refused
from ledger import actions, relay
from ledger.db import Ledger
from ledger.tables import action
from tests.activities.actions.relaying import Book, handed, relay_of
from tests.ledger.samples import ref

SHIPPED = load_policy(Path("policy.toml"))


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    yield opened
    opened.close()


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """The target."""
    return Book(tmp_path / "book")


def condemn(ledger: Ledger, key: str) -> str:
    """Condemn an action; the condemnation's id."""
    return ledger.tx_now(condemning.condemn, SHIPPED, [key], "it", "maria", "old").standing.condemnation.id


def goes_on(ledger: Ledger, id: str, key: str) -> None:
    """A person lets it happen all the same."""
    ledger.tx_now(condemning.settle, SHIPPED, id, key, "goes_on", "olga", "it is right")


def state(ledger: Ledger, key: str) -> str:
    """Of an action."""
    return str(ledger.read_now(actions.get, key).state)


def begun(connection: Connection, key: str) -> None:
    """An attempt began, and its worker died."""
    connection.execute(update(action).where(action.c.key == key).values(state="sending", attempts=1, lease_until=0))


async def refused(ledger: Ledger, book: Book, key: str) -> ApplicationError:
    """What an attempt to send it fails with."""
    with pytest.raises(ApplicationError) as error:
        await Sender(ledger, {"book": book}, "w").send(Deliver(run=ref(), key=key))
    return error.value


async def test_what_nobody_has_begun_is_not_sent(ledger: Ledger, book: Book) -> None:
    """Marked at once or only when it is met, it says by what; an operator cannot have it tried, and can give it up."""
    key, other = handed(ledger, "a", "bank"), handed(ledger, "b", "bank")
    condemn(ledger, key)
    error = await refused(ledger, book, key)
    assert (error.type, error.non_retryable, state(ledger, key)) == ("Held", True, "held")
    assert "write a: it came from something condemned: it: condemned by maria" in error.message
    with pytest.raises(Refused, match="abandon gives it up"):
        ledger.tx_now(operating.retry, key, "olga", "try")
    # What is behind it for the same target does not wait for it.
    assert [row.key for row in ledger.read_now(relay.due)] == [key, other]
    ledger.tx_now(operating.abandon, key, "olga", "not needed")
    assert (state(ledger, key), book.effects()) == ("declined", [])


async def test_what_may_have_happened_is_only_looked_for(ledger: Ledger, book: Book) -> None:
    """The target has one and not the other: the one is delivered, the other stays open, and nothing is sent."""
    there, not_there = handed(ledger, "there", "bank"), handed(ledger, "not-there", "bank")
    book.file.write_text("there\n")
    for key in (there, not_there):
        ledger.tx_now(begun, key)
        id = condemn(ledger, key)
    receipt = await Sender(ledger, {"book": book}, "w").send(Deliver(run=ref(), key=there))
    assert (receipt.state, receipt.how) == ("delivered", "found")
    assert (await refused(ledger, book, not_there)).type == "Held"
    assert (state(ledger, not_there), book.effects()) == ("sending", ["there"])
    ledger.tx_now(condemning.undo, SHIPPED, id, "maria", "it was right")
    await Sender(ledger, {"book": book}, "w").send(Deliver(run=ref(), key=not_there))
    assert book.effects() == ["there", "not-there"]


async def test_a_run_that_waits_for_the_relay_hears_that_it_is_held(ledger: Ledger, book: Book) -> None:
    """On a worker that sends nothing: the run is told, and once a person has let it, the relay does it without delay."""
    key = handed(ledger, "a", "bank")
    id = condemn(ledger, key)
    own, waiting = relay_of(ledger, book, "relay-1", timedelta(minutes=1)), Handing(ledger, timedelta(milliseconds=10))
    await own.round()
    await own.settle()
    with pytest.raises(ApplicationError) as error:
        await waiting.wait(Deliver(run=ref(), key=key))
    assert error.value.type == "Held"
    assert await own.round() == 0  # it was put off, not tried again and again
    goes_on(ledger, id, key)
    receipt = asyncio.create_task(waiting.wait(Deliver(run=ref(), key=key)))
    while not receipt.done():
        await own.round()
        await own.settle()
        await asyncio.sleep(0.01)
    assert ((await receipt).state, book.effects()) == ("delivered", ["a"])
