"""What people do with Temporal's own tools, by hand: the record and every command say what came of it, and what undoes it."""

import asyncio
import os
import secrets
import shlex
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy

from commands.doctor.stuck import Stuck, _of_attributes
from commands.server import temporal_program
from connection import compared_attributes
from ledger import feed, gates
from tests import scripts
from tests.commands.conftest import CONVERSATIONS, Baton, Serve
from tests.commands.test_pending import ran_until
from tests.stack import Stack, dev_server, held, result_of, stack, until

WHY = "a disk is being swapped"


async def temporal(client: Client, *words: str) -> str:
    """What the plain CLI prints."""
    variables = {**os.environ, "TEMPORAL_ADDRESS": client.service_client.config.target_host}
    command = [str(temporal_program()), *words]
    done = await asyncio.to_thread(subprocess.run, command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return str(done.stdout)


def printed(text: str, begins: str) -> list[str]:
    """The words of the first printed command that begins so, without the program's name."""
    command = text[text.index(f"`{begins}") + 1 :]
    return shlex.split(command[: command.index("`")])[1:]


async def test_what_is_paused_in_temporal_is_told_with_who_why_and_the_way_on(
    baton: Baton, serve: Serve, client: Client, origin: Path
) -> None:
    """An activity, then the whole run, paused by hand: no command waits for a worker, and what is printed helps."""
    async with serve() as running:
        planner = held(running, "planner")
        started = await running.deliver(origin, check="true")
        await planner.asked.wait()
        [one] = (await started.describe()).raw_description.pending_activities
        which = ("--workflow-id", started.id, "--activity-id", one.activity_id)
        await temporal(client, "activity", "pause", *which, "--identity", "maria", "--reason", WHY)
        shown = await ran_until(baton, ("show", started.id, "--json"), lambda found: bool(found["pending"][0]["paused"]))
        [under_way] = shown.json["pending"]
        assert (under_way["activity"], under_way["paused"]) == ("call_model", f"by maria: {WHY}")
        assert [one["run"] for one in (await baton.live("gates", "--json")).json["held_up"]] == [started.id]
        text = (await baton.live("runs")).err
        assert f"paused in Temporal by maria: {WHY}" in text
        assert "waits for a worker" not in text
        # Before the call ends: Temporal goes on with no activity that is over.
        await temporal(client, *printed(text, "temporal activity unpause"))
        planner.go.set()
        await running.gate(started, "plan-1")

        await temporal(client, "workflow", "pause", "--workflow-id", started.id, "--reason", WHY)
        text = (await baton.live("gates")).err
        assert f"{started.id} is paused in Temporal by " in text
        assert WHY in text
        assert await running.parts.upkeep.round(running.client) == 0
        await temporal(client, *printed(text, "temporal workflow unpause"))
        assert (await baton.live("gates", "--json")).json["held_up"] == []
        assert (await baton.live("approve", started.id, "plan-1", "--yes")).code == 0


async def at_a_gate(running: Stack, trace: str) -> bool | None:
    """True once this run has an open gate, and not another one of its workflow id."""
    return bool(await running.ledger.read(gates.open_gates, trace=trace)) or None


async def test_lines_of_two_runs_of_one_workflow_id_are_told_apart(
    baton: Baton, serve: Serve, client: Client, origin: Path
) -> None:
    """`TerminateIfRunning`: that the earlier one was terminated is not told of the one that goes on."""
    async with serve() as running:
        asked = {"repository": str(origin), "instruction": "Say it", "owner": "olga", "check": "true"}
        name, policy = f"reused-{secrets.token_hex(4)}", WorkflowIDReusePolicy.TERMINATE_IF_RUNNING
        traces = []
        for _ in range(2):
            run = await client.start_workflow(
                "Delivery", asked, id=name, task_queue=running.settings.task_queue, id_reuse_policy=policy
            )
            traces.append(run.first_execution_run_id or "")
            await until(lambda: at_a_gate(running, traces[-1]), "the run waits at its gate")
        assert (await baton.live("gates", "--json")).json["gates"][0]["trace"] == traces[1]
        lines = [line for line in (await baton.live("feed")).out.splitlines() if "opened gate" in line or "terminated" in line]
        assert [line.split("  ")[1] for line in lines] == [traces[0], name, traces[0]]
        told = [one.did for one in running.ledger.read_now(feed.after, trace=traces[0]) if one.actor == "temporal"]
        assert told == ["ended: cancelled; the run was terminated in Temporal"]


async def test_a_run_that_is_to_begin_later_says_when(baton: Baton, serve: Serve, client: Client, origin: Path) -> None:
    """A start delay is no start that comes to nothing: every command that shows it has the time, and it can be cancelled."""
    async with serve() as running:
        asked = {"repository": str(origin), "instruction": "Say it", "owner": "olga"}
        name, queue = f"later-{secrets.token_hex(4)}", running.settings.task_queue
        await client.start_workflow("Delivery", asked, id=name, task_queue=queue, start_delay=timedelta(hours=30))
        shown = (await baton.live("show", name)).out
        assert "it was started to begin later, at 20" in shown
        assert (await baton.live("result", name)).code == 9
        [one] = (await baton.live("runs", "--json")).json["starting"]
        assert (one["run"], one["begins_at"] > one["started_at"]) == (name, True)
        assert (await baton.live("cancel", name)).code == 0
        assert "to begin later" not in (await baton.live("show", name)).out


async def test_an_id_goes_before_ids_that_only_begin_so(baton: Baton, serve: Serve, client: Client, origin: Path) -> None:
    """`nightly` is not on record yet, and `nightly-2` is: what is asked of the one is not done to the other."""
    async with serve() as running:
        name = f"nightly-{secrets.token_hex(4)}"
        asked = {"repository": str(origin), "instruction": "Say it", "owner": "olga", "check": "true"}
        queue = running.settings.task_queue
        recorded = await client.start_workflow("Delivery", asked, id=f"{name}-2", task_queue=queue)
        await running.gate(recorded, "plan-1")
        assert (await baton.live("result", name, "--json")).json["run"] == f"{name}-2"
        await client.start_workflow("Delivery", asked, id=name, task_queue=queue, start_delay=timedelta(hours=1))
        assert (await baton.live("result", name, "--json")).json["run"] == name
        paused = await baton.live("pause", name)
        assert (paused.code, f"{name} is not on record yet" in paused.err) == (5, True), paused.err
        assert (await baton.live("show", f"{name}-2", "--json")).json["state"] == "waiting"
        assert (await baton.live("cancel", name)).code == 0


async def test_a_run_that_a_lost_search_attribute_holds_up_says_so(tmp_path: Path, origin: Path, baton: Baton) -> None:
    """Removed while a run waits: the printed command adds it again, and the run goes on. No reset is advised."""
    script = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS)
    async with dev_server() as environment, stack(environment.client, baton.state, script, beats=True) as running:
        baton.use(running)
        started = await running.deliver(origin, check="true")
        view = await running.gate(started, "plan-1")
        for name in ("Gate", "Stage"):
            await temporal(environment.client, "operator", "search-attribute", "remove", "--name", name, "--yes")
        await started.signal("approve", {"gate": "plan-1", "by": "maria", "subject": view.subject})

        async def stuck() -> dict[str, Any] | None:
            found = (await baton.live("runs", "--json")).json["stuck"]
            return found[0] if found else None

        told = await until(stuck, "the run is told to be stuck")
        assert told["cause"] == "BadSearchAttributes"
        assert "add them again, and the run goes on by itself" in told["mend"]
        await temporal(environment.client, *shlex.split(told["command"])[1:])
        await running.approve(started, "change-1")
        assert (await result_of(started)).state == "done"
        missing, wrong = await compared_attributes(environment.client)
        assert not missing
        assert not wrong
        right = await _of_attributes(environment.client, Stuck(started.id, "", "BadSearchAttributes", "", "", ""))
        assert "goes on by itself" in right.mend
