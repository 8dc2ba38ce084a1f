"""What keeps a worker's workflows from being wedged by bad starts: an interceptor, and a catch-all for unknown types."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from contracts.base import BODY_LIMIT, Contract
from contracts.inputs import ChildInput, PipelineInput
from contracts.pipelines import BY_WORKFLOW, PIPELINES

KNOWN = tuple(one.workflow for one in PIPELINES)
"""Types that people start."""

PARTS = {part: one.workflow for one in PIPELINES for part in one.parts}
"""Types that only another workflow of ours starts, with the one that does."""

ID_LIMIT = 900
"""Bytes of a workflow id. The server takes 1000, and a child's longer id would fail its parent's task for ever."""


class Guard(Interceptor):
    """Checks what workflows are started with."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """One guard per workflow."""
        del input
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        if input.type is not UnknownWorkflow:
            _check_start(input.args)
        return await super().execute_workflow(input)


def _check_start(args: Sequence[Any]) -> None:
    """Fail the workflow unless it can begin with this."""
    info = workflow.info()
    if not (len(args) == 1 and isinstance(args[0], Contract)):
        # Null and raw bytes get here, too: their payloads are decoded without a look at the contract.
        got = f"{len(args)} inputs" if len(args) != 1 else type(args[0]).__name__
        spec = BY_WORKFLOW.get(info.workflow_type)
        example = json.dumps(dict(spec.example)) if spec else "{…}"
        _refuse(f"{info.workflow_type} takes exactly one JSON object as its input, like {example}, and got {got}")
    if info.workflow_type in PARTS and info.parent is None:
        # What it is handed besides its task (pins, limits, policy) is computed by its parent, and nobody else can know it.
        _refuse(f"{info.workflow_type} is a part of a run and is not started by itself; start {PARTS[info.workflow_type]}")
    _check_carried(args[0])
    size = len(args[0].model_copy(update={"carried": None}).stored()) if isinstance(args[0], PipelineInput) else 0
    if size > BODY_LIMIT:
        _refuse(f"the input has {size} bytes and may have {BODY_LIMIT}; put what is long into the repository")
    if len(info.workflow_id.encode()) > ID_LIMIT:
        _refuse(f"the workflow id has more than {ID_LIMIT} bytes; children are named after it, so choose a shorter one")


def _check_carried(asked: Contract) -> None:
    if isinstance(asked, PipelineInput | ChildInput) and asked.carried is not None and workflow.info().continued_run_id is None:
        _refuse("`carried` is what a run hands to itself when it continues as new; leave it out")


@workflow.defn(dynamic=True)
class UnknownWorkflow:
    """Answers starts of workflow types that do not exist."""

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> NoReturn:
        """Fail at once, naming the types that there are."""
        del args
        _refuse(f"there is no workflow type {workflow.info().workflow_type!r}; there are {', '.join(KNOWN)}")


def _refuse(text: str) -> NoReturn:
    raise ApplicationError(text, type="InputRefused", non_retryable=True)
