"""The first Ctrl-C ends a command in good order. Those after it wait for that, or what it started would be left running."""

import asyncio
import signal
from types import TracebackType
from typing import Self

from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""A closed terminal, too, must leave no process behind."""


class Interruption:
    """`with Interruption() as interruption:` in a task: a signal cancels it, once. `came` says whether one did.

    From `ignore` on no signal cancels anything; the clean-up of the command stands there.
    """

    def __init__(self) -> None:
        self.came = False
        self._ignored = False

    def __enter__(self) -> Self:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self._heard)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        for number in SIGNALS:
            self._loop.remove_signal_handler(number)
        # The client turns a cancellation into an error of its own while an update is on its way.
        return self.came and kind in (asyncio.CancelledError, WorkflowUpdateRPCTimeoutOrCancelledError)

    def ignore(self) -> None:
        """What comes now comes too late to end anything earlier."""
        self._ignored = True

    def _heard(self) -> None:
        if not self._ignored and not self.came and self._task is not None:
            self._task.cancel()
        self.came = True
