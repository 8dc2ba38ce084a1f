"""What keeps several runs waiting at once: circuit breakers, or a ceiling that runs share. One cause is one thing to do."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from contracts.gates import GateView
from contracts.runs import FINAL
from ledger.tables import action, run
from ledger.views.gates import waiting

FOR_A_MODEL = "a model"
"""What a run waits for, in its row, while none of its models is available and it asks again by itself."""


@dataclass(frozen=True)
class Waiting:
    """An open gate, and the id of the run that it belongs to."""

    run: str
    view: GateView


@dataclass(frozen=True)
class Cause:
    """Gates that wait for the same, most urgent first. `names` are breakers or one ceiling; empty for a gate on its own."""

    names: tuple[str, ...]
    gates: tuple[Waiting, ...]

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that wait, each once."""
        return tuple(dict.fromkeys(one.run for one in self.gates))


def causes(gates: Iterable[tuple[str, GateView]]) -> list[Cause]:
    """The gates by what they wait for, in their order."""
    found: dict[object, list[Waiting]] = {}
    for name, view in gates:
        found.setdefault(view.causes or (view.trace, view.gate), []).append(Waiting(name, view))
    return [Cause(several[0].view.causes, tuple(several)) for several in found.values()]


def kept_by(connection: Connection, breaker: str) -> list[Waiting]:
    """The open gates at which runs wait because this breaker is open, most urgent first."""
    return [Waiting(name, view) for name, view in waiting(connection) if breaker in view.breakers]


def carrying_out(connection: Connection) -> list[str]:
    """The workflow ids of the open runs with an action that may happen and has not been settled."""
    unsettled = select(action.c.trace).where(action.c.state.in_(("approved", "sending", "unknown")))
    query = select(run.c.workflow_id).where(run.c.trace.in_(unsettled), run.c.state.not_in(sorted(FINAL)))
    return list(connection.execute(query.order_by(run.c.started_at)).scalars())


def asking_again(connection: Connection) -> list[str]:
    """The workflow ids of the runs that wait for a model and ask again by themselves."""
    query = select(run.c.workflow_id).where(run.c.waiting_for == FOR_A_MODEL, run.c.state.not_in(sorted(FINAL)))
    return list(connection.execute(query.order_by(run.c.started_at)).scalars())
