"""What one can see of a workflow from outside while something is wrong."""

import contextlib
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from contracts.errors import LedgerUnavailable


async def asked(client: Client, workflow_id: str) -> bool | None:
    """True once a model call of this workflow is under way."""
    with contextlib.suppress(RPCError):  # it has not started yet
        pending = (await client.get_workflow_handle(workflow_id).describe()).raw_description.pending_activities
        if any(one.activity_type.name == "call_model" and one.HasField("last_started_time") for one in pending):
            return True
    return None


async def waits_for_the_ledger(run: WorkflowHandle[Any, Any]) -> str | None:
    """What a pending activity says about the ledger, as Temporal's Web UI shows it; None while none does."""
    for one in (await run.describe()).raw_description.pending_activities:
        if one.last_failure.application_failure_info.type == LedgerUnavailable.__name__:
            return str(one.last_failure.message)
    return None


async def rounds(run: WorkflowHandle[Any, Any], activity: str) -> int:
    """How often an activity was scheduled; its attempts do not count."""
    history = await run.fetch_history()
    names = [one.activity_task_scheduled_event_attributes.activity_type.name for one in history.events]
    return names.count(activity)
