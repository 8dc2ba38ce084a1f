"""Records pauses, refused messages and what children ask people, in parallel to the story."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError

from search_attributes import STATE
from workflows.kit.run import Run
from workflows.kit.shown import show_standing


class Pause:
    """Records `pause` and `resume`, and holds the story in between."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._watch: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start recording."""
        self._watch = asyncio.create_task(self._record())

    async def end(self) -> None:
        """Stop recording, after finishing what is being recorded now."""
        await workflow.wait_condition(lambda: not self._run.held.recording)
        if self._watch is not None:
            self._watch.cancel()

    async def over(self) -> None:
        """Wait while the run is paused."""
        await workflow.wait_condition(lambda: not self._run.inbox.paused and not self._run.held.told)

    async def _record(self) -> None:
        inbox, held, family = self._run.inbox, self._run.held, self._run.family
        while True:
            await workflow.wait_condition(lambda: inbox.paused != held.told or bool(inbox.refusals) or family.news)
            held.recording = True
            try:
                if inbox.paused != held.told:
                    await self._tell(inbox.paused)
                if family.news:
                    family.news = False
                    self._run.move("working", next="the run continues")
                    show_standing(self._run)
                await self._run.flush()
            except FailureError as error:
                # The ledger was unavailable for a day. Keep going: later pauses and refusals must still be handled.
                workflow.logger.error("the record of a pause or refusal was lost: %s", error)
            finally:
                held.recording = False

    async def _tell(self, paused: bool) -> None:
        run, held = self._run, self._run.held
        if paused:
            held.told, held.before = True, run.state
            run.note("paused the run", "an operator asked for it", "waits for resume", actor="operator")
            run.move("paused", waiting_for="resume")
        else:
            held.told = False
            run.note("resumed the run", "an operator asked for it", actor="operator")
            run.move("working" if run.in_order else held.before)
        if run.in_order:
            run.show(STATE.value_set(run.state))
        await run.tell_children("pause" if paused else "resume")
