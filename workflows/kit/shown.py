"""Where a run stands, as Temporal's search attributes and the current details of its Web UI."""

from contracts.gates import GateView
from contracts.runs import RunState
from search_attributes import GATE, GATE_DEADLINE, NEEDS_HUMAN, OWNER, PROJECT, STATE, keyword
from workflows.kit.details import gate_text
from workflows.kit.run import Run
from workflows.kit.standing import waiting_state


def show_open(run: Run, view: GateView) -> None:
    """Show that the run, or a child, waits at this gate. A paused run stays paused."""
    run.show(
        PROJECT.value_set(run.ref.project),  # so that a child's gate is found by project and owner as well
        OWNER.value_set(keyword(run.pins.owner)),
        STATE.value_set(run.state if run.in_order else waiting_state(view)),
        GATE.value_set(f"{view.gate}:waiting"),
        NEEDS_HUMAN.value_set(True),
        GATE_DEADLINE.value_set(view.deadline),
    )
    run.tell(*gate_text(view))


def show_closed(run: Run, gate: str, how: str, state: RunState) -> None:
    """Show that this gate has closed and that no other is open."""
    run.show(
        STATE.value_set(state),
        GATE.value_set(f"{gate}:{how}"),
        NEEDS_HUMAN.value_set(False),
        GATE_DEADLINE.value_unset(),
    )


def show_standing(run: Run, last: str = "") -> None:
    """Show the first gate that is open in the run or a child; if none is, `last`: how the last one ended, "" for nothing."""
    view = run.waiting_view()
    if view is not None:
        show_open(run, view)
    else:
        gate = GATE.value_set(last) if last else GATE.value_unset()
        run.show(STATE.value_set(run.state), gate, NEEDS_HUMAN.value_set(False), GATE_DEADLINE.value_unset())
