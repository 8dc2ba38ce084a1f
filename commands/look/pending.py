"""Activities of a run that are under way or tried again, with their last error: Temporal alone knows them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from commands.output import safe
from contracts.printed import quoted
from contracts.text import amount

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from temporalio.api.workflow.v1 import PendingActivityInfo
    from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
    from temporalio.client import Client

GRACE = timedelta(seconds=2)
"""An attempt that has been due for longer than this waits for a worker."""

CHILDREN = 50
"""Most children of a run that are asked about."""


@dataclass(frozen=True)
class Pending:
    """An activity of a run or of one of its children that has not ended; `activity` "": the workflow itself, which is paused.

    `attempt` counts from 1, `most` is the last one that is made (0: no limit). `error` is how the one before ended, ""
    where none has failed. `next_at` is when the next attempt begins; None while one is under way, since `since`. `model` is
    the one that a model call asks, "" for other activities, and `tokens` about how many it has written if it streams.
    `waits_for` is what such a call waits for before it is made, "" once it is. `paused`
    is who has it stopped in Temporal and why, "" where nobody has: no attempt is made until somebody goes on with it.
    """

    workflow: str
    activity: str
    attempt: int
    most: int
    error: str
    since: datetime | None
    next_at: datetime | None
    model: str = ""
    tokens: int = 0
    waits_for: str = ""
    paused: str = ""
    activity_id: str = ""

    @property
    def failed(self) -> int:
        """How many attempts have failed."""
        return 0 if self.is_held else self.attempt - 1

    @property
    def is_held(self) -> bool:
        """True if a pause holds a step, and this asks now and then whether it is lifted: no failure, however often it asks."""
        return self.activity == "await_resume"

    @property
    def gets_nowhere(self) -> bool:
        """True if it has failed, or is stopped."""
        return self.failed > 0 or bool(self.paused)

    def line(self, now: datetime) -> str:
        """One line for people: what is done, which attempt it is, and when it goes on."""
        if not self.activity:
            return f"{safe(self.workflow, 1000)} is {self._paused('workflow')}"
        if self.is_held and not self.paused:
            return f"{safe(self.workflow, 1000)} is held by a pause, and goes on by itself once it is lifted"
        of = f" of {self.most}" if self.most else ""
        if self.paused:
            when = self._paused("activity", f" --activity-id {quoted(self.activity_id)}")
        elif self.next_at is not None:
            overdue = now - self.next_at > GRACE
            when = "due, and waits for a worker" if overdue else f"next try in {_seconds(self.next_at - now)}"
        else:
            when = f"under way for {_seconds(now - self.since)}" if self.since else "waits for a worker"
            when += self._written()
        text = f"{safe(self.activity, 100)} of {safe(self.workflow, 1000)}: attempt {self.attempt}{of}, {when}"
        return f"{text}; {amount(self.failed, 'failure')} so far, the last: {safe(self.error, 600)}" if self.error else text

    def _paused(self, what: str, which: str = "") -> str:
        unpause = f"temporal {what} unpause --workflow-id {quoted(self.workflow)}{which}"
        return f"paused in Temporal {safe(self.paused, 300)}; `{unpause}` lets it go on"

    def _written(self) -> str:
        if not self.model:
            return ""
        asked = safe(self.model, 200)
        if self.waits_for:
            return f", waits for {safe(self.waits_for, 200)}"
        return f", about {amount(self.tokens, 'token')} of {asked} so far" if self.tokens else f", asking {asked}"


def _seconds(time: timedelta) -> str:
    return f"{max(0, round(time.total_seconds()))} s"


async def pending(client: "Client", workflow_id: str, described: "DescribeWorkflowExecutionResponse | None") -> list[Pending]:
    """What this workflow and its children have under way, those with failures first. Raises `RPCError`."""
    from activities.runs.gone import describe, together

    if described is None:
        return []
    children = list(described.pending_children)[:CHILDREN]
    theirs = await together(children, lambda child: describe(client, child.workflow_id, child.run_id))
    found = _all_of(workflow_id, described)
    for child, answer in zip(children, theirs, strict=True):
        found += _all_of(child.workflow_id, answer) if answer else []
    return sorted(found, key=lambda one: -one.failed)


def _all_of(workflow: str, described: "DescribeWorkflowExecutionResponse") -> list[Pending]:
    """A workflow's activities, and the workflow itself where it is paused."""
    from temporalio.api.enums.v1 import WorkflowExecutionStatus

    found = [_of(workflow, one) for one in described.pending_activities]
    if described.workflow_execution_info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED:
        told = described.workflow_extended_info.pause_info
        found.append(Pending(workflow, "", 1, 0, "", None, None, paused=_by(told.identity, told.reason)))
    return found


def _by(who: str, why: str) -> str:
    return f"by {who or 'somebody'}: {why or 'no reason was given'}"


def _of(workflow: str, info: "PendingActivityInfo") -> Pending:
    from temporalio.api.enums.v1 import PendingActivityState

    stopped = info.paused or info.state == PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED
    waits = stopped or info.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    # While an attempt waits its turn, the time for which it was scheduled is when it begins.
    at = _instant(info.next_attempt_schedule_time) or _instant(info.scheduled_time)
    # Of an attempt that is over they say nothing about the next one.
    model, tokens, waits_for = ("", 0, "") if waits else _written(info)
    return Pending(
        workflow=workflow,
        activity=info.activity_type.name,
        attempt=max(1, info.attempt),
        most=info.maximum_attempts,
        error=_reason(info.last_failure),
        since=None if waits else _instant(info.last_started_time),
        next_at=at if waits and info.attempt > 1 and not stopped else None,
        model=model,
        tokens=tokens,
        waits_for=waits_for,
        paused=_who_paused(info) if stopped else "",
        activity_id=info.activity_id,
    )


def _who_paused(info: "PendingActivityInfo") -> str:
    """By whom, or by which rule, and why."""
    told = info.pause_info.rule if info.pause_info.HasField("rule") else info.pause_info.manual
    rule = f"rule {info.pause_info.rule.rule_id} of " if info.pause_info.HasField("rule") else ""
    return _by(f"{rule}{told.identity or 'somebody'}", told.reason)


def _written(info: "PendingActivityInfo") -> tuple[str, int, str]:
    """The model that a call asks, what it has written and what it waits for, as its last heartbeat says; else "" and 0."""
    for payload in info.heartbeat_details.payloads if info.activity_type.name == "call_model" else ():
        found = json.loads(payload.data) if payload.metadata.get("encoding") == b"json/plain" else None
        if isinstance(found, dict) and isinstance(found.get("model"), str) and isinstance(found.get("tokens"), int):
            return found["model"], found["tokens"], str(found.get("waits_for", ""))
    return "", 0, ""


def _reason(failure: Any) -> str:
    """The failure in the words of its innermost cause."""
    from temporalio.api.enums.v1 import TimeoutType

    while failure.HasField("cause") and failure.cause.message:
        failure = failure.cause
    if failure.timeout_failure_info.timeout_type == TimeoutType.TIMEOUT_TYPE_HEARTBEAT:
        return f"the worker that did it was not heard of any more ({failure.message})"
    return str(failure.message)


def _instant(stamp: "Timestamp") -> datetime | None:
    return stamp.ToDatetime(UTC) if stamp.seconds else None


def as_json(found: Sequence[Pending]) -> list[dict[str, Any]]:
    """As JSON fields."""
    names = ("workflow", "activity", "attempt", "most", "error", "since", "next_at", "model", "tokens", "paused")
    return [{name: getattr(one, name) for name in names} for one in found]
