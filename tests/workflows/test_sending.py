"""Signals between a run's own workflows, and the cancellation that arrives while one is on its way."""

import asyncio
import secrets

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.exceptions import FailureError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from workflows.kit.cancellation import send


@workflow.defn(sandboxed=False)
class Cancelled:
    """Cancels a part of itself while that sends a signal, and says whether it was heard."""

    @workflow.run
    async def run(self, careful: bool) -> str:
        """What the part said."""
        to = "nobody-" + workflow.info().workflow_id

        async def plainly() -> None:
            try:
                await workflow.get_external_workflow_handle(to).signal("x", {})
            except FailureError:
                workflow.logger.info("nobody took it")

        part = asyncio.create_task(send(to, "x", {}) if careful else plainly())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        part.cancel()
        try:
            await part
        except asyncio.CancelledError:
            return "cancelled"
        return "went on"


@pytest.mark.parametrize(("careful", "said"), [(True, "cancelled"), (False, "went on")])
async def test_a_cancellation_while_a_signal_is_sent_is_not_lost(client: Client, careful: bool, said: str) -> None:
    """What sends a signal to a workflow that takes it no more ends when it is cancelled; sent plainly it would go on."""
    queue = f"sending-{secrets.token_hex(4)}"
    async with Worker(client, task_queue=queue, workflows=[Cancelled], workflow_runner=UnsandboxedWorkflowRunner()):
        assert await client.execute_workflow(Cancelled.run, careful, id=queue, task_queue=queue) == said
