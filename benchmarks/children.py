"""Many children of one run, directly or through a layer: what each costs the parent's history, the wall time, the memory."""

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

from benchmarks.agent_files import write_script
from benchmarks.report import Say, spread, table
from benchmarks.stack import Stack, history_of, model_endpoint, running
from benchmarks.usage import peak_mb, resident_mb
from ledger.db import Ledger
from ledger.migrate import upgrade
from workflows.kit.fan_out import CHILDREN_LIMIT

QUEUE = "children"
LOOK = 0.2
AIM_KB = 10
"""Most kilobytes of the parent's history for each child."""


@dataclass(frozen=True)
class Sizes:
    """How many children, and how often each number."""

    children: tuple[int, ...] = (10, 50, 100, 500)
    rounds: int = 1
    limit: int = 50


@dataclass(frozen=True)
class Visit:
    """One run with so many children, and one more that is cancelled while all of them wait."""

    children: int
    kb_each: float
    events: int
    wall_s: float
    rss_mb: float
    peak_mb: float
    cancelled_s: float


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Start runs of each size, count what they cost, and cancel one of each. Prints the table and returns the figures."""
    found: dict[int, list[Visit]] = {}
    async with running("openai") as stack, model_endpoint(stack, write_script(stack.state)) as url:
        ledger = Ledger(f"sqlite:///{stack.state / 'ledger.db'}", stack.state / "artifacts")
        upgrade(ledger)
        ledger.close()
        variables = stack.baton(QUEUE, {"BATON_OPENAI_BASE_URL": url})
        async with stack.worker("baton", "benchmarks.baton_worker", variables) as worker:
            await _ended(stack, 1, sizes.limit)  # what is loaded once is no part of the first size
            for number in range(sizes.rounds):
                for children in sizes.children:
                    found.setdefault(children, []).append(await _visit(stack, worker.pid, children, sizes.limit))
                say(f"round {number + 1} of {sizes.rounds} done")
    say(_rendered(found))
    return {"sizes": asdict(sizes), "rounds": {str(one): [asdict(visit) for visit in visits] for one, visits in found.items()}}


async def _visit(stack: Stack, pid: int, children: int, limit: int) -> Visit:
    began = time.monotonic()
    handle = await _ended(stack, children, limit)
    wall = time.monotonic() - began
    events, size = await history_of(handle)
    after = resident_mb(pid)
    cancelled = await _cancelled(stack, children)
    return Visit(children, size / 1024 / children, events, wall, after, peak_mb(pid), cancelled)


async def _ended(stack: Stack, children: int, limit: int) -> WorkflowHandle[Any, Any]:
    handle = await _start(stack, "done", children, limit)
    made: dict[str, str] = await handle.result()
    if set(made.values()) != {"done"} or len(made) != children:
        raise AssertionError(f"of {children} children not all are done: {sorted(set(made.values()))}")
    return handle


async def _cancelled(stack: Stack, children: int) -> float:
    """Seconds from a cancellation until every child, and then the run, has ended."""
    # Groups share the limit evenly, and may be of unequal size: with just as many as there are, some would wait for ever.
    handle = await _start(stack, "hang", children, children + CHILDREN_LIMIT)
    open_now = f"WorkflowType = 'Leaf' AND ExecutionStatus = 'Running' AND RootWorkflowId = '{handle.id}'"
    await _until(stack, open_now, children)
    began = time.monotonic()
    await handle.cancel()
    try:
        await handle.result()
    except WorkflowFailureError:
        taken = time.monotonic() - began
    else:
        raise AssertionError("a cancelled run has ended as if it were done")
    await _until(stack, open_now, 0)
    return taken


async def _until(stack: Stack, query: str, wanted: int) -> None:
    while (await stack.ours.count_workflows(query)).count != wanted:  # noqa: ASYNC110  the server has no other way to tell
        await asyncio.sleep(LOOK)


async def _start(stack: Stack, does: str, children: int, limit: int) -> WorkflowHandle[Any, Any]:
    asked = {"owner": "bench", "does": {f"n{number}": does for number in range(children)}, "limit": limit}
    return await stack.ours.start_workflow(
        "Spreading", asked | {"layer": CHILDREN_LIMIT}, id=stack.next_id("children"), task_queue=QUEUE, result_type=dict
    )


def _rendered(found: dict[int, list[Visit]]) -> str:
    rows = [("children", "through a layer", "KB of history each", "events", "wall s", "RSS MB", "peak MB", "cancelled in s")]
    for children, visits in found.items():
        rows.append(
            (
                f"{children}",
                "no" if children <= CHILDREN_LIMIT else "yes",
                spread(one.kb_each for one in visits),
                spread((one.events for one in visits), 0),
                spread(one.wall_s for one in visits),
                spread(one.rss_mb for one in visits),
                spread(one.peak_mb for one in visits),
                spread(one.cancelled_s for one in visits),
            )
        )
    most = max(one.kb_each for visits in found.values() for one in visits)
    return f"{table(rows)}\n{most:.2f} KB of the parent's history for a child at most; the aim is < {AIM_KB}"
