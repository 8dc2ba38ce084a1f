"""The signals that end a command: the first is obeyed once, whichever it is, and the clean-up is left alone."""

import asyncio
import os
import signal

import pytest

from commands.interrupts import SIGNALS, Interruption
from tests.children import PATIENCE

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a terminal that is closed."""


@pytest.mark.parametrize("first", ENDING, ids=lambda number: number.name)
async def test_the_first_signal_cancels_and_no_later_one_does(first: signal.Signals) -> None:
    """The work ends, the clean-up after it runs to its end though every signal comes again, and the caller goes on."""
    assert set(SIGNALS) == set(ENDING), "a signal without a handler would end the tests"
    steps: list[str] = []

    async def command() -> bool:
        with Interruption() as interruption:
            try:
                os.kill(os.getpid(), first)
                await asyncio.Event().wait()
            finally:
                steps.append("interrupted")
                for again in ENDING:
                    os.kill(os.getpid(), again)
                    await _heard()
                steps.append("cleaned up")
        return interruption.came

    assert await asyncio.wait_for(asyncio.create_task(command()), PATIENCE) is True
    assert steps == ["interrupted", "cleaned up"]


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
async def test_a_command_that_cleans_up_already_is_not_interrupted(number: signal.Signals) -> None:
    """After `ignore()` a signal cancels nothing; that one came is known."""

    steps: list[str] = []

    async def command() -> bool:
        with Interruption() as interruption:
            interruption.ignore()
            os.kill(os.getpid(), number)
            await _heard()
            steps.append("cleaned up")
        return interruption.came

    assert await asyncio.wait_for(asyncio.create_task(command()), PATIENCE) is True
    assert steps == ["cleaned up"]


async def _heard() -> None:
    """Until the loop has called the handlers of the signals that this process has been sent."""
    called = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, called.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await called.wait()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
