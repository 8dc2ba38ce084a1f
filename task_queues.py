"""Who polls a task queue, and with which ledger: workers with another one are no workers of ours."""

import asyncio
import os
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from connection import AWAY, gone, place
from contracts.errors import Misconfigured
from ledger import identity, workers
from ledger.db import Ledger

FIRST_POLL = 5
"""Seconds within which Temporal shows a worker's first poll. Measured: a few hundredths."""

POLL = timedelta(seconds=70)
"""A poll lasts a minute: a worker that has not polled for longer has gone."""


def worker_identity(ledger_id: str) -> str:
    """A worker's name in Temporal. It tells which ledger the worker has, which nothing else in Temporal does."""
    return f"ledger-{ledger_id}/{os.getpid()}@{socket.gethostname()}"


@dataclass(frozen=True)
class Poller:
    """A worker that has polled a task queue lately. `polled_at` is Temporal's time. `ledger` "": it does not say which."""

    identity: str
    polled_at: datetime

    @property
    def ledger(self) -> str:
        """The id of its ledger."""
        said = re.match(r"ledger-([0-9a-f]+)/", self.identity)
        return said[1] if said else ""

    @property
    def place(self) -> str:
        """Its host and process id, as its heartbeats name it."""
        pid, _, host = self.identity.partition("/")[2].partition("@")
        return f"{host}:{pid}"


async def first_poll(client: Client, task_queue: str, ledger_id: str) -> datetime | None:
    """Wait until the worker of this process polls the queue; returns when, by Temporal's clock. None if it cannot be told."""
    own = worker_identity(ledger_id)
    try:
        async with asyncio.timeout(FIRST_POLL):
            while True:
                # All that are listed: whose clock is wrong would take its own poll for an old one.
                mine = [one.polled_at for one in await _listed(client, task_queue) if one.identity == own]
                if mine:
                    return max(mine)
                await asyncio.sleep(0.05)
    except (TimeoutError, RPCError):
        return None


async def pollers(client: Client, task_queue: str) -> list[Poller]:
    """The workers that poll this queue for workflow tasks, or did within the last minute: a dead one polls no more."""
    # The server goes on listing the pollers of a worker that has stopped for some minutes.
    oldest = datetime.now(UTC) - POLL
    return [one for one in await _listed(client, task_queue) if one.polled_at > oldest]


async def _listed(client: Client, task_queue: str) -> list[Poller]:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    there = (await client.workflow_service.describe_task_queue(request)).pollers
    return [Poller(one.identity, one.last_access_time.ToDatetime(UTC)) for one in there]


async def strangers(client: Client, task_queue: str, ledger: Ledger) -> str:
    """What is wrong where workers with another ledger serve this queue, or with a copy of this one, and what to do; else ""."""
    there = [one for one in await pollers(client, task_queue) if one.ledger]
    own = (await ledger.read(identity.find)).ledger
    # Read after the pollers: a worker sends its first heartbeat before it polls.
    heard = await ledger.read(workers.places)
    others = [one for one in there if one.ledger != own or one.place not in heard]
    if not others:
        return ""
    last = max(others, key=lambda one: one.polled_at)
    which = f"ledger {last.ledger}, and this ledger is {own}"
    if last.ledger == own:
        which = f"a copy of this ledger, {own}: its heartbeats are not here"
    return (
        f"task queue {task_queue!r} of {place(client)} is served by {last.identity.partition('/')[2]} with {which}: a run "
        "would be recorded in either. Use the same `ledger_url` (or `state`), another `task_queue`, or another server "
        f"(TEMPORAL_ADDRESS). If that worker has stopped for good, this is over by {last.polled_at + POLL:%H:%M:%S} UTC"
    )


async def check_task_queue(client: Client, task_queue: str, ledger: Ledger) -> None:
    """Raise `Misconfigured` if a worker with another ledger, or a copy, serves this queue: runs would fall to either.

    Raises `Unreachable` if the server goes away meanwhile.
    """
    try:
        problem = await strangers(client, task_queue, ledger)
    except RPCError as error:
        if error.status not in AWAY:
            raise
        raise gone(error) from None
    if problem:
        raise Misconfigured(problem)
