"""Where a run stands for people: what it waits for, in its own workflow or in a child's, and how that is shown.

A child has no row and no query of its own. It tells its root which gates it holds open, so that the state of a run is that of
its whole family.
"""

from contracts.base import Contract
from contracts.gates import GateView
from contracts.runs import RunState

MOST_GATES = 1000
"""Most open gates of children that the root keeps; more than a run can have children."""


class Asks(Contract, name="asks/1"):
    """From a child to its root: one of its gates is open as `view` shows it, or (None) no longer is."""

    path: str
    gate: str
    view: GateView | None = None


class Family:
    """The open gates of a run's children, as they told the root. `news` is set until the root's record has them."""

    def __init__(self) -> None:
        self.news = False
        self._gates: dict[str, Asks] = {}

    def waiting(self) -> tuple[GateView, ...]:
        """The open gates, the one that opened first before the others."""
        return tuple(said.view for said in self._gates.values() if said.view is not None)

    def named(self, name: str) -> GateView | None:
        """The open gate with this id or of this kind; None if no child holds one."""
        return next((view for view in self.waiting() if name in (view.gate, view.kind)), None)

    def takes(self, said: Asks) -> None:
        """Take over what a child says."""
        if said.view is not None and (said.gate in self._gates or len(self._gates) < MOST_GATES):
            self._gates[said.gate] = said
        elif said.view is None and self._gates.pop(said.gate, None) is None:
            return
        self.news = True

    def left(self, path: str) -> None:
        """Forget the gates of a child that has ended."""
        for name in [name for name, said in self._gates.items() if is_below(said.path, path)]:
            del self._gates[name]
            self.news = True


def is_below(path: str, child: str) -> bool:
    """True for the path of a child or of something within it."""
    return path == child or path.startswith(f"{child}/")


def waiting_state(view: GateView) -> RunState:
    """The run's state while this gate is open."""
    return "parked" if view.kind == "ceiling" else "waiting"


def answered_by(view: GateView) -> str:
    """What the run's row says comes next while this gate is open."""
    return f"{' or '.join(view.verbs)} at {view.gate}; {view.on_expiry}"
