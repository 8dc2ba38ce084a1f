"""The one list of pipelines is the only one: what worker, commands, schemas and replay know is what stands in it."""

import pytest
import typer.main

import starter
import worker
from commands.start.commands import OURS
from contracts.inputs import PipelineInput
from contracts.pipelines import LAYER, PIPELINES, PipelineSpec
from contracts.registry import BY_NAME
from contracts.reports import Report
from tests.contracts.golden import path_of
from tests.replay.test_saved import HISTORIES, workflow_type
from workflows.guard import UnknownWorkflow
from workflows.kit.pipeline import Pipeline

NAMED = {one.__temporal_workflow_definition.name: one for one in worker.WORKFLOWS}  # type: ignore[attr-defined]
"""What the worker runs, by workflow type; the catch-all has none."""

each = pytest.mark.parametrize("spec", PIPELINES, ids=lambda spec: spec.workflow)


def test_the_worker_runs_what_the_list_names() -> None:
    """Pipelines, their parts, the layer and the catch-all for unknown types, and nothing that the list does not know."""
    listed = [name for spec in PIPELINES for name in (spec.workflow, *spec.parts)]
    assert len(listed) == len(set(listed))
    assert NAMED[None] is UnknownWorkflow
    assert set(NAMED) - {None} == {*listed, LAYER}
    assert len(worker.WORKFLOWS) == len(listed) + 2


def test_names_are_given_once() -> None:
    """Two pipelines with one command, or one workflow type, would hide each other."""
    assert len({spec.command for spec in PIPELINES}) == len({spec.workflow for spec in PIPELINES}) == len(PIPELINES)


@each
def test_a_listed_workflow_is_a_pipeline_with_the_listed_report(spec: PipelineSpec) -> None:
    """The class that the worker runs goes by the frame, and its report is the one that commands read."""
    found = NAMED[spec.workflow]
    assert issubclass(found, Pipeline)
    assert found.reports is spec.report
    assert issubclass(spec.report, Report)
    assert issubclass(spec.input, PipelineInput)


@each
def test_a_pipeline_has_saved_histories(spec: PipelineSpec) -> None:
    """Of itself and of each part: what runs in the field has to replay."""
    missing = {spec.workflow, *spec.parts} - {workflow_type(path) for path in HISTORIES}
    assert not missing, f"play a run and save its history (tests/replay/save.py): {', '.join(sorted(missing))}"


@each
def test_a_pipelines_contracts_are_known_and_kept(spec: PipelineSpec) -> None:
    """Input and report are among its contracts; each is found by its name and has a golden schema."""
    assert {spec.input, spec.report} <= set(spec.contracts)
    for contract in spec.contracts:
        assert BY_NAME[contract.contract] is contract
        assert path_of(contract.contract).is_file(), f"{contract.contract}: run python -m tests.contracts.golden --write"


@each
def test_a_pipeline_has_a_command_with_its_fields(spec: PipelineSpec) -> None:
    """Each field of the input is an option of `baton COMMAND`, with a description."""
    command = typer.main.get_command(starter.assemble()).commands[spec.command]  # type: ignore[attr-defined]
    options = {one.name: one for one in command.params}
    for name, field in spec.input.model_fields.items():
        if name not in OURS:
            assert field.description, f"{spec.input.__name__}.{name} has no description"
            assert options[name].help


@each
def test_the_example_input_is_accepted(spec: PipelineSpec) -> None:
    """What refusals and pages show as an input can be typed as it stands."""
    asked = spec.input.read_typed_by_people(dict(spec.example))
    assert asked.model_dump(mode="json", include=set(spec.example)) == dict(spec.example)
