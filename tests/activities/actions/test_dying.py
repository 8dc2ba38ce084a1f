"""A worker that is killed in the middle of an action of any kind: by the target's own book it happened at most once."""

from collections.abc import Mapping

import pytest
from sqlalchemy import update
from temporalio.exceptions import ApplicationError

from contracts.intents import Intent
from ledger import actions
from ledger.db import now_us
from ledger.tables import action
from tests import forks
from tests.activities.actions.cases import approved, deliver, wanted
from tests.activities.actions.conftest import World
from tests.children import finished

CLAIMED, SENT, SETTLED = "action.before_send", "action.before_receipt", "action.before_completion"

BLIND = {"blind", "mail"}
"""Targets that cannot be asked: what may have been sent stays unknown until a person has found out."""


@pytest.mark.parametrize("point", [CLAIMED, SENT, SETTLED])
async def test_what_a_worker_dies_over_happens_at_most_once(world: World, point: str) -> None:
    """Killed before the effect, after it, or after its receipt: the next worker finds it, does it, or says so."""
    before = world.outside.effects(world.web, world.mail)
    asked = wanted(world.outside.origin)
    meant = {name: approved(world.ledger, adapter, _own(arguments, point)) for name, (adapter, arguments) in asked.items()}
    await _killed(world, point, meant)
    there = _since(before, world.outside.effects(world.web, world.mail))
    assert there == dict.fromkeys(meant, 0 if point == CLAIMED else 1)
    _lose_leases(world)
    outcomes = {name: await _again(world, one) for name, one in meant.items()}
    after = _since(before, world.outside.effects(world.web, world.mail))
    known = {CLAIMED: "sent", SENT: "found", SETTLED: "sent"}[point]
    expected = dict.fromkeys(meant, known)
    if point != SETTLED:
        expected |= dict.fromkeys(BLIND, "unknown")
    if point == SENT:
        expected["once"] = "sent"  # again, under the same key: the receiver acts once
    assert outcomes == expected
    assert after == {name: 0 if name in BLIND and point == CLAIMED else 1 for name in meant}


def _own(arguments: dict[str, object], point: str) -> dict[str, object]:
    """The same as another event: one for each place where a worker dies."""
    named = {"event", "branch", "path", "head"} & arguments.keys()
    return arguments | {name: f"{point.replace('.', '-')}/{arguments[name]}" for name in named}


async def _killed(world: World, point: str, meant: Mapping[str, Intent]) -> None:
    program = (*forks.program("tests.activities.actions.dying"), world.outside.passed_on(), point)
    code, out, err = await finished(*program, *(one.key for one in meant.values()))
    assert (code, out.split("\n")[:-1]) == (0, [f"{one.key} 9" for one in meant.values()]), err


def _since(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    return {name: now[name] - before[name] for name in now}


def _lose_leases(world: World) -> None:
    world.ledger.tx_now(lambda connection: connection.execute(update(action).values(lease_until=now_us() - 1)))


async def _again(world: World, intent: Intent) -> str:
    """How the next worker knows the outcome."""
    try:
        receipt = await deliver(world.outside.actions(world.ledger), intent)
    except ApplicationError as error:
        state = world.ledger.read_now(actions.get, intent.key).state
        return "unknown" if (error.type, error.non_retryable, state) == ("OutcomeUnknown", True, "sending") else str(error)
    assert receipt.state == "delivered", receipt.problem
    return receipt.how


class Blind:
    """The mutant: an adapter that never looks before it sends, and sends as an event of its own each time."""

    def __init__(self, inner: object) -> None:
        self._inner = inner
        self.permanent = inner.permanent  # type: ignore[attr-defined]
        self.send = inner.send  # type: ignore[attr-defined]

    def find(self, arguments: bytes) -> str | None:
        """Look nowhere."""
        return None


async def test_an_adapter_that_never_looks_is_seen_to_act_twice(world: World) -> None:
    """What is counted above can be wrong: without a look at the target a second post, mail and comment arrive."""
    before = world.outside.effects(world.web, world.mail)
    asked = {
        name: one for name, one in wanted(world.outside.origin).items() if name in ("looked-up", "blind", "mail", "comment")
    }
    meant = {name: approved(world.ledger, adapter, _own(arguments, "mutant")) for name, (adapter, arguments) in asked.items()}
    await _killed(world, SENT, meant)
    _lose_leases(world)
    for one in meant.values():
        await deliver(world.outside.actions(world.ledger, Blind), one)
    after = _since(before, world.outside.effects(world.web, world.mail))
    assert {name: after[name] for name in meant} == dict.fromkeys(meant, 2)
