"""Whether a run's row in the ledger, its query and Temporal's search attributes agree on where it is."""

from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowHandle

from contracts.reports import RunStatus
from contracts.runs import FINAL
from ledger import gates, runs
from ledger.db import Ledger
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


async def said(ledger: Ledger, run: WorkflowHandle[Any, Any]) -> Said:
    """What they say now. The query needs a worker."""
    row = await ledger.read(runs.find, run.id)
    status = RunStatus.model_validate(await run.query("status"))
    found = (await run.describe()).typed_search_attributes
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


async def agreed(ledger: Ledger, run: WorkflowHandle[Any, Any], state: str = "", limit: float = PATIENCE) -> Said:
    """What they say as soon as they agree, and on `state` where one is wanted."""
    last: list[Said] = []

    async def look() -> Said | None:
        last[:] = [await said(ledger, run)]
        return last[0] if last[0].agree and state in ("", last[0].row[0]) else None

    try:
        return await until(look, "row, query and search attributes agree", limit)
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None
