"""The disk of a worker is full while a delivery runs: it waits, says so, and goes on when there is room."""

import contextlib
import sqlite3
from pathlib import Path

from temporalio.client import Client

import config
from ledger.db import Ledger
from tests import scripts
from tests.faults.looking import waits_for_the_ledger
from tests.faults.record import once, record, sound
from tests.processes import Worker, file_size_limit
from tests.replay.scenarios import FIX, PLANNER
from tests.scripts import a_tester, writer
from tests.stack import QUICK, Stack, git, sample, until

ROOM = 64 * 1024
"""Bytes that a file may have on the full disk: less than the ledger's own has from the start."""


async def test_a_delivery_outlives_a_full_disk(client: Client, tmp_path: Path, sqlite_url: str) -> None:
    """The worker's writes really fail, by the system's own limit. Nothing is half written, lost or doubled."""
    origin = sample(tmp_path / "sample")
    script = scripts.save(tmp_path / "script.yaml", PLANNER, writer("fix", FIX), a_tester())
    settings = config.Settings(
        state=tmp_path / "state", task_queue=f"full-{tmp_path.name}", model="scripted:x", script=script, ledger_url=sqlite_url
    )
    ledger = Ledger(sqlite_url, settings.artifacts)
    stack = Stack(client, settings, ledger, None, QUICK)  # type: ignore[arg-type]  # its parts are in the other process
    with Worker(client, settings, tmp_path / "worker.log") as worker, contextlib.closing(ledger):
        run = await stack.deliver(origin, branch="full")
        view = await stack.gate(run, "plan")
        assert (tmp_path / "ledger.db-wal").stat().st_size > ROOM, "the limit would not be felt"
        with file_size_limit(worker.pid, ROOM):
            await run.signal("approve", {"gate": view.gate, "by": "maria", "subject": view.subject})
            said = await until(lambda: waits_for_the_ledger(run), "the approval waited for room")
        await stack.approve(run, "change")
        report = await run.result()
        left = await ledger.read(record, run.id)
        await ledger.read(sound)
    assert "check the disk: is it full" in said
    assert report.state == "done"
    assert git(origin, "rev-list", "--count", "main..full") == "1"
    assert once(left), left
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
