"""A paid reply that the ledger could not take: it is stored and charged once, whatever became of its money meanwhile."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select
from temporalio.testing import ActivityEnvironment

from activities.turns.models import Models
from contracts.errors import LedgerUnavailable, NotFound
from contracts.turns import Turn
from ledger import tables
from tests.activities.turns.test_settlement import COST, REPLY, Paying, paying_by


@pytest.fixture
async def paying(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Paying]:
    """One format is enough: what is kept is the same for all."""
    async with paying_by("chat", sqlite_url, tmp_path) as made:
        yield made


async def attempt(models: Models, paying: Paying) -> Turn:
    """One attempt of the call."""
    return await ActivityEnvironment().run(models.call_model, paying.request)


async def unstored(paying: Paying, monkeypatch: pytest.MonkeyPatch) -> Models:
    """A worker whose attempt has a reply, while the ledger takes everything but that: what it cost counts as lost."""
    models, real = paying.models(), paying.ledger.tx

    async def away(function: Callable[..., Any], *args: Any) -> Any:
        if getattr(function, "__name__", "") == "settle":
            raise LedgerUnavailable("the ledger is away")
        return await real(function, *args)

    with monkeypatch.context() as patch:
        patch.setattr(paying.ledger, "tx", away)
        paying.server.play(REPLY)
        with pytest.raises(LedgerUnavailable):
            await attempt(models, paying)
    held = paying.row(tables.reservation)
    assert (held.state, held.settled) == ("lost", COST)
    return models


def spent(paying: Paying) -> set[tuple[int, int]]:
    """What all ceilings have spent and hold."""
    rows = paying.ledger.read_now(lambda connection: list(connection.execute(select(tables.scope))))
    return {(row.spent, row.held) for row in rows}


async def test_it_is_charged_once_although_it_counted_as_lost(paying: Paying, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next attempt on this worker stores it, and its cost takes the place of all that was held."""
    models = await unstored(paying, monkeypatch)
    made = [await attempt(models, paying) for _ in range(2)]
    held = paying.row(tables.reservation)
    assert [turn.usd_micros for turn in made] == [COST, COST]
    assert (held.state, held.settled, spent(paying), len(paying.server.requests)) == ("settled", COST, {(COST, 0)}, 1)


async def test_another_workers_answer_stands_and_both_calls_are_charged(
    paying: Paying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asked anew, because it did not have the reply: two calls were made, and each costs what it cost."""
    models = await unstored(paying, monkeypatch)
    paying.server.play(REPLY)
    theirs = await attempt(paying.models(), paying)
    ours = await attempt(models, paying)
    assert (ours, len(paying.server.requests), spent(paying)) == (theirs, 2, {(2 * COST, 0)})


async def test_a_ledger_that_does_not_know_the_call_gets_it_anew(paying: Paying, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older backup was restored: the reply has no place there, and does not stand in the way of the next attempt."""
    models = await unstored(paying, monkeypatch)
    await paying.ledger.tx(lambda connection: connection.execute(delete(tables.reservation)).rowcount)
    with pytest.raises(NotFound, match="older backup"):
        await attempt(models, paying)
    paying.server.play(REPLY)
    made = await attempt(models, paying)
    assert (made.usd_micros, len(paying.server.requests)) == (COST, 2)
