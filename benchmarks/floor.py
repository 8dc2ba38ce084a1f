"""The lower bound for a database: the driver alone, with as many statements on one table in as many transactions."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection

from ledger.db import Ledger

Call = Callable[[int], Awaitable[None]]

BODY = "x" * 300
"""The content of a row, about as large as a row of the ledger."""

KINDS = ("BEGIN", "SELECT", "INSERT", "UPDATE", "COMMIT")


async def statements_of(ledger: Ledger, call: Call) -> list[str]:
    """The kinds of the statements that one call sends to a SQLite ledger, in order."""
    seen: list[str] = []
    await call(-(10**9))  # exclude one-time work, such as the first row of a scope
    await ledger.tx(_traced, seen.append)
    seen.clear()
    await call(-(10**9) - 1)
    await ledger.tx(_traced, None)
    kinds = [statement.split(None, 1)[0].upper() for statement in seen]
    found = [kind for kind in kinds if kind in KINDS]
    return found[: len(found) - found[::-1].index("COMMIT")]


@contextlib.contextmanager
def driver(url: str, folder: Path, statements: Sequence[str]) -> Iterator[Call]:
    """As many statements of the same kinds in as many transactions, in one thread like the ledger's."""
    thread = ThreadPoolExecutor(1)
    lite = url.startswith("sqlite")
    connection = thread.submit(_sqlite, folder / "floor.db").result() if lite else thread.submit(_postgresql, url).result()
    transactions = _transactions(statements)
    sign = "?" if lite else "%s"

    def run(kinds: Sequence[str], number: int) -> None:
        connection.execute("BEGIN IMMEDIATE" if lite else "BEGIN")
        for at, kind in enumerate(kinds):
            if kind == "SELECT":
                connection.execute(f"SELECT value FROM floor WHERE id = {sign}", (number % 50,)).fetchall()
            elif kind == "INSERT":
                connection.execute(f"INSERT INTO rows VALUES ({sign}, {sign})", (f"{number}/{at}/{len(kinds)}", BODY))
            else:
                connection.execute(f"UPDATE floor SET value = value + 1 WHERE id = {sign}", (number % 50,))
        connection.execute("COMMIT")

    async def call(number: int) -> None:
        loop = asyncio.get_running_loop()
        for kinds in transactions:
            await loop.run_in_executor(thread, run, kinds, number)

    yield call
    thread.submit(connection.close).result()
    thread.shutdown()


def _traced(connection: Connection, told: Callable[[str], object] | None) -> None:
    driven: Any = connection.connection.dbapi_connection
    driven.set_trace_callback(told)


def _transactions(statements: Sequence[str]) -> list[list[str]]:
    """The statements between each BEGIN and its COMMIT."""
    found: list[list[str]] = []
    for kind in statements:
        if kind == "BEGIN":
            found.append([])
        elif kind != "COMMIT":
            found[-1].append(kind)
    return found


def _sqlite(file: Path) -> Any:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL")
    return _with_tables(connection)


def _postgresql(url: str) -> Any:
    return _with_tables(psycopg.connect(url.replace("+psycopg", ""), autocommit=True))


def _with_tables(connection: Any) -> Any:
    connection.execute("CREATE TABLE floor (id integer primary key, value bigint)")
    connection.execute("CREATE TABLE rows (id text primary key, body text)")
    for number in range(50):
        connection.execute(f"INSERT INTO floor VALUES ({number}, 0)")
    return connection
