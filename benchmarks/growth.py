"""How the stored bytes of a tool loop grow with its turns, compared with a plain loop that passes the whole conversation."""

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from temporalio.client import WorkflowHandle

from benchmarks.agent_files import loop_instruction, write_script
from benchmarks.material import PART_BYTES
from benchmarks.ours import BenchInput
from benchmarks.plain import PlainLoopInput
from benchmarks.report import Say, ratios, spread, table
from benchmarks.stack import Stack, history_of, running, trying

GROWTH_AIM = 4.5
SHARE_AIM = 0.011
PLAIN_LIMIT = 140
"""Most turns of the plain loop: the server ends it at about 155, because of its history size."""


@dataclass(frozen=True)
class Sizes:
    """The loops to run. `turns` counts tool calls; the final reply is one more model call."""

    turns: tuple[int, ...] = (5, 20, 80)
    rounds: int = 3

    def long(self) -> "Sizes":
        """The same plus 300 and 1,000 turns; the latter continues as new."""
        return Sizes((*self.turns, 300, 1000), self.rounds)


@dataclass(frozen=True)
class Cost:
    """The stored bytes and duration of one run. `ledger` includes artifacts; the plain loop has neither."""

    history: int
    events: int
    ledger: int
    seconds: float

    @property
    def durable(self) -> int:
        """All bytes that the run stored."""
        return self.history + self.ledger


Costs = dict[tuple[str, int], list[Cost]]


async def run(sizes: Sizes, say: Say, trial: Path | None = None) -> dict[str, Any]:
    """Run all loops, one after the other, plain and ours in turn. Prints the table and returns the figures.

    `trial` is a Python file that Baton's worker runs before it starts.
    """
    costs: Costs = defaultdict(list)
    async with running("scripted") as stack, _workers(stack, sizes.turns, trial):
        # Warm-up, not counted: both workers start, and the ledger gets its tables and indexes.
        await asyncio.gather(_plain(stack, sizes.turns[0]), _ours(stack, sizes.turns[0]))
        for number in range(sizes.rounds):
            for turns in sizes.turns:
                if turns <= PLAIN_LIMIT:
                    costs["plain", turns].append(await _plain(stack, turns))
                costs["ours", turns].append(await _ours(stack, turns))
            say(f"round {number + 1} of {sizes.rounds} done")
    figures = _figures(costs, sizes.turns)
    say(_rendered(costs, sizes.turns, figures))
    raw = [{"system": system, "turns": turns, **asdict(one)} for (system, turns), all_ in costs.items() for one in all_]
    return {"sizes": asdict(sizes), "tool_result_bytes": PART_BYTES, "figures": figures, "runs": raw}


@asynccontextmanager
async def _workers(stack: Stack, turns: tuple[int, ...], trial: Path | None) -> AsyncIterator[None]:
    script = {"BATON_SCRIPT": str(write_script(stack.state, turns))} | trying(trial)
    async with (
        stack.worker("plain", "benchmarks.plain_worker", stack.plainly("plain", "http://127.0.0.1:9/v1")),
        stack.worker("baton", "benchmarks.baton_worker", stack.baton("ours", script)),
    ):
        yield


async def _plain(stack: Stack, turns: int) -> Cost:
    started = time.monotonic()
    handle = await stack.plain.start_workflow(
        "PlainLoop", PlainLoopInput(turns), id=stack.next_id("plain-loop"), task_queue="plain"
    )
    return await _cost(handle, started, lambda: 0)


async def _ours(stack: Stack, turns: int) -> Cost:
    ledger = stack.state / "ledger.db"
    before = await asyncio.to_thread(_ledger_bytes, ledger)
    started = time.monotonic()
    asked = BenchInput(instruction=loop_instruction(turns))
    handle = await stack.ours.start_workflow("BenchLoop", asked, id=stack.next_id("ours-loop"), task_queue="ours")
    return await _cost(handle, started, lambda: _ledger_bytes(ledger) - before)


async def _cost(handle: WorkflowHandle[Any, Any], started: float, ledger: Any) -> Cost:
    async with asyncio.timeout(600):
        await handle.result()
    seconds = time.monotonic() - started
    events, history = await history_of(handle)
    return Cost(history, events, await asyncio.to_thread(ledger), seconds)


def _ledger_bytes(ledger: Path) -> int:
    """Size of the ledger after a checkpoint of its write-ahead log, plus its artifacts."""
    if not ledger.exists():
        return 0
    connection = sqlite3.connect(ledger, timeout=30)
    try:
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            time.sleep(0.01)
    finally:
        connection.close()
    artifacts = [path for path in (ledger.parent / "artifacts").rglob("*") if path.is_file()]
    return ledger.stat().st_size + sum(path.stat().st_size for path in artifacts)


def _figures(costs: Costs, turns: Sequence[int]) -> dict[str, Any]:
    """Growth over the first three lengths, and our history as a share of the plain loop's at the third."""
    low, middle, high = turns[:3]
    shares = ratios([c.history for c in costs["ours", high]], [c.history for c in costs["plain", high]])
    return {
        "growth": {
            "ours, history": _growth([[c.history for c in costs["ours", n]] for n in (low, middle, high)]),
            "ours, all durable bytes": _growth([[c.durable for c in costs["ours", n]] for n in (low, middle, high)]),
            "plain, history": _growth([[c.history for c in costs["plain", n]] for n in (low, middle, high)]),
        },
        "share_of_plain_history": {"turns": high, "median": median(shares), "all": shares},
        "history_per_turn": (_middle(costs, "ours", high) - _middle(costs, "ours", low)) / (high - low),
    }


def _growth(sizes: list[list[int]]) -> float:
    low, middle, high = (median(of_length) for of_length in sizes)
    return float((high - middle) / (middle - low))


def _middle(costs: Costs, system: str, turns: int) -> float:
    return float(median(c.history for c in costs[system, turns]))


def _rendered(costs: Costs, turns: Sequence[int], figures: dict[str, Any]) -> str:
    rows = [["loop", "turns", "history KB", "events", "ledger + artifacts KB", "all durable KB", "seconds"]]
    for (system, length), of_length in sorted(costs.items(), key=lambda item: (item[0][1], item[0][0])):
        columns = (
            spread((c.history / 1000 for c in of_length), 1),
            spread((c.events for c in of_length), 0),
            spread((c.ledger / 1000 for c in of_length), 0),
            spread((c.durable / 1000 for c in of_length), 0),
            spread((c.seconds for c in of_length), 1),
        )
        rows.append([system, str(length), *columns])
    low, middle, high = turns[:3]
    share = figures["share_of_plain_history"]["median"]
    lines = [table(rows), "", f"(bytes at {high} - at {middle}) / (at {middle} - at {low}); aim for ours: at most {GROWTH_AIM}"]
    lines += [f"  {name:<26}{value:.2f}" for name, value in figures["growth"].items()]
    lines += [f"history at {high} turns, share of plain: {share:.4f}; aim: at most {SHARE_AIM}"]
    lines += [f"our history per turn: {figures['history_per_turn']:.0f} bytes"]
    return "\n".join(lines)
