"""A model call: one stored turn for each key, paid once however often it is asked for."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.providers.openai import OpenAI
from activities.running import shield
from activities.turns.models import Models
from contracts.conversation import ModelReply, Usage
from contracts.errors import LedgerUnavailable
from contracts.turns import CallModel
from ledger import breakers, handoffs
from ledger.db import Ledger
from ledger.money import spend
from ledger.tables import reservation, scope, turn
from tests.activities.turns.calling import one_call
from tests.faults.lost import LostCommits
from tests.scripts import answer, summary
from tests.wire.server import Play, WireServer

DONE = json.dumps(answer(summary())["answer"])
REPLY = ModelReply(text=DONE, stop="end", model="test", usage=Usage(input=100, output=20))
COST = 100 + 20 * 2
"""Micro-dollars of that reply at the price above."""


@pytest.fixture
async def paid(sqlite_url: str, tmp_path: Path) -> AsyncIterator[tuple[Models, CallModel, WireServer, Ledger]]:
    """The activity with a priced model on a loopback server, and one request."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    async with WireServer() as server:
        provider = OpenAI("none", server.openai_url)
        yield *one_call(ledger, tmp_path, provider), server, ledger
        await provider.close()
    ledger.close()


async def test_a_stored_turn_is_not_paid_twice(paid: tuple[Models, CallModel, WireServer, Ledger]) -> None:
    """Asked again with the same key, the activity gives back the stored turn, asks no provider, and spends nothing."""
    models, request, server, ledger = paid
    server.play(REPLY, REPLY)
    first = await ActivityEnvironment().run(models.call_model, request)
    again = await ActivityEnvironment().run(models.call_model, request)
    assert (first.usd_micros, len(server.requests)) == (COST, 1)
    assert again == first
    assert set(ledger.read_now(_money).values()) == {(COST, 0)}


async def test_the_task_is_no_evidence(paid: tuple[Models, CallModel, WireServer, Ledger]) -> None:
    """What somebody asked for shows nothing about the world, however well it is quoted."""
    models, request, server, ledger = paid
    assert request.task is not None
    evidence = [{"artifact": request.task_digest, "quote": request.task[:40]}]
    claims = [{"subject": request.task[:40], "attribute": "is", "value": "so", "evidence": evidence}]
    said = json.dumps(answer(summary(), claims=claims)["answer"])
    server.play(REPLY.model_copy(update={"text": said}))
    await ActivityEnvironment().run(models.call_model, request)
    (stored,) = ledger.read_now(handoffs.of_trace, request.run.trace)
    made = ledger.read_now(handoffs.get, stored.id)
    assert (len(made.claims), made.unsupported) == (1, (0,))


async def test_two_attempts_at_once_leave_one_turn(paid: tuple[Models, CallModel, WireServer, Ledger]) -> None:
    """Two attempts that really both asked are both paid for, get the same one turn, and hold nothing afterwards."""
    models, request, server, ledger = paid
    server.play(Play(REPLY, delay=0.3), Play(REPLY.model_copy(update={"text": DONE + " "}), delay=0.3))
    both = [ActivityEnvironment().run(models.call_model, request) for _ in range(2)]
    one, other = await asyncio.gather(*both)
    assert one == other
    assert len(server.requests) == 2
    assert ledger.read_now(_turns) == 1
    assert set(ledger.read_now(_money).values()) == {(2 * COST, 0)}


def attempt() -> ActivityEnvironment:
    """An attempt that has begun now and has a minute."""
    environment = ActivityEnvironment()
    times = {"started_time": datetime.now(UTC), "start_to_close_timeout": timedelta(minutes=1)}
    environment.info = dataclasses.replace(environment.info, **times)
    return environment


async def test_a_reply_waits_for_a_ledger_that_is_away(
    paid: tuple[Models, CallModel, WireServer, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is away when the reply has come: it is kept and committed when the ledger is back; nothing is paid again."""
    models, request, server, ledger = paid
    monkeypatch.setattr(shield, "AGAIN", 0.01)
    server.play(REPLY, REPLY)
    faults = LostCommits(ledger, lambda name, number: "before" if name == "settle" and number < 3 else "")
    assert (await attempt().run(models.call_model, request)).usd_micros == COST
    assert (faults.landed.total(), len(server.requests)) == (3, 1)
    assert set(ledger.read_now(_money).values()) == {(COST, 0)}


@pytest.mark.parametrize(("remembered", "asked"), [(1, 1), (0, 2)])
async def test_the_next_attempt_has_the_reply_of_one_that_gave_up(
    paid: tuple[Models, CallModel, WireServer, Ledger], monkeypatch: pytest.MonkeyPatch, remembered: int, asked: int
) -> None:
    """On the same worker nothing is paid again; a worker that remembers nothing, as another one, asks and pays once more."""
    monkeypatch.setattr("activities.turns.attempts.REMEMBERED", remembered)
    models, request, server, ledger = paid
    monkeypatch.setattr("activities.turns.attempts.kept", lambda commit, at_most=None: commit())
    server.play(REPLY, REPLY)
    LostCommits(ledger, lambda name, number: "before" if name == "settle" and number < 1 else "")
    with pytest.raises(LedgerUnavailable):
        await attempt().run(models.call_model, request)
    await attempt().run(models.call_model, request)
    assert len(server.requests) == asked
    spent, held = ledger.read_now(_money)["run:trace-1"]
    assert (spent, held) == (asked * COST, 0)


async def test_a_reply_does_not_wait_longer_than_its_attempt(
    paid: tuple[Models, CallModel, WireServer, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the attempt's time is over the error says that the ledger is away, and the call stays charged."""
    models, request, server, ledger = paid
    monkeypatch.setattr(shield, "AGAIN", 0.01)
    server.play(REPLY)
    LostCommits(ledger, lambda name, _: "before" if name == "settle" else "")
    environment = attempt()
    environment.info = dataclasses.replace(environment.info, start_to_close_timeout=shield.MARGIN)
    with pytest.raises(LedgerUnavailable, match="the ledger cannot be used"):
        await environment.run(models.call_model, request)
    spent, held = ledger.read_now(_money)["run:trace-1"]
    assert (spent >= COST, held) == (True, 0)


async def test_a_call_taken_for_dead_that_was_refused_costs_nothing(
    paid: tuple[Models, CallModel, WireServer, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Charged as lost while its worker was silent, then refused by the provider: the charge goes back, the failure counts."""
    models, request, server, ledger = paid

    def taken_for_dead(connection: Connection) -> bool:
        return spend.close(connection, connection.execute(select(reservation.c.id)).scalar_one(), "lost")

    def silent(place: str) -> None:
        assert place != "model.before_call" or ledger.tx_now(taken_for_dead)

    monkeypatch.setattr("activities.turns.attempts.reach", silent)
    server.play(Play(status=401, error="no such key"))
    with pytest.raises(ApplicationError):
        await ActivityEnvironment().run(models.call_model, request)
    assert set(ledger.read_now(_money).values()) == {(0, 0)}
    breaker = ledger.read_now(breakers.get, "provider:openai")
    assert breaker is not None
    assert breaker.reason.startswith("authentication")


def _turns(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(turn)).scalar_one()


def _money(connection: Connection) -> dict[str, tuple[int, int]]:
    return {row.id: (row.spent, row.held) for row in connection.execute(select(scope))}
