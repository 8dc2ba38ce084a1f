"""Runs, ledgers and servers that do not belong together are told apart: nothing is recorded or won in the wrong place."""

import asyncio
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowUpdateFailedError

import config
from activities.actions.git_push import GitPushAdapter
from activities.git.errors import RepositoryUnreachable
from connection import check_namespace, connect
from ledger import actions, gates, identity, runs
from ledger.db import Connection, Ledger
from ledger.migrate import upgrade
from ledger.tables import decision, gate, run
from tests import depth, processes, scripts
from tests.commands.conftest import CONVERSATIONS, Baton, Serve, asking
from tests.ledger.conftest import empty_url, kind
from tests.stack import Stack, dev_server, git, result_of, stack, until

__all__ = ["empty_url", "kind"]


def rows(connection: Connection) -> dict[str, int]:
    """How many runs, gates and decisions a ledger has."""
    return {table.name: len(connection.execute(select(table)).all()) for table in (run, gate, decision)}


async def at_the_plan(running: Stack, origin: Path) -> Any:
    """A run that waits at plan-1."""
    started = await running.deliver(origin, check="true")
    await running.gate(started, "plan-1")
    return started


async def test_a_worker_with_another_ledger_does_not_start_on_a_served_queue(
    baton: Baton, serve: Serve, tmp_path: Path
) -> None:
    """Runs would fall to one or the other by chance: exit 2 names both ledgers, the queue and what to set."""
    async with serve() as running:
        other = config.Settings(state=tmp_path / "other", task_queue=running.settings.task_queue)
        with processes.Worker(running.client, other, tmp_path / "other.log") as second:
            code = await asyncio.to_thread(second.ended)
        said = (tmp_path / "other.log").read_text()
        assert code == 2
        assert f"task queue '{running.settings.task_queue}'" in said
        assert f"with ledger {running.parts.ledger_id}, and this ledger is " in said
        assert "`ledger_url`" in said


async def test_a_second_worker_with_the_same_ledger_starts(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """The refusal above is about the ledger: one with the same comes up beside the first, and both are counted."""
    async with serve() as running:
        same = config.Settings(state=running.settings.state, task_queue=running.settings.task_queue)
        with processes.Worker(running.client, same, tmp_path / "same.log") as second:

            async def ready() -> bool | None:
                return True if b"worker_ready" in second.log.read_bytes() else None

            await until(ready, "the second worker is ready")
            assert len((await baton.live("runs", "--json")).json["workers"]["working"]) == 2


async def test_a_copy_of_a_ledger_is_another_one(baton: Baton, client: Client, tmp_path: Path) -> None:
    """A copied state folder has the same id. Its worker is a stranger to the original: doctor and a worker's start say so."""
    script, queue = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS), f"copied-{tmp_path.name}"
    async with stack(client, baton.state, script, task_queue=queue, beats=True) as running:
        baton.use(running)
        (tmp_path / "copy").mkdir()
        with sqlite3.connect(baton.state / "ledger.db") as live, sqlite3.connect(tmp_path / "copy" / "ledger.db") as copy:
            live.backup(copy)
        other = config.Settings(state=tmp_path / "copy", task_queue=queue)
        with processes.Worker(client, other, tmp_path / "copy.log") as second:

            async def ready() -> bool | None:
                return True if b"worker_ready" in second.log.read_bytes() else None

            await until(ready, "the worker with the copy, which was made just now, is ready")
            wanted = f"with a copy of this ledger, {running.parts.ledger_id}: its heartbeats are not here"
            found = [one for one in (await baton.live("doctor", "--json")).json["findings"] if one["name"] == "task queue"]
            assert [(one["level"], wanted in one["text"]) for one in found] == [("fail", True)]
            third = config.Settings(state=baton.state, task_queue=queue)
            with processes.Worker(client, third, tmp_path / "third.log") as late:
                assert await asyncio.to_thread(late.ended) == 2
            assert wanted in (tmp_path / "third.log").read_text()


async def test_doctor_names_a_queue_that_two_ledgers_share(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """Two workers that started at the same moment: that one has this ledger is not all that doctor looks at."""
    async with serve() as running:
        # A client of its own: the SDK lets one client serve a queue once.
        apart = await connect(target_host=running.client.service_client.config.target_host)
        script, queue = running.settings.script, running.settings.task_queue
        async with stack(apart, tmp_path / "other", script, task_queue=queue) as other:

            async def seen() -> str | None:
                found = (await baton.live("doctor", "--json")).json["findings"]
                return next((one["text"] for one in found if (one["name"], one["level"]) == ("task queue", "fail")), None)

            said = await until(seen, "doctor sees the other worker's poll")
            assert f"with ledger {other.parts.ledger_id}, and this ledger is {running.parts.ledger_id}" in said


@pytest.mark.parametrize("kind", ["sqlite", *depth.soak("postgresql")], indirect=True)
async def test_a_run_of_another_ledger_is_left_alone(
    client: Client, tmp_path: Path, origin: Path, kind: str, empty_url: str
) -> None:
    """Its worker is gone and one with another ledger has the queue: no decision is won there, and it counts once it is back."""
    script = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS)
    other = {} if kind == "sqlite" else {"ledger_url": empty_url}
    async with stack(client, tmp_path / "first", script, runs_stay=True) as first:
        queue, started = first.settings.task_queue, await at_the_plan(first, origin)
    async with stack(client, tmp_path / "second", script, task_queue=queue, runs_stay=True, **other) as second:
        handle = client.get_workflow_handle(started.id)
        sending = asyncio.create_task(handle.execute_update("approve", {"gate": "plan-1", "by": "maria"}))

        async def refused() -> str | None:
            pending = (await handle.describe()).raw_description.pending_activities
            return next((one.last_failure.message for one in pending if one.last_failure.message), None)

        said = await until(refused, "the worker leaves the decision alone")
        assert f"this worker has ledger {second.parts.ledger_id}" in said
        assert f"the run is recorded in ledger {first.parts.ledger_id}" in said
        assert second.ledger.read_now(rows) == {"run": 0, "gate": 0, "decision": 0}
        assert not sending.done()
    async with stack(client, tmp_path / "first", script, task_queue=queue) as back:
        assert (await sending)["won"]
        won = back.ledger.read_now(gates.decisions, started.first_execution_run_id)
        assert [(one["gate"], one["verb"], one["outcome"]) for one in won] == [("plan-1", "approve", "won")]
        await back.gate(started, "change-1")


async def test_a_gate_that_a_restored_ledger_does_not_have_takes_no_decision(
    baton: Baton, client: Client, tmp_path: Path, origin: Path
) -> None:
    """The backup is from plan-1, the run waits at change-1: an update, a signal and a command are refused with the reason."""
    script = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS)
    async with stack(client, baton.state, script, runs_stay=True) as first:
        queue, started = first.settings.task_queue, await at_the_plan(first, origin)
        with sqlite3.connect(baton.state / "ledger.db") as live, sqlite3.connect(tmp_path / "backup.db") as copy:
            live.backup(copy)
        await first.approve(started, "plan-1")
        await first.gate(started, "change-1")
    put_back(baton, tmp_path / "backup.db")
    async with stack(client, baton.state, script, task_queue=queue, beats=True) as restored:
        baton.use(restored)
        decision_of = {"gate": "change-1", "by": "maria"}
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await started.execute_update("approve", decision_of)
        assert "this ledger does not know the gate; was it restored" in str(refused.value.cause)
        await started.signal("approve", decision_of | {"note": "by signal"})

        async def recorded() -> list[dict[str, Any]] | None:
            found = await restored.ledger.read(gates.decisions, started.first_execution_run_id)
            return found if len(found) == 2 else None

        both = await until(recorded, "both are on record")
        assert {(one["gate"], one["outcome"], one["via"]) for one in both} == {
            ("change-1", "refused", "update"),
            ("change-1", "refused", "signal"),
        }
        command = await baton.live("approve", started.id, "change-1", "--yes")
        assert command.code == 3
        assert "this ledger does not know it: it was restored from an older backup" in command.err
        assert (await started.query("status"))["waiting_for"]["gate"] == "change-1"
        # The gate that it lists is the run's no more: whoever answers there is told why, and doctor says it of itself.
        command = await baton.live("approve", started.id, "plan-1", "--yes")
        assert (command.code, "gate plan-1 is closed: approve by maria" in command.err) == (5, True)
        assert "This ledger is behind the run, such as after a restore from an older backup" in command.err
        found = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}["open runs"]
        wanted = f"this ledger is older than 1 run: {started.id} waits at change-1, which is not in it"
        assert (found["level"], wanted in found["text"]) == ("fail", True), found


def put_back(baton: Baton, backup: Path) -> None:
    """In place of the ledger there is this copy of it."""
    for one in baton.state.glob("ledger.db*"):
        one.unlink()
    shutil.copy(backup, baton.state / "ledger.db")


async def test_a_run_that_a_restored_ledger_does_not_have_takes_no_decision(
    baton: Baton, client: Client, tmp_path: Path, origin: Path
) -> None:
    """The backup is from before the run: nothing is won by any way, the run is listed all the same, and can be cancelled."""
    script = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS)
    async with stack(client, baton.state, script, runs_stay=True) as first:
        queue = first.settings.task_queue
        with sqlite3.connect(baton.state / "ledger.db") as live, sqlite3.connect(tmp_path / "backup.db") as copy:
            live.backup(copy)
        started = await at_the_plan(first, origin)
    put_back(baton, tmp_path / "backup.db")
    async with stack(client, baton.state, script, task_queue=queue, beats=True) as restored:
        baton.use(restored)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await started.execute_update("approve", {"gate": "plan-1", "by": "maria"})
        assert "this ledger does not know the gate; was it restored" in str(refused.value.cause)
        command = await baton.live("approve", started.id, "plan-1", "--yes")
        assert (command.code, f"{started.id} is not in this ledger, and Temporal has it at plan-1" in command.err) == (5, True)
        assert restored.ledger.read_now(rows)["run"] == 0
        assert started.id in (await baton.live("runs")).out
        cancelled = await baton.live("cancel", started.id)
        assert cancelled.code == 0, cancelled.err

        async def over() -> bool | None:
            return True if (await started.describe()).status == WorkflowExecutionStatus.CANCELED else None

        await until(over, "the run was cancelled")


async def test_an_approved_action_that_a_restored_ledger_does_not_have_is_not_tried_for_an_hour(
    baton: Baton, client: Client, tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approved while the target was away, then the ledger of before the approval is put back: the run ends, and says why."""

    def away(*_: object) -> None:
        raise RepositoryUnreachable("the target is away")

    script = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS)
    with monkeypatch.context() as patch:  # until its worker is gone
        async with stack(client, baton.state, script, runs_stay=True) as first:
            queue, started = first.settings.task_queue, await at_the_plan(first, origin)
            await first.approve(started, "plan-1")
            await first.gate(started, "change-1")
            with sqlite3.connect(baton.state / "ledger.db") as live, sqlite3.connect(tmp_path / "backup.db") as copy:
                live.backup(copy)
            patch.setattr(GitPushAdapter, "find", away)
            await first.approve(started, "change-1")

            async def tried() -> bool | None:
                (row,) = await first.ledger.read(actions.of_trace, started.first_execution_run_id)
                return True if row.attempts > 1 else None

            await until(tried, "the push was tried in vain")
    put_back(baton, tmp_path / "backup.db")
    async with stack(client, baton.state, script, task_queue=queue, beats=True) as restored:
        with pytest.raises(WorkflowFailureError):
            await result_of(started)
        row = await restored.ledger.read(runs.find, started.id)
        said = await restored.said(started)
    assert row.state == "failed"
    assert "it was restored from an older backup" in said
    assert git(origin, "branch", "--format=%(refname:short)") == "main"


async def test_a_ledger_and_a_server_of_two_installations_are_told_apart(
    baton: Baton, serve: Serve, origin: Path, tmp_path: Path
) -> None:
    """TEMPORAL_ADDRESS leads to somebody else's server: every command that would act there is refused, and names both."""
    async with serve() as running, dev_server() as foreign:
        await check_namespace(running.client, running.ledger, bind=True)
        run_id = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        ours = running.client.service_client.config.target_host
        theirs = foreign.client.service_client.config.target_host
        baton.set(TEMPORAL_ADDRESS=theirs)
        deciding = (("approve", run_id, "plan-1", "--yes"), ("pause", run_id), ("cancel", run_id))
        for command in (asking(origin), *deciding):
            ran = await baton.live(*command)
            assert ran.code == 2, command
            assert f"belongs to namespace 'default' at {ours}" in ran.err
            assert f"namespace 'default' at {theirs}" in ran.err
            assert "TEMPORAL_ADDRESS" in ran.err
        assert [one async for one in foreign.client.list_workflows()] == []
        found = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
        assert (found["ledger and server"]["level"], theirs in found["ledger and server"]["text"]) == ("fail", True)
        baton.set(TEMPORAL_ADDRESS=ours)
        assert (await baton.live("approve", run_id, "plan-1", "--yes")).code == 0


async def test_a_worker_follows_a_replaced_server_only_when_told(tmp_path: Path) -> None:
    """A server made anew is another one, also at the same address: refused, until BATON_SERVER_REPLACED says it is meant."""
    settings = config.Settings(state=tmp_path / "state", task_queue="replaced")
    ledger = Ledger(settings.database, settings.artifacts)
    upgrade(ledger)
    async with dev_server() as old:
        await check_namespace(old.client, ledger, bind=True)
    async with dev_server() as new:
        with processes.Worker(new.client, settings, tmp_path / "refused.log") as refused:
            assert await asyncio.to_thread(refused.ended) == 2
        assert "BATON_SERVER_REPLACED=true" in (tmp_path / "refused.log").read_text()
        told = settings.model_copy(update={"server_replaced": True})
        with processes.Worker(
            new.client, config.Settings(**told.model_dump(exclude_unset=True)), tmp_path / "told.log"
        ) as meant:

            async def ready() -> bool | None:
                return True if b"worker_ready" in meant.log.read_bytes() else None

            await until(ready, "the worker that was told is ready")
        await check_namespace(new.client, ledger, bind=False)
    ledger.close()


def test_a_ledgers_id_is_its_own_and_survives_a_backup(tmp_path: Path, kind: str, empty_url: str) -> None:
    """Two ledgers never share an id, and migrating again, or restoring a copy, makes no new one."""
    first, second = Ledger(empty_url, tmp_path), Ledger(f"sqlite:///{tmp_path / 'second.db'}", tmp_path)
    upgrade(first)
    upgrade(second)
    own = first.read_now(identity.find).ledger
    assert own != second.read_now(identity.find).ledger
    upgrade(first)
    assert first.read_now(identity.find).ledger == own
    assert first.tx_now(identity.bind, "ns-1", "here").namespace == "ns-1"
    assert first.tx_now(identity.bind, "ns-2", "there").namespace == "ns-1"
    assert first.tx_now(identity.bind, "ns-2", "there", anew=True) == identity.Identity(own, "ns-2", "there")
    first.close()
    second.close()
