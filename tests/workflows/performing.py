"""A pipeline that performs actions and does nothing else, for tests of the tiers; and starting it."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

import worker
from activities.running.tracing import Tracing
from contracts.actions import GitPush, NoteAction, Receipt
from contracts.base import Line
from contracts.gates import Intent
from contracts.inputs import PipelineInput
from contracts.reports import Report
from ledger import actions, feed
from ledger.tables import action
from tests.stack import Stack, stack
from workflows.guard import Guard
from workflows.kit.gate import Ask, gate
from workflows.kit.perform import perform
from workflows.kit.pipeline import Pipeline

Run = WorkflowHandle[Any, Any]


class PerformInput(PipelineInput, name="perform_input/1"):
    """What is performed: a note, or a push of `tree` where there is a repository. `shown` is shown at a gate before it."""

    text: str = "hello"
    shown: str = ""
    repository: Line = ""
    base: Line = ""
    tree: Line = ""


class PerformReport(Report, name="perform_report/1"):
    """What became of it."""

    receipts: tuple[Receipt, ...] = ()


@workflow.defn(name="Performs")
class Performs(Pipeline[PerformInput, PerformReport]):
    """Performs one action."""

    gates = ("change",)
    actions = ("git.push", "note")
    reports = PerformReport

    def __init__(self) -> None:
        super().__init__()
        self.receipts: tuple[Receipt, ...] = ()

    @workflow.run
    async def run(self, asked: PerformInput) -> PerformReport:
        """The report of how it ended."""
        return await self.conduct(asked)

    async def story(self, asked: PerformInput) -> None:
        """Show what is to be shown, then perform."""
        if asked.shown:
            intent, stored = self._meant(asked, asked.shown)
            await gate(self.kit, Ask(kind="change", title="this is shown", subject=stored, intents=(intent,)))
        self.receipts = (await perform(self.kit, *self._meant(asked, asked.text)),)

    def _meant(self, asked: PerformInput, text: str) -> tuple[Intent, str]:
        if not asked.repository:
            note = NoteAction(run=self.kit.ref, name=text, text=text)
            return Intent.of("note", note, f"note {text}"), note.stored().decode()
        push = GitPush(repository=asked.repository, base=asked.base, tree=asked.tree, branch=text, message=text)
        return Intent.of("git.push", push, f"push {text}"), push.stored().decode()

    def report(self) -> dict[str, Any]:
        """What became of it."""
        return {"receipts": self.receipts}


@workflow.defn(name="PerformsUndeclared")
class PerformsUndeclared(Performs):
    """Performs a note that it has not declared."""

    actions = ("git.push",)

    @workflow.run
    async def run(self, asked: PerformInput) -> PerformReport:
        """The report of how it ended."""
        return await self.conduct(asked)


@dataclass(frozen=True)
class Performing:
    """A worker that performs actions under a policy of its own."""

    stack: Stack
    queue: str

    async def start(self, workflow_type: str = "Performs", **asked: Any) -> Run:
        """Begin a run."""
        return await self.stack.client.start_workflow(
            workflow_type,
            {"owner": "olga"} | asked,
            id=f"perform-{secrets.token_hex(4)}",
            task_queue=self.queue,
            result_type=PerformReport,
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
    """policy.toml with every tier as given (`tier`), and other changes: what is written there, and what instead."""
    text = Path("policy.toml").read_text()
    for before in ('tier = "confirm"', 'tier = "auto"'):
        text = text.replace(before, f'tier = "{changes["tier"]}"')
    if "without" in changes:
        head, _, rest = text.partition(changes["without"] + "\n")
        text = head + rest.partition("\n\n")[2]
    if "draft" in changes:
        head, _, rest = text.partition("[gates.draft]\n")
        text = f"{head}[gates.draft]\n{changes['draft']}\n\n{rest.partition(chr(10) * 2)[2]}"
    path = folder / f"policy-{secrets.token_hex(4)}.toml"
    path.write_text(text)
    return path


@contextlib.asynccontextmanager
async def performing(client: Client, folder: Path, queue: str = "", **changes: str) -> AsyncIterator[Performing]:
    """Start a worker with this policy; in the same folder and with the same queue it takes over from one before."""
    queue = queue or f"perform-{secrets.token_hex(4)}"
    async with (
        stack(client, folder / "state", policy=policy(folder, **changes)) as running,
        Worker(
            client,
            task_queue=queue,
            workflows=[Performs, PerformsUndeclared],
            activities=running.parts.activities,
            interceptors=[Guard(), Tracing()],
            workflow_runner=worker.workflow_runner(sandboxed=False),
            max_heartbeat_throttle_interval=timedelta(seconds=1),
            default_heartbeat_throttle_interval=timedelta(seconds=1),
        ),
    ):
        yield Performing(running, queue)
