"""Bounded parallel child workflows, each with a deadline. A failed child becomes a handoff, not an exception."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

from temporalio import workflow
from temporalio.exceptions import (
    ChildWorkflowError,
    FailureError,
    TimeoutError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

from contracts.base import Contract
from contracts.carried import Children
from contracts.errors import Refused
from contracts.handoff import Handoff
from contracts.inputs import RunContext
from contracts.money import Part, slice_of
from contracts.runs import RunRef
from contracts.spread import Left
from workflows.kit.cancellation import not_cancelled, send, was_cancelled
from workflows.kit.ceiling import keep_watch
from workflows.kit.ends import Stopped
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.model_outage import note_degraded
from workflows.kit.slots import Slots

I = TypeVar("I", bound=Contract)  # noqa: E741  the child's input

CHILDREN_LIMIT = 100
"""Most children of one parent. Each start and end is a transaction on the parent, so more need a layer between: `spread`."""

DEPTH_LIMIT = 4

FORMER_WAITS = tuple(timedelta(seconds=min(2**number, 30)) for number in range(20))
"""How often and how long a reset run waits for a child of the abandoned branch to end."""


@dataclass(frozen=True)
class Child(Generic[I]):
    """One child: its name, the children it depends on, and a function that makes its input once those are done."""

    name: str
    after: tuple[str, ...]
    make: Callable[[RunContext, dict[str, Handoff[Any]]], I]


async def fan_out(
    kit: Kit,
    path: str,
    run: Callable[..., Any] | str,
    children: Sequence[Child[Any]],
    *,
    limit: int,
    deadline: timedelta,
    summary: str,
    kept_back: int | None = None,
    slots: Slots | None = None,
) -> dict[str, Handoff[Any]]:
    """Run the children, at most `limit` at a time, each as soon as its dependencies are done. Returns handoffs by name.

    `run` is their workflow, or its type. `kept_back` is the share of the money, per mille, that is not theirs; None: the run's.
    A child that waits for a person does not count towards `limit`: `Slots`. `slots` are shared with other calls, and `limit` is
    then theirs; None: this call has its own. With them a child may come after one of another call, if that has not ended.

    A child that fails, exceeds its `deadline`, or depends on one that is not done is `could_not` with the reason. Cancelling
    the parent cancels all children and waits for them. Raises `Refused` for too many children or levels: `spread` takes more.
    """
    if len(children) > CHILDREN_LIMIT or (kit.ref.path.count("/") >= DEPTH_LIMIT):
        raise Refused(
            f"{len(children)} children at depth {kit.ref.path.count('/')}: at most {CHILDREN_LIMIT} and {DEPTH_LIMIT}"
        )
    step = kit.chain.begin(lambda: f"fan_out:{path}:{','.join(child.name for child in children)}")
    if step.known is not None:
        handoffs = (await kit.chain.recall(step, Children)).handoffs
    else:
        await kit.chain.safe_point()
        back = kit.pins.kept_back if kept_back is None else kept_back
        with kit.chain.under_way():
            room = Slots(kit, limit) if slots is None else slots
            handoffs = await _side_by_side(kit, path, run, children, room, deadline, summary, back)
        step.result = Children(handoffs=handoffs)
    for handoff in handoffs.values():
        note_degraded(kit, handoff)
    return handoffs


async def _side_by_side(
    kit: Kit,
    path: str,
    run: Callable[..., Any] | str,
    children: Sequence[Child[Any]],
    slots: Slots,
    deadline: timedelta,
    summary: str,
    kept_back: int,
) -> dict[str, Handoff[Any]]:
    tasks: dict[str, asyncio.Task[Handoff[Any]]] = {}

    async def one(child: Child[Any]) -> Handoff[Any]:
        # Shielded: cancelling this child must not cancel the one it waits for. Before it has a slot: children that wait for
        # each other must not take them up.
        before = {name: await asyncio.shield(task) for name, task in slots.before(child.after).items()}
        ref = kit.at(f"{path}/{child.name}")
        missing = [name for name, handoff in before.items() if handoff.outcome != "done"]
        part = Part(group=path, name=child.name, among=len(children), kept_back=kept_back)
        if missing:
            _gives_back(kit, ref, part)
            return _missed(kit, ref, f"not started: {', '.join(missing)} is not done")
        async with slots.taken(ref.path):
            try:
                await kit.unpaused()
            except Stopped as stopped:
                _gives_back(kit, ref, part)
                return _missed(kit, ref, stopped.reason)
            await kit.flush_change()
            return await _child(kit, run, ref, child, before, deadline, f"{summary} {child.name}", part)

    keep_watch(kit)
    for child in children:
        tasks[child.name] = slots.tasks[child.name] = asyncio.create_task(one(child))
    try:
        await asyncio.gather(*tasks.values())
    except (asyncio.CancelledError, FailureError):
        # Not GeneratorExit: it means eviction from the worker's cache, after which nothing may be awaited.
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        raise
    finally:
        for name in tasks:
            slots.tasks.pop(name, None)
    return {name: task.result() for name, task in tasks.items()}


def _missed(kit: Kit, ref: RunRef, reason: str) -> Handoff[Any]:
    return kit.keep(made_by_us(ref, "coordinator", "could_not", reason))


async def _child(
    kit: Kit,
    run: Callable[..., Any] | str,
    ref: RunRef,
    child: Child[Any],
    before: dict[str, Handoff[Any]],
    deadline: timedelta,
    summary: str,
    part: Part,
) -> Handoff[Any]:
    child_id = f"{kit.ref.workflow_id}.{ref.path.removeprefix(f'{kit.ref.path}/').replace('/', '.')}"
    asked = child.make(RunContext(run=ref, began=kit.pins, parts=(*kit.parts, part)), before)
    # Before it starts: its signals are checked against this.
    kit.children[child_id] = ref.path
    try:
        for wait in (*FORMER_WAITS, None):
            try:
                running = await workflow.start_child_workflow(
                    cast("str", run),
                    asked,
                    id=child_id,
                    execution_timeout=deadline,
                    # Not TERMINATE: the child has to close its gates and record its end.
                    parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                    static_summary=summary[:200],
                    result_type=Handoff[Any] if isinstance(run, str) else None,
                )
            except WorkflowAlreadyStartedError:
                # After a reset the child of the abandoned branch may still run under this id.
                if wait is None or not kit.was_reset:
                    raise
                await _end_former(child_id, wait)
                if kit.parking.stopped:
                    return _missed(kit, ref, kit.parking.stopped)
            else:
                break
        # It did not exist yet when its siblings were told to pause or stop.
        if kit.parking.stopped:
            kit.parking.wake()
        elif kit.inbox.paused:
            await send(child_id, "pause", {})
        handoff: Handoff[Any] = await running
        not_cancelled()
        return handoff
    except (ChildWorkflowError, WorkflowAlreadyStartedError) as error:
        if not is_cancelled_exception(error):
            await _ended_unheard(ref.path)
            if isinstance(error.__cause__, TimeoutError):
                return _missed(kit, ref, f"the child workflow did not answer within its deadline of {deadline}")
            return _missed(kit, ref, f"the child workflow failed: {error.__cause__ or error}")
        if was_cancelled() or not kit.in_order:
            raise
        return _missed(kit, ref, f"the child workflow {child_id} was cancelled, alone, in Temporal")
    finally:
        kit.children.pop(child_id, None)
        kit.family.left(ref.path)
        _gives_back(kit, ref, part)
        kit.parking.left(ref.path)


async def _ended_unheard(path: str) -> None:
    """Tell the root that nothing below a layer's child waits any more; a run hears of its own children by itself."""
    root = workflow.info().root
    if root is not None:
        await send(root.workflow_id, "left", Left(path=path).model_dump(mode="json"))


def _gives_back(kit: Kit, ref: RunRef, part: Part) -> None:
    """Release what is left of a child's slice, with the next commit: it has ended, or never starts."""
    kit.gives_back.append(slice_of(ref.trace, (*kit.parts, part)))


async def _end_former(child_id: str, wait: timedelta) -> None:
    """Cancel the child of the branch that a reset abandoned, which Temporal keeps running, and give it time to end."""
    try:
        await asyncio.create_task(workflow.get_external_workflow_handle(child_id).cancel())
    except Exception as error:
        if not workflow.is_failure_exception(error):
            raise
        workflow.logger.info("child %s, started before the reset, has just ended: %s", child_id, error)
    not_cancelled()
    await workflow.sleep(wait, summary=f"wait for {child_id}, started before the reset, to end")
