"""Delivery's writing: one child workflow per item, in parallel, then all changes on one tree."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from activities.repositories.integration import Integration
from contracts.delivery.plan import PlanItem, WorkItem, ancestors
from contracts.delivery.writing import WriteItemInput, WriteTask
from contracts.handoff import Handoff
from contracts.inputs import RunContext
from contracts.people import Feedback
from contracts.repositories import ChangeSet, Integrate, Integrated, WorkspaceRef
from contracts.text import amount
from workflows.delivery import gates as gates
from workflows.delivery.course import Agreed, Course, Written, with_patches
from workflows.delivery.item import WriteItem
from workflows.kit.fan_out import Child, fan_out
from workflows.kit.kit import Kit
from workflows.kit.options import WORK
from workflows.kit.stuck import changes_wanted, stuck_gate, try_again

SIDE_BY_SIDE = 4
CHILD_DEADLINE = timedelta(days=7)
"""Deadline of a writer's child workflow. Longer than any gate it can open; its own limits end it long before."""

GO_ON = "continue with what is done"

Make = Callable[[RunContext, dict[str, Handoff[Any]]], WriteItemInput]


async def write_and_integrate(course: Course, agreed: Agreed, number: int) -> Written:
    """Write all items and integrate them on one tree; returns that, or what the planner must do differently.

    People decide about unfinished items, conflicts and files outside the plan.
    """
    kit = course.kit
    kit.enter("write", "the writers change the files that the plan names")
    if agreed.check is not None:
        course.run_base(agreed.check)  # in parallel with the writers; the verdict awaits it
    written = Written(agreed, course.start)
    course.begin_anew()
    course.doubt("the planner", agreed.handoff)
    handoffs = await _write(course, agreed, number)
    replan = await _route_unfinished(kit, handoffs)
    if replan is not None:
        return replace(written, replan=replan)
    for name, handoff in handoffs.items():
        course.written_by(agreed.agent, name, handoff)
    changes = tuple(change for one in handoffs.values() if (change := one.read_as(ChangeSet)) is not None)
    if not changes:
        said = await try_again(kit, stuck_gate("the writers changed nothing", _ends(handoffs)), "plan again")
        return replace(written, replan=said)
    outside = tuple(path for change in changes for path in change.outside)
    replan = await _agree_on_outside(kit, changes)
    if replan is not None:
        return replace(written, replan=replan)
    return await _integrate(course, replace(written, kept_outside=outside), changes, number)


async def _write(course: Course, agreed: Agreed, number: int) -> dict[str, Handoff[Any]]:
    plan = agreed.plan
    before, ordered = ancestors(plan.items), plan.ordered()

    def child(item: PlanItem) -> Child[WriteItemInput]:
        # All ancestors, not only direct dependencies, and in plan order: their patches apply only in that order.
        after = tuple(other.id for other in ordered if other.id in before[item.id])
        task = WriteTask(item=item.work, instruction=course.asked.instruction, plan_summary=plan.summary)
        return Child(item.id, after, _input(course, agreed, task, course.start, after))

    return await fan_out(
        course.kit,
        f"write/{number}",
        WriteItem.run,
        [child(item) for item in ordered],
        limit=SIDE_BY_SIDE,
        deadline=CHILD_DEADLINE,
        summary="writer: change",
    )


def _input(course: Course, agreed: Agreed, task: WriteTask, start: WorkspaceRef, after: Sequence[str] = ()) -> Make:
    """A function that builds the child's input: the start plus the patches of all items it depends on."""

    def make(context: RunContext, done: dict[str, Handoff[Any]]) -> WriteItemInput:
        changes = [change for name in after if (change := done[name].read_as(ChangeSet)) is not None]
        return WriteItemInput(
            context=context,
            task=task,
            start=with_patches(start, changes),
            check=agreed.check,
            environment=course.asked.environment,
            agent=agreed.agent,
            inputs=(*agreed.sources, *(done[name].id for name in after)),
        )

    return make


async def _route_unfinished(kit: Kit, handoffs: dict[str, Handoff[Any]]) -> Feedback | None:
    """Ask a person about items that are not done: continue with the rest (None), plan again (feedback), or end."""
    open_ones = {name: one for name, one in handoffs.items() if one.outcome != "done"}
    if not open_ones:
        return None
    facts = tuple(f"{name} is {one.outcome}: {one.reason}" for name, one in open_ones.items())
    title = f"not done: {len(open_ones)} of {amount(len(handoffs), 'item')}"
    return await changes_wanted(kit, stuck_gate(title, facts), GO_ON)


async def _agree_on_outside(kit: Kit, changes: tuple[ChangeSet, ...]) -> Feedback | None:
    """Ask a person about files that the plan does not name. Returns what to change; None: none, or kept."""
    if not any(change.outside for change in changes):
        return None
    return await changes_wanted(kit, gates.outside_gate(changes), "keep these files in the change")


async def _integrate(course: Course, written: Written, changes: tuple[ChangeSet, ...], number: int) -> Written:
    """Apply all items to one tree, in plan order. Conflicting items are never merged by guessing."""
    kit = course.kit
    kit.enter("integrate", "the items are integrated in plan order")
    for attempt in itertools.count(1):
        # Without descriptions: history keeps every byte of a request.
        request = Integrate(run=kit.ref, start=written.ref, changes=tuple(gates.slim(change) for change in changes))
        integrated = await kit.do(Integration.integrate, request, "git: integrate the items", **WORK)
        if not integrated.conflict_item:
            break
        replan = await _agree_on_conflict(kit, integrated, changes, attempt)
        if replan is not None:
            return replace(written, replan=replan)
        # Keys are derived from the path: without the attempt a second redo would get the first one's answer.
        changes = await _redo(course, written, changes, integrated, f"integrate/{number}.{attempt}")
    # One patch for all items from here on: rework builds on it without repeating how conflicts were settled.
    patches = (integrated.patch.digest,) if integrated.patch else ()
    return replace(written, ref=written.ref.model_copy(update={"patches": patches}))


async def _agree_on_conflict(kit: Kit, integrated: Integrated, changes: tuple[ChangeSet, ...], attempt: int) -> Feedback | None:
    """Ask a person about a conflict: None to redo the item, or feedback for the planner."""
    # If redoing every item once does not help, redoing more of them will not.
    if attempt > len(changes):
        title = f"the items still change the same lines after {amount(attempt - 1, 'attempt')}"
        facts = (f"{integrated.conflict_item} conflicts in {gates.names(integrated.conflicts)}",)
        return await changes_wanted(kit, stuck_gate(title, facts, integrated), "redo the conflicting item")
    asked = gates.textual_gate(integrated.conflict_item, integrated.conflicts, changes)
    return await changes_wanted(kit, asked, f"redo {integrated.conflict_item} on top of the others")


async def _redo(
    course: Course, written: Written, changes: tuple[ChangeSet, ...], integrated: Integrated, path: str
) -> tuple[ChangeSet, ...]:
    """Redo one item on top of the items before it."""
    position = next(at for at, change in enumerate(changes) if change.item == integrated.conflict_item)
    item = next(one for one in written.agreed.plan.items if one.id == integrated.conflict_item).work
    text = f"earlier items changed the same lines of {', '.join(integrated.conflicts)}; redo yours on top of them"
    feedback = Feedback(source="integration", about=item.id, text=text)
    # On top of the items before it only; those after it are applied again on the result.
    start = with_patches(written.ref, changes[:position])
    change = await write_again(course, written.agreed, item, (feedback,), start, path)
    again = () if change is None else (change,)
    return (*changes[:position], *again, *changes[position + 1 :])


async def write_again(
    course: Course, agreed: Agreed, item: WorkItem, feedback: tuple[Feedback, ...], start: WorkspaceRef, path: str
) -> ChangeSet | None:
    """Run one writer again with feedback. Where it is not clear-cut a person decides: again, or go on without (None)."""
    said = feedback
    tries = 0
    while True:
        tries += 1
        handoff = await _write_once_more(course, agreed, item, said, start, path if tries == 1 else f"{path}/{tries}")
        change = handoff.read_as(ChangeSet)
        wanted = await _agree_on_again(course.kit, item.id, handoff, change, said)
        if wanted is None:
            course.written_by(agreed.agent, item.id, handoff)
            return change
        said = (*said, wanted)


async def _agree_on_again(
    kit: Kit, item: str, handoff: Handoff[Any], change: ChangeSet | None, said: tuple[Feedback, ...]
) -> Feedback | None:
    """Ask a person what the writer should do differently. None: continue with what it made."""
    if handoff.outcome != "done" or change is None:
        heard = (f"{one.source}: {gates.first_line(one.text)}" for one in said)
        facts = (f"it is {handoff.outcome}: {handoff.reason}", *heard)
        wanted = await changes_wanted(kit, stuck_gate(f"{item} could not be done again", facts, handoff), GO_ON)
        if wanted is not None:
            return wanted
    return None if change is None else await _agree_on_outside(kit, (change,))


async def _write_once_more(
    course: Course, agreed: Agreed, item: WorkItem, said: tuple[Feedback, ...], start: WorkspaceRef, path: str
) -> Handoff[Any]:
    task = WriteTask(item=item, instruction=course.asked.instruction, plan_summary=agreed.plan.summary, feedback=said)
    child = Child(item.id, (), _input(course, agreed, task, start))
    handoffs = await fan_out(
        course.kit, path, WriteItem.run, [child], limit=1, deadline=CHILD_DEADLINE, summary="writer: change again"
    )
    return handoffs[item.id]


def _ends(handoffs: dict[str, Handoff[Any]]) -> tuple[str, ...]:
    return tuple(
        f"{name} is {one.outcome}: {one.reason or 'it says there is nothing to change'}" for name, one in handoffs.items()
    )
