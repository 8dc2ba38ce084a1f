"""How anybody can send something to a workflow: an SDK client that knows nothing of ours, and Temporal's command line."""

import asyncio
import json
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from commands.server import temporal_program
from tests import children


@dataclass(frozen=True)
class Said:
    """What the sender was told."""

    taken: bool
    text: str


class Sender(Protocol):
    """One way to send."""

    async def start(self, kind: str, args: Sequence[Any], queue: str) -> tuple[str, Said]:
        """Start a workflow; its id, and what the sender was told."""
        ...

    async def signal(self, workflow: str, name: str, args: Sequence[Any]) -> Said: ...

    async def update(self, workflow: str, name: str, args: Sequence[Any]) -> Said: ...

    async def query(self, workflow: str, name: str, args: Sequence[Any]) -> Said: ...


class Sdk:
    """A client of Temporal's SDK as it comes, with its own converter."""

    def __init__(self, client: Client) -> None:
        self._client = Client(client.service_client, namespace=client.namespace)

    async def start(self, kind: str, args: Sequence[Any], queue: str) -> tuple[str, Said]:
        workflow = f"sdk-{secrets.token_hex(4)}"
        return workflow, await _told(self._client.start_workflow(kind, args=args, id=workflow, task_queue=queue))

    async def signal(self, workflow: str, name: str, args: Sequence[Any]) -> Said:
        return await _told(self._client.get_workflow_handle(workflow).signal(name, args=args))

    async def update(self, workflow: str, name: str, args: Sequence[Any]) -> Said:
        return await _told(self._client.get_workflow_handle(workflow).execute_update(name, args=args))

    async def query(self, workflow: str, name: str, args: Sequence[Any]) -> Said:
        return await _told(self._client.get_workflow_handle(workflow).query(name, args=args))


class Cli:
    """The `temporal` program beside the interpreter. What is sent has to be JSON; it checks that itself. `more` goes along."""

    def __init__(self, client: Client, *more: str) -> None:
        self._address, self._more = client.service_client.config.target_host, more

    async def start(self, kind: str, args: Sequence[Any], queue: str) -> tuple[str, Said]:
        workflow = f"cli-{secrets.token_hex(4)}"
        return workflow, await self._run(args, "start", "--type", kind, "-t", queue, "-w", workflow)

    async def signal(self, workflow: str, name: str, args: Sequence[Any]) -> Said:
        return await self._run(args, "signal", "-w", workflow, "--name", name)

    async def update(self, workflow: str, name: str, args: Sequence[Any]) -> Said:
        return await self._run(args, "update", "execute", "-w", workflow, "--name", name)

    async def query(self, workflow: str, name: str, args: Sequence[Any]) -> Said:
        return await self._run(args, "query", "-w", workflow, "--name", name)

    async def _run(self, args: Sequence[Any], *command: str) -> Said:
        with tempfile.TemporaryDirectory() as folder:
            given = [part for at, one in enumerate(args) for part in _given(Path(folder) / str(at), json.dumps(one))]
            program = (str(temporal_program()), "workflow", *command, *given, *self._more, "--address", self._address)
            code, out, err = await children.finished(*program)
        return Said(code == 0, out if code == 0 else err)


def _given(file: Path, text: str) -> tuple[str, str]:
    """An argument, by a file where it is too long for a command line."""
    if len(text) < 100_000:
        return "--input", text
    file.write_text(text)
    return "--input-file", str(file)


async def _told(call: Any) -> Said:
    try:
        return Said(True, str(await call))
    except WorkflowUpdateFailedError as error:
        return Said(False, str(error.cause))
    except (RPCError, WorkflowQueryFailedError) as error:
        return Said(False, error.message)


def raw(data: bytes, encoding: bytes | None = b"json/plain", **metadata: bytes) -> RawValue:
    """A payload that says what it likes about itself."""
    named = metadata if encoding is None else {"encoding": encoding, **metadata}
    return RawValue(Payload(metadata=named, data=data))


async def refusal(client: Client, workflow: str) -> str:
    """With which reason a workflow was refused. It has to end by itself, and as refused."""
    try:
        ended: Any = await asyncio.wait_for(client.get_workflow_handle(workflow).result(), children.PATIENCE)
    except WorkflowFailureError as error:
        ended = error.cause
    except TimeoutError:
        ended = f"{workflow} does not end by itself"
    assert isinstance(ended, ApplicationError), ended
    assert ended.type == "InputRefused", ended
    return ended.message


BENIGN = {
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,  # something came while the run was about to end
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,  # a hundred messages waited for the task to end
}
"""Tasks that the server itself has tried again, with what came meanwhile."""


async def failed_tasks(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Why tasks of a workflow failed; a run without any was never stuck."""
    failed = [
        event.workflow_task_failed_event_attributes
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]
    return [f"{WorkflowTaskFailedCause.Name(one.cause)}: {one.failure.message}" for one in failed if one.cause not in BENIGN]


async def state_of(handle: WorkflowHandle[Any, Any]) -> str:
    """What the workflow says of itself. It says nothing while a task of it fails."""
    lines = await handle.query("feed", rpc_timeout=timedelta(seconds=children.PATIENCE))
    assert lines, f"{handle.id} has no line yet"
    return str(lines[-1]["did"])
