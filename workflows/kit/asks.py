"""How a root hears of its children: the signals `asks` (open gates), `waits` (models, disks) and `left` (they have ended).

A parent that is not the root hears by the signal `aside` alone, for its slots: `workflows/kit/slots.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from temporalio import workflow

from contracts.errors import ContractViolation, Refused
from contracts.gates import GateView
from contracts.pauses import HELD_UP
from contracts.spread import Left
from workflows.kit.cancellation import send
from workflows.kit.changes import SLOTS_BACK, WAITS_TOLD
from workflows.kit.messages import bare, only_object
from workflows.kit.run import Run
from workflows.kit.standing import Aside, Asks, Waits, is_below

VIEW_AIM = 3 * 1024
"""Most bytes of a gate's view that the root is told, as a rule: its history has those of all its children."""

S = TypeVar("S", Asks, Waits, Left, Aside)


def listen(run: Run, left: Callable[[Left], None]) -> None:
    """Take the signals for this run. What none of its children can have sent is refused and recorded."""
    _on(run, "asks", Asks, run.family.takes)
    _on(run, "waits", Waits, run.family.hears)
    _on(run, "left", Left, left)
    _on(run, "aside", Aside, run.family.steps_aside)


def _on(run: Run, name: str, kind: type[S], take: Callable[[S], None]) -> None:
    def handle(*args: Any) -> None:
        try:
            said = _read(kind, name, args)
            if any(is_below(said.path, child) for child in run.children.values()):
                take(said)
            elif not run.was_reset:  # the messages of children that a reset undid arrive once more
                raise Refused(f"{name} is for a run's own workflows, and no child of it works at {said.path!r:.200}")
        except Refused as error:
            run.inbox.refuse(name, args, str(error), "signal")

    workflow.set_signal_handler(name, bare(handle))


async def tell_root(run: Run, gate: str, view: GateView | None) -> None:
    """Tell the root that a gate of this child is open as `view` shows it, or (None) has closed. At the root it does nothing."""
    root = workflow.info().root
    if root is None or not run.in_order:
        return
    await tell_parent(run, f"gate:{gate}", waits=view is not None)
    said = Asks(path=run.ref.path, gate=gate, view=None if view is None else _fitting(view))
    # A root that has ended does not need it: it cancels this workflow, or has given it up.
    await send(root.workflow_id, "asks", said.model_dump(mode="json"))


async def tell_wait(run: Run, waits: Waits) -> None:
    """Tell the root that a step of this child waits and asks nobody, or goes on. At the root it does nothing."""
    root = workflow.info().root
    if root is not None and run.began is not None and run.knows(WAITS_TOLD):
        await tell_parent(run, f"pause:{waits.path}", waits=waits.waiting_for == HELD_UP)
        await send(root.workflow_id, "waits", waits.model_dump(mode="json"))


async def tell_parent(run: Run, why: str, *, waits: bool) -> None:
    """Tell a parent that is not the root, which hears of it anyhow, that this child waits for a person, or goes on.

    `why` names what it waits for. The parent is told of the first and when there is none left. Safe to call twice.
    """
    parent, root = workflow.info().parent, workflow.info().root
    if parent is None or root is None or parent.workflow_id == root.workflow_id or not run.knows(SLOTS_BACK):
        return
    before = bool(run.aside)
    if waits:
        run.aside.add(why)
    else:
        run.aside.discard(why)
    if bool(run.aside) != before:
        await send(parent.workflow_id, "aside", Aside(path=run.ref.path, waits=waits).model_dump(mode="json"))


def _fitting(view: GateView) -> GateView:
    """The view, short enough for a message: without what a person can read at the gate itself where it has to be."""
    for left_out in ({"narrative": "", "output": ""}, {"questions": (), "changes": ()}, {"facts": _beginnings(view.facts)}):
        view = view.model_copy(update=left_out)
        if len(view.stored()) <= VIEW_AIM:
            break
    return view


def _beginnings(facts: Sequence[str]) -> tuple[str, ...]:
    return tuple(fact[:300] for fact in facts[:3])


def _read(kind: type[S], name: str, args: tuple[Any, ...]) -> S:
    try:
        return kind.model_validate(only_object(name, args))
    except (ContractViolation, ValueError) as error:
        raise Refused(f"{name} is for a run's own workflows, and this is not what they send: {error}") from None
