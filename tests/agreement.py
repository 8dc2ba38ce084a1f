"""Whether a run's row in the ledger, its query and Temporal's search attributes agree on where it is, or that it is over.

A run that was terminated runs no more code: its query and the search attributes that it set say for ever where it was last.
What can still agree is what Baton's record says and what Temporal itself says, its search attribute ExecutionStatus.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from contracts.reports import RunStatus
from contracts.runs import FINAL
from ledger import gates, runs
from ledger.db import Ledger
from ledger.tables import action, gate, reservation, run, trip
from search_attributes import GATE, NEEDS_HUMAN, STATE
from tests.children import PATIENCE
from tests.stack import until


@dataclass(frozen=True)
class Said:
    """Where a run is: `row`, `query` and `attributes` each as its state and the gate that it waits at ("" for none)."""

    row: tuple[str, str]
    query: tuple[str, str]
    attributes: tuple[str | None, str]
    needs_human: bool
    open_gates: tuple[str, ...]
    """Of the family, in the ledger."""

    @property
    def agree(self) -> bool:
        """True if all of it is one story."""
        one_state = self.row == self.query == self.attributes
        gate = self.query[1]
        asked = self.needs_human == bool(self.open_gates) and (not gate or gate in self.open_gates)
        return one_state and asked and not (self.row[0] in FINAL and self.open_gates)


async def said(ledger: Ledger, handle: WorkflowHandle[Any, Any]) -> Said:
    """What they say now. The query needs a worker."""
    row = await ledger.read(runs.find, handle.id)
    status = RunStatus.model_validate(await handle.query("status"))
    found = (await handle.describe()).typed_search_attributes
    needs, gate = bool(found.get(NEEDS_HUMAN)), (found.get(GATE) or "").removesuffix(":waiting")
    state, asked = found.get(STATE), status.waiting_for
    views = await ledger.read(gates.open_gates, trace=row.trace)
    return Said(
        (row.state, row.waiting_for if row.state in ("waiting", "parked") else ""),
        (status.state, asked.gate if asked is not None and status.state in ("waiting", "parked") else ""),
        (state, gate if needs and state in ("waiting", "parked") else ""),
        needs,
        tuple(view.gate for view in views),
    )


async def agreed(ledger: Ledger, handle: WorkflowHandle[Any, Any], state: str = "", limit: float = PATIENCE) -> Said:
    """What they say as soon as they agree, and on `state` where one is wanted."""
    last: list[Said] = []

    async def look() -> Said | None:
        try:
            last[:] = [await said(ledger, handle)]
        except RPCError as error:
            # A worker that was killed with the query, or is not ready yet: the next one answers, or the limit says so. The
            # server's time limit and the client's own have a code each.
            if error.status not in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
                raise
            return None
        return last[0] if last[0].agree and state in ("", last[0].row[0]) else None

    try:
        return await until(look, "row, query and search attributes agree", limit)
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None


def left(connection: Connection, trace: str) -> list[str]:
    """What the ledger still has open of a run, by name: nothing once it is over."""
    queries = (
        select(run.c.state).where(run.c.trace == trace, run.c.ended_at.is_(None)),
        select(gate.c.gate).where(gate.c.trace == trace, gate.c.state == "open"),
        select(trip.c.gate).where(trip.c.trace == trace, trip.c.closed_at.is_(None)),
        select(reservation.c.id).where(reservation.c.trace == trace, reservation.c.state == "held"),
        select(action.c.key).where(action.c.trace == trace, action.c.state == "approved"),
    )
    return [str(one) for query in queries for one in connection.execute(query).scalars()]


async def still_open(ledger: Ledger, client: Client, name: str) -> list[str]:
    """What anybody still has open of the run with this workflow id and its children: the ledger, and Temporal's own list."""
    row = await ledger.read(runs.find, name)
    family = f"ExecutionStatus = 'Running' AND (WorkflowId = '{name}' OR WorkflowId STARTS_WITH '{name}.')"
    running = [f"{one.id} runs in Temporal" async for one in client.list_workflows(family)]
    return [*(await ledger.read(left, row.trace)), *running]


async def closed(ledger: Ledger, client: Client, name: str, limit: float = PATIENCE) -> None:
    """Wait until a run that is over is open nowhere."""
    last: list[str] = []

    async def look() -> bool | None:
        last[:] = await still_open(ledger, client, name)
        return None if last else True

    try:
        await until(look, f"{name} is open nowhere", limit)
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None
