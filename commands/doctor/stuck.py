"""Runs that are stuck because a workflow task keeps failing: which, why, and the command that fixes each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from commands.output import safe
from contracts.pipelines import KNOWN, PARTS
from contracts.printed import quoted

if TYPE_CHECKING:
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.client import Client

LIMIT = 20
"""Most stuck workflows that are examined."""

TAIL = 200
"""Newest history events that are read; the input of the failing task is among them."""

_PROBLEMS = "TemporalReportedProblems"


@dataclass(frozen=True)
class Stuck:
    """One workflow that makes no progress. A `command` for the Temporal CLI takes the same connection settings as ours."""

    workflow: str
    run_id: str
    cause: str
    why: str
    mend: str
    command: str

    def lines(self) -> list[str]:
        """Lines for people: what is wrong and how to fix it."""
        return [
            f"{self.workflow} is stuck: {self.cause}: {safe(self.why) or 'no explanation'}",
            f"  fix     {self.mend}",
            f"          {self.command}",
        ]


async def stuck_runs(client: "Client") -> list[Stuck]:
    """Our workflows whose tasks keep failing. Temporal reports one only after a few failures in a row."""
    kinds = ", ".join(f"'{kind}'" for kind in (*KNOWN, *PARTS))
    query = f"{_PROBLEMS} IS NOT NULL AND ExecutionStatus = 'Running' AND WorkflowType IN ({kinds})"
    found = []
    async for one in client.list_workflows(query, limit=LIMIT):
        reported = one.search_attributes.get(_PROBLEMS, ())
        # Temporal writes `cause=WorkflowTaskFailedCauseNonDeterministicError`: the name follows the last `Cause`.
        cause = next((str(text).rpartition("Cause")[2] for text in reported if str(text).startswith("cause=")), "unknown")
        examined = _examined(one.id, one.run_id, cause, await _tail(client, one.id, one.run_id))
        found.append(await _of_attributes(client, examined) if cause == "BadSearchAttributes" else examined)
    return found


async def _of_attributes(client: "Client", stuck: Stuck) -> Stuck:
    """The same with what mends the server's search attributes: nothing is wrong with the run, and a reset changes nothing."""
    from connection import compared_attributes, creating

    missing, wrong = await compared_attributes(client)
    if missing:
        mend = f"the server has lost search attributes ({', '.join(missing)}): add them again, and the run goes on by itself"
        return replace(stuck, mend=mend, command=creating(missing, client.namespace))
    if wrong:
        mend = f"search attributes of the server have other types ({wrong.text}); then the run goes on by itself. {wrong.mend}"
        return replace(stuck, mend=mend, command="baton doctor")
    return replace(stuck, mend="the search attributes are right again: the run goes on by itself", command="baton doctor")


async def _tail(client: "Client", workflow: str, run_id: str) -> "list[HistoryEvent]":
    """The newest events of a history, newest first."""
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
    """Diagnose from the events since the last successful task."""
    from temporalio.api.enums.v1 import EventType

    # What came after the last task that completed is what the failing task has to process.
    since = []
    for event in newest:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            break
        since.append(event)
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    why = next((one.workflow_task_failed_event_attributes.failure.message for one in since if one.event_type == failed), "")
    signalled = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    signals = [one.workflow_execution_signaled_event_attributes.signal_name for one in since if one.event_type == signalled]
    # No completed task down to event 1: the workflow never got through its first one.
    never = bool(since) and len(since) == len(newest) and newest[-1].event_id == 1
    mend, command = _advice(workflow, cause, signals, never=never)
    return Stuck(workflow, run_id, cause, why, mend, command)


def _advice(workflow: str, cause: str, signals: Sequence[str], *, never: bool) -> tuple[str, str]:
    """What to do, and the command for it."""
    reset = f"temporal workflow reset -w {quoted(workflow)} --reason 'it was stuck'"
    if never:
        again = "it never started, so nothing is lost: terminate it and start it again"
        return again, f"temporal workflow terminate -w {quoted(workflow)} --reason 'it could not begin'"
    if cause == "NonDeterministicError":
        other = (
            "the worker runs different code from the code the run started with. Either start a worker with that code, "
            "or restart the run on the new code: nothing is paid twice, and decisions are kept"
        )
        return other, f"{reset} -t FirstWorkflowTask"
    if signals:
        named = ", ".join(dict.fromkeys(safe(name, 60) for name in reversed(signals)))
        dropped = f"reset to before the latest signals ({named}); they are dropped, so send correct ones again"
        return dropped, f"{reset} -t LastWorkflowTask --reapply-exclude Signal"
    update = "reset to before the event it cannot process, most often an update that is too large; then send a smaller one"
    return update, f"{reset} -t LastWorkflowTask"
