"""A worker leaves alone what is recorded in another ledger than its own."""

from typing import Any

from temporalio.worker import ExecuteActivityInput

from activities.running.around import Around, Proceed
from contracts.errors import LedgerUnavailable
from contracts.runs import Request


class Belonging(Around):
    """Refuses activities of runs that another ledger admitted: they wait for a worker that has it, as in an outage."""

    def __init__(self, ledger_id: str) -> None:
        self._ledger = ledger_id

    async def around(self, input: ExecuteActivityInput, proceed: Proceed) -> Any:
        """As `Around`."""
        request = input.args[0] if input.args else None
        if isinstance(request, Request) and request.run.ledger not in ("", self._ledger):
            # Done here, it would write half of a run into a ledger that has no such run: a gate could be won that is not there.
            raise LedgerUnavailable(
                f"this worker has ledger {self._ledger}, and the run is recorded in ledger {request.run.ledger}: it waits "
                "for a worker that has that one. Give all workers of a task queue the same `ledger_url`"
            )
        return await proceed(input)
