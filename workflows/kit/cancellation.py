"""Cancellation of a workflow, where Temporal alone would lose it."""

import asyncio
from typing import Any

from temporalio import workflow


def was_cancelled() -> bool:
    """True if this task was cancelled and nothing has raised it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def not_cancelled() -> None:
    """Raise the cancellation that arrived while an activity or child ended in good order.

    What is awaited with WAIT_CANCELLATION_COMPLETED and ends before it hears of the cancellation gives back its result, and
    the cancellation would be lost: Temporal takes no second one.
    """
    if was_cancelled():
        raise asyncio.CancelledError


async def send(workflow_id: str, name: str, said: dict[str, Any]) -> None:
    """Send a signal to another workflow of ours. One that has ended needs it no more.

    Raises a cancellation that arrives meanwhile: in a task of its own, because Temporal takes it from the task that sends.
    """
    handle = workflow.get_external_workflow_handle(workflow_id)
    try:
        await asyncio.create_task(handle.signal(name, said))
    except Exception as error:
        if not workflow.is_failure_exception(error):
            raise
        workflow.logger.info("%s did not take %s: %s", workflow_id, name, error)
    not_cancelled()
