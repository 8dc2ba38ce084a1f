"""A ledger that cannot be used: one error for every reason, with what to do, and a ledger that works again afterwards."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError

from activities.sandbox import Sandbox
from contracts.errors import LedgerUnavailable
from ledger import db, runs
from ledger.db import Ledger
from ledger.tables import counter
from tests.children import PATIENCE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def impatient(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A ledger that does not wait long for anything."""
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.3)
    monkeypatch.setitem(db.SESSION, "idle_in_transaction_session_timeout", "1s")
    opened = Ledger(url, tmp_path / "artifacts")
    yield opened
    opened.close()


def raises(code: str) -> str:
    """A statement that PostgreSQL ends with this SQLSTATE."""
    return f"DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{code}'; END $$"


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        ("53100", "make room on the disk"),
        ("53300", "free connections"),
        ("53200", "more memory"),
        ("55P03", "end what keeps it locked"),
        ("57P01", "start the database"),
        ("57P03", "start the database"),
        ("08006", "start the database"),
        ("25006", "the database that accepts writes"),
        ("58030", "check the disk"),
        ("40001", "too many transactions conflict at once"),
        ("57014", "raise this role's statement_timeout"),
        ("26000", "pool_mode has to be transaction or session"),
        ("42P05", "pool_mode has to be transaction or session"),
        ("42501", "GRANT this role what it lacks"),
        ("55006", "end what keeps it locked"),
    ],
)
def test_what_postgresql_says_about_itself_becomes_one_error(postgres_url: str, tmp_path: Path, code: str, mend: str) -> None:
    """Each reason for which a server cannot be used has its text, and what to do about it."""
    ledger = Ledger(postgres_url, tmp_path)
    with pytest.raises(LedgerUnavailable, match=f"so it is; .*{mend}.*baton doctor"):
        ledger.tx_now(lambda connection: connection.execute(text(raises(code))))
    assert ledger.tx_now(runs.next_number, "after") == 1
    ledger.close()


@pytest.mark.parametrize("code", ["23505", "42P01", "22003", "XX000"])
def test_what_trying_again_does_not_mend_is_no_outage(postgres_url: str, tmp_path: Path, code: str) -> None:
    """A mistake of ours stays the driver's own error: it must not be waited for."""
    ledger = Ledger(postgres_url, tmp_path)
    with pytest.raises(DBAPIError, match="so it is"):
        ledger.tx_now(lambda connection: connection.execute(text(raises(code))))
    ledger.close()


def test_a_mistake_in_sqlite_is_no_outage(sqlite_url: str, tmp_path: Path) -> None:
    """The same on SQLite, whose driver has one class for both."""
    ledger = Ledger(sqlite_url, tmp_path)
    with pytest.raises(DBAPIError, match="no such table"):
        ledger.tx_now(lambda connection: connection.execute(text("SELECT * FROM nowhere")))
    ledger.close()


def test_a_lock_that_is_held_too_long_is_named(impatient: Ledger, url: str, tmp_path: Path) -> None:
    """Whoever holds it: the transaction ends with what to do, changes nothing, and works when the lock is gone."""
    other = Ledger(url, tmp_path)
    other.tx_now(runs.next_number, "n")
    with other.engine.begin() as holding:
        runs.next_number(holding, "n")
        with pytest.raises(LedgerUnavailable, match="end what keeps it locked"):
            impatient.tx_now(runs.next_number, "n")
    assert impatient.tx_now(runs.next_number, "n") == 3
    other.close()


def test_a_frozen_transaction_does_not_keep_the_others_waiting(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends one whose process says nothing any more; it hears of it when it goes on, and the others go on before."""
    monkeypatch.setitem(db.SESSION, "idle_in_transaction_session_timeout", "500ms")
    frozen, other = Ledger(postgres_url, tmp_path), Ledger(postgres_url, tmp_path)
    begun, go_on = threading.Event(), threading.Event()

    def freezes(connection: Connection) -> int:
        runs.next_number(connection, "n")
        begun.set()
        assert go_on.wait(PATIENCE)
        return runs.next_number(connection, "n")

    errors: list[BaseException] = []

    def freeze() -> None:
        try:
            frozen.tx_now(freezes)
        except LedgerUnavailable as error:
            errors.append(error)

    thread = threading.Thread(target=freeze)
    thread.start()
    assert begun.wait(PATIENCE)
    assert other.tx_now(runs.next_number, "n") == 1
    go_on.set()
    thread.join(PATIENCE)
    assert len(errors) == 1
    assert frozen.tx_now(runs.next_number, "n") == 2
    frozen.close()
    other.close()


def test_a_connection_that_the_server_ended_is_replaced(postgres_url: str, tmp_path: Path) -> None:
    """In the middle of a transaction it is an outage, of which nothing is left; between two nobody notices."""
    ledger, admin = Ledger(postgres_url, tmp_path), Ledger(postgres_url, tmp_path)
    end_all = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )

    def ended(connection: Connection) -> int:
        runs.next_number(connection, "n")
        admin.tx_now(lambda other: other.execute(end_all))
        return runs.next_number(connection, "n")

    with pytest.raises(LedgerUnavailable, match="start the database"):
        ledger.tx_now(ended)
    assert ledger.tx_now(runs.next_number, "n") == 1
    admin.tx_now(lambda other: other.execute(end_all))
    assert ledger.tx_now(runs.next_number, "n") == 2
    ledger.close()
    admin.close()


def test_when_all_connections_are_busy_the_next_one_is_told(ledger: Ledger) -> None:
    """A process that reads from more threads than there are connections waits, and then says that; freed, it goes on."""
    ledger.engine.pool._timeout = 0.2  # type: ignore[attr-defined]
    held = [ledger.engine.connect() for _ in range(ledger.engine.pool.size() + ledger.engine.pool._max_overflow)]  # type: ignore[attr-defined]
    with pytest.raises(LedgerUnavailable, match="all connections of this process are busy"):
        ledger.read_now(lambda connection: None)
    for one in held:
        one.close()
    assert ledger.tx_now(runs.next_number, "n") == 1


def test_an_error_does_not_say_what_was_written(ledger: Ledger) -> None:
    """What goes into a row stays out of errors, logs and Temporal's histories."""
    with pytest.raises(DBAPIError) as error:
        ledger.tx_now(lambda connection: connection.execute(insert(counter), [{"name": "s3cret", "value": 1}] * 2))
    assert "s3cret" not in str(error.value).split("DETAIL")[0]


async def test_closing_finishes_what_is_queued(ledger: Ledger) -> None:
    """A worker that stops commits what was handed over, although nobody waits for it any more."""
    go_on = threading.Event()
    queued = [asyncio.create_task(ledger.tx(lambda connection: go_on.wait(PATIENCE)))]
    queued += [asyncio.create_task(ledger.tx(runs.next_number, "n")) for _ in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(ledger.close))
    go_on.set()
    await closing
    assert [await one for one in queued] == [True, 1, 2, 3, 4, 5]


async def test_a_failed_read_reaches_its_caller_and_only_that_one(ledger: Ledger) -> None:
    """The reading thread goes on."""

    def fails(connection: Connection) -> None:
        connection.execute(select(counter))
        raise ValueError("in the middle")

    failing, working = ledger.read(fails), ledger.read(lambda connection: connection.execute(select(counter)).all())
    results = await asyncio.gather(failing, working, return_exceptions=True)
    assert str(results[0]) == "in the middle"
    assert results[1] == []


def test_a_full_disk_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    """On a disk that is really full: rows and artifacts are refused with what to do, and all is well when there is room."""
    bubblewrap = Sandbox.find(None)._bubblewrap
    small, read_only = tmp_path / "small", tmp_path / "read-only"
    small.mkdir()
    read_only.mkdir()
    mounts = ["--dev-bind", "/", "/", "--size", str(4 << 20), "--tmpfs", small, "--ro-bind", read_only, read_only]
    program = [sys.executable, "-m", "tests.ledger.small_disk", small, read_only]
    done = subprocess.run([bubblewrap, *mounts, *program], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "full; make room on the disk" in found["row"]
    assert f"artifact folder {small}/artifacts cannot be used: No space left on device; make room there" in found["artifact"]
    assert f"artifact folder {read_only} cannot be used: Read-only file system" in found["read-only"]
    assert found["files"] == []
    assert (found["lines since"], found["read back"], found["integrity"]) == (1, True, "ok")
