"""How far things have got: drafts of a run that goes on, what has left the machine, and what came to nothing."""

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Connection, select

from contracts.runs import FINAL
from ledger.db import rows_with
from ledger.tables import action, gate, run
from ledger.views.condemned import HAPPENED
from ledger.views.identities import Place


def states_of(connection: Connection, places: Mapping[str, Place]) -> dict[str, str]:
    """The state of each of these things, by its id, in words; "" for what no run has made.

    Of an action and a gate its own; of everything else its run's: a draft while that goes on, and what has left by an action.
    """
    traces = {place.trace for place in places.values() if place.trace}
    families = _families(connection, traces)
    keys = [one for one, place in places.items() if place.kind == "action"]
    acted = {row.key: str(row.state) for row in rows_with(connection, select(action.c.key, action.c.state), action.c.key, keys)}
    wanted = {place.trace for place in places.values() if place.kind == "gate"}
    shown = rows_with(connection, select(gate.c.trace, gate.c.gate, gate.c.state), gate.c.trace, wanted)
    gates = {f"{row.trace}/{row.gate}": str(row.state) for row in shown}
    return {one: acted.get(one) or gates.get(one) or families.get(place.trace, "") for one, place in places.items()}


def _families(connection: Connection, traces: set[str]) -> dict[str, str]:
    left = defaultdict[str, set[str]](set)
    gone = select(action.c.trace, action.c.type).where(action.c.state.in_(HAPPENED))
    for row in rows_with(connection, gone, action.c.trace, traces):
        left[row.trace].add(row.type)
    rows = rows_with(connection, select(run.c.trace, run.c.state), run.c.trace, traces)
    return {row.trace: _word(str(row.state), sorted(left[row.trace])) for row in rows}


def _word(state: str, left: list[str]) -> str:
    out = f"delivered by {', '.join(left)}" if left else ""
    if state not in FINAL:
        return f"draft: its run is {state}" + (f"; in part {out}" if out else "")
    return f"its run is {state}; {out or 'nothing was delivered'}"
