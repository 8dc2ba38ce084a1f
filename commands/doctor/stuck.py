"""Runs that stand still because a task of theirs fails again and again: which, why, and the command that mends each."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commands.output import safe

if TYPE_CHECKING:
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.client import Client

LIMIT = 20
"""Stuck workflows that are looked at."""

TAIL = 200
"""Newest events of a history that are looked at: what the failing task was to deal with stands among them."""

_PROBLEMS = "TemporalReportedProblems"


@dataclass(frozen=True)
class Stuck:
    """One workflow that does not go on. `command` is for Temporal's own program, with the same settings as ours."""

    workflow: str
    run_id: str
    cause: str
    why: str
    mend: str
    command: str

    def lines(self) -> list[str]:
        """For people: what is wrong, and what to do."""
        return [
            f"{self.workflow} is stuck: {self.cause}: {safe(self.why) or 'no explanation'}",
            f"  mend    {self.mend}",
            f"          {self.command}",
        ]


async def stuck_runs(client: "Client") -> list[Stuck]:
    """Workflows of ours whose tasks fail, as Temporal reports them: after a few failures in a row."""
    from workflows.guard import KNOWN, PARTS

    kinds = ", ".join(f"'{kind}'" for kind in (*KNOWN, *PARTS))
    query = f"{_PROBLEMS} IS NOT NULL AND ExecutionStatus = 'Running' AND WorkflowType IN ({kinds})"
    found = []
    async for one in client.list_workflows(query, limit=LIMIT):
        reported = one.search_attributes.get(_PROBLEMS, ())
        cause = next((str(text).rpartition("Cause")[2] for text in reported if str(text).startswith("cause=")), "unknown")
        found.append(_examined(one.id, one.run_id, cause, await _tail(client, one.id, one.run_id)))
    return found


async def _tail(client: "Client", workflow: str, run_id: str) -> "list[HistoryEvent]":
    """The newest events, the newest first."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest

    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow, run_id=run_id),
        maximum_page_size=TAIL,
    )
    answer = await client.workflow_service.get_workflow_execution_history_reverse(request)
    return list(answer.history.events)


def _examined(workflow: str, run_id: str, cause: str, newest: "Sequence[HistoryEvent]") -> Stuck:
    """What can be told from the events since the last task that went well."""
    from temporalio.api.enums.v1 import EventType

    since = []
    for event in newest:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            break
        since.append(event)
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    why = next((one.workflow_task_failed_event_attributes.failure.message for one in since if one.event_type == failed), "")
    signalled = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    signals = [one.workflow_execution_signaled_event_attributes.signal_name for one in since if one.event_type == signalled]
    never = bool(since) and len(since) == len(newest) and newest[-1].event_id == 1
    mend, command = _advice(shlex.quote(workflow), cause, signals, never=never)
    return Stuck(workflow, run_id, cause, why, mend, command)


def _advice(workflow: str, cause: str, signals: Sequence[str], *, never: bool) -> tuple[str, str]:
    """What to do, and the command that does it."""
    reset = f"temporal workflow reset -w {workflow} --reason 'it was stuck'"
    if never:
        again = "it has not begun, so nothing is lost: end it, and start it again"
        return again, f"temporal workflow terminate -w {workflow} --reason 'it could not begin'"
    if cause == "NonDeterministicError":
        other = (
            "the worker runs other code than the run began with. On a worker with that code it goes on by itself; "
            "or let it begin again on the new code: what was paid is not paid again, decisions stand"
        )
        return other, f"{reset} -t FirstWorkflowTask"
    if signals:
        named = ", ".join(dict.fromkeys(safe(name, 60) for name in reversed(signals)))
        dropped = f"go back to before the signals that came last ({named}); they are dropped, so send the right ones again"
        return dropped, f"{reset} -t LastWorkflowTask --reapply-exclude Signal"
    update = "go back to before what it cannot take, most often an update that is too large; then send a smaller one"
    return update, f"{reset} -t LastWorkflowTask"
