"""What people send beside the gates, put on the record while the story goes on: pauses, and messages that were refused."""

import asyncio
from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts.runs import RunState

if TYPE_CHECKING:
    from workflows.kit.kit import Kit


class Pausing:
    """Whether an operator holds the run, as far as it is `told`; `before` is the state that it goes back to."""

    def __init__(self, kit: "Kit") -> None:
        self._kit = kit
        self._watch: asyncio.Task[None] | None = None
        self.told = False
        self.before: RunState = "working"
        self.recording = False

    def begin(self) -> None:
        """Record from now on."""
        self._watch = asyncio.create_task(self._record())

    async def end(self) -> None:
        """Record no more; what is being recorded now is finished first."""
        await workflow.wait_condition(lambda: not self.recording)
        if self._watch is not None:
            self._watch.cancel()

    async def over(self) -> None:
        """Hold here while the run is paused."""
        await workflow.wait_condition(lambda: not self._kit.inbox.paused and not self.told)

    async def _record(self) -> None:
        inbox = self._kit.inbox
        while True:
            await workflow.wait_condition(lambda: inbox.paused != self.told or bool(inbox.refusals))
            self.recording = True
            try:
                if inbox.paused != self.told:
                    await self._tell(inbox.paused)
                await self._kit.flush()
            except FailureError as error:
                # The ledger was away for a day. The next pause or refusal is told again; this run must not go deaf.
                workflow.logger.error("the record of a pause or refusal was lost: %s", error)
            finally:
                self.recording = False

    async def _tell(self, paused: bool) -> None:
        kit = self._kit
        if paused:
            self.told, self.before = True, kit.state
            kit.note("paused the run", "an operator asked for it", "waits for resume", actor="operator")
            kit.move("paused", waiting_for="resume")
        else:
            self.told = False
            kit.note("resumed the run", "an operator asked for it", actor="operator")
            kit.move(self.before)
        await kit.tell_children("pause" if paused else "resume")
