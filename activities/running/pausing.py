"""A step that a pause holds is not begun: its workflow waits for the pause to be lifted, and begins it then."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ExecuteActivityInput

from activities.running.around import Around, Proceed
from activities.running.commit import commit_alone
from activities.running.heartbeat import beating
from contracts.away import FallBack
from contracts.pauses import PAUSED, AwaitResume, Paused, Resumed
from contracts.runs import Request
from contracts.turns import CallModel, RunTool
from ledger import pauses
from ledger.db import Ledger
from ledger.pauses import Step

ALWAYS = frozenset(
    {
        *("begin_run", "record", "finish_run", "keep_results", "recall_result", "await_resume"),
        *("open_gate", "admit_decision", "find_received", "look_for_condemned", "resolve"),
        *("end_case", "drop_workspaces"),
    }
)
"""Activities that are no step: they keep the record, ask and hear people, or clean up. A pause does not hold them."""

SOONEST, LATEST = timedelta(seconds=1), timedelta(minutes=1)
"""How soon, and how late at most, a step that is held asks again whether the pause is lifted."""

EACH_SECOND = 20
"""How many runs that are held may ask again each second, on all workers: a weekend of a thousand must not cost a core."""


class Pausing(Around):
    """Refuses activities that a pause holds, before anything of them has happened. Looks at the ledger before each one."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def around(self, input: ExecuteActivityInput, proceed: Proceed) -> Any:
        """As `Around`."""
        request = input.args[0] if input.args else None
        if isinstance(request, Request) and activity.info().activity_type not in ALWAYS:
            async with beating():
                held = await self._ledger.read(pauses.holding, step_of(request))
            if held is not None:
                raise _refusal(held)
        return await proceed(input)


class Resuming:
    """The activity `await_resume`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn
    async def await_resume(self, request: AwaitResume) -> Resumed:
        """Who lifted a pause, and why. While it is in force this fails and is tried again: the wait takes no worker."""
        found, waits = await self._ledger.read(_look, request.pause)
        if found is None:
            raise ApplicationError(
                "the pause is not lifted yet",
                type="StillPaused",
                next_retry_delay=waits,
                category=ApplicationErrorCategory.BENIGN,
            )
        await commit_alone(self._ledger, request)
        return found


def step_of(request: Request) -> Step:
    """Which step of which run a request would begin, and whose it is."""
    run = request.run
    if isinstance(request, CallModel):
        return Step(run.trace, run.project, agent=request.name or (request.agent.name if request.agent else ""))
    if isinstance(request, FallBack):
        return Step(run.trace, run.project, agent=request.agent)
    return Step(run.trace, run.project, turn=request.turn if isinstance(request, RunTool) else "")


def _look(connection: Connection, id: str) -> tuple[Resumed | None, timedelta]:
    found = pauses.resumed(connection, id)
    if found is not None:
        return found, timedelta()
    return None, min(max(SOONEST, timedelta(seconds=pauses.held_up(connection) / EACH_SECOND)), LATEST)


def _refusal(held: Paused) -> ApplicationError:
    return ApplicationError(
        f"{held.told}: {held.why}", held, type=PAUSED, non_retryable=True, category=ApplicationErrorCategory.BENIGN
    )
