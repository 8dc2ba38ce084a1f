"""An action that policy lets happen, and a worker that dies in the middle of it: its effect is there exactly once."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from contracts.actions import Receipt
from ledger import feed, tables
from tests.chaos.audit import rows
from tests.chaos.scenario import Scenario, scenario
from tests.chaos.world import World
from tests.children import PATIENCE
from tests.depth import soak
from tests.stack import git
from tests.workflows.performing import policy
from tests.workflows.performs import PerformReport

CLAIMED, DONE, SETTLED = "action.before_send", "action.before_receipt", "action.before_completion"
POINTS = {CLAIMED: (2, "sent"), DONE: (2, "found"), SETTLED: (1, "sent")}
"""Where the worker dies: with the lease and before the effect, before the receipt, before Temporal hears of it. Then how many
attempts there are in the end, and how the last one knew the outcome."""

DIES = (*(("git.push", point) for point in POINTS), ("note", DONE), *soak(("note", CLAIMED), ("note", SETTLED)))
ARMS = (*(("performs", kind, point) for kind, point in DIES), ("performs-careless", "git.push", DONE))


@dataclass(frozen=True)
class Seen:
    """What one run left: its receipt, the outbox, how often the effect is there, and the gates that opened."""

    receipt: Receipt
    outbox: list[tuple[str, str, int]]
    effects: int
    gates: int


@pytest.fixture(scope="module")
async def seen(outside: World) -> dict[tuple[str, str, str], Seen]:
    """All arms, side by side: each waits until the lease of the worker that died has run out."""
    found = await asyncio.gather(*(_under_a_kill(outside, *arm) for arm in ARMS))
    return dict(zip(ARMS, found, strict=True))


async def _under_a_kill(outside: World, variant: str, kind: str, point: str) -> Seen:
    name = "-".join((variant, kind, point)).replace(".", "-").replace("_", "-")
    async with asyncio.timeout(PATIENCE), scenario(outside, name, person=False) as made:
        made.fleet.variables["BATON_POLICY"] = str(policy(made.folder, tier="auto"))
        run = await made.client.start_workflow(
            "Performs", _asked(made, kind), id=name, task_queue=name, result_type=PerformReport
        )
        worker = await made.fleet.start(variant=variant, point=point)
        await worker.ended
        assert worker.killed
        assert worker.acted
        await made.fleet.start(variant=variant)
        report = await run.result()
        await made.fleet.end()
        outbox = [(row.gate, row.state, row.attempts) for row in rows(made, tables.action)]
        return Seen(report.receipts[0], outbox, await _effects(made, kind), len(rows(made, tables.gate)))


def _asked(made: Scenario, kind: str) -> dict[str, Any]:
    """A note, or main's files as a branch, named like the scenario."""
    asked = {"owner": "olga", "text": made.name}
    if kind == "note":
        return asked
    base, tree = git(made.scene.origin, "rev-parse", "main", "main^{tree}").split()
    return asked | {"repository": made.world.repository, "base": base, "tree": tree}


async def _effects(made: Scenario, kind: str) -> int:
    """How often it happened: in the feed, or in the origin's own book of pushes."""
    if kind == "note":
        lines = await made.ledger.read(feed.after, limit=10_000)
        return len([line for line in lines if line.did.startswith(f"note {made.name}: ")])
    return len([push for push in made.scene.pushes if push["ref"] == f"refs/heads/{made.name}"])


@pytest.mark.parametrize(("kind", "point"), DIES)
def test_what_a_worker_dies_over_happens_exactly_once(seen: dict[tuple[str, str, str], Seen], kind: str, point: str) -> None:
    """Before the effect, after it, and after its receipt: the next worker does it, finds it, or gives the receipt back."""
    found, (attempts, how) = seen["performs", kind, point], POINTS[point]
    assert (found.effects, found.outbox, found.gates) == (1, [("", "delivered", attempts)], 0)
    assert (found.receipt.state, found.receipt.how) == ("delivered", how)


def test_a_worker_that_never_asks_is_seen_to_push_twice(seen: dict[tuple[str, str, str], Seen]) -> None:
    """What is counted above can be wrong: sent again without a look at the target, the branch is pushed a second time."""
    assert seen["performs-careless", "git.push", DONE].effects == 2
