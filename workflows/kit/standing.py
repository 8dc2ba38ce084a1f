"""Where a run stands for people: what it waits for, in its own workflow or in a child's, and how that is shown.

A child has no row and no query of its own. It tells its root which gates it holds open, so that the state of a run is that of
its whole family.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from contracts.base import Contract, is_empty
from contracts.gates import GateView
from contracts.runs import RunState

A_MODEL: Literal["a model"] = "a model"
ROOM: Literal["room on the disk"] = "room on the disk"

MOST_GATES = 1000
"""Most open gates, and most waits, of children that the root keeps; more than a run can have children."""


@dataclass
class Held:
    """An operator's pause as recorded (`told`). `before` is the state to return to."""

    told: bool = False
    before: RunState = "working"
    recording: bool = False


class Asks(Contract, name="asks/1"):
    """From a child to its root: one of its gates is open as `view` shows it, or (None) no longer is."""

    path: str
    gate: str
    view: GateView | None = None


class Waits(Contract, name="waits/1"):
    """From a child to its root: one of its steps gets nowhere and asks nobody, or ("") goes on. The root keeps its own, too."""

    path: str
    waiting_for: Literal["", "a model", "room on the disk", "a pause to be lifted"] = ""
    next: str = Field(default="", exclude_if=is_empty, description="what ends the wait; empty: it is tried again")


class Family:
    """Open gates and waits of a run's children, as they told the root. `news` is set until the root's record has them."""

    def __init__(self) -> None:
        self.news = False
        self._gates: dict[str, Asks] = {}
        self._waits: dict[str, Waits] = {}

    def waiting(self) -> tuple[GateView, ...]:
        """The open gates, the one that opened first before the others."""
        return tuple(said.view for said in self._gates.values() if said.view is not None)

    def named(self, name: str) -> GateView | None:
        """The open gate with this id or of this kind; None if no child holds one."""
        return next((view for view in self.waiting() if name in (view.gate, view.kind)), None)

    def held_up(self) -> Waits | None:
        """The step of a child that has waited longest without asking anybody; None if none does."""
        return next(iter(self._waits.values()), None)

    def hears(self, said: Waits) -> None:
        """Take over that a child's step waits, or goes on."""
        if said.waiting_for and (said.path in self._waits or len(self._waits) < MOST_GATES):
            self.news = self.news or self._waits.get(said.path) != said
            self._waits[said.path] = said
        elif not said.waiting_for and self._waits.pop(said.path, None) is not None:
            self.news = True

    def takes(self, said: Asks) -> None:
        """Take over what a child says."""
        if said.view is not None and (said.gate in self._gates or len(self._gates) < MOST_GATES):
            self._gates[said.gate] = said
        elif said.view is None and self._gates.pop(said.gate, None) is None:
            return
        self.news = True

    def left(self, path: str) -> None:
        """Forget the gates and waits of a child that has ended."""
        for there in [there for there in self._waits if is_below(there, path)]:
            del self._waits[there]
            self.news = True
        for name in [name for name, said in self._gates.items() if is_below(said.path, path)]:
            del self._gates[name]
            self.news = True


def is_below(path: str, child: str) -> bool:
    """True for the path of a child or of something within it."""
    return path == child or path.startswith(f"{child}/")


def waiting_state(view: GateView) -> RunState:
    """The run's state while this gate is open."""
    states: dict[str, RunState] = {"ceiling": "parked", "held": "held"}
    return states.get(view.kind, "waiting")


def tried_again(said: Waits) -> str:
    """What the run's row says comes next while a child's step waits."""
    return said.next or f"{said.path} is tried again by itself"


def answered_by(view: GateView) -> str:
    """What the run's row says comes next while this gate is open."""
    so_far = f" ({view.so_far})" if view.approvals > 1 else ""
    return f"{' or '.join(view.verbs)} at {view.gate}{so_far}; {view.on_expiry}"
