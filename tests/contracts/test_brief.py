"""What only the kit and activities exchange is written without defaults, and means the same when it is read."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import Field
from temporalio.api.common.v1 import Payload

import config
import worker
import worker_parts
from contracts.base import ArtifactRef, Contract, canonical
from contracts.gates import Decided
from contracts.handoff import Handoff, Producer
from contracts.inputs import PipelineInput
from contracts.reports import Report, RunStatus
from contracts.repositories import ChangeSet, CheckRun
from contracts.runs import Request
from converter import StrictConverter
from ledger.db import Ledger
from tests import ledgers
from tests.contracts import defaults, golden
from workflows.guard import UnknownWorkflow

HISTORIES = sorted((Path(__file__).parents[1] / "replay" / "histories").glob("*.json"))
CONVERTER = StrictConverter()
SHA = "0" * 64


def test_no_default_that_histories_leave_out_has_changed() -> None:
    """A field that an open run's history leaves out means what it meant when the history was written."""
    now, before = defaults.defaults(defaults.brief()), defaults.kept()
    assert defaults.changed(before, now) == []
    assert now == before, f"defaults are new; run {golden.COMMAND}"


class Inside(Contract):
    at: int = 1
    many: list[int] = Field(default_factory=lambda: [1])


class Outside(Contract, brief=True):
    inner: tuple[Inside, ...] = ()


@pytest.mark.parametrize("name", ["at", "many"])
def test_a_changed_default_is_named(name: str) -> None:
    """Also of a contract inside another, and of a factory, which no schema shows."""
    now = defaults.defaults([Outside])
    (key,) = [one for one in now if one.endswith(f"Inside.{name}")]
    (said,) = defaults.changed(now | {key: 2}, now)
    assert said.startswith(f"{key}: its default was 2 and is {json.dumps(now[key])}")
    (said,) = defaults.changed(now, {one: value for one, value in now.items() if one != key})
    assert "and is gone, but histories leave the field out. Put it back" in said


def _activities(folder: Path) -> list[Callable[..., Any]]:
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", folder)
    ledgers.migrate(ledger)
    try:
        return worker_parts.build(config.Settings(state=folder), ledger).activities
    finally:
        ledger.close()


def _of_children() -> dict[str, tuple[type, type]]:
    """What each workflow that a run starts takes and returns."""
    found = {}
    for one in worker.WORKFLOWS:
        if one is not UnknownWorkflow:
            hints = get_type_hints(one.run)  # type: ignore[attr-defined]
            returned = hints.pop("return")
            found[one.__temporal_workflow_definition.name] = (next(iter(hints.values())), returned)  # type: ignore[attr-defined]
    return {name: both for name, both in found.items() if not issubclass(both[0], PipelineInput)}


def test_what_we_alone_write_and_read_is_brief_and_what_people_read_is_whole(tmp_path: Path) -> None:
    """All that activities and children take and return. A decision is also what its sender is answered, and stays whole."""
    hints = [get_type_hints(one) for one in _activities(tmp_path)]
    exchanged = {kind for one in hints for kind in one.values() if isinstance(kind, type) and issubclass(kind, Contract)}
    exchanged |= {kind for both in _of_children().values() for kind in both}
    assert len(exchanged) > 60
    assert {kind.__name__ for kind in exchanged if not kind.brief} == {Decided.__name__}
    assert Request.brief
    assert not any(kind.brief for kind in (*PipelineInput.__subclasses__(), *Report.__subclasses__(), RunStatus))


def _payloads(path: Path, returned: dict[str, type]) -> Iterator[tuple[type[Contract], bytes]]:
    """What a saved history holds of activities' results, and of children's inputs and results."""
    children, names = _of_children(), {}
    for event in json.loads(path.read_text())["history"]["events"]:
        kind = event["eventType"].removeprefix("EVENT_TYPE_")
        found = next((value for name, value in event.items() if name.endswith("Attributes")), {})
        child = children.get(found.get("workflowType", {}).get("name", ""))
        if kind == "ACTIVITY_TASK_SCHEDULED":
            names[event["eventId"]] = found["activityType"]["name"]
        elif kind == "ACTIVITY_TASK_COMPLETED" and issubclass(returned[names[found["scheduledEventId"]]], Contract):
            yield returned[names[found["scheduledEventId"]]], _data(found["result"])
        elif child is not None and kind == "START_CHILD_WORKFLOW_EXECUTION_INITIATED":
            yield child[0], _data(found["input"])
        elif child is not None and kind == "CHILD_WORKFLOW_EXECUTION_COMPLETED":
            yield child[1], _data(found["result"])


def _data(payloads: dict[str, Any]) -> bytes:
    return base64.b64decode(payloads["payloads"][0]["data"])


def _read(kind: type, data: bytes) -> Any:
    return CONVERTER.from_payloads([Payload(metadata={"encoding": b"json/plain"}, data=data)], [kind])[0]


def test_saved_payloads_mean_the_same_without_defaults(tmp_path: Path) -> None:
    """What releases before wrote, with or without defaults, is the same value once it was written anew, to the stored byte."""
    returned = {one.__name__: get_type_hints(one)["return"] for one in _activities(tmp_path)}
    seen, before, after = set(), 0, 0
    for path in HISTORIES:
        for kind, data in _payloads(path, returned):
            value = _read(kind, data)
            (again,) = CONVERTER.to_payloads([value])
            assert _read(kind, again.data) == value
            assert _read(kind, again.data).stored() == value.stored()
            seen.add(kind)
            before, after = before + len(data), after + len(again.data)
    assert len(seen) > 25
    assert after < before


def test_the_body_of_a_handoff_is_whole() -> None:
    """A child's handoff is read as plain values, and its body's digest is what a person approves: nothing of it is left out."""
    body = ChangeSet(item="fix", summary="", start_tree="a" * 40, tree="b" * 40, patch=ArtifactRef(digest=SHA, size=1))
    made = Handoff[ChangeSet](
        id=SHA,
        contract_name="change_set/1",
        outcome="done",
        body=body,
        producer=Producer(agent="writer"),
        trace="t",
        path="p",
    )
    (payload,) = CONVERTER.to_payloads([made])
    assert b'"claims"' not in payload.data
    read = _read(Handoff[Any], payload.data)
    assert canonical(read.body) == canonical(body.model_dump(mode="json")) == body.stored()
    assert read.stored() == made.stored()


def test_a_brief_payload_leaves_out_what_is_inside_as_well() -> None:
    """A report of a check without failures says nothing of failures."""
    run = CheckRun(command="pytest", tree="a" * 40, exit_code=0, output=ArtifactRef(digest=SHA, size=0))
    (payload,) = CONVERTER.to_payloads([run])
    output = {"digest": SHA, "size": 0}
    assert json.loads(payload.data) == {"command": "pytest", "tree": "a" * 40, "exit_code": 0, "output": output}
