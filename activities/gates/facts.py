"""Facts of a gate that come from the ledger: the expected cost of a run, where somebody decides on it."""

from sqlalchemy import Connection

from contracts.gates import GateView
from ledger.figures.forecast import NO_HISTORY, expected_of


def added_facts(connection: Connection, view: GateView) -> tuple[str, ...]:
    """For a plan gate, what the run will cost, going by similar runs; nothing for other gates."""
    if view.kind != "plan":
        return ()
    expected = expected_of(connection, view.trace)
    return (f"expected cost of the run: {expected.text if expected is not None else NO_HISTORY}",)
