"""Workers by role: those of runs send nothing and need no key, those of actions take no task and do what was left to them."""

import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError

import config
import worker
from activities.actions.relay import EVERY
from activities.runs.gone import bring_up_to_date
from contracts.act import ActReport
from contracts.notices import Occasion
from ledger import feed, gates
from ledger.db import Ledger
from ledger.tables import action
from ledger.tables import run as run_table
from ledger.upkeep import LEASE
from ledger.views.notices import troubles
from ledger.views.workers import workers_of
from ledger.workers import BEAT
from tests import processes
from tests.activities.actions.servers import Web, web
from tests.depth import soak
from tests.ledger.samples import note, opening, ref, view
from tests.stack import result_of, until
from tests.workflows.performing import Performing, Run, performing
from tests.workflows.test_act import POLICY

KEY = "bank-key-1"
REFUND = {"type": "refund", "target": "bank", "arguments": {"event": "refund/7", "body": {"cents": 700}}, "owner": "olga"}


@contextlib.contextmanager
def fleet(client: Client, folder: Path) -> Iterator[tuple[config.Settings, processes.Worker, processes.Worker, Web]]:
    """A worker of runs, which is started, and one of actions, which is not; only that one has the target's key."""
    policy = folder / "policy.toml"
    policy.write_text(Path("policy.toml").read_text() + POLICY.replace('"confirm"', '"auto"'))
    with web() as site:
        bank = {"kind": "http", "url": f"{site.address}/hook", "private": True, "key_env": "BANK_KEY"}
        values: dict[str, Any] = {"state": folder / "state", "task_queue": f"baton-{secrets.token_hex(4)}", "policy": policy}
        chat = {"kind": "http", "url": f"{site.address}/chat", "private": True}
        settings = config.Settings(
            **values,
            targets={"bank": bank | {"lookup": f"{site.address}/taken/{{key}}"}, "chat": chat},
            channels={"team": {"kind": "slack", "target": "chat"}},
        )
        runs = processes.Worker(client, settings, folder / "runs.log", arguments=("--role", "runs"))
        relays = processes.Worker(
            client, settings, folder / "actions.log", arguments=("--role", "actions"), variables={"BANK_KEY": KEY}
        )
        with runs:
            yield settings, runs, relays, site


async def test_workers_of_each_role_share_the_work(client: Client, tmp_path: Path) -> None:
    """A run's action waits, visibly, for a worker that may act; that one has the key, acts once, and takes no task."""
    with fleet(client, tmp_path) as (settings, runs, relays, site):
        await _ready(runs)
        ledger = Ledger(settings.database, settings.artifacts)
        run: WorkflowHandle[Any, ActReport] = await client.start_workflow(
            "Act", REFUND, id=f"act-{settings.task_queue}", task_queue=settings.task_queue, result_type=ActReport
        )

        async def waited() -> bool | None:
            row = await ledger.read(lambda connection: connection.execute(action.select()).first())
            return True if row is not None and row.relay == "waited" else None

        await until(waited, "the action was left to the relay")
        there = await ledger.read(workers_of, settings.task_queue)
        assert ([one.role for one in there.working], there.relays, site.book) == (["runs"], (), [])
        with relays:
            report = await result_of(run)
            await _ready(relays)
            assert report.receipt is not None
            assert (report.state, report.receipt.state, report.receipt.how) == ("done", "delivered", "sent")
            assert [one["headers"]["authorization"] for one in site.book] == [f"Bearer {KEY}"]
            there = await ledger.read(workers_of, settings.task_queue)
            assert ([one.role for one in there.working], [one.role for one in there.relays]) == (["runs"], ["actions"])
            await _told(ledger, site)
        ledger.close()


async def _told(ledger: Ledger, site: Web) -> None:
    """That worker sends to channels as well: an escalation of now reaches the chat."""

    async def registered() -> bool | None:
        return True if await ledger.read(troubles) else None

    await until(registered, "the worker has the channel")
    line = note("escalated", tells=Occasion(kind="escalation", about="plan-1", who=("olga",)))
    await ledger.tx(gates.open_gate, opening(view(trace="trace-9")))
    await ledger.tx(feed.append, ref("trace-9"), [line])

    async def arrived() -> bool | None:
        return True if any(one["path"] == "/chat" for one in site.book) else None

    await until(arrived, "the chat heard of the escalation")
    [heard] = [json.loads(one["body"])["text"] for one in site.book if one["path"] == "/chat"]
    assert heard.startswith("delivery-trace-9: gate plan-1 is escalated to olga\n")


async def _ready(worker: processes.Worker) -> None:
    async def ready() -> bool | None:
        return True if b"worker_ready" in worker.log.read_bytes() else None

    await until(ready, f"{worker.log} says that the worker is ready")


def test_a_role_that_there_is_none_of_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """`python worker.py` ends with code 2 and names the roles, before it connects to anything."""
    with pytest.raises(SystemExit) as ended:
        worker.main(["--role", "everything"])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "invalid choice: 'everything'" in said
    for role in ("all", "runs", "actions"):
        assert role in said


async def _deleted(run: Run) -> None:
    """With its whole history."""
    execution = WorkflowExecution(workflow_id=run.id)
    request = DeleteWorkflowExecutionRequest(namespace=run._client.namespace, workflow_execution=execution)
    await run._client.workflow_service.delete_workflow_execution(request)


async def _times_out(run: Run) -> None:
    """By itself: it was started with a limit."""


ENDS: dict[str, tuple[Callable[[Run], Awaitable[None]], list[str]]] = {
    "terminated": (WorkflowHandle.terminate, ["note hello: hello"]),
    "timed out": (_times_out, ["note hello: hello"]),
    "deleted": (_deleted, ["note hello: hello"]),
    "cancelled": (WorkflowHandle.cancel, []),
}

HOW = ("terminated", "cancelled", *soak("timed out", "deleted"))
"""One of each outcome; `test_left_behind.py` has a run of every kind that is swept."""


@pytest.mark.parametrize("how", HOW)
async def test_what_a_run_was_allowed_that_temporal_ended_is_still_done(client: Client, tmp_path: Path, how: str) -> None:
    """Ended between approval and effect, however Temporal ended it, it is swept and done; cancelled it is withdrawn."""
    end, notes = ENDS[how]
    async with performing(client, tmp_path, tier="confirm", role="runs") as performed:
        ledger = performed.stack.ledger
        run = await _approved(performed, (20, 60, 180) if how == "timed out" else (None,))
        await end(run)

        async def over() -> bool | None:
            await bring_up_to_date(client, ledger)
            rows = await ledger.read(lambda connection: connection.execute(run_table.select()).all())
            return True if all(row.ended_at is not None for row in rows) else None

        await until(over, "the run was over, and on record as that")
    async with performing(client, tmp_path, tier="confirm") as after:
        relay = after.stack.parts.relay
        assert relay is not None
        await relay.round()
        await relay.settle()
        assert await after.notes() == notes


async def _approved(performed: Performing, limits: Sequence[int | None]) -> Run:
    """A run whose action is approved, and left undone: its worker sends nothing. A slow machine gets more time."""
    for limit in limits:
        run = await performed.start(limit=None if limit is None else timedelta(seconds=limit))
        with contextlib.suppress(AssertionError, WorkflowUpdateFailedError, RPCError):
            await performed.stack.approve(run, "action-1")

        async def left() -> str | None:
            states = [row[1] for row in await performed.outbox()]
            if "approved" in states:
                return "approved"
            ended = (await run.describe()).close_time is not None  # noqa: B023 (asked before the next one begins)
            return "too late" if ended else None

        if await until(left, "the action was approved") == "approved":
            return run
    raise AssertionError(f"nothing was approved within {limits[-1]} s")


def test_it_is_done_within_a_minute() -> None:
    """The worker that looked for ended runs has just died: another leads, looks, and the relay has it in time."""
    assert timedelta(minutes=1) > LEASE + BEAT + EVERY
