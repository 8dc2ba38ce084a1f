"""Rows per second of `baton load` into PostgreSQL, beside the database's own COPY, and with a worker killed in the middle."""

import asyncio
import contextlib
import io
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.report import Say, ratios, spread, table
from benchmarks.stack import Stack, running
from config import HOME
from contracts.load import LoadReport
from tests import postgres
from tests.postgres import Postgres

COLUMNS = ("id", "customer", "amount", "placed", "paid", "note")
TABLE = (
    "create table orders (id bigint primary key, customer text not null, amount numeric(12, 2) not null, placed date not null, "
    "paid boolean not null, note text)"
)
CONTRACT = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 0},
        "customer": {"type": "string", "maxLength": 40},
        "amount": {"type": "number", "multipleOf": 0.01, "minimum": 0},
        "placed": {"type": "string", "format": "date"},
        "paid": {"type": "boolean"},
        "note": {"type": ["string", "null"]},
    },
    "required": ["id", "customer", "amount", "placed", "paid"],
}
COPY, OURS, KILLED = "COPY", "ours", "ours, killed"
PATIENCE = 3600.0


@dataclass(frozen=True)
class Sizes:
    """Rounds, and rows of the file."""

    rounds: int = 3
    rows: int = 1_000_000


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Visit all three once per round, print the table and return the figures."""
    seconds: dict[str, list[float]] = {COPY: [], OURS: [], KILLED: []}
    with postgres.running() as database:
        async with running("openai") as stack:
            file = _file(stack.state, sizes.rows)
            for number in range(sizes.rounds):
                ways = [COPY, OURS, KILLED] if number % 2 == 0 else [KILLED, OURS, COPY]
                for way in ways:
                    name = database.create()
                    with _connected(database, name) as connection:
                        connection.execute(TABLE.encode())
                    took = (
                        _copied(database, name, file)
                        if way == COPY
                        else await _loaded(stack, database, name, sizes.rows, killed=way == KILLED)
                    )
                    seconds[way].append(took)
                    with _connected(database, name) as connection:
                        found = connection.execute("select count(*), count(distinct id) from orders").fetchone()
                    if found != (sizes.rows, sizes.rows):
                        raise AssertionError(f"{way}: {found} rows in the table, {sizes.rows} in the file")
                    database.drop(name)
                    say(f"round {number + 1} of {sizes.rounds}: {way} took {took:.1f} s")
    rows = [("", "rows/s (median)", "seconds", "times COPY")]
    for way, times in seconds.items():
        per_second = spread([sizes.rows / one for one in times], 0)
        rows.append((way, per_second, spread(times, 1), spread(ratios(times, seconds[COPY]), 1)))
    say(table(rows))
    return {"sizes": asdict(sizes), "seconds": seconds}


def _file(state: Path, rows: int) -> Path:
    (state / "inbox").mkdir()
    path = state / "inbox" / "orders.csv"
    with path.open("w") as file:
        file.write(",".join(COLUMNS) + "\n")
        for number in range(rows):
            day = f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}"
            file.write(f'{number},customer {number % 9973},{number % 90000}.{number % 100:02},{day},true,"a, {number % 7}"\n')
    return path


@contextlib.contextmanager
def _connected(database: Postgres, name: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(f"host={database.socket} port={postgres.PORT} user=baton dbname={name}") as connection:
        yield connection


def _copied(database: Postgres, name: str, file: Path) -> float:
    began = time.monotonic()
    with _connected(database, name) as connection:
        with (
            connection.cursor() as cursor,
            cursor.copy("copy orders from stdin (format csv, header)") as copy,
            file.open("rb") as data,
        ):
            while block := data.read(io.DEFAULT_BUFFER_SIZE * 16):
                copy.write(block)
        connection.commit()
    return time.monotonic() - began


async def _loaded(stack: Stack, database: Postgres, name: str, rows: int, *, killed: bool) -> float:
    """The seconds of a whole run, from its start to its report: two readings of the file, a dry run and the check included."""
    queue = stack.next_id("load")
    variables = _variables(stack, database, name, queue)
    mapping = {"columns": [{"to": one, "source": one} for one in COLUMNS]}
    asked = {"owner": "olga", "folder": "inbox", "file": "orders.csv", "target": "books", "table": "orders", "mapping": mapping}
    async with contextlib.AsyncExitStack() as workers:
        first = await workers.enter_async_context(stack.worker(f"{queue}-1", "benchmarks.baton_worker", variables))
        # Waits until the worker works: its start is no part of a load.
        await _answers(stack, queue)
        began = time.monotonic()
        handle = await stack.ours.start_workflow("Load", asked, id=queue, task_queue=queue, result_type=LoadReport)
        if killed:
            await _half(database, name)
            os.kill(first.pid, signal.SIGKILL)
            await workers.enter_async_context(stack.worker(f"{queue}-2", "benchmarks.baton_worker", variables))
        report = await asyncio.wait_for(handle.result(), PATIENCE)
        took = time.monotonic() - began
    if report.state != "done" or report.counts.loaded != rows:
        raise AssertionError(f"{report.state}: {report.reason} {report.counts.said()}")
    return took


def _variables(stack: Stack, database: Postgres, name: str, queue: str) -> dict[str, str]:
    policy, contract = stack.state / "policy.toml", stack.state / "order.json"
    text = (HOME / "policy.toml").read_text()
    policy.write_text(text.replace('adapter = "sql.load"\ntier = "confirm"', 'adapter = "sql.load"\ntier = "auto"'))
    contract.write_text(json.dumps(CONTRACT))
    declared = {"about": "orders", "table": "orders", "row": str(contract), "key": ["id"]}
    targets = {"books": {"kind": "sql", "url": database.url(name), "tables": {"orders": declared}}}
    more = {
        "BATON_POLICY": str(policy),
        "BATON_TARGETS": json.dumps(targets),
        "BATON_FOLDERS": json.dumps({"inbox": {"path": str(stack.state / "inbox")}}),
    }
    return stack.baton(queue, more)


async def _answers(stack: Stack, queue: str) -> None:
    """Wait until a run that is refused for its input has been refused, by a worker of the queue."""
    asked = {
        "owner": "olga",
        "folder": "inbox",
        "file": "none.csv",
        "target": "books",
        "table": "orders",
        "mapping": {"columns": []},
    }
    handle = await stack.ours.start_workflow("Load", asked, id=f"{queue}-ready", task_queue=queue)
    with contextlib.suppress(Exception):
        await asyncio.wait_for(handle.result(), PATIENCE)


async def _half(database: Postgres, name: str) -> None:
    """Wait until half of the batches are committed at the target, or one if there are few."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        with _connected(database, name) as connection:
            there = connection.execute("select to_regclass('baton_action_batch')").fetchone()
            if there and there[0]:
                found = connection.execute("select count(*) from baton_action_batch").fetchone()
                total = connection.execute("select reference from baton_action").fetchone()
                rows = int(str(total[0]).split()[2]) if total else 0
                if found and found[0] >= max(rows // 25_000 // 2, 1):
                    return
        await asyncio.sleep(0.05)
    raise AssertionError("no batch was loaded")
