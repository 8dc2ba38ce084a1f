"""One work item: a writer in its own workspace. The child workflow of Delivery's write and rework stages."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.repositories.changes import Changes
from contracts.base import canonical, sha256
from contracts.delivery.writing import WriteItemInput, WriteSummary
from contracts.handoff import Handoff
from contracts.ids import handoff_id
from contracts.repositories import ChangeSet, CollectChanges, Workspace
from contracts.runs import RunRef
from contracts.text import amount
from workflows.delivery.changes import CHANGES
from workflows.kit.ask import ask
from workflows.kit.ends import Stopped, cause_of
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.options import WORK
from workflows.kit.step import CouldNot, Done, Step, Unsure


@workflow.defn(name="WriteItem")
class WriteItem:
    """Ask the writer, then read its actual changes from the workspace."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify", "stuck"), CHANGES)

    @workflow.run
    async def run(self, asked: WriteItemInput) -> Handoff[Any]:
        """Return the item's handoff: the body is the computed change, the outcome is the writer's."""
        self.kit.join(asked)
        self.kit.stage = "write"
        item = asked.task.item
        self.kit.note(f"started on {item.id}", item.intent, f"the {asked.agent} changes {', '.join(item.files)}")
        try:
            return await self._write(asked)
        except (ActivityError, Stopped) as error:
            # A failed child becomes a handoff: an exception would discard the work of its siblings.
            # Temporal reports a cancelled activity as an ActivityError, and a cancelled child must not look like a failed one.
            if isinstance(error, ActivityError) and is_cancelled_exception(error):
                raise
            reason = error.reason if isinstance(error, Stopped) else f"the workspace could not be used: {cause_of(error)}"
            self.kit.note(f"gave up on {item.id}", reason)
            made = self.kit.keep(made_by_us(self.kit.ref, "coordinator", "could_not", reason))
            await self.kit.leave()
            return made

    async def _write(self, asked: WriteItemInput) -> Handoff[Any]:
        kit, item = self.kit, asked.task.item
        use = Workspace(
            # Not by run id, which a reset changes: the work that was done before it has to be found.
            name=f"{kit.ref.trace}/{kit.ref.path}",
            ref=asked.start,
            check=asked.check,
            environment=asked.environment,
            access="write",
        )
        step = await ask(kit, "write", asked.agent, asked.task, WriteSummary, inputs=asked.inputs, resources=(use,))
        # Collected whatever the outcome: also an unsure or failed writer may have changed files worth keeping.
        change = await self._collect(step, item.id, item.files)
        handoff = step.handoff
        kit.note(
            f"{item.id} is {handoff.outcome}: {_files(change)}",
            handoff.reason or _summary(step),
            "the coordinator integrates it with the other items",
        )
        made = kit.keep(_with_change(kit.ref, handoff, change, asked.agent))
        await kit.leave()
        return made

    async def _collect(self, step: Step[WriteSummary], item: str, files: tuple[str, ...]) -> ChangeSet:
        assert step.workspace is not None
        use, summary = step.workspace, _summary(step)
        request = CollectChanges(
            run=self.kit.ref, workspace=use, item=item, summary=summary, allowed=files, made_by=(step.handoff.id,)
        )
        return await self.kit.do(Changes.collect_changes, request, f"workspace: read what {item} changed", **WORK)


def _with_change(run: RunRef, said: Handoff[Any], change: ChangeSet, agent: str) -> Handoff[Any]:
    """A handoff of the item: the writer's outcome with what it really changed as the body."""
    body = change.model_dump(mode="json") if change.files else None
    patch = (change.patch.digest,) if change.patch else ()
    update: dict[str, Any] = {
        "id": handoff_id(run.trace, run.path, sha256(canonical([body, said.outcome]))),
        "path": run.path,
        "body": body,
        "contract_name": ChangeSet.contract,
        "inputs": (*said.inputs, said.id, *patch),
    }
    # The workspace decides, not what the writer says about it.
    if said.outcome == "done" and body is None:
        update |= {"outcome": "could_not", "reason": f"the {agent} says it is done but changed no files"}
    return Handoff[Any].model_validate(said.model_dump() | update)


def _summary(step: Step[WriteSummary]) -> str:
    """What the writer says it did, or why it did not."""
    match step.ended:
        case Done(said) | Unsure(_, WriteSummary() as said):
            return said.summary
        case Unsure(reason) | CouldNot(reason):
            return reason


def _files(change: ChangeSet) -> str:
    counts = change.counts
    files, others = (counts.files, counts.outside) if counts else (len(change.files), len(change.outside))
    return f"{amount(files, 'file')} changed" + (f", {others} outside the plan" if others else "")
