"""How a root run asks to be let in."""

from typing import TYPE_CHECKING

from temporalio import workflow

from contracts.inputs import PipelineInput
from contracts.journal import BeginRun
from contracts.money import micros
from contracts.runs import Pipeline, RunRef
from workflows.kit import story

if TYPE_CHECKING:
    from workflows.kit.kit import Kit


def own_ref(asked: PipelineInput) -> RunRef:
    """Who a root run is: its trace is the first execution run id, which it keeps through continue-as-new and reset."""
    info = workflow.info()
    return RunRef(trace=info.first_execution_run_id, workflow_id=info.workflow_id, project=asked.project)


def request_to_begin(
    kit: "Kit", pipeline: Pipeline, asked: PipelineInput, agents: tuple[str, ...], actions: tuple[str, ...], following: str
) -> BeginRun:
    """What the ledger is asked: a row, agents and policy to go by, a ceiling."""
    return BeginRun(
        run=kit.ref,
        pipeline=pipeline,
        run_id=workflow.info().run_id,
        input=asked.model_dump(mode="json"),
        owner=asked.owner,
        request_key=asked.request_key,
        ceiling_micros=None if asked.ceiling_usd is None else micros(asked.ceiling_usd),
        agents=agents,
        gates=kit.kinds,
        actions=actions,
        next=following,
        story=story.STORY,
    )
