"""Money on the ledger as an open loop: calls are offered at a fixed rate, and each is timed from when it was meant to begin.

A closed loop would measure its own queue: a slow call would delay the ones that should have shown how slow it was.
"""

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import psycopg
from sqlalchemy import Connection

from benchmarks.report import Say, spread, table
from contracts.runs import Note, RunRef
from ledger import feed, spend
from ledger.db import Ledger
from ledger.migrate import upgrade
from ledger.spend import Scope
from tests import postgres

RATES = {"sqlite": 200, "postgresql": 100}
"""Calls per second that are offered."""

AIMS_MS = {"sqlite": 2.0, "postgresql": 6.0}
"""What p95 is aimed at."""

SAFE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
"""As a server is run that has to keep what it was told, unlike that of the tests."""

Call = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class Sizes:
    """How long each system is offered its rate, and how often every system is visited."""

    rounds: int = 3
    seconds: float = 10.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the moment at which a call was due until it was done."""

    p50: float
    p95: float
    p99: float


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Offer reserve and settle to both databases, beside the driver alone; print the table and give back the figures."""
    found: dict[str, list[Latency]] = {}
    with _databases() as systems:
        for number in range(sizes.rounds):
            for name, (rate, call) in systems.items():
                found.setdefault(name, []).append(await _offered(call, rate, sizes.seconds, number))
            say(f"round {number + 1} of {sizes.rounds} done")
    say(_rendered(found))
    return {
        "sizes": asdict(sizes),
        "rates": RATES,
        "rounds": {name: [asdict(one) for one in all_] for name, all_ in found.items()},
    }


async def _offered(call: Call, rate: int, seconds: float, round_number: int) -> Latency:
    """Begin a call at each due moment, whether or not the ones before are done."""
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
    return Latency(cuts[49], cuts[94], cuts[98])


@contextlib.contextmanager
def _databases() -> Iterator[dict[str, tuple[int, Call]]]:
    folder = Path(tempfile.mkdtemp(prefix="baton-bench-"))
    try:
        with (
            postgres.place() as place,
            postgres.started(*place, postgres.OPTIONS | SAFE) as server,
            contextlib.ExitStack() as open_,
        ):
            systems: dict[str, tuple[int, Call]] = {}
            for name, url in (("sqlite", f"sqlite:///{folder}/ledger.db"), ("postgresql", server.url(server.create()))):
                systems[f"{name}, driver alone"] = (RATES[name], open_.enter_context(_driver(url, folder)))
                systems[f"{name}, ledger"] = (RATES[name], open_.enter_context(_ledger(url, folder)))
            yield systems
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _ledger(url: str, folder: Path) -> Iterator[Call]:
    """What a model call does about money: reserve in three scopes; then settle and write the feed's line."""
    ledger = Ledger(url, folder / "artifacts")
    upgrade(ledger)

    async def call(number: int) -> None:
        held = await ledger.tx(_reserve, number)
        await ledger.tx(_settle, number, held)

    yield call
    ledger.close()


def _reserve(connection: Connection, number: int) -> str:
    scopes = [Scope(f"run:{number % 50}", 10**15), Scope("agent:writer:today", 10**15), Scope("month:now", 10**15)]
    return spend.reserve(connection, f"call-{number}", scopes, 1000, price_version="bench", worker="bench")


def _settle(connection: Connection, number: int, held: str) -> None:
    spend.settle(connection, held, 700)
    line = Note(key=f"call-{number}", at=datetime.now(UTC), stage="bench", did="settled", why="a call", next="the next")
    feed.append(connection, RunRef(trace=f"{number % 50}", workflow_id="bench"), [line], tokens=10, usd_micros=700)


@contextlib.contextmanager
def _driver(url: str, folder: Path) -> Iterator[Call]:
    """The floor: two committed updates of one row by the driver alone, on a thread of its own like the ledger's."""
    thread = ThreadPoolExecutor(1)
    if url.startswith("sqlite"):
        connection: Any = thread.submit(sqlite3.connect, folder / "floor.db", isolation_level=None).result()
        thread.submit(connection.executescript, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL").result()
    else:
        connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    thread.submit(connection.execute, "CREATE TABLE floor (id integer primary key, value bigint)").result()
    thread.submit(connection.execute, "INSERT INTO floor VALUES (1, 0)").result()

    def update() -> None:
        connection.execute("UPDATE floor SET value = value + 1 WHERE id = 1")

    async def call(_number: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(thread, update)
        await loop.run_in_executor(thread, update)

    yield call
    thread.submit(connection.close).result()
    thread.shutdown()


def _rendered(found: dict[str, list[Latency]]) -> str:
    rows = [["reserve + settle, ms from when it was due", "offered/s", "p50", "p95", "p99", "aim for p95"]]
    for name, visits in found.items():
        database = name.split(",")[0]
        figures = (spread((getattr(one, part) for one in visits), 2) for part in ("p50", "p95", "p99"))
        rows.append([name, str(RATES[database]), *figures, f"<= {AIMS_MS[database]:g}" if "ledger" in name else ""])
    lines = [table(rows), ""]
    for database in RATES:
        ours, floor = found[f"{database}, ledger"], found[f"{database}, driver alone"]
        lines.append(f"{database}: p95 over the driver's: {spread([a.p95 / b.p95 for a, b in zip(ours, floor, strict=True)])}")
    return "\n".join(lines)
