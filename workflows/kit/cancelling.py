"""Cancellation of a workflow, where Temporal alone would lose it."""

import asyncio


def not_cancelled() -> None:
    """Raise the cancellation that arrived while an activity or child ended in good order.

    What is awaited with WAIT_CANCELLATION_COMPLETED and ends before it hears of the cancellation gives back its result, and
    the cancellation would be lost: Temporal takes no second one.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
