"""Checks of the record: open runs against Temporal, and whether a worker looks after the ledger."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from commands.context import sqlite_file
from commands.doctor.finding import Finding
from commands.output import clock
from contracts.text import amount

if TYPE_CHECKING:
    from temporalio.client import Client

    from config import Settings
    from ledger.db import Ledger

SHOWN = 5
"""Most causes that one finding names."""

LOOKED_AT = 1000
"""Most running workflows that are compared gate by gate."""

LATE = timedelta(minutes=1)
"""Upkeep makes a round every few seconds: one that is older has been missed."""


async def open_runs(client: "Client", found: "Settings") -> Finding:
    """Compare the open runs with Temporal, and close those that it has ended. Raises `RPCError`."""
    ledger = _ledger(found)
    if ledger is None:
        return Finding("open runs", "ok", "none: there is no ledger of this release yet")
    from activities.runs.gone import bring_up_to_date
    from ledger import gone

    try:
        there = await ledger.read(gone.open_runs)
        _, absent = await bring_up_to_date(client, ledger)
        left = len(await ledger.read(gone.open_runs))
        behind = await _behind(client, ledger)
    finally:
        ledger.close()
    closed = f"; {len(there) - left} that Temporal had ended were closed in the record just now" if left < len(there) else ""
    if absent:
        text = f"{len(absent)} of {amount(left, 'open run')} are not in namespace {client.namespace!r}: {', '.join(absent[:5])}"
        mend = (
            "use the server and namespace that they were started in; if that server's database is gone for good: "
            '`baton cancel --lost -m "why"` closes them'
        )
        return Finding("open runs", "warn", text + closed, mend)
    if behind:
        text = f"this ledger is older than {amount(len(behind), 'run')}: {'; '.join(behind[:SHOWN])}"
        mend = (
            "it was restored from an older backup: restore the newest one, or reset each run to a point that this ledger has "
            "(`temporal workflow reset`), from where it goes on here"
        )
        return Finding("open runs", "fail", text + closed, mend)
    return Finding("open runs", "ok", f"{left}, all running in Temporal{closed}")


async def _behind(client: "Client", ledger: "Ledger") -> list[str]:
    """Runs that wait, by Temporal, at a gate that the ledger does not have: what it lists of them is from before."""
    from ledger import gone
    from ledger.views.gates import gates_of
    from search_attributes import GATE

    known = {one.workflow_id: one.trace for one in await ledger.read(gone.open_runs)}
    found = []
    async for one in client.list_workflows(f"ExecutionStatus = 'Running' AND {GATE.name} IS NOT NULL", limit=LOOKED_AT):
        gate, colon, state = one.typed_search_attributes.get(GATE, "").rpartition(":")
        if not colon or state != "waiting" or one.id not in known:
            continue
        # The ledger is told before Temporal shows the gate: one that it shows and the ledger lacks was there once.
        there = await ledger.read(gates_of, known[one.id])
        if gate not in [each.view.gate for each in there]:
            found.append(f"{one.id} waits at {gate}, which is not in it")
    return found


async def refused(client: "Client", found: "Settings") -> Finding:
    """Starts of the last day that failed before anything of them was recorded. Raises `RPCError`."""
    ledger = _ledger(found)
    if ledger is None:
        return Finding("refused starts", "ok", "none: there is no ledger of this release yet")
    from commands.refused_starts import refused_starts

    try:
        there = await refused_starts(client, ledger, found.task_queue)
    finally:
        ledger.close()
    if not there:
        return Finding("refused starts", "ok", "none in the last day")
    text = "; ".join(next(one.lines()) for one in there[:SHOWN])
    more = f"; and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    return Finding("refused starts", "warn", text + more, there[0].mend)


def upkeep(found: "Settings") -> Finding:
    """Whether a worker looks after the ledger: closes what is over, of runs, workers and reservations."""
    ledger = _ledger(found)
    if ledger is None:
        return Finding("upkeep", "ok", "nothing to look after: there is no ledger of this release yet")
    from ledger.upkeep import last_act, last_round

    try:
        last, act = ledger.read_now(last_round), ledger.read_now(last_act)
    finally:
        ledger.close()
    mend = "a running worker does it: `baton up`, or `python worker.py` with the same settings"
    if last is None:
        return Finding("upkeep", "warn", "no worker has looked after this ledger yet", mend)
    removed = "" if act is None else f"; at {clock(act.at)} it {act.did}"
    text = f"last round at {clock(last.at)} by {last.worker}{removed}"
    if last.problem:
        return Finding("upkeep", "warn", f"{text}; {last.problem}", "compare the server and namespace with the worker's")
    late = datetime.now(UTC) - last.at
    if late > LATE:
        return Finding("upkeep", "warn", f"{text}, {int(late.total_seconds())} s ago", mend)
    return Finding("upkeep", "ok", text)


def _ledger(found: "Settings") -> "Ledger | None":
    """The ledger as it is: a check must change nothing, so one that has to be migrated first is not looked at."""
    from ledger.db import Ledger
    from ledger.migrate import standing

    file = sqlite_file(found.database)
    if file is not None and not file.exists():
        return None
    there = Ledger(found.database, found.artifacts)
    if standing(there).state in {"current", "newer"}:
        return there
    there.close()
    return None
