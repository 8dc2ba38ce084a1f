"""What one workflow knows of condemnations: whether it asks about one now, and how often it was told to look."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import workflow

from contracts.errors import Refused
from workflows.kit.cancellation import send
from workflows.kit.inbox import Inbox
from workflows.kit.messages import bare, read_switch


def _nobody() -> None:
    """For workflows that look at nothing by themselves: children, whose root does."""


@dataclass
class Holding:
    """`asks` while a gate `held` is open here. `looks` counts how often something was condemned, or undone, as it was told.

    `looked` is how many of them have been looked at, by `watch`, which `begins` starts.
    """

    asks: bool = False
    looks: int = 0
    looked: int = 0
    watch: asyncio.Task[None] | None = None
    begins: Callable[[], None] = _nobody

    @property
    def quiet(self) -> bool:
        """True while nobody is asked, and everything that was told has been looked at."""
        return not self.asks and (self.watch is None or self.looks == self.looked)

    async def over(self) -> None:
        """Wait while a gate `held` is open here."""
        # Only then: a wait whose condition is true already would put other tasks ahead of this one in saved histories.
        if self.asks:
            await workflow.wait_condition(lambda: not self.asks)

    async def again(self) -> None:
        """Have the root of the run look at what is condemned, and all its workflows try again what is held."""
        root = workflow.info().root
        if root is not None:
            await send(root.workflow_id, "condemned", {})
            return
        self.looks += 1
        self.begins()

    def listen(self, inbox: Inbox) -> None:
        """Take the signal `condemned`: something was condemned, or undone."""

        def handle(*args: Any) -> None:
            try:
                read_switch("condemned", args)
            except Refused as error:
                inbox.refuse("condemned", args, str(error), "signal")
                return
            self.looks += 1
            self.begins()

        workflow.set_signal_handler("condemned", bare(handle))

    async def end(self) -> None:
        """Stop looking."""
        if self.watch is not None:
            self.watch.cancel()
            await asyncio.gather(self.watch, return_exceptions=True)
