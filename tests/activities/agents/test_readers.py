"""Readers and suspects as agent files: what is refused when a worker starts, with what to do."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from activities.agents.agent import load_agent
from activities.agents.catalogue import load_catalogue
from activities.agents.readers import check_reader
from contracts.agents import AgentFile
from contracts.base import Contract, Line
from contracts.errors import Misconfigured
from contracts.fields import free_text, unbounded
from contracts.outside import OutsideTask
from tests.activities import agentfiles

READER = {"reader": True, "takes": "outside_text/1", "tools": []}
CHECKER = {"name": "checker", "class": "reviewer", "takes": "claims_to_check/1", "returns": "rechecked_claims/1", "tools": []}
ROUTES = '[classes]\nworker = [{ model = "scripted:any" }]\nreviewer = [{ model = "scripted:other" }]\n'


class Ticket(Contract):
    """What a reader gives."""

    urgent: bool
    cents: Annotated[int, Field(ge=0, le=1_000_000)]
    summary: Annotated[Line, Field(max_length=300)]
    words: tuple[Annotated[str, Field(max_length=40)], ...] = Field(max_length=5)


class Loose(Contract):
    """What no reader may give."""

    text: str
    long: str = Field(max_length=2001)
    count: int
    least: int = Field(ge=0)
    many: tuple[int, ...]
    anything: Any
    by_name: dict[str, str]


def test_each_field_is_weighed() -> None:
    """Typed and bounded, or named with what it lacks; text is told apart from what cannot say anything."""
    assert unbounded(Ticket) == ()
    assert free_text(Ticket) == ("summary", "words[]")
    wrong = [one.partition(":")[0] for one in unbounded(Loose)]
    assert wrong == ["text", "long", "count", "least", "many", "many[]", "anything", "by_name"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (READER | {"tools": ["read_file"]}, "a reader has no tools and no resources, and this one has read_file"),
        (READER | {"resources": {"logs": "read"}}, "a reader has no tools and no resources, and this one has logs"),
        (READER | {"takes": "write_task/1"}, "a reader takes outside_text/1, not write_task/1"),
        (READER | {"returns": "plan/2"}, "a reader returns typed, bounded fields; in plan/2"),
        ({"takes": "outside_text/1", "tools": []}, "add `reader: true`, or take the fields that a reader has made of it"),
    ],
)
def test_a_reader_that_could_do_more_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """With the file, and what to change."""
    with pytest.raises(Misconfigured) as refused:
        load_agent(agentfiles.write(tmp_path, **changes), agentfiles.TOOLS)
    assert said in str(refused.value)
    assert "helper/v1.md" in str(refused.value)


def test_a_reader_with_bounded_fields_is_taken() -> None:
    """It needs no more than `reader: true`, the text it takes, and a contract that fits."""
    file = AgentFile.model_validate(agentfiles.front(**READER))
    check_reader(Path("agents/helper/v1.md"), file, OutsideTask, Ticket)


def _loaded(folder: Path, helper: dict[str, Any], *others: dict[str, Any]) -> None:
    agentfiles.write(folder, **helper)
    for one in others:
        agentfiles.write(folder, "Check.", **one)
    (folder / "routes.toml").write_text(ROUTES)
    load_catalogue(folder, agentfiles.TOOLS)


@pytest.mark.parametrize(
    ("suspects", "checker", "said"),
    [
        ("helper", CHECKER, "an agent does not re-check its own claims"),
        ("nobody", CHECKER, "there is no agent 'nobody'"),
        ("checker", CHECKER | {"class": "worker"}, "both are of the class 'worker'; give it a class with others"),
        ("checker", CHECKER | {"takes": "write_task/1"}, "has to turn claims_to_check/1 into rechecked_claims/1"),
        ("checker", CHECKER | {"resources": {"logs": "read"}}, "checker works on logs"),
        ("checker", CHECKER | {"suspects": "third"}, "checker has `suspects` itself"),
    ],
)
def test_a_suspect_that_would_prove_nothing_is_refused(
    tmp_path: Path, suspects: str, checker: dict[str, Any], said: str
) -> None:
    """The same models would repeat the mistake, and so would the agent itself."""
    with pytest.raises(Misconfigured) as refused:
        _loaded(tmp_path, {"suspects": suspects}, checker, CHECKER | {"name": "third", "class": "worker"})
    assert said in str(refused.value)
    assert "suspects: " in str(refused.value)


def test_an_agent_of_another_class_is_taken(tmp_path: Path) -> None:
    """It takes claims and gives verdicts."""
    _loaded(tmp_path, {"suspects": "checker"}, CHECKER)
