"""What the ledger adds to the facts of a gate: what a run is expected to cost, where somebody decides on it."""

from sqlalchemy import Connection

from contracts.gates import GateView
from ledger.figures.forecast import NO_HISTORY, expected_of


def added_facts(connection: Connection, view: GateView) -> tuple[str, ...]:
    """The fact that a plan gate gets beside its own: what the run will cost, going by runs like it. Other gates get none."""
    if view.kind != "plan":
        return ()
    expected = expected_of(connection, view.trace)
    return (f"expected cost of the run: {expected.text if expected is not None else NO_HISTORY}",)
