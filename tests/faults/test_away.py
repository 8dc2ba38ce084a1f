"""The database goes away in the middle of a delivery and comes back: the run waits, says why, and goes on."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select
from temporalio.client import Client, WorkflowUpdateStage
from temporalio.common import RetryPolicy

from ledger import db
from ledger.db import Ledger
from ledger.migrate import standing
from ledger.tables import reservation
from tests import forks, scripts
from tests.faults.databases import Mortal, locked, mortal
from tests.faults.looking import rounds, waits_for_the_ledger
from tests.faults.record import once, record, sound
from tests.ledger.releases import newer_release
from tests.replay.scenarios import FIX, PLANNER
from tests.scripts import a_tester, writer
from tests.stack import PATIENCE, QUICK, git, held, sample, stack, until
from workflows.kit import options

TWICE = RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_attempts=2)

Outage = Callable[[], AbstractContextManager[None]]


@dataclass
class Database:
    """One kind of database, and two ways in which it goes away."""

    url: str
    first: Outage
    second: Outage
    says: str
    """What a person reads meanwhile."""


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Mortal]:
    """A server that only these tests end."""
    with mortal() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Each database with its ways to go away."""
    if request.param == "postgresql":
        server: Mortal = request.getfixturevalue("own_postgres")
        url, says = server.server.url(server.name), "start the database, or correct `ledger_url`"
        return Database(url, lambda: server.away("killed"), lambda: server.away("immediate"), says)
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.3)
    file = tmp_path / "ledger.db"
    says = "database is locked; end what keeps it locked"
    return Database(f"sqlite:///{file}", lambda: locked(file), lambda: locked(file), says)


async def test_a_delivery_outlives_its_database(
    client: Client, tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away while a model answers, and while a person decides, longer than an activity is tried again.

    The reply waits and is not paid for again; the approval is begun anew and is acknowledged when it stands; nothing is
    lost, doubled or held, and meanwhile a person can read why the run waits.
    """
    monkeypatch.setitem(options.LEDGER, "retry_policy", TWICE)
    origin = sample(tmp_path / "sample")
    script = scripts.save(tmp_path / "script.yaml", PLANNER, writer("fix", FIX), a_tester())
    async with stack(client, tmp_path / "state", script, check=QUICK, ledger_url=database.url) as running:
        run = await running.deliver(origin, branch="after")
        writing = held(running, "writer")
        await running.approve(run, "plan")
        await asyncio.wait_for(writing.asked.wait(), PATIENCE)
        with database.first():
            writing.go.set()
            await until(lambda: kept_back(caplog), "a reply waited for the ledger")
        view = await running.gate(run, "change")
        before = await rounds(run, "admit_decision")

        async def begun_anew() -> bool | None:
            return True if await rounds(run, "admit_decision") > before + 1 else None

        with database.second():
            deciding = await run.start_update(
                "approve", {"gate": view.gate, "by": "maria"}, wait_for_stage=WorkflowUpdateStage.ACCEPTED
            )
            said = await until(lambda: waits_for_the_ledger(run), "the approval waited for the ledger")
            await until(begun_anew, "the approval was begun anew")
        assert (await deciding.result())["won"] is True
        report = await run.result()
        left = await running.ledger.read(record, run.id)
        await running.ledger.read(sound)
        lost = await running.ledger.read(lost_calls)
    assert database.says in said
    assert report.state == "done"
    assert git(origin, "rev-list", "--count", "main..after") == "1"
    assert once(left), left
    assert left.decisions.total() == 2
    assert lost == 0


async def kept_back(caplog: pytest.LogCaptureFixture) -> bool | None:
    """True once the worker says that it keeps a reply for a ledger that is away."""
    return True if "the result of this attempt waits for the ledger" in caplog.text else None


def lost_calls(connection: Connection) -> int:
    """Calls that were paid for and whose replies nobody got."""
    query = select(func.count()).select_from(reservation).where(reservation.c.state == "lost")
    return int(connection.execute(query).scalar_one())


def start_worker(folder: Path, url: str) -> "subprocess.CompletedProcess[str]":
    """A worker process with this ledger, and nothing else set."""
    variables = {"PATH": os.defpath, "BATON_STATE": str(folder), "BATON_LEDGER_URL": url}
    return subprocess.run(forks.program("worker"), env=variables, capture_output=True, text=True, timeout=PATIENCE)


def test_a_worker_ends_with_the_reason_where_the_ledger_is_away(tmp_path: Path) -> None:
    """Exit code 6 and one line, as for a Temporal that is away; no traceback, and no password."""
    done = start_worker(tmp_path, "postgresql+psycopg://baton:s3cret@127.0.0.1:1/baton")
    assert done.returncode == 6
    assert "baton worker: the ledger cannot be used: connection" in done.stderr
    assert "start the database, or correct `ledger_url`" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


def test_a_worker_ends_with_the_reason_where_the_schema_is_too_new(tmp_path: Path, sqlite_url: str) -> None:
    """Exit code 2 and one line with both schemas; the ledger stays as it is."""
    ledger = Ledger(sqlite_url, tmp_path)
    ledger.tx_now(newer_release, "9999")
    done = start_worker(tmp_path, sqlite_url)
    assert done.returncode == 2
    assert f"schema is 9999, and this release knows {standing(ledger).head} and older" in done.stderr
    assert "Traceback" not in done.stderr
    ledger.close()
