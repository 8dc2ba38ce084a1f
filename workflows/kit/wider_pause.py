"""Steps that a pause of their agent, pipeline or project, or of everything, holds: each waits until it is lifted.

A pause of one run is a message to it (`pause.py`). These are rows of the ledger, where workers look before each step. So they
count for runs that nobody has told, and for those that start later.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.running.pausing import Resuming
from contracts.pauses import HELD_UP, PAUSED, AwaitResume, Paused, Resumed
from workflows.kit.asks import tell_wait
from workflows.kit.cancellation import not_cancelled
from workflows.kit.changes import PAUSES_TOLD
from workflows.kit.options import UNTIL_RESUMED
from workflows.kit.run import Run
from workflows.kit.standing import Waits


def pause_in(error: ActivityError) -> Paused | None:
    """The pause that held the step, if that is why its activity failed; else None."""
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type != PAUSED or not cause.details:
        return None
    return Paused.model_validate(cause.details[0])


class WiderPause:
    """What of one workflow is held, and by which pauses."""

    def __init__(self, run: Run, do_now: Callable[..., Coroutine[Any, Any, Any]], stopped: Callable[[], bool]) -> None:
        """`do_now` is the kit's; `stopped` says whether the run has stopped, and need not wait any more."""
        self._run = run
        self._do_now = do_now
        self._stopped = stopped
        self._held: Counter[str] = Counter()

    @property
    def holds(self) -> bool:
        """True while a pause holds a step of this workflow."""
        return self._held.total() > 0

    async def waited(self, error: ActivityError, what: str) -> bool:
        """Wait until the pause that held this step is lifted, or the run stops: then it is to be begun again.

        False at once if no pause held it. The wait is the server's: no worker, and no Temporal, has to stay up for it.
        """
        held = pause_in(error)
        if held is None:
            return False
        not_cancelled()
        self._held[held.id] += 1
        try:
            if self._held[held.id] == 1:
                await self._tell(held, what)
            lifted = await self._lifted(held, what)
        finally:
            self._held[held.id] -= 1
        if not self._held[held.id]:
            await self._over(held, lifted, what)
        return True

    async def _tell(self, held: Paused, what: str) -> None:
        run, lifts = self._run, f"lifted with `{held.lift}`; then it goes on by itself"
        run.note(f"held: {held.told}", held.why, lifts)
        await self._stands(Waits(path=run.ref.path, waiting_for=HELD_UP, next=held.held))
        run.tell(f"held: {what}", f"{held.told}: {held.why}", lifts)
        # With the next activity it would be on record only once the pause is over.
        await run.flush()

    async def _lifted(self, held: Paused, what: str) -> Resumed | None:
        """Who lifted it; None if nobody has, and the step asks anew."""
        request = AwaitResume(run=self._run.ref, pause=held.id)
        asking = asyncio.create_task(self._do_now(Resuming.await_resume, request, f"held: {what}", **UNTIL_RESUMED))
        try:
            await workflow.wait_condition(lambda: asking.done() or self._stopped())
            if not asking.done():
                asking.cancel()
            found: Resumed = await asking
        except asyncio.CancelledError:
            # Not GeneratorExit: it means eviction from the worker's cache, after which nothing may be awaited.
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            not_cancelled()
            return None  # the run stops, and says so itself
        except ActivityError as error:
            if is_cancelled_exception(error):
                not_cancelled()
            return None
        return found

    async def _over(self, held: Paused, lifted: Resumed | None, what: str) -> None:
        run = self._run
        if lifted is not None:
            run.note(f"goes on: {held.thing} was resumed by {lifted.by}", lifted.why, f"{what} begins")
        if not self.holds:
            await self._stands(Waits(path=run.ref.path))

    async def _stands(self, said: Waits) -> None:
        """Have the run's row show it: the root's own, or that of a child's root."""
        run = self._run
        if workflow.info().root is None:
            run.family.hears(said)
        elif run.began is not None and run.knows(PAUSES_TOLD):
            await tell_wait(run, said)
