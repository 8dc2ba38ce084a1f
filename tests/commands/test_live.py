"""The command line against a real server, a real worker and a real delivery with a scripted model."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from commands.start.start import NotAdmitted, Started, look
from ledger import gates
from ledger.tables import counter
from tests.commands.audited import it_is_known_where_it_came_from, the_record_is_whole
from tests.commands.conftest import Baton, Ran, Serve, asking
from tests.stack import Stack, git, until


async def test_a_delivery_from_start_to_pushed_branch(baton: Baton, serve: Serve, origin: Path, tmp_path: Path) -> None:
    """deliver --wait-for-gate (4), approve, result --wait-for-gate (4), approve, result --wait (0): the branch is there."""
    async with serve():
        started = await baton.live(*asking(origin, "--branch", "clearer", "--wait-for-gate", "--json"))
        assert (started.code, started.json["gates"]) == (4, ["plan-1"])
        run = started.json["run"]
        assert run.startswith("deliver-origin-")
        assert run.rpartition("-")[2].isdigit()
        assert len(run.rpartition("-")[2]) == 4
        assert started.json["url"].endswith(f"/namespaces/default/workflows/{run}/{started.json['trace']}/timeline")
        assert f"baton approve {run} plan-1" in started.err
        approved = await baton.live("approve", run, "--yes", "--by", "maria", "-m", "fine", "--json")
        assert (approved.code, approved.json["outcome"]) == (0, "confirmed")
        waiting = await baton.live("result", run, "--wait-for-gate", "--json")
        assert (waiting.code, waiting.json["gates"]) == (4, ["change-1"])
        assert "+Prices are whole cents, always." in (await baton.live("show", run, "--gate", "change")).out
        assert (await baton.live("approve", run, "--yes", "--by", "olga")).code == 0
        ended = await baton.live("result", run, "--wait")
        assert ended.code == 0, ended.out + ended.err
        assert "approved  plan-1 by maria, change-1 by olga" in ended.out
        assert "always" in git(origin, "show", "clearer:README.md")
        await looks_back(baton, run)
        await asyncio.to_thread(the_record_is_whole, baton, run, tmp_path)
        await asyncio.to_thread(it_is_known_where_it_came_from, baton, run)


async def looks_back(baton: Baton, run: str) -> None:
    """The record of a run that is done: every command that looks tells its part."""
    why = await baton.live("why", run)
    for part in (
        "action git.push: delivered",
        "gate change-1: approve by olga (cli, not authenticated)",
        "planner@v1",
        "task at plan/1",
    ):
        assert part in why.out
    feed = await baton.live("feed", run, "--follow", "--jsonl")
    lines = [json.loads(line) for line in feed.out.splitlines()]
    assert any(line["actor"] == "planner@v1 (scripted)" for line in lines)
    assert lines[-1]["did"] == "ended: done"
    assert "git.push" in (await baton.live("show", run)).out
    late = await baton.live("approve", run, "change-1", "--yes")
    assert (late.code, "is closed: approve by olga" in late.err) == (5, True)


async def test_a_request_key_starts_once(baton: Baton, serve: Serve, origin: Path) -> None:
    """The second start with the same key gives back the first run and says so; another project is another request."""
    async with serve():
        first = (await baton.live(*asking(origin, "--request-key", "issue-7", "--json"))).json
        again = await baton.live(*asking(origin, "--request-key", "issue-7", "--json"))
        assert (again.code, again.json["run"], again.json["new"]) == (0, first["run"], False)
        assert "was already used" in again.err
        other = (await baton.live(*asking(origin, "--request-key", "issue-7", "--project", "other", "--json"))).json
        assert other["new"]
        assert other["run"] != first["run"]


async def test_two_starts_with_one_key_at_the_same_time_give_one_run(baton: Baton, serve: Serve, origin: Path) -> None:
    """Neither knew of the other when it started: one workflow ends at once, and both commands name the same run."""
    async with serve() as running:
        environment = {"BATON_TASK_QUEUE": running.settings.task_queue}
        command = asking(origin, "--request-key", "race", "--json")
        both: list[Ran] = await asyncio.gather(*(asyncio.to_thread(baton.process, *command, **environment) for _ in range(2)))
        assert [one.code for one in both] == [0, 0], [one.err for one in both]
        assert both[0].json["run"] == both[1].json["run"]


async def test_without_a_model_the_reason_comes_at_once(baton: Baton, serve: Serve, origin: Path) -> None:
    """No model is configured for the worker: exit 2 with its reason, right after the start."""
    async with serve(model=""):
        ran = await baton.live(*asking(origin))
        assert ran.code == 2
        assert "was refused: no model is configured for planner" in ran.err
        assert "make demo" in ran.err


async def test_without_a_worker_the_start_is_kept_and_said_to_wait(baton: Baton, client: Client, origin: Path) -> None:
    """Nobody polls the queue: a warning after a plain start, exit 7 with --wait; doctor fails for the same reason."""
    address = client.service_client.config.target_host
    baton.set(TEMPORAL_ADDRESS=address, BATON_TASK_QUEUE=f"nobody-{secrets.token_hex(4)}")
    plain = await baton.live(*asking(origin))
    assert plain.code == 0
    assert "no worker has ever served task queue" in plain.err
    waiting = await baton.live(*asking(origin, "--wait"))
    assert waiting.code == 7
    assert "waits in Temporal until a worker starts" in waiting.err
    assert "Start one: `baton up`" in waiting.err
    doctor = await baton.live("doctor", "--json")
    found = {one["name"]: one for one in doctor.json["findings"]}
    assert (doctor.code, found["workers"]["level"]) == (1, "fail")
    assert found["temporal server"]["level"] == "ok"
    assert found["payload limit"]["level"] == "ok"


async def test_doctor_finds_nothing_failing_beside_a_worker(baton: Baton, serve: Serve) -> None:
    """Everything is there: exit 0, a line for each check, and no key is shown."""
    async with serve():
        baton.set(ANTHROPIC_API_KEY="sk-ant-very-secret")
        ran = await baton.live("doctor")
        assert ran.code == 0, ran.out
        for name in ("Python", "git", "ledger", "sandbox", "models", "agents", "policy", "temporal server", "namespace"):
            assert f" {name} " in ran.out
        assert "very-secret" not in ran.out + ran.err


async def test_no_answer_in_time_is_sent_but_not_confirmed(baton: Baton, serve: Serve, origin: Path) -> None:
    """The worker has gone: exit 7, 'may still be applied'. When one is back, the same command is the same decision."""
    async with serve(runs_stay=True) as first:
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
    gone = await baton.live("approve", run, "--yes", "--by", "maria", "--timeout", "1", "--json")
    assert (gone.code, gone.json["outcome"]) == (7, "unconfirmed")
    assert "It may still be applied" in gone.err
    async with serve(task_queue=first.settings.task_queue):
        # The first sending may be applied before the second arrives, which then finds the gate closed by the same person.
        again = await baton.live("approve", run, "plan-1", "--yes", "--by", "maria", "--json")
        assert again.code == 0 or "closed: approve by maria" in again.err
        approved = [one for one in await decided(first, run) if one["outcome"] == "won"]
        assert [(one["gate"], one["by"]) for one in approved] == [("plan-1", "maria")]


async def decided(running: Stack, run: str) -> list[dict[str, Any]]:
    """The decisions of a run, read after the worker's own ledger was closed."""
    from ledger.db import Ledger
    from ledger.views.runs import find_run

    ledger = Ledger(running.settings.database, running.settings.artifacts)
    try:
        trace = ledger.read_now(find_run, run).trace

        async def won() -> list[dict[str, Any]] | None:
            return ledger.read_now(gates.decisions, trace) or None

        return await until(won, "a decision was recorded")
    finally:
        ledger.close()


async def test_a_refused_decision_is_exit_5_with_the_workflows_reason(baton: Baton, serve: Serve, origin: Path) -> None:
    """Policy does not know this person: exit 5 with that reason; the gate stays open, and who may decide still can."""
    text = (Path(__file__).parents[2] / "policy.toml").read_text().replace('identity = "any"', 'identity = "known"')
    policy = baton.folder / "policy.toml"
    policy.write_text(text)
    async with serve(policy=policy):
        run = (await baton.live(*asking(origin, "--owner", "operator", "--wait-for-gate", "--json"))).json["run"]
        refused = await baton.live("approve", run, "--yes", "--by", "mallory", "--json")
        assert (refused.code, refused.json["outcome"]) == (5, "refused")
        assert "'mallory' is not one of the people in policy.toml" in refused.json["reason"]
        assert (await baton.live("reject", run, "--yes", "--by", "operator", "-m", "no")).code == 0
        ended = await baton.live("result", run, "--wait", "--json")
        assert (ended.code, ended.json["state"]) == (1, "could_not")
        assert "rejected by operator: no" in ended.json["report"]["reason"]


async def test_pause_resume_cancel(baton: Baton, serve: Serve, origin: Path) -> None:
    """Each waits for its outcome and says the state, and whether it changed it; an ended run takes none of them (exit 5)."""
    async with serve():
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        for command, by, state in (("pause", "ann", "paused"), ("resume", "carl", "waiting")):
            first = (await baton.live(command, run, "--by", by, "--json")).json
            assert (first["state"], first["confirmed"], first["changed"]) == (state, True, True)
            again = await baton.live(command, run, "--by", "bob", "-m", "why not")
            assert (again.code, f"{run} is {state}, as it was before" in again.out) == (0, True), again.out + again.err
        said = (await baton.live("feed", run)).out
        assert [who in said for who in ("ann: paused the run", "carl: resumed the run", "bob")] == [True, True, False]
        cancelled = await baton.live("cancel", run, "--json")
        assert (cancelled.code, cancelled.json["state"]) == (0, "cancelled")
        for command in ("pause", "resume", "cancel"):
            ended = await baton.live(command, run)
            assert (ended.code, "is cancelled and has ended" in ended.err) == (5, True)


async def test_a_run_that_was_terminated_does_not_hold_the_watcher(
    baton: Baton, serve: Serve, client: Client, origin: Path
) -> None:
    """Terminated in Temporal, its record stands still: --wait says so and ends with 1; decisions are refused and recorded."""
    async with serve() as running:
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        await client.get_workflow_handle(run).terminate("by hand")
        watched = await baton.live("result", run, "--wait")
        assert watched.code == 1
        assert "terminated in Temporal" in watched.err
        refused = await baton.live("approve", run, "--yes", "--by", "maria")
        assert (refused.code, "the run has ended" in refused.err) == (5, True)
        kept = [(one["by"], one["outcome"]) for one in await decided(running, run)]
        assert kept == [("maria", "refused")]


async def test_following_prints_lines_as_they_come_and_ends_with_the_run(baton: Baton, serve: Serve, origin: Path) -> None:
    """`feed RUN --follow` in another process, begun before the end: it has every line once, the last one included."""
    async with serve():
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        watching = asyncio.create_task(asyncio.to_thread(baton.process, "feed", run, "--follow", "--jsonl"))
        assert (await baton.live("reject", run, "--yes", "-m", "no")).code == 0
        watched = await watching
        lines = [json.loads(line) for line in watched.out.splitlines()]
        assert watched.code == 0
        assert lines[-1]["did"] == "ended: could_not"
        assert [line["seq"] for line in lines] == sorted({line["seq"] for line in lines})
        whole = (await baton.live("feed", run, "--json")).json["lines"]
        assert [line["seq"] for line in whole] == [line["seq"] for line in lines]


async def test_a_start_for_workers_with_another_ledger_is_refused(baton: Baton, serve: Serve, origin: Path) -> None:
    """The worker of the queue has another ledger, where the run would be recorded: both are named, nothing is started."""
    async with serve() as running:
        baton.set(BATON_STATE=baton.folder / "another")
        ran = await baton.live(*asking(origin, "--wait"))
        assert ran.code == 2
        assert f"with ledger {running.parts.ledger_id}, and this ledger is " in ran.err
        assert "`ledger_url`" in ran.err
        query = f"TaskQueue = '{running.settings.task_queue}'"
        assert [one.id async for one in running.client.list_workflows(query)] == []


async def test_a_base_that_is_not_there_is_a_refused_input(baton: Baton, serve: Serve, origin: Path) -> None:
    """Only the worker sees that: exit 2 with the reason, a run on record that could not, and a workflow that says why."""
    async with serve() as running:
        ran = await baton.live(*asking(origin, "--base", "no-such-branch", "--wait"))
        assert ran.code == 2
        assert "no-such-branch" in ran.out + ran.err
        run = (await baton.live("runs", "--json")).json["runs"][0]["run"]
        ended = await baton.live("result", run, "--wait", "--json")
        report = ended.json["report"]
        assert (ended.code, report["state"], report["tokens"]) == (2, "could_not", 0)
        assert report["reason"].startswith("the input was refused: ")
        handle = running.client.get_workflow_handle(run)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, ApplicationError)
        assert (failed.value.cause.type, failed.value.cause.message) == ("InputRefused", report["reason"])
        trace = (await handle.describe()).run_id
        with pytest.raises(NotAdmitted, match=f"{run} was refused: .*no-such-branch"):
            await look(running.client, running.ledger, Started(run, trace), running.settings.task_queue)


async def test_a_number_that_temporal_knows_is_skipped(baton: Baton, serve: Serve, origin: Path) -> None:
    """The server is older than the ledger: the start takes the next free number, it neither fails nor joins an old run."""
    async with serve() as running:
        first = (await baton.live(*asking(origin, "--json"))).json
        running.ledger.tx_now(lambda connection: connection.execute(update(counter).values(value=0)))
        second = (await baton.live(*asking(origin, "--json"))).json
        assert second["trace"] != first["trace"]
        assert second["run"] != first["run"]
