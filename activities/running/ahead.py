"""What waits to be recorded is committed before an activity that takes long does its work, not when it ends."""

from typing import Any

from temporalio import activity
from temporalio.worker import ExecuteActivityInput

from activities.running.around import Around, Proceed
from activities.running.commit import commit_riders
from activities.running.heartbeat import committed
from contracts.runs import Request
from ledger.db import Ledger

AT_ONCE = frozenset(
    {"begin_run", "record", "finish_run", "open_gate", "admit_decision", "fall_back", "resolve", "judge_checks"}
)
"""Activities whose own transaction follows at once: it commits what waits, and one before it would only cost."""


class Ahead(Around):
    """Commits a change of the run's row, with the feed lines that came with it, before the activity that carries it works.

    Otherwise an approved gate would look open for as long as a check or a model takes. The activity gets its request without
    what is committed. Repeated with the activity; the ledger takes everything once.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def around(self, input: ExecuteActivityInput, proceed: Proceed) -> Any:
        """As `Around`."""
        request = input.args[0] if input.args else None
        if isinstance(request, Request) and request.change is not None and activity.info().activity_type not in AT_ONCE:
            await committed(self._ledger.tx(commit_riders, request))
            input.args = [request.model_copy(update={"notes": (), "change": None, "gives_back": (), "waiting": None})]
        return await proceed(input)
