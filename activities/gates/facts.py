"""Facts of a gate that come from the ledger: what it shows that came from something condemned, and a run's expected cost."""

from sqlalchemy import Connection

from contracts.gates import GateView
from ledger import handoffs
from ledger.figures.forecast import NO_HISTORY, expected_of
from ledger.lineage import origins_of
from ledger.views.gates import condemned_facts


def added_facts(connection: Connection, view: GateView, subject: str) -> tuple[str, ...]:
    """What this came from that was condemned; for a plan gate also what the run will cost, going by similar runs."""
    if view.kind == "held":
        return ()  # it is about nothing else
    things = [handoffs.made(view.trace, view.subject), *origins_of(connection, view.trace, view.subject, subject)]
    condemned = condemned_facts(connection, things)
    if view.kind != "plan":
        return condemned
    expected = expected_of(connection, view.trace)
    return (*condemned, f"expected cost of the run: {expected.text if expected is not None else NO_HISTORY}")
