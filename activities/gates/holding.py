"""The activity `look_for_condemned`: whether anything that a run has made so far came from something condemned."""

from sqlalchemy import Connection
from temporalio import activity

from activities.running.commit import commit_alone
from activities.running.heartbeat import beating
from activities.running.held import held_by
from contracts.condemned import Held, LookForCondemned
from ledger import condemnations
from ledger.db import Ledger
from ledger.views.condemned import made_in


class Condemnations:
    """Looks for what keeps a run from going on."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn
    async def look_for_condemned(self, request: LookForCondemned) -> Held:
        """The condemnations of anything that this run's handoffs, turns, gates and actions are, or came from. Only reads.

        Without those that a person has let the run go on with. Empty where nothing keeps it.
        """
        async with beating():
            found = await self._ledger.read(_look, request.run.trace)
        await commit_alone(self._ledger, request)
        return found


def _look(connection: Connection, trace: str) -> Held:
    if not condemnations.anything(connection):
        return Held()
    return held_by(condemnations.holding(connection, trace, made_in(connection, trace)))
