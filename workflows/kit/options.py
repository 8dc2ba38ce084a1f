"""Timeouts and retry policies of all activities, in one place. Every wait and every series of retries is bounded."""

from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

from contracts.agents import AgentPin
from contracts.endpoints import QUEUE_MOST

HEARTBEAT = timedelta(seconds=5)

OUTAGE = timedelta(days=1)
"""How long a run waits for an unavailable ledger. `Kit.do` starts the activity again meanwhile, so the attempts of the policies
below are left for failures of the work itself. The policy of local activities lasts as long."""

_PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
    maximum_attempts=200,
)
"""For ledger activities: one activity alone covers an outage of an hour and a half."""

LEDGER: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=60),
    # Without heartbeats, a worker killed between commit and reply would block a gate and its sender for the whole minute.
    "heartbeat_timeout": HEARTBEAT,
    "retry_policy": _PATIENT,
    # Know what it committed before the run ends; otherwise a gate could open, or an action be approved, in an ended run.
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}

LOCAL: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=30),
    "schedule_to_close_timeout": OUTAGE,
    # Waits above the threshold become workflow timers, and each retry writes events: rare enough for a day of them.
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(minutes=2), maximum_attempts=1000
    ),
    "local_retry_threshold": timedelta(seconds=10),
}

UNTIL_RESUMED: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=60),
    "schedule_to_close_timeout": timedelta(days=90),
    # When the next attempt is made says the activity, which knows how many wait. One that fails leaves nothing in history.
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=60)),
}
"""For a step that a pause holds. A longer pause is asked about anew: the step is tried, and held again."""

WORK: dict[str, Any] = {
    "start_to_close_timeout": timedelta(minutes=40),
    "heartbeat_timeout": HEARTBEAT,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=10
    ),
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}
"""For git, checks and tools: an attempt may take long, but a dead worker is noticed within seconds."""

PROOF: dict[str, Any] = WORK | {"start_to_close_timeout": timedelta(days=4)}
"""For the further runs of a check: each may take as long as the check itself, and besides sabotage there are up to seven."""

CHECK: dict[str, Any] = WORK | {"start_to_close_timeout": timedelta(hours=13)}
"""For what runs a check: longer than any that the setting `checks.time` allows. A worker that dies is noticed as fast."""

OUTSIDE: dict[str, Any] = WORK | {
    "start_to_close_timeout": timedelta(hours=13),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=3
    ),
}
"""For an outside program: longer than any may take, and started three times at most, because each start may cost."""

DELIVER: dict[str, Any] = WORK | {
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=60), maximum_attempts=60
    )
}
"""For approved actions: attempts are safe, as each asks the target first; an hour's outage is waited out without a person."""


CHOICES_IN_ONE_ATTEMPT = 3
"""Choices that one attempt may try if some are unavailable. Each may take the agent's whole time limit for a call."""


def model_call(pin: AgentPin) -> dict[str, Any]:
    """For one model turn: limited by the agent's own timeout, and by how long a call may wait for its turn before that.

    A cancelled call still settles its reservation.
    """
    return {
        "start_to_close_timeout": pin.limits.call * CHOICES_IN_ONE_ATTEMPT + QUEUE_MOST + timedelta(seconds=30),
        "heartbeat_timeout": HEARTBEAT,
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(seconds=1),
            backoff_coefficient=2.0,
            maximum_interval=timedelta(seconds=60),
            maximum_attempts=8,
        ),
        "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    }
