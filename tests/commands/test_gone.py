"""Runs that Temporal ended without us: the record says so at the next look, and nothing of them is left open."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.runs.gone import close_gone
from activities.runs.upkeep import Upkeep
from ledger import feed, gates, gone, upkeep
from ledger.tables import run
from tests.agreement import agreed, left
from tests.commands.conftest import Baton, Serve, asking
from tests.depth import soak
from tests.stack import Stack, until

Run = WorkflowHandle[Any, Any]


class Ended(Exception):
    """The run was over before it came to its gate."""


async def begun(stack: Stack, origin: Path, name: str = "", **options: Any) -> Run:
    """A delivery that waits at its plan gate, started as any client of Temporal may start it."""
    asked = {"repository": str(origin), "instruction": "Say it clearer", "owner": "olga", "check": "true"}
    started = await stack.client.start_workflow(
        "Delivery", asked, id=name or f"gone-{secrets.token_hex(4)}", task_queue=stack.settings.task_queue, **options
    )
    trace = started.first_execution_run_id

    async def waits() -> bool | None:
        views = await stack.ledger.read(gates.open_gates)
        if any(view.trace == trace for view in views):
            return True
        if (await started.describe()).status is not WorkflowExecutionStatus.RUNNING:
            raise Ended
        return None

    await until(waits, f"{started.id} waits at a gate")
    return started


async def over(client: Client, handle: Run) -> None:
    """Wait until Temporal itself says that this run is over, or does not have it any more."""
    pinned = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)

    async def ended() -> bool | None:
        try:
            return None if (await pinned.describe()).status is WorkflowExecutionStatus.RUNNING else True
        except RPCError as error:
            return True if error.status is RPCStatusCode.NOT_FOUND else None

    await until(ended, f"{handle.id} is over in Temporal")


async def terminated(stack: Stack, origin: Path) -> Run:
    """By hand, with a reason."""
    handle = await begun(stack, origin)
    await handle.terminate(reason="the flat is on fire")
    return handle


async def timed_out(stack: Stack, origin: Path) -> Run:
    """By the limit that it was started with. A slow machine gets a longer one: the run has to be at its gate by then."""
    for limit in (5, 15, 45, 135):
        name = f"gone-{secrets.token_hex(4)}"
        with contextlib.suppress(Ended):
            return await begun(stack, origin, name, execution_timeout=timedelta(seconds=limit))
    raise AssertionError("no run came to its gate within two minutes")


async def deleted(stack: Stack, origin: Path) -> Run:
    """With its whole history."""
    handle = await begun(stack, origin)
    execution = WorkflowExecution(workflow_id=handle.id)
    request = DeleteWorkflowExecutionRequest(namespace=stack.client.namespace, workflow_execution=execution)
    await stack.client.workflow_service.delete_workflow_execution(request)

    async def away() -> bool | None:
        try:
            await handle.describe()
        except RPCError as error:
            return True if error.status is RPCStatusCode.NOT_FOUND else None
        return None

    await until(away, f"{handle.id} is deleted")
    return handle


Ends = Callable[[Stack, Path], Awaitable[Run]]

ENDS: dict[Ends, tuple[str, str]] = {
    terminated: ("cancelled", "terminated in Temporal: by "),
    timed_out: ("failed", "timed out in Temporal"),
    deleted: ("cancelled", "deleted in Temporal"),
}
"""Each way in which Temporal ends a run, with the state that it has then and what is said of it."""


async def ended_by_all(running: Stack, origin: Path) -> dict[Ends, Run]:
    """A run for each way, that Temporal has ended. None has been looked at."""

    async def ended(ends: Ends) -> Run:
        handle = await ends(running, origin)
        await over(running.client, handle)
        assert running.ledger.read_now(left, trace_of(handle)), ends
        return handle

    return dict(zip(ENDS, await asyncio.gather(*map(ended, ENDS)), strict=True))


def trace_of(handle: Run) -> str:
    """By what the ledger knows it."""
    assert handle.first_execution_run_id is not None
    return handle.first_execution_run_id


async def test_the_first_look_closes_it_and_every_command_says_so(baton: Baton, serve: Serve, origin: Path) -> None:
    """gates lists nothing, runs and show their ends, result exits 1 with the reason, approve and cancel refuse with exit 5."""
    async with serve() as running:
        every = await ended_by_all(running, origin)
        assert (await baton.live("gates", "--json")).json["gates"] == []
        listed = (await baton.live("runs", "--json")).json["runs"]
        rows = {(one["run"], one["state"], one["open_gates"]) for one in listed}
        assert rows == {(handle.id, ENDS[ends][0], 0) for ends, handle in every.items()}
        for ends, handle in every.items():
            state, said = ENDS[ends]
            assert running.ledger.read_now(left, trace_of(handle)) == []
            ended = await baton.live("result", handle.id)
            assert (ended.code, said in ended.out) == (1, True), ended.out + ended.err
            for command in (("approve", handle.id, "plan-1", "--yes"), ("approve", handle.id, "--yes"), ("cancel", handle.id)):
                refused = await baton.live(*command)
                assert (refused.code, said in refused.err) == (5, True), refused.err
            shown = await baton.live("show", handle.id)
            assert f"{handle.id}: {state}" in shown.out
            assert f"ended: {state}; the run was {said.split(':')[0]}" in shown.out


LOOKS = (
    *(("runs",), ("show",), ("result",), ("result", "--wait"), ("approve", "plan-1", "--yes"), ("pause",), ("cancel",)),
    *(("reject", "plan-1", "--yes", "-m", "no"), ("doctor",)),
)
"""Commands that look at a run, without its name."""


async def test_each_command_closes_it_alone(baton: Baton, serve: Serve, origin: Path) -> None:
    """Whichever command looks first: afterwards nothing of the run is open. One run for each, ended when its turn comes."""
    async with serve() as running:
        for handle, command in zip(await asyncio.gather(*(begun(running, origin) for _ in LOOKS)), LOOKS, strict=True):
            await handle.terminate(reason="the flat is on fire")
            named = () if command[0] in {"runs", "doctor"} else (handle.id,)
            ran = await baton.live(command[0], *named, *command[1:])
            assert running.ledger.read_now(left, trace_of(handle)) == [], (command, ran.err)
            lines = [line for line in running.ledger.read_now(feed.after, trace=trace_of(handle)) if line.actor == "temporal"]
            assert [line.did for line in lines] == ["ended: cancelled; the run was terminated in Temporal"], command
            assert "the flat is on fire" in lines[0].why, command


async def test_without_temporal_the_ledger_answers(baton: Baton, serve: Serve, origin: Path) -> None:
    """Nothing listens at the address: the lists are the ledger's, a note says so, and nothing is closed."""
    async with serve() as running:
        handle = await terminated(running, origin)
        baton.set(TEMPORAL_ADDRESS="127.0.0.1:1")
        for command in (("gates", "--json"), ("runs", "--json"), ("show", handle.id, "--json")):
            ran = await baton.live(*command)
            assert (ran.code, "Temporal could not be asked" in ran.err) == (0, True), ran.err
            assert "plan-1" in ran.out or '"waiting"' in ran.out
        assert handle.first_execution_run_id is not None
        assert running.ledger.read_now(left, handle.first_execution_run_id)


async def test_a_workers_round_closes_what_nobody_looks_at(baton: Baton, serve: Serve, origin: Path) -> None:
    """One round of upkeep: the runs are closed, their workspaces are gone from the disk, and doctor says who was there when."""
    async with serve() as running:
        every = await ended_by_all(running, origin)
        workspaces = running.settings.state / "workspaces" / "files"
        folders = [workspaces / f"{trace_of(handle)}~write~1" for handle in every.values()]
        for folder in folders:
            folder.mkdir(parents=True)
        assert await running.parts.upkeep.round(running.client) >= len(every)
        assert [ends for ends, handle in every.items() if running.ledger.read_now(left, trace_of(handle))] == []
        await running.parts.upkeep.round(running.client)
        assert [folder for folder in folders if folder.exists()] == []
        for ends, handle in every.items():
            ended, (state, said) = (await baton.live("result", handle.id, "--json")).json, ENDS[ends]
            assert (ended["state"], said in ended["report"]["reason"]) == (state, True), ended
        findings = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
        assert findings["upkeep"]["level"] == "ok"
        assert "last round at" in findings["upkeep"]["text"]
        assert findings["open runs"]["text"].startswith("0, all running")


async def test_a_run_that_goes_on_is_left_alone(baton: Baton, serve: Serve, origin: Path) -> None:
    """Rounds and looks change nothing about a run that waits, and it can be decided as ever."""
    async with serve() as running:
        handle = await begun(running, origin)
        for _ in range(2):
            assert await running.parts.upkeep.round(running.client) == 0
        assert [one["run"] for one in (await baton.live("gates", "--json")).json["gates"]] == [handle.id]
        assert (await baton.live("approve", handle.id, "plan-1", "--yes")).code == 0


async def tasks(client: Client, handle: Run) -> list[int]:
    """The events by which the first run of this workflow has completed its workflow tasks."""
    pinned = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    events = pinned.fetch_history_events()
    return [one.event_id async for one in events if one.HasField("workflow_task_completed_event_attributes")]


async def reset(client: Client, handle: Run) -> None:
    """Back to the last workflow task that it completed, as `temporal workflow reset -t LastWorkflowTask` does."""
    completed = await tasks(client, handle)
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.first_execution_run_id or ""),
        reason="it should not have been ended",
        workflow_task_finish_event_id=completed[-1],
        request_id=secrets.token_hex(8),
    )
    await client.workflow_service.reset_workflow_execution(request)


async def opened_by_rounds(running: Stack, handle: Run) -> None:
    """Make rounds until the run is open again. Where the reset repeats the task that opened its gate, the run may be first."""

    async def opened() -> bool | None:
        await running.parts.upkeep.round(running.client)
        return True if await running.ledger.read(left, handle.first_execution_run_id or "") else None

    await until(opened, "a round opens the run again")


async def waits_again(baton: Baton, handle: Run, state: str, waiting_for: str) -> None:
    """Look until the run waits as it did: what the reset repeats may take a moment."""

    async def seen() -> bool | None:
        shown = (await baton.live("show", handle.id, "--json")).json
        return True if (shown["state"], shown["waiting_for"]) == (state, waiting_for) else None

    await until(seen, f"{handle.id} is {state} for {waiting_for}")


@pytest.mark.parametrize("by_upkeep", [True, *soak(False)])
async def test_a_terminated_run_that_is_reset_is_open_again(
    baton: Baton, serve: Serve, origin: Path, *, by_upkeep: bool
) -> None:
    """Its gate waits again at the next look, takes the decision, and the run goes on to its next gate."""
    async with serve() as running:
        handle = await terminated(running, origin)
        assert (await baton.live("cancel", handle.id)).code == 5
        assert (await baton.live("gates", "--json")).json["gates"] == []
        await reset(running.client, handle)
        if by_upkeep:
            await opened_by_rounds(running, handle)
        await waits_again(baton, handle, "waiting", "plan-1")
        approved = await baton.live("approve", handle.id, "plan-1", "--yes")
        assert approved.code == 0, approved.err
        waiting = await baton.live("result", handle.id, "--wait-for-gate", "--json")
        assert (waiting.code, waiting.json["gates"]) == (4, ["change-1"]), waiting.err


async def pause_again(client: Client, handle: Run) -> None:
    """Pause a paused run: the task that its last pause came with is not its last one then, and a reset does not repeat it."""
    before = await tasks(client, handle)
    await handle.signal("pause", {})

    async def taken() -> bool | None:
        return True if len(await tasks(client, handle)) > len(before) else None

    await until(taken, f"{handle.id} took the second pause")


@pytest.mark.parametrize("by_upkeep", [True, *soak(False)])
async def test_a_paused_run_that_is_ended_and_reset_is_paused_again(
    baton: Baton, serve: Serve, origin: Path, *, by_upkeep: bool
) -> None:
    """Its record says so although a paused run does nothing; resumed it waits at its gate, which takes the decision."""
    async with serve() as running:
        handle = await begun(running, origin)
        assert (await baton.live("pause", handle.id)).code == 0
        await agreed(running.ledger, handle, "paused")
        await pause_again(running.client, handle)
        await handle.terminate(reason="the flat is on fire")
        assert (await baton.live("show", handle.id, "--json")).json["state"] == "cancelled"
        await reset(running.client, handle)
        if by_upkeep:
            await opened_by_rounds(running, handle)
        await waits_again(baton, handle, "paused", "resume")
        assert (await baton.live("resume", handle.id)).code == 0
        await agreed(running.ledger, running.client.get_workflow_handle(handle.id), "waiting")
        assert (await baton.live("approve", handle.id, "plan-1", "--yes")).code == 0


async def test_a_paused_run_that_is_reset_is_paused_before_a_worker_is_back(
    baton: Baton, serve: Serve, client: Client, origin: Path
) -> None:
    """Nobody works, so that the run itself records nothing: the look alone says it. Then it is resumed as ever."""
    async with serve(runs_stay=True) as running:
        queue, handle = running.settings.task_queue, await begun(running, origin)
        assert (await baton.live("pause", handle.id)).code == 0
        await agreed(running.ledger, handle, "paused")
    await handle.terminate(reason="the flat is on fire")
    assert (await baton.live("show", handle.id, "--json")).json["state"] == "cancelled"
    await reset(client, handle)
    shown = (await baton.live("show", handle.id, "--json")).json
    assert (shown["state"], shown["waiting_for"]) == ("paused", "resume")
    async with serve(task_queue=queue) as running:
        assert (await baton.live("resume", handle.id)).code == 0
        await agreed(running.ledger, client.get_workflow_handle(handle.id), "waiting")
        assert (await baton.live("approve", handle.id, "plan-1", "--yes")).code == 0


async def test_two_rows_of_one_workflow_id_are_told_apart(baton: Baton, serve: Serve, origin: Path) -> None:
    """Another run took the id: the old one is closed and listed under its trace, the new one waits under the id."""
    async with serve() as running:
        name = f"reuse-{secrets.token_hex(4)}"
        first = await begun(running, origin, name)
        policy = WorkflowIDConflictPolicy.TERMINATE_EXISTING
        second = await begun(running, origin, name, id_conflict_policy=policy)
        listed = await baton.live("gates", "--json")
        assert [(one["run"], one["trace"]) for one in listed.json["gates"]] == [(name, second.first_execution_run_id)]
        rows = (await baton.live("runs", "--json")).json["runs"]
        assert [(one["trace"], one["state"]) for one in rows] == [
            (second.first_execution_run_id, "waiting"),
            (first.first_execution_run_id, "cancelled"),
        ]
        table = (await baton.live("runs")).out.splitlines()
        assert [line.split()[0] for line in table[1:3]] == [name, first.first_execution_run_id]
        dead = await baton.live("result", str(first.first_execution_run_id))
        assert (dead.code, "terminated in Temporal" in dead.out) == (1, True)


async def test_a_request_key_of_a_dead_run_is_no_success(baton: Baton, serve: Serve, client: Client, origin: Path) -> None:
    """The same request again names the run that has ended, how, and what to do, and does not exit 0."""
    async with serve():
        command = asking(origin, "--request-key", "nightly", "--wait-for-gate", "--json")
        started = (await baton.live(*command)).json
        await client.get_workflow_handle(started["run"]).terminate(reason="not tonight")
        again = await baton.live(*asking(origin, "--request-key", "nightly"))
        assert (again.code, started["run"] in again.err) == (1, True)
        assert "has ended as cancelled: terminated in Temporal" in again.err
        assert "Another request key starts a new run" in again.err


async def test_what_another_namespace_has_is_not_taken_for_deleted(baton: Baton, serve: Serve, origin: Path) -> None:
    """A row whose run lives on another server is left open, by commands and by rounds, and both say that it is not here."""
    async with serve() as running:
        handle, other = await begun(running, origin), await begun(running, origin)

        def elsewhere(connection: Connection, namespace: str, name: str) -> None:
            theirs = update(run).where(run.c.trace == handle.first_execution_run_id)
            connection.execute(theirs.values(namespace=namespace, workflow_id=name))

        # Of an id that this server has, too, and of one that it does not have; the last is looked at below.
        for name in (other.id, "of-another-server"):
            for namespace in ("", "0193-another"):
                running.ledger.tx_now(elsewhere, namespace, name)
                await running.parts.upkeep.round(running.client)
                listed = (await baton.live("runs", "--json")).json["runs"]
                assert [one["state"] for one in listed] == ["waiting", "waiting"], (name, namespace)
        findings = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
        assert findings["open runs"]["level"] == "warn"
        assert "of-another-server" in findings["open runs"]["text"]
        assert "of-another-server" in findings["upkeep"]["text"]
        await handle.terminate(reason="the test is over")


async def test_the_runs_of_a_lost_server_are_closed_by_one_command(baton: Baton, serve: Serve, origin: Path) -> None:
    """Runs of a server whose database is gone: doctor names them and the command, which closes those that it names, or all,
    and no other run."""
    async with serve() as running:
        going, *others = await asyncio.gather(*(begun(running, origin) for _ in range(4)))
        lost = {f"lost-{secrets.token_hex(4)}": str(one.first_execution_run_id) for one in others}

        def elsewhere(connection: Connection) -> None:
            for name, trace in lost.items():
                theirs = update(run).where(run.c.trace == trace)
                connection.execute(theirs.values(namespace="0193-gone", workflow_id=name))

        running.ledger.tx_now(elsewhere)
        findings = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
        assert all(name in findings["open runs"]["text"] for name in lost)
        assert "`baton cancel --lost" in findings["open runs"]["mend"]
        first = next(iter(lost))
        assert f"`baton cancel {first} --lost" in (await baton.live("cancel", first)).err
        assert (await baton.live("cancel", "--lost")).code == 2, "without a reason"
        for name, code in ((going.id, 5), (first[:-1], 3)):
            refused = await baton.live("cancel", name, "--lost", "-m", "the disk burnt")
            assert refused.code == code, refused.err
        for names, closed in (([first], {first}), ([], lost.keys() - {first})):
            done = await baton.live("cancel", *names, "--lost", "-m", "the disk burnt", "--by", "maria", "--json")
            assert (done.code, set(done.json["closed"])) == (0, closed), done.err
        for trace in lost.values():
            assert running.ledger.read_now(left, trace) == []
            last = running.ledger.read_now(feed.after, trace=trace)[-1]
            assert (last.actor, last.did) == ("maria", "ended: cancelled; the run was lost with its Temporal server")
            assert "the disk burnt" in last.why
            assert "lost with its Temporal server" in (await baton.live("result", trace)).out
        rows = {one["run"]: one["state"] for one in (await baton.live("runs", "--json")).json["runs"]}
        assert rows == {going.id: "waiting"} | dict.fromkeys(lost, "cancelled")
        again = await baton.live("cancel", "--lost", "-m", "the disk burnt")
        assert (again.code, "no open run is lost" in again.out) == (0, True)


async def test_a_run_that_was_closed_as_lost_and_is_there_is_open_again(baton: Baton, serve: Serve, origin: Path) -> None:
    """Somebody was mistaken: the next look at it finds that it runs, opens it with its gate, and it takes the decision."""
    async with serve() as running:
        handle = await begun(running, origin)
        trace = str(handle.first_execution_run_id)

        def belongs_to(connection: Connection, namespace: str) -> str:
            own = str(connection.execute(select(run.c.namespace).where(run.c.trace == trace)).scalar_one())
            connection.execute(update(run).where(run.c.trace == trace).values(namespace=namespace))
            return own

        own = running.ledger.tx_now(belongs_to, "0193-gone")
        assert (await baton.live("cancel", "--lost", "-m", "a mistake")).code == 0
        running.ledger.tx_now(belongs_to, own)
        shown = await baton.live("show", handle.id, "--json")
        assert (shown.json["state"], shown.json["waiting_for"]) == ("waiting", "plan-1")
        assert (await baton.live("approve", handle.id, "plan-1", "--yes")).code == 0


async def test_many_looks_at_once_close_it_once(serve: Serve, origin: Path) -> None:
    """Commands and workers meet: one of them closes the run, the feed has one line, and nobody fails."""
    async with serve() as running:
        handle = await terminated(running, origin)
        trace = str(handle.first_execution_run_id)
        asked = running.ledger.read_now(gone.known, [trace])
        found = await asyncio.gather(*(close_gone(running.client, running.ledger, asked) for _ in range(5)))
        assert sum(one.changed for one in found) == 1
        lines = running.ledger.read_now(feed.after, trace=trace)
        assert [line.actor for line in lines].count("temporal") == 1


async def test_of_two_workers_one_does_it_and_the_other_takes_over(serve: Serve, origin: Path) -> None:
    """Both look after themselves all the time; runs are closed by the one that leads, and by the other as soon as it stops."""
    async with serve() as running:
        every = timedelta(milliseconds=100)
        workers = {name: Upkeep(running.ledger, name, "test", every=every) for name in ("one", "other")}
        at_work = {name: asyncio.create_task(one.run(running.client)) for name, one in workers.items()}
        try:
            first = await closed_by(running, await terminated(running, origin))
            at_work[first].cancel()
            second = await closed_by(running, await terminated(running, origin), other_than=first)
            assert {first, second} == {"one", "other"}
        finally:
            for task in at_work.values():
                task.cancel()
            await asyncio.gather(*at_work.values(), return_exceptions=True)
        ended = [line for line in running.ledger.read_now(feed.after, limit=10_000) if line.actor == "temporal"]
        assert len(ended) == len({line.trace for line in ended}) == 2


async def closed_by(stack: Stack, handle: Run, other_than: str = "") -> str:
    """Who made a round, once nothing of the run is open and it is not the worker that has stopped."""

    async def closed() -> str | None:
        last = await stack.ledger.read(upkeep.last_round)
        if await stack.ledger.read(left, str(handle.first_execution_run_id)) or last is None or last.worker == other_than:
            return None
        return last.worker

    return await until(closed, f"{handle.id} was closed by a worker")
