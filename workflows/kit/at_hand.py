"""A short step of the ledger alone is tried inside the workflow task; what does not succeed at once becomes an activity.

One marker in history instead of the six events of an activity. What makes it short, and which steps are not:
docs/decisions/0038-short-steps-are-local.md.
"""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, RetryState, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from contracts.errors import DiskUnavailable
from contracts.runs import Request
from workflows.kit.cancellation import was_cancelled

R = TypeVar("R")
Q = TypeVar("Q", bound=Request)

AT_HAND: dict[str, Any] = {
    # Far below the ten seconds of a workflow task, in which nobody else is heard.
    "start_to_close_timeout": timedelta(seconds=2),
    "schedule_to_close_timeout": timedelta(seconds=3),
    # Once: an outage is waited out by an activity, which Temporal's Web UI shows while it retries.
    "retry_policy": RetryPolicy(maximum_attempts=1),
    # Know what it committed before the run ends, as of an activity.
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}

OURS = "baton-"
GENERATION = 2
"""Ends a worker's build id, which Temporal keeps with every workflow task. It grows with what a run does before its pins."""

_SINCE = 2


def is_at_hand() -> bool:
    """True if the release that took this workflow task tries short steps at hand. Safe to branch on before there are pins."""
    # Only what a release of ours says of itself counts: the name of another build may end in anything.
    name, _, generation = workflow.info().get_current_build_id().rpartition("/")
    return name.startswith(OURS) and generation.isdecimal() and int(generation) >= _SINCE


async def tried(method: Callable[[Any, Q], Coroutine[Any, Any, R]], sent: Q, summary: str) -> R | None:
    """The result of a step, tried once for a moment; None if it has to be an activity. The step must be safe to repeat.

    Raises as an activity would: an `ActivityError` of a refusal, which no further attempt would change, or a cancellation.
    """
    try:
        done: R = await workflow.execute_local_activity_method(method, sent, summary=summary[:200], **AT_HAND)
    except FailureError as error:
        if is_cancelled_exception(error) or was_cancelled():
            raise
        # Of a local activity the SDK raises the bare error.
        if isinstance(error, ApplicationError) and error.non_retryable and error.type != DiskUnavailable.__name__:
            raise _refused(method.__name__) from error
        return None
    return done


def _refused(name: str) -> ActivityError:
    return ActivityError(
        "Activity task failed",
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type=name,
        activity_id="",
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    )
