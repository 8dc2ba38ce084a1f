"""Workflow cancellation, for the cases in which Temporal would lose it."""

import asyncio
from typing import Any

from temporalio import workflow

REASON_LIMIT = 1000


def was_cancelled() -> bool:
    """True if this task was cancelled but nothing has raised it yet."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def by_whom() -> str:
    """Who cancelled this run and why, to follow the word `cancelled`: as `baton cancel` says it, or any client's reason."""
    said = " ".join((workflow.cancellation_reason() or "").split())
    if said.startswith("by "):
        return said[:REASON_LIMIT]
    return f"by an operator: {said[:REASON_LIMIT]}" if said else "by an operator"


def not_cancelled() -> None:
    """Raise `CancelledError` if a cancellation arrived while an activity or child completed normally.

    With WAIT_CANCELLATION_COMPLETED, an activity that completes before it hears of the cancellation returns its result, and
    the cancellation would be lost: Temporal does not accept a second one.
    """
    if was_cancelled():
        raise asyncio.CancelledError


async def send(workflow_id: str, name: str, said: dict[str, Any]) -> None:
    """Send a signal to another of our workflows; do nothing if that has ended.

    Raises a cancellation that arrives meanwhile. The signal is sent in its own task, because the SDK swallows a cancellation
    of the task that sends.
    """
    handle = workflow.get_external_workflow_handle(workflow_id)
    try:
        await asyncio.create_task(handle.signal(name, said))
    except Exception as error:
        if not workflow.is_failure_exception(error):
            raise
        workflow.logger.info("%s did not take %s: %s", workflow_id, name, error)
    not_cancelled()
