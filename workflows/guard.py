"""What keeps a worker's workflows from being wedged by bad starts: a strict converter, an interceptor, a catch-all."""

from collections.abc import Sequence
from typing import Any, NoReturn

from pydantic import ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from contracts.base import Contract

KNOWN = ("Delivery", "WriteItem")

ID_LIMIT = 900
"""Bytes of a workflow id. The server takes 1000, and a child's longer id would fail its parent's task for ever."""


class StrictJSON(PydanticJSONPlainPayloadConverter):
    """Reads payloads into contracts and refuses what does not fit, so that a bad start fails instead of retrying for ever."""

    def to_payload(self, value: Any) -> Payload | None:
        """The payload. A brief contract leaves out what has its default: history keeps every byte for good."""
        if not (isinstance(value, Contract) and value.brief):
            return super().to_payload(value)
        data = value.model_dump_json(exclude_defaults=True).encode()
        return Payload(metadata={"encoding": self.encoding.encode()}, data=data)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """The value. Raises a permanent `ApplicationError` that names each wrong field."""
        try:
            return super().from_payload(payload, type_hint)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in one['loc']) or '(whole)'}: {one['msg']}"
                for one in error.errors(include_url=False, include_context=False, include_input=False)[:8]
            )
            raise ApplicationError(f"the input was refused: {problems}", type="InputRefused", non_retryable=True) from None


class StrictConverter(CompositePayloadConverter):
    """Temporal's converters with `StrictJSON` in place of plain JSON."""

    def __init__(self) -> None:
        """No settings: client, worker and replay have to agree."""
        others = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(
            *(StrictJSON() if isinstance(one, JSONPlainPayloadConverter) else one for one in others),
        )


DATA_CONVERTER = DataConverter(payload_converter_class=StrictConverter)


class Guard(Interceptor):
    """Checks what workflows are started with."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """One guard per workflow."""
        del input
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        got = f"{len(input.args)} inputs" if len(input.args) != 1 else type(input.args[0]).__name__
        if input.type is not UnknownWorkflow and not (len(input.args) == 1 and isinstance(input.args[0], Contract)):
            # Null and raw bytes get here, too: their payloads are decoded without a look at the contract.
            example = '{"repository": "…", "instruction": "…"}'
            _refuse(
                f"{workflow.info().workflow_type} takes exactly one JSON object as its input, like {example}, and got {got}"
            )
        if len(workflow.info().workflow_id.encode()) > ID_LIMIT:
            _refuse(f"the workflow id has more than {ID_LIMIT} bytes; children are named after it, so choose a shorter one")
        return await super().execute_workflow(input)


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
