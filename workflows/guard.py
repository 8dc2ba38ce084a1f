"""Protection against bad starts, which would retry forever: an interceptor, and a catch-all for unknown types."""

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
from contracts.pipelines import BY_WORKFLOW, KNOWN, PARTS
from converter import Unreadable

ID_LIMIT = 900
"""Longest workflow id in bytes. The server allows 1000, and a longer child id would fail the parent's task forever."""

REFUSED = "refused"
"""Memo of a run that does nothing but fail with this reason."""

_CRON = (
    "a run cannot be started with a cron schedule ({}): each of its runs would be taken for the first, gone back to its start. "
    "Use a Schedule, whose runs are runs of their own: `temporal schedule create`"
)


class Guard(Interceptor):
    """Validates the input of every workflow start."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """The interceptor class for one workflow."""
        del input
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        _check_repeats(workflow.info())
        if input.type is not UnknownWorkflow:
            _check_start(input.args)
        return await super().execute_workflow(input)


def _check_start(args: Sequence[Any]) -> None:
    """Fail the workflow unless it can run with this input."""
    info = workflow.info()
    if len(args) == 1 and isinstance(args[0], Unreadable):
        _refuse(args[0].reason)
    if not (len(args) == 1 and isinstance(args[0], Contract)):
        # Null and raw bytes arrive here as well: they are decoded without their contract.
        got = f"{len(args)} inputs" if len(args) != 1 else type(args[0]).__name__
        spec = BY_WORKFLOW.get(info.workflow_type)
        example = json.dumps(dict(spec.example)) if spec else "{…}"
        _refuse(f"{info.workflow_type} takes exactly one JSON object as its input, like {example}, but got {got}")
    if info.workflow_type in PARTS and info.parent is None:
        # Besides its task a child needs pins, limits and policy, which only its parent can compute.
        _refuse(f"{info.workflow_type} is part of a run and cannot be started alone; start {PARTS[info.workflow_type]}")
    _check_carried(args[0])
    # Patched, which costs an event only here: a run that began before this was refused has to replay.
    if isinstance(args[0], PipelineInput) and (wrong := args[0].problems()) and workflow.patched("refuses-what-counts-as-none"):
        _refuse("; ".join(wrong))
    size = len(args[0].model_copy(update={"carried": None}).stored()) if isinstance(args[0], PipelineInput) else 0
    if size > BODY_LIMIT:
        _refuse(f"the input has {size} bytes, the limit is {BODY_LIMIT}; put long texts into the repository")
    if len(info.workflow_id.encode()) > ID_LIMIT:
        _refuse(f"the workflow id has more than {ID_LIMIT} bytes, and children extend it; choose a shorter one")


def _check_repeats(info: workflow.Info) -> None:
    """Refuse what would start the same run again by itself: its trace, its money and its gates are those of one run."""
    said = workflow.memo_value(REFUSED, "", type_hint=str)
    if said:
        _refuse(said)
    if info.cron_schedule:
        # A failure would only make Temporal start the next run in its time. A run that is continued as new has no schedule.
        workflow.continue_as_new(args=[], memo={REFUSED: _CRON.format(info.cron_schedule)})
    policy = info.retry_policy
    if info.parent is None and policy is not None and policy.maximum_attempts != 1:
        _refuse(
            "a run cannot be started with a retry policy: a second attempt would be taken for the first one, gone back to its "
            "start. Leave the policy out: what fails for a while is tried again within the run"
        )


def _check_carried(asked: Contract) -> None:
    if isinstance(asked, PipelineInput | ChildInput) and asked.carried is not None and workflow.info().continued_run_id is None:
        _refuse("`carried` is set only when a run continues as new; leave it out")


@workflow.defn(dynamic=True)
class UnknownWorkflow:
    """Fails starts of unknown workflow types with a readable reason."""

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> NoReturn:
        """Fail at once, naming the known types."""
        del args
        _refuse(f"there is no workflow type {workflow.info().workflow_type!r}; there are {', '.join(KNOWN)}")


def _refuse(text: str) -> NoReturn:
    raise ApplicationError(text, type="InputRefused", non_retryable=True)
