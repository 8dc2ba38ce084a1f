"""The disk with mirrors and workspaces is full for a moment: the run waits, the record says so at once, and it ends well."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

import config
from contracts.errors import NotFound
from contracts.runs import FINAL, FeedLine
from ledger import runs
from ledger.db import Ledger
from tests import scripts
from tests.depth import soak
from tests.faults.record import once, record, sound
from tests.processes import SmallDisk, Unwritable, Worker
from tests.replay.scenarios import FIX, PLANNER
from tests.scripts import a_tester, writer
from tests.stack import QUICK, Stack, git, sample, until


@dataclass(frozen=True)
class Small:
    """A worker with all but its ledger on a small disk."""

    stack: Stack
    worker: Worker
    disk: SmallDisk

    async def waiting(self, run: WorkflowHandle[Any, Any]) -> list[FeedLine]:
        """The lines of the feed that say that the run waits for room."""
        return [one for one in await self.stack.feed(run) if one.did.startswith("waits for room on the disk")]

    async def waits(self, run: WorkflowHandle[Any, Any], before: int = 0) -> str:
        """Wait until the record says that the run waits for room, once more than `before`; what the feed says is why."""

        async def look() -> str | None:
            try:
                row = await self.stack.ledger.read(runs.find, run.id)
            except NotFound:
                return None
            lines = (await self.waiting(run))[before:]
            # A run that has ended tells by its reason what went wrong.
            assert row.state not in FINAL, await self.stack.said(run)
            return lines[-1].why if lines and lines[-1].importance == "alert" else None

        return await until(look, "the record said that the run waits for room")


@pytest.fixture
async def small(client: Client, tmp_path: Path, sqlite_url: str) -> AsyncIterator[Small]:
    """The worker is another process; its ledger has room."""
    disk = SmallDisk(tmp_path / "state")
    script = scripts.save(tmp_path / "script.yaml", PLANNER, writer("fix", FIX), a_tester())
    settings = config.Settings(
        state=disk.folder, task_queue=f"small-{tmp_path.name}", model="scripted:x", script=script, ledger_url=sqlite_url
    )
    ledger = Ledger(sqlite_url, settings.artifacts)
    with Worker(client, settings, tmp_path / "worker.log", disk.within) as worker, contextlib.closing(ledger):
        yield Small(Stack(client, settings, ledger, None, QUICK), worker, disk)  # type: ignore[arg-type]  # its parts are there


@pytest.mark.parametrize("how", ["no files", *soak("full", "read-only")])
async def test_a_run_outlives_a_disk_that_is_full_twice(small: Small, tmp_path: Path, how: Unwritable) -> None:
    """While a person approves the plan: nothing is refused, begun twice or lost. While a person approves the change: that
    counts, the push is tried until there is room, and is one."""
    origin, stack = sample(tmp_path / "sample"), small.stack
    run = await stack.deliver(origin, branch="small")
    view = await stack.gate(run, "plan")
    with small.disk.full(small.worker, how):
        await stack.decide(view)
        why = await small.waits(run)
        assert "cannot be written" in why
        assert "make room there" in why
    view = await stack.gate(run, "change")
    waited = len(await small.waiting(run))
    with small.disk.full(small.worker):
        await stack.decide(view)
        assert "cannot be written" in await small.waits(run, waited)
        assert "small" not in git(origin, "branch", "--format=%(refname:short)").split()
    assert (await run.result()).state == "done"
    assert git(origin, "rev-list", "--count", "main..small") == "1"
    left = await stack.ledger.read(record, run.id)
    assert once(left), left
    assert any(line[3].startswith("there is room on the disk again") for line in left.lines)
    await stack.ledger.read(sound)


async def test_a_run_outlives_a_full_disk_at_its_start(small: Small, tmp_path: Path) -> None:
    """Full before the repository is fetched for the first time: the input is not refused, and the row says what is awaited."""
    await _ready(small, tmp_path)
    origin, stack = sample(tmp_path / "large", {"data.bin": "x" * 200_000} | {"README.md": "large\n"}), small.stack
    with small.disk.full(small.worker):
        run = await stack.deliver(origin, branch="small")
        await small.waits(run)
        assert (await stack.ledger.read(runs.find, run.id)).waiting_for == "room on the disk"
    await stack.gate(run, "plan")
    assert (await stack.ledger.read(runs.find, run.id)).waiting_for != "room on the disk"
    await run.cancel()


async def _ready(small: Small, tmp_path: Path) -> None:
    """The worker has taken something up, so its disk is there."""
    run = await small.stack.deliver(sample(tmp_path / "first"), branch="first")
    await small.stack.gate(run, "plan")
    await run.cancel()
