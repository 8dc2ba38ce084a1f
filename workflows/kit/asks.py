"""How a root hears of its children: the signals `asks` (open gates), `waits` (models, disks) and `left` (they have ended)."""

from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow

from contracts.errors import ContractViolation, Refused
from contracts.gates import MESSAGE_LIMIT, GateView
from contracts.spread import Left
from workflows.kit.cancellation import send
from workflows.kit.changes import WAITS_TOLD
from workflows.kit.messages import bare, only_object
from workflows.kit.run import Run
from workflows.kit.standing import Asks, Waits, is_below

S = TypeVar("S", Asks, Waits, Left)


def listen(run: Run, left: Callable[[Left], None]) -> None:
    """Take the signals for this run. What none of its children can have sent is refused and recorded."""
    _on(run, "asks", Asks, run.family.takes)
    _on(run, "waits", Waits, run.family.hears)
    _on(run, "left", Left, left)


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
    said = Asks(path=run.ref.path, gate=gate, view=None if view is None else _fitting(view))
    # A root that has ended does not need it: it cancels this workflow, or has given it up.
    await send(root.workflow_id, "asks", said.model_dump(mode="json"))


async def tell_wait(run: Run, waits: Waits) -> None:
    """Tell the root that a step of this child waits and asks nobody, or goes on. At the root it does nothing."""
    root = workflow.info().root
    if root is not None and run.began is not None and run.knows(WAITS_TOLD):
        await send(root.workflow_id, "waits", waits.model_dump(mode="json"))


def _fitting(view: GateView) -> GateView:
    """The view, short enough for a message: without what a person can read at the gate itself where it has to be."""
    for left_out in ({}, {"narrative": "", "output": ""}, {"facts": view.facts[:3], "questions": (), "changes": ()}):
        view = view.model_copy(update=left_out)
        if len(view.stored()) <= MESSAGE_LIMIT // 2:
            break
    return view


def _read(kind: type[S], name: str, args: tuple[Any, ...]) -> S:
    try:
        return kind.model_validate(only_object(name, args))
    except (ContractViolation, ValueError) as error:
        raise Refused(f"{name} is for a run's own workflows, and this is not what they send: {error}") from None
