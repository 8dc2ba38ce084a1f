"""Model calls on the ledger as an open loop: at a fixed rate, each timed from when it was due.

A closed loop would hide delays: a slow call would postpone the calls that should have shown how slow it was.
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from sqlalchemy import Connection

from benchmarks.floor import KINDS, Call, driver, statements_of
from benchmarks.model_call import RUNS, ModelCall
from benchmarks.report import Say, spread, table
from contracts.runs import WHEN_WRITTEN, Note, RunRef
from ledger import feed
from ledger.db import Ledger
from ledger.migrate import upgrade
from ledger.money import spend
from ledger.money.spend import Scope
from tests import postgres

RATES = {"sqlite": 200, "postgresql": 100}
"""Calls per second."""

ORDER = ("driver alone", "money", "model call")
"""The kinds of call for each database."""

AIMS_MS = {"sqlite": 2.0, "postgresql": 6.0}
"""Target p95."""

SAFE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
"""A server with durable commits, unlike the tests' server."""


@dataclass(frozen=True)
class Sizes:
    """Seconds per visit, and number of rounds."""

    rounds: int = 3
    seconds: float = 10.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds from when a call was due until it was done; `kept` is the calls completed per second."""

    p50: float
    p95: float
    p99: float
    kept: float


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Send model calls to both databases, and the driver alone. Prints the table and returns the figures."""
    found: dict[str, list[Latency]] = {}
    async with _databases() as (systems, statements):
        for number in range(sizes.rounds):
            in_turn = list(systems.items())
            for name, (rate, call) in in_turn if number % 2 == 0 else reversed(in_turn):
                found.setdefault(name, []).append(await _offered(call, rate, sizes.seconds, number))
            say(f"round {number + 1} of {sizes.rounds} done")
    say(_rendered(found))
    counts = Counter(statements)
    say(f"one call: {', '.join(f'{counts[kind]} {kind}' for kind in KINDS)}")
    return {
        "sizes": asdict(sizes),
        "rates": RATES,
        "statements": statements,
        "rounds": {name: [asdict(one) for one in all_] for name, all_ in found.items()},
    }


async def _offered(call: Call, rate: int, seconds: float, round_number: int) -> Latency:
    """Start a call whenever one is due, whether or not earlier ones are done."""
    for warm in range(rate // 4):
        await call(-1 - warm - round_number * 1_000_000)
    taken: list[float] = []

    async def one(number: int, due: float) -> None:
        await call(round_number * 1_000_000 + number)
        taken.append((time.perf_counter() - due) * 1000)

    began = time.perf_counter() + 0.05
    running: set[asyncio.Task[None]] = set()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        running.add(task := asyncio.create_task(one(number, due)))
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    cuts = quantiles(taken, n=100)
    return Latency(cuts[49], cuts[94], cuts[98], len(taken) / (time.perf_counter() - began))


@contextlib.asynccontextmanager
async def _databases() -> AsyncIterator[tuple[dict[str, tuple[int, Call]], list[str]]]:
    """Each system with its rate, and the statements that one call sends."""
    folder = Path(tempfile.mkdtemp(prefix="baton-bench-"))
    try:
        with (
            postgres.place() as place,
            postgres.started(*place, postgres.OPTIONS | SAFE) as server,
            contextlib.ExitStack() as open_,
        ):
            systems: dict[str, tuple[int, Call]] = {}
            statements: list[str] = []
            for name, url in (("sqlite", f"sqlite:///{folder}/ledger.db"), ("postgresql", server.url(server.create()))):
                ledger = Ledger(url, folder / "artifacts")
                open_.callback(ledger.close)
                upgrade(ledger)
                call = ModelCall(ledger, folder)
                statements = statements or await statements_of(ledger, call)
                systems[f"{name}, driver alone"] = (RATES[name], open_.enter_context(driver(url, folder, statements)))
                systems[f"{name}, money"] = (RATES[name], _money(ledger))
                systems[f"{name}, model call"] = (RATES[name], call)
            yield systems, statements
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _money(ledger: Ledger) -> Call:
    """The budget part of a model call: reserve in three scopes, then settle and write the feed line."""

    async def call(number: int) -> None:
        held = await ledger.tx(_reserve, number)
        await ledger.tx(_settle, number, held)

    return call


def _reserve(connection: Connection, number: int) -> str:
    scopes = [Scope(f"run:{number % RUNS}", 10**15), Scope("agent:writer:today", 10**15), Scope("month:now", 10**15)]
    return spend.reserve(connection, f"call-{number}", scopes, 1000, price_version="bench", worker="bench")


def _settle(connection: Connection, number: int, held: str) -> None:
    spend.settle(connection, held, 700)
    line = Note(key=f"call-{number}", at=WHEN_WRITTEN, stage="bench", did="settled", why="a call", next="the next")
    feed.append(connection, RunRef(trace=f"{number % RUNS}", workflow_id="bench"), [line], tokens=10, usd_micros=700)


def _rendered(found: dict[str, list[Latency]]) -> str:
    rows = [["ms from when a call was due", "offered/s", "done/s", "p50", "p95", "p99", "aim for p95"]]
    for name in sorted(found, key=lambda one: (one.split(",")[0] != "sqlite", ORDER.index(one.split(", ")[1]))):
        database, visits = name.split(",")[0], found[name]
        figures = [spread((getattr(one, part) for one in visits), 2) for part in ("p50", "p95", "p99")]
        kept = spread((one.kept for one in visits), 0)
        aim = "" if name.endswith("driver alone") else f"<= {AIMS_MS[database]:g}"
        rows.append([name, str(RATES[database]), kept, *figures, aim])
    lines = [table(rows), ""]
    for database in RATES:
        ours, floor = found[f"{database}, model call"], found[f"{database}, driver alone"]
        over = spread([one.p95 / other.p95 for one, other in zip(ours, floor, strict=True)])
        lines.append(f"{database}: p95 of a model call over the driver's: {over}")
    return "\n".join(lines)
