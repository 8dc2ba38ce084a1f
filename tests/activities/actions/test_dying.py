"""A worker that is killed in the middle of an action of any kind: by the target's own book it happened at most once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.exceptions import ApplicationError

from contracts.base import sha256
from contracts.effects.every import ARGUMENTS
from contracts.intents import Intent
from ledger import actions
from ledger.db import now_us
from ledger.tables import action
from tests import forks
from tests.activities.actions.cases import WRONG, approved, deliver, wanted
from tests.activities.actions.conftest import World
from tests.children import finished

LEASED, ASKED, SENT, WRITTEN, SETTLED = (
    "action.in_lease",
    "action.before_send",
    "action.before_receipt",
    "action.in_receipt",
    "action.before_completion",
)
POINTS = {LEASED: (0, "sent"), ASKED: (0, "sent"), SENT: (1, "found"), WRITTEN: (1, "found"), SETTLED: (1, "sent")}
"""Where a worker dies; how often it has happened by then, and how the next one knows the outcome."""

RENAMED = "file.before_rename"

BLIND = {"blind", "mail"}
"""Targets that cannot be asked: what may have been sent stays unknown until a person has found out."""


@dataclass(frozen=True)
class Seen:
    """What came of the kills at one point: effects by then and in the end, and how the next worker knew each outcome."""

    by_then: dict[str, int]
    outcomes: dict[str, str]
    after: dict[str, int]


@pytest.fixture(scope="module")
async def seen(world: World) -> dict[str, Seen]:
    """Every kill at every point, with one of each kind of action in the middle."""
    return {point: await _at(world, point) for point in POINTS}


async def _at(world: World, point: str) -> Seen:
    before, asked = world.effects(), wanted(world.outside.origin)
    _wrong(world, point)
    meant = {name: approved(world.ledger, adapter, _own(arguments, point)) for name, (adapter, arguments) in asked.items()}
    await _killed(world, point, meant)
    by_then = _since(before, world.effects())
    _lose_leases(world)
    outcomes = {name: await _again(world, one) for name, one in meant.items()}
    return Seen(by_then, outcomes, _since(before, world.effects()))


@pytest.mark.parametrize("point", POINTS)
def test_what_a_worker_dies_over_happens_at_most_once(seen: dict[str, Seen], point: str) -> None:
    """Killed with the lease, before the effect, after it, in or after its receipt: the next one does it, finds it, or asks."""
    found, (by_then, known) = seen[point], POINTS[point]
    expected = dict.fromkeys(found.outcomes, known)
    if point != SETTLED:
        expected |= dict.fromkeys(BLIND, "unknown")
    if known == "found":
        expected["once"] = "sent"  # again, under the same key: the receiver acts once
    assert found.by_then == dict.fromkeys(expected, by_then)
    assert found.outcomes == expected
    assert found.after == {name: by_then if name in BLIND else 1 for name in expected}


def test_many_kills_hit(world: World, seen: dict[str, Seen]) -> None:
    """Each of them was seen to end its worker at its point: with every adapter that there is, and more than fifty of them."""
    asked = wanted(world.outside.origin)
    assert {adapter for adapter, _ in asked.values()} == set(ARGUMENTS)
    assert all(one.outcomes.keys() == asked.keys() for one in seen.values())
    assert sum(len(one.outcomes) for one in seen.values()) >= 50


async def test_a_half_written_file_is_taken_up(world: World) -> None:
    """Killed with the new file whole beside the former one: that one is still read, and the next worker writes it once."""
    file = _wrong(world, RENAMED)
    adapter, arguments = wanted(world.outside.origin)["edit"]
    meant = {"edit": approved(world.ledger, adapter, _own(arguments, RENAMED))}
    await _killed(world, RENAMED, meant)
    assert file.read_text() == WRONG
    assert len(list(file.parent.iterdir())) == 2
    _lose_leases(world)
    assert await _again(world, meant["edit"]) == "sent"
    assert (file.read_text(), [one.name for one in file.parent.iterdir()]) == ("rate = 7\n", [file.name])
    assert file.stat().st_mode & 0o777 == 0o640


def _wrong(world: World, point: str) -> Path:
    """A file that is to be corrected, for the worker that dies at this point."""
    file = world.outside.folder / "notices" / point.replace(".", "-") / "shop.ini"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(WRONG)
    file.chmod(0o640)
    return file


def _own(arguments: dict[str, object], point: str) -> dict[str, object]:
    """The same as another event: one for each place where a worker dies."""
    named = {"event", "branch", "path", "head", "name"} & arguments.keys()
    plan = {"plan": sha256(point.encode())} if "plan" in arguments else {}
    return arguments | {name: f"{point.replace('.', '-')}/{arguments[name]}" for name in named} | plan


async def _killed(world: World, point: str, meant: Mapping[str, Intent]) -> None:
    program = (*forks.program("tests.activities.actions.dying"), world.outside.passed_on(), point)
    code, out, err = await finished(*program, *(one.key for one in meant.values()))
    assert (code, out.split("\n")[:-1]) == (0, [f"{one.key} 9" for one in meant.values()]), err
    # Written by the failpoint itself, right before it sent the signal: nothing else has killed them.
    assert all((world.outside.folder / f"marker-{one.key}").exists() for one in meant.values())


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
    """The mutant: an adapter that never looks before it sends."""

    def __init__(self, inner: object) -> None:
        self._inner = inner
        self.permanent = inner.permanent  # type: ignore[attr-defined]
        self.send = inner.send  # type: ignore[attr-defined]

    def find(self, arguments: bytes) -> str | None:
        """Look nowhere."""
        return None


class Keyless:
    """The mutant: it looks for an event of its own, and sends that, so the target cannot tell that it is the same."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.permanent = inner.permanent

    def find(self, arguments: bytes) -> str | None:
        """Look for another event."""
        found: str | None = self._inner.find(_another(arguments))
        return found

    def send(self, arguments: bytes, when: datetime) -> str:
        """Make another event."""
        sent: str = self._inner.send(_another(arguments), when)
        return sent


def _another(arguments: bytes) -> bytes:
    said = json.loads(arguments)
    return json.dumps(said | {"event": f"again/{said['event']}"}).encode()


MUTANTS = {
    Blind: ("looked-up", "blind", "mail", "comment"),
    Keyless: ("looked-up", "once", "comment", "deploy", "sqlite", "postgres"),
}
"""Broken adapters, and the targets that then act twice. The others recognise what they are told again by itself."""


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_a_broken_adapter_is_seen_to_act_twice(world: World, mutant: type[Blind] | type[Keyless]) -> None:
    """What is counted above can be wrong: without a look at the target, or without a key, it happens again."""
    before = world.effects()
    asked = wanted(world.outside.origin)
    meant = {
        name: approved(world.ledger, asked[name][0], _own(asked[name][1], mutant.__name__.lower())) for name in MUTANTS[mutant]
    }
    await _killed(world, SENT, meant)
    _lose_leases(world)
    for one in meant.values():
        await deliver(world.outside.actions(world.ledger, mutant), one)
    after = _since(before, world.effects())
    assert {name: after[name] for name in meant} == dict.fromkeys(meant, 2)
