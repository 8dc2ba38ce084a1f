"""Workers under a policy of their own that serve the pipeline `Performs`; starting it, and what it leaves."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from activities.running.tracing import Tracing
from contracts.actions import Receipt
from ledger import actions, feed
from ledger.tables import action
from tests.stack import Stack, stack
from tests.workflows.performs import PerformReport, Performs, PerformsUndeclared
from workflow_runner import workflow_runner
from workflows.guard import Guard

Run = WorkflowHandle[Any, Any]


@dataclass(frozen=True)
class Performing:
    """A worker that performs actions under a policy of its own."""

    stack: Stack
    queue: str

    async def start(self, workflow_type: str = "Performs", limit: timedelta | None = None, **asked: Any) -> Run:
        """Begin a run. `limit`: after so long Temporal ends it."""
        return await self.stack.client.start_workflow(
            workflow_type,
            {"owner": "olga"} | asked,
            id=f"perform-{secrets.token_hex(4)}",
            task_queue=self.queue,
            result_type=PerformReport,
            execution_timeout=limit,
        )

    async def outbox(self) -> list[tuple[str, str, int]]:
        """Gate, state and attempts of every action in the ledger."""
        rows = await self.stack.ledger.read(lambda connection: connection.execute(action.select()).all())
        return [(row.gate, row.state, row.attempts) for row in rows]

    async def receipt_of(self, key: str) -> Receipt:
        """The receipt as the ledger has it."""
        row = await self.stack.ledger.read(actions.get, key)
        return Receipt.model_validate_json(row.receipt)

    async def notes(self) -> list[str]:
        """The notes in the feed."""
        lines = await self.stack.ledger.read(feed.after, limit=10_000)
        return [line.did for line in lines if line.did.startswith("note ")]

    async def gates(self, run: Run) -> list[str]:
        """The gates that have opened, in order."""
        return [line.did.split()[2].rstrip(":") for line in await self.stack.feed(run) if line.did.startswith("opened gate")]


def policy(folder: Path, **changes: str) -> Path:
    """policy.toml with every tier as given (`tier`), and other changes: what is written there, and what instead.

    `note` is written into that action's table, and `rules` at the end.
    """
    text = Path("policy.toml").read_text()
    for before in ('tier = "confirm"', 'tier = "auto"'):
        text = text.replace(before, f'tier = "{changes["tier"]}"')
    if "without" in changes:
        head, _, rest = text.partition(changes["without"] + "\n")
        text = head + rest.partition("\n\n")[2]
    for kind in changes.keys() & {"draft", "unknown"}:
        head, _, rest = text.partition(f"[gates.{kind}]\n")
        text = f"{head}[gates.{kind}]\n{changes[kind]}\n\n{rest.partition(chr(10) * 2)[2]}"
    text = text.replace('[actions."note"]', '[actions."note"]\n' + changes.get("note", "")) + changes.get("rules", "")
    path = folder / f"policy-{secrets.token_hex(4)}.toml"
    path.write_text(text)
    return path


@contextlib.asynccontextmanager
async def performing(
    client: Client, folder: Path, queue: str = "", role: str = "all", **changes: str
) -> AsyncIterator[Performing]:
    """Start a worker with this policy; in the same folder and with the same queue it takes over from one before."""
    queue = queue or f"perform-{secrets.token_hex(4)}"
    async with (
        stack(client, folder / "state", policy=policy(folder, **changes), role=role) as running,
        Worker(
            client,
            task_queue=queue,
            workflows=[Performs, PerformsUndeclared],
            activities=running.parts.activities,
            interceptors=[Guard(), Tracing()],
            workflow_runner=workflow_runner(sandboxed=False),
            max_heartbeat_throttle_interval=timedelta(seconds=1),
            default_heartbeat_throttle_interval=timedelta(seconds=1),
        ),
    ):
        yield Performing(running, queue)
