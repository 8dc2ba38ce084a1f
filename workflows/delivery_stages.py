"""Delivery's middle: writing side by side, putting together, testing, and going round again where that fails."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from activities.work import Work
from contracts.delivery import (
    ChangeSet,
    CheckRun,
    DeliveryInput,
    Feedback,
    Plan,
    TestNotes,
    TestTask,
    WorkItem,
    WriteItemInput,
    WriteTask,
    ancestors,
)
from contracts.handoff import Handoff
from contracts.runs import RunState
from contracts.steps import RunContext, WorkspaceUse
from contracts.work import Base, CollectChanges, Integrate, Integrated, Judge, Judged, RunChecks
from contracts.workspace import WorkspaceRef
from workflows import delivery_gates as gates
from workflows.kit.ask import ask
from workflows.kit.fan_out import Child, fan_out
from workflows.kit.gate import gate
from workflows.kit.kit import Kit
from workflows.kit.options import WORK
from workflows.write_item import WriteItem

SIDE_BY_SIDE = 4
CHILD_DEADLINE = timedelta(days=7)
"""Longer than any gate a writer can open; the agent's own limits end its work long before."""

TESTS = ("test/*", "tests/*", "*/test/*", "*/tests/*", "test_*.py", "*/test_*.py", "*_test.*", "*.test.*", "*.spec.*")
"""Files that the tester may write."""


class Ended(Exception):
    """The run ends here, early, with a state and a reason that people read."""

    def __init__(self, state: RunState, reason: str) -> None:
        super().__init__(reason)
        self.state: RunState = state
        self.reason = reason


@dataclass(frozen=True)
class Written:
    """What the writers made: a reproducible tree (`ref`), or `replan` with what the planner is to do differently."""

    plan: Handoff[Plan]
    check: str | None
    ref: WorkspaceRef
    base_run: "asyncio.Task[CheckRun] | None" = None
    replan: Feedback | None = None
    kept_outside: tuple[str, ...] = ()
    asked_again: Feedback | None = None


@dataclass(frozen=True)
class Tested:
    """A tree with the tester's tests in it, and what the checks showed."""

    ref: WorkspaceRef
    judged: Judged

    def again(self, written: Written, feedback: Feedback) -> Written:
        """Go round again from here: the writer starts on this tree with the feedback."""
        return replace(written, ref=self.ref, asked_again=feedback)


async def write_and_integrate(
    kit: Kit, asked: DeliveryInput, base: Base, plan: Handoff[Plan], check: str | None, number: int
) -> Written:
    """One child workflow per item, side by side where the plan allows, then all of them on one tree."""
    kit.enter("write", "the writers change the files that the plan names")
    start = WorkspaceRef(repository=base.repository, base=base.commit)
    written = Written(plan, check, start, _base_run(kit, asked, start, check))
    handoffs = await _write(kit, asked, start, plan, check, number)
    replan = await _route_unfinished(kit, handoffs)
    if replan is not None:
        return replace(written, replan=replan)
    changes = tuple(ChangeSet.model_validate(one.body) for one in handoffs.values() if one.body is not None)
    if not changes:
        raise Ended("could_not", "the writers changed nothing")
    outside = tuple(path for change in changes for path in change.outside)
    if outside:
        decided = await gate(kit, gates.outside_gate(changes))
        if decided.verb == "request_changes":
            return replace(written, replan=gates.feedback_of(decided))
        _go_on_only_if_approved(decided.verb, f"files outside the plan: {', '.join(outside)}", decided.note)
    return await _integrate(kit, asked, replace(written, kept_outside=outside), changes, number)


def _base_run(kit: Kit, asked: DeliveryInput, start: WorkspaceRef, check: str | None) -> "asyncio.Task[CheckRun] | None":
    """The check on the base, beside the writing: what failed before must be told apart from what the change breaks."""
    if check is None:
        return None
    return asyncio.create_task(_run_checks(kit, asked, start, check, "checks: run on the base"))


async def _write(
    kit: Kit, asked: DeliveryInput, start: WorkspaceRef, plan: Handoff[Plan], check: str | None, number: int
) -> dict[str, Handoff[Any]]:
    body = plan.result if plan.outcome == "done" else plan.body
    assert body is not None
    before = ancestors(body.items)
    ordered = body.ordered()

    def child(item: WorkItem) -> Child[WriteItemInput]:
        after = tuple(other.id for other in ordered if other.id in before[item.id])
        task = WriteTask(item=item, instruction=asked.instruction, plan_summary=body.summary)
        return Child(item.id, after, _writer(asked, task, start, check, after, plan.id))

    return await fan_out(
        kit,
        f"write/{number}",
        WriteItem.run,
        [child(item) for item in ordered],
        limit=SIDE_BY_SIDE,
        deadline=CHILD_DEADLINE,
        summary="writer: change",
    )


def _writer(
    asked: DeliveryInput, task: WriteTask, start: WorkspaceRef, check: str | None, after: Sequence[str], plan_id: str
) -> Callable[[RunContext, dict[str, Handoff[Any]]], WriteItemInput]:
    """The child's input: it starts from the start with the patches of all that it depends on."""

    def make(context: RunContext, done: dict[str, Handoff[Any]]) -> WriteItemInput:
        changes = [ChangeSet.model_validate(done[name].body) for name in after]
        return WriteItemInput(
            context=context,
            task=task,
            start=with_patches(start, changes),
            check=check,
            environment=asked.environment,
            inputs=(plan_id, *(done[name].id for name in after)) if plan_id else (),
        )

    return make


def with_patches(start: WorkspaceRef, changes: Sequence[ChangeSet]) -> WorkspaceRef:
    """The start with these changes on top."""
    patches = tuple(change.patch.digest for change in changes if change.patch is not None)
    return start.model_copy(update={"patches": (*start.patches, *patches)})


async def _route_unfinished(kit: Kit, handoffs: dict[str, Handoff[Any]]) -> Feedback | None:
    """Items that are unsure or could not go to a person: go on with what there is, plan again, or end."""
    open_ones = {name: one for name, one in handoffs.items() if one.outcome != "done"}
    if not open_ones:
        return None
    facts = tuple(f"{name} is {one.outcome}: {one.reason}" for name, one in open_ones.items())
    ask_person = gates.stuck_gate(
        f"{len(open_ones)} of {len(handoffs)} items are not done", facts, "go on with what there is", None
    )
    decided = await gate(kit, ask_person)
    if decided.verb == "request_changes":
        return gates.feedback_of(decided)
    _go_on_only_if_approved(decided.verb, "; ".join(facts), decided.note)
    return None


async def _integrate(kit: Kit, asked: DeliveryInput, written: Written, changes: tuple[ChangeSet, ...], number: int) -> Written:
    """All items on one tree, in the plan's order. Items that changed the same lines are never merged by guessing."""
    kit.enter("integrate", "the items are put together in order")
    for attempt in range(1, len(changes) + 1):
        integrated = await kit.do(
            Work.integrate, Integrate(run=kit.ref, start=written.ref, changes=changes), "git: put the items together", **WORK
        )
        if not integrated.conflict_item:
            ref = written.ref.model_copy(update={"patches": (integrated.patch.digest,) if integrated.patch else ()})
            return replace(written, ref=ref)
        decided = await gate(kit, gates.textual_gate(integrated.conflict_item, integrated.conflicts, changes))
        if decided.verb == "request_changes":
            return replace(written, replan=gates.feedback_of(decided))
        _go_on_only_if_approved(decided.verb, f"{integrated.conflict_item} conflicts with an earlier item", decided.note)
        changes = await _redo(kit, asked, written, changes, integrated, f"integrate/{number}.{attempt}")
    raise Ended("could_not", "the items still change the same lines after each was done again")


async def _redo(
    kit: Kit,
    asked: DeliveryInput,
    written: Written,
    changes: tuple[ChangeSet, ...],
    integrated: Integrated,
    path: str,
) -> tuple[ChangeSet, ...]:
    """Do one item again on top of those before it."""
    plan = written.plan.body
    assert plan is not None
    position = next(at for at, change in enumerate(changes) if change.item == integrated.conflict_item)
    item = next(one for one in plan.items if one.id == integrated.conflict_item)
    text = f"items before yours changed the same lines of {', '.join(integrated.conflicts)}; do yours on top of them"
    task = WriteTask(
        item=item,
        instruction=asked.instruction,
        plan_summary=plan.summary,
        feedback=(Feedback(source="integration", about=item.id, text=text),),
    )
    change = await _one_writer(kit, asked, written, task, with_patches(written.ref, changes[:position]), path)
    return (*changes[:position], change, *changes[position + 1 :])


async def _one_writer(
    kit: Kit, asked: DeliveryInput, written: Written, task: WriteTask, start: WorkspaceRef, path: str
) -> ChangeSet:
    child = Child(task.item.id, (), _writer(asked, task, start, written.check, (), written.plan.id))
    handoffs = await fan_out(
        kit, path, WriteItem.run, [child], limit=1, deadline=CHILD_DEADLINE, summary="writer: change again"
    )
    handoff = handoffs[task.item.id]
    if handoff.outcome != "done" or handoff.body is None:
        raise Ended("could_not", f"{task.item.id} could not be done again: {handoff.reason}")
    change = ChangeSet.model_validate(handoff.body)
    if change.outside:
        decided = await gate(kit, gates.outside_gate((change,)))
        _go_on_only_if_approved(decided.verb, f"files outside the plan: {', '.join(change.outside)}", decided.note)
    return change


async def test_and_rework(kit: Kit, asked: DeliveryInput, written: Written) -> Tested:
    """Test, and let the writer mend what fails, at most as often as asked; then a person decides how it goes on."""
    rounds, limit = 0, asked.rework
    if written.asked_again is not None:
        written = await _rework(kit, asked, written, written.asked_again)
    while True:
        tested = await _test(kit, asked, written)
        report = tested.judged.report
        if report.verdict != "failed":
            return tested
        feedback = gates.tests_feedback(report)
        if rounds >= limit:
            facts = (
                report.why,
                f"{rounds} rounds of rework did not mend it",
                f"new failures: {', '.join(report.new_failures)}",
            )
            decided = await gate(
                kit, gates.stuck_gate("the checks still fail", facts, "show the change as it is at the change gate", report)
            )
            if decided.verb == "approve":
                return tested
            if decided.verb != "request_changes":
                raise Ended("could_not", f"the checks fail: {report.why}")
            feedback = gates.feedback_of(decided)
        rounds += 1
        kit.note(f"rework round {rounds}", report.why, "the writer mends what the checks show")
        written = await _rework(kit, asked, replace(written, ref=tested.ref), feedback)


async def _rework(kit: Kit, asked: DeliveryInput, written: Written, feedback: Feedback) -> Written:
    """The writer on the whole change, with the files of all items."""
    plan = written.plan.body
    assert plan is not None
    number = kit.asked["rework"] = kit.asked.get("rework", 0) + 1
    item = WorkItem(
        id=f"rework-{number}",
        intent=f"Mend what the feedback names in the change as it is now: {plan.summary[:1500]}",
        files=tuple(
            dict.fromkeys(path for path in (*(name for one in plan.items for name in one.files), *written.kept_outside))
        )[:50],
        settings=(),
        acceptance=tuple(line for one in plan.items for line in one.acceptance)[:20],
        depends_on=(),
    )
    task = WriteTask(item=item, instruction=asked.instruction, plan_summary=plan.summary, feedback=(feedback,))
    kit.enter("rework", "the writer mends the change")
    change = await _one_writer(kit, asked, written, task, written.ref, "rework")
    return replace(written, ref=with_patches(written.ref, [change]), asked_again=None)


async def _test(kit: Kit, asked: DeliveryInput, written: Written) -> Tested:
    """The tester adds tests, then the checks really run. The verdict comes from the runs alone."""
    kit.enter("test", "the tester tries to break the change")
    plan = written.plan.body
    assert plan is not None
    number = kit.asked.get("tester", 0) + 1
    path = f"test/{number}"
    use = WorkspaceUse(name=f"{kit.ref.trace}/{path}", ref=written.ref, check=written.check, environment=asked.environment)
    shown = await kit.do(
        Work.describe_change, _collect(kit, use, "change", "", ("*",)), "git: show the change to the tester", **WORK
    )
    task = TestTask(
        instruction=asked.instruction,
        acceptance=tuple(line for item in plan.items for line in item.acceptance),
        files=shown.files,
        diff=shown.diff,
        check=written.check,
    )
    step = await ask(kit, path, "tester", task, TestNotes, inputs=(written.plan.id,), workspace=use)
    notes = step.handoff.body.summary if step.handoff.body else f"{step.handoff.outcome}: {step.handoff.reason}"
    assert step.workspace is not None
    collect = _collect(kit, step.workspace, "tests", notes, TESTS, drop_outside=True)
    added = await kit.do(Work.collect_changes, collect, "workspace: read what the tester added", **WORK)
    ref = with_patches(written.ref, [added])
    judged = await _judge(kit, asked, written, ref, added, notes)
    kit.note(
        f"tests: {judged.report.verdict}",
        judged.report.why,
        "a person looks at the change" if judged.report.verdict != "failed" else "the writer mends it, or a person decides",
    )
    return Tested(ref, judged)


def _collect(
    kit: Kit, use: WorkspaceUse, item: str, summary: str, allowed: tuple[str, ...], *, drop_outside: bool = False
) -> CollectChanges:
    return CollectChanges(run=kit.ref, workspace=use, item=item, summary=summary, allowed=allowed, drop_outside=drop_outside)


async def _judge(kit: Kit, asked: DeliveryInput, written: Written, ref: WorkspaceRef, added: ChangeSet, notes: str) -> Judged:
    runs: tuple[CheckRun, ...] = ()
    if written.check is not None:
        runs = (await _run_checks(kit, asked, ref, written.check, "checks: run on the change"),)
    base_run = await written.base_run if written.base_run is not None else None
    request = Judge(
        run=kit.ref, runs=runs, base=base_run, added=added if added.files or added.outside else None, tester_notes=notes
    )
    return await kit.do(Work.judge_checks, request, "checks: compare with the base", **WORK)


async def _run_checks(kit: Kit, asked: DeliveryInput, ref: WorkspaceRef, check: str, summary: str) -> CheckRun:
    request = RunChecks(run=kit.ref, start=ref, command=check, environment=asked.environment, label=summary)
    return await kit.do(Work.run_checks, request, summary, **WORK)


def _go_on_only_if_approved(verb: str, what: str, note: str) -> None:
    if verb != "approve":
        raise Ended("could_not", f"{what} ({verb}{': ' + note if note else ''})")
