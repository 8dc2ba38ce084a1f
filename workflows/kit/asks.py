"""How a root hears of the gates that its children hold open: the signal `asks`, from a child to its root."""

from typing import Any

from temporalio import workflow

from contracts.errors import ContractViolation, Refused
from contracts.gates import MESSAGE_LIMIT, GateView
from workflows.kit.cancellation import send
from workflows.kit.messages import bare, only_object
from workflows.kit.run import Run
from workflows.kit.standing import Asks, is_below


def listen(run: Run) -> None:
    """Take the signal for this run. What none of its children can have sent is refused and recorded."""

    def handle(*args: Any) -> None:
        try:
            said = _read(args)
            if any(is_below(said.path, child) for child in run.children.values()):
                run.family.takes(said)
            elif not run.was_reset:  # the messages of children that a reset undid arrive once more
                raise Refused(f"asks is for a run's own workflows, and no child of it works at {said.path!r:.200}")
        except Refused as error:
            run.inbox.refuse("asks", args, str(error), "signal")

    workflow.set_signal_handler("asks", bare(handle))


async def tell_root(run: Run, gate: str, view: GateView | None) -> None:
    """Tell the root that a gate of this child is open as `view` shows it, or (None) has closed. At the root it does nothing."""
    root = workflow.info().root
    if root is None or not run.in_order:
        return
    said = Asks(path=run.ref.path, gate=gate, view=None if view is None else _fitting(view))
    # A root that has ended does not need it: it cancels this workflow, or has given it up.
    await send(root.workflow_id, "asks", said.model_dump(mode="json"))


def _fitting(view: GateView) -> GateView:
    """The view, short enough for a message: without what a person can read at the gate itself where it has to be."""
    for left_out in ({}, {"narrative": "", "output": ""}, {"facts": view.facts[:3], "questions": (), "changes": ()}):
        view = view.model_copy(update=left_out)
        if len(view.stored()) <= MESSAGE_LIMIT // 2:
            break
    return view


def _read(args: tuple[Any, ...]) -> Asks:
    try:
        return Asks.model_validate(only_object("asks", args))
    except (ContractViolation, ValueError) as error:
        raise Refused(f"asks is for a run's own workflows, and this is not what they send: {error}") from None
