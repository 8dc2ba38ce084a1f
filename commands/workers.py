"""Which workers poll a task queue."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temporalio.client import Client

STALE = timedelta(minutes=2)
"""A poller not seen for longer has gone: a poll lasts one minute."""


async def has_worker(client: "Client", task_queue: str) -> bool:
    """True if a worker has polled this queue recently."""
    return bool(await pollers(client, task_queue))


async def pollers(client: "Client", task_queue: str) -> list[str]:
    """Identities of the workers that poll this queue for workflow tasks."""
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    answer = await client.workflow_service.describe_task_queue(request)
    # The server goes on listing the pollers of a worker that has stopped for some minutes.
    fresh = datetime.now(UTC) - STALE
    return [one.identity for one in answer.pollers if one.last_access_time.ToDatetime(UTC) > fresh]
