"""The first Ctrl-C shuts a command down cleanly. Later ones are ignored, or processes it started would be left running."""

import asyncio
import signal
from types import TracebackType
from typing import Self

from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""SIGHUP is among them: closing the terminal must not leave a process behind either."""


class Interruption:
    """Cancel the current task on the first signal, once. `came` says whether there was one.

    Use as a context manager inside a task. After `ignore()` no signal cancels anything: the command cleans up there.
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
        # While an update is in flight the client turns a cancellation into an error of its own.
        return self.came and kind in (asyncio.CancelledError, WorkflowUpdateRPCTimeoutOrCancelledError)

    def ignore(self) -> None:
        """Ignore signals from now on: the command is already cleaning up."""
        self._ignored = True

    def _heard(self) -> None:
        if not self._ignored and not self.came and self._task is not None:
            self._task.cancel()  # once: a second cancellation would interrupt the clean-up
        self.came = True
