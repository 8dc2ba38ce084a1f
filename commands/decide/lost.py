"""`baton cancel --lost`: close the record of runs whose Temporal server lost its database, which nobody else can close."""

import asyncio
from typing import TYPE_CHECKING

from commands.context import connect, open_ledger, settings
from commands.output import Out, safe
from contracts.errors import Refused

if TYPE_CHECKING:
    from ledger.db import Connection, Ledger
    from ledger.gone import Known


def close_lost(out: Out, name: str | None, by: str, why: str) -> None:
    """Close this run, or (None) every open one that Temporal does not have. Raises `Refused` if there is none such."""
    with open_ledger(settings()) as ledger:
        there = ledger.read_now(_open, name)
        closed = asyncio.run(_close(ledger, there, by, why))
    if name is not None and not closed:
        raise Refused(f"{safe(name)} is not lost: Temporal has it, or could tell how it ended; `baton show` says where it is")
    out.document(closed=closed, by=by, why=why)
    for one in closed:
        out.line(f"{safe(one)} is closed as cancelled: lost with its Temporal server")
    if not closed:
        out.line("no open run is lost: Temporal has them all")


def _open(connection: "Connection", name: str | None) -> "list[Known]":
    from ledger import gone
    from ledger.views.runs import find_run

    if name is None:
        return gone.open_runs(connection)
    run = find_run(connection, name, whole=True)
    if run.has_ended:
        raise Refused(f"{run.workflow_id} is {run.state} and has ended{run.how_it_ended}; there is nothing to close")
    return gone.known(connection, [run.trace])


async def _close(ledger: "Ledger", there: "list[Known]", by: str, why: str) -> list[str]:
    from activities.runs import gone

    # Refused there if the ledger belongs to another server than the one that answers.
    client = await connect(by, ledger=ledger)
    return await gone.close_lost(client, ledger, there, by, why)
