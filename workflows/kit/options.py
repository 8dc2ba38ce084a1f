"""Time-outs and retry policies of every activity, in one place. Every wait ends, and every retry has a last one."""

from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

from contracts.agents import AgentPin

HEARTBEAT = timedelta(seconds=5)

OUTAGE = timedelta(days=1)
"""How long a run waits for a ledger that is away. `Kit.do` begins an activity anew that was ended by it, so that the attempts
of the policies below are for what is really wrong with the work itself. Local activities have a policy that lasts as long."""

_PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
    maximum_attempts=200,
)
"""For the ledger: an outage of an hour and a half is waited out."""

LEDGER: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=60),
    # A worker killed between commit and answer would else hold a gate, and whoever decided it, for that minute.
    "heartbeat_timeout": HEARTBEAT,
    "retry_policy": _PATIENT,
    # What it commits is known before the run ends: else a gate opens, or an action is approved, in a run that is over.
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}

LOCAL: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=30),
    "schedule_to_close_timeout": OUTAGE,
    # Longer waits are timers of the workflow, and every try is an event: seldom enough for a day of them.
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(minutes=2), maximum_attempts=1000
    ),
    "local_retry_threshold": timedelta(seconds=10),
}

WORK: dict[str, Any] = {
    "start_to_close_timeout": timedelta(minutes=40),
    "heartbeat_timeout": HEARTBEAT,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=10
    ),
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}
"""For git, checks, tools and actions: an attempt may take long, a dead worker is noticed within seconds."""


DELIVER: dict[str, Any] = WORK | {
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=60), maximum_attempts=60
    )
}
"""For approved actions: each attempt asks the target first, so an outage of an hour is waited out and not given to a person."""


CHOICES_IN_ONE_ATTEMPT = 3
"""Where a choice of the route is away an attempt goes on to the next, and each may need the agent's whole limit of a call."""


def model_call(pin: AgentPin) -> dict[str, Any]:
    """For one model turn: bounded by the agent's own limit; a cancelled call still settles what it held."""
    return {
        "start_to_close_timeout": pin.limits.call * CHOICES_IN_ONE_ATTEMPT + timedelta(seconds=30),
        "heartbeat_timeout": HEARTBEAT,
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(seconds=1),
            backoff_coefficient=2.0,
            maximum_interval=timedelta(seconds=60),
            maximum_attempts=8,
        ),
        "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    }
