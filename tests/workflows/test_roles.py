"""Workers by role: those of runs send nothing and need no key, those of actions take no task and do what was left to them."""

import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

import config
from activities.runs.gone import bring_up_to_date
from commands.server import ROOT
from contracts.act import ActReport
from contracts.notices import Occasion
from ledger import feed, gates
from ledger.db import Ledger
from ledger.tables import action
from ledger.views.notices import troubles
from ledger.views.workers import workers_of
from tests import processes
from tests.activities.actions.servers import Web, web
from tests.children import PATIENCE
from tests.ledger.samples import note, opening, ref, view
from tests.stack import result_of, until
from tests.workflows.performing import performing
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


def test_a_role_that_there_is_none_of_is_refused() -> None:
    """`python worker.py` ends with code 2 and names the roles, before it connects to anything."""
    command = [sys.executable, str(ROOT / "worker.py"), "--role", "everything"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'everything'" in done.stderr
    for role in ("all", "runs", "actions"):
        assert role in done.stderr


@pytest.mark.parametrize(("how", "notes"), [("terminate", ["note hello: hello"]), ("cancel", [])])
async def test_what_a_terminated_run_was_allowed_is_still_done(
    client: Client, tmp_path: Path, how: str, notes: list[str]
) -> None:
    """Terminated between approval and effect, it is swept and done; cancelled it is withdrawn."""
    async with performing(client, tmp_path, tier="confirm", role="runs") as performed:
        run = await performed.start()
        await performed.stack.approve(run, "action-1")
        ledger = performed.stack.ledger

        async def left() -> bool | None:
            return True if [row[1] for row in await performed.outbox()] == ["approved"] else None

        await until(left, "the action was approved")
        await getattr(run, how)()

        async def over() -> bool | None:
            await bring_up_to_date(client, ledger)
            description = await run.describe()
            return True if description.close_time is not None else None

        await until(over, "the run was over")
        await bring_up_to_date(client, ledger)
    async with performing(client, tmp_path, tier="confirm") as after:
        relay = after.stack.parts.relay
        assert relay is not None
        await relay.round()
        await relay.settle()
        assert await after.notes() == notes
