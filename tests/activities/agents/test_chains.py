"""Fallbacks: every chain that agent files declare can be used and ends, and what a function makes is kept once."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.agents.catalogue import Catalogue, load_catalogue
from activities.agents.fallback_chain import chain_of
from activities.agents.fallback_functions import FUNCTIONS, Given
from activities.agents.fallbacks import Fallbacks
from activities.tools.registry import TOOLS
from contracts.agents import AgentFile
from contracts.away import FallBack
from contracts.base import Contract, sha256
from contracts.delivery.sizing import RoutingTask
from contracts.delivery.testing import TestTask
from contracts.desk_rules import fields_of
from contracts.desks import Guide
from contracts.diagnosis_input import Service
from contracts.diagnosis_parts import Incident, ServiceTask, Signs, WeighTask
from contracts.errors import ContractViolation, Misconfigured
from contracts.load import MapTask
from contracts.outside import OutsideTask
from contracts.people import Clarified, stored_answers
from contracts.repositories import FileChange
from contracts.review import ReviewTask
from contracts.runs import RunRef
from contracts.support_cases import CaseTask
from contracts.tables import TableColumn
from ledger import artifacts, feed, handoffs
from ledger.db import Ledger
from tests.activities import agentfiles
from tests.ledger.test_handoffs import made, put

AGENTS = Path("agents")


def catalogue(folder: Path, **fallbacks: str | None) -> Catalogue:
    """Agents of the same shape with these fallbacks, loaded."""
    for name, fallback in fallbacks.items():
        agentfiles.write(folder, name=name, tools=[], fallback=fallback)
    (folder / "routes.toml").write_text(agentfiles.ROUTES)
    return load_catalogue(folder, TOOLS)


def test_a_chain_is_followed_to_its_end(tmp_path: Path) -> None:
    """What stands in for an agent, what stands in for that, and no further."""
    found = catalogue(tmp_path, one="agent:two", two="agent:three", three=None)
    assert [one.file.name for one in chain_of(found.newest("one"), found.newest)] == ["two", "three"]


WRONG: list[tuple[dict[str, str | None], str]] = [
    ({"one": "agent:two", "two": "agent:one"}, "the chain of fallbacks comes back to 'one' and would never end"),
    ({"one": "agent:one"}, "the chain of fallbacks comes back to 'one'"),
    ({"one": "agent:nobody"}, "there is no agent 'nobody'; there are: one"),
    ({"one": "function:nothing"}, "there is no function 'nothing'; there are answer_by_template, bug_scan, checks_alone"),
    ({"one": "function:checks_alone"}, "turns test_task/1 into test_notes/1, but a fallback has to turn write_task/1 into"),
]


@pytest.mark.parametrize(("fallbacks", "said"), WRONG, ids=[row[1][:30] for row in WRONG])
def test_a_chain_that_cannot_be_used_is_refused_at_start(tmp_path: Path, fallbacks: dict[str, str | None], said: str) -> None:
    """The worker does not start with it, and the message names file, key and what is wrong."""
    with pytest.raises(Misconfigured, match=r"agents/\w+/v1.md: fallback: ") as caught:
        catalogue(tmp_path, **fallbacks)
    assert said in str(caught.value)


def test_an_older_version_keeps_no_worker_from_starting(tmp_path: Path) -> None:
    """What stands in for it takes another contract by now, or is gone: its file is frozen, and runs pin the newest only."""
    catalogue(tmp_path, other=None)
    for number, fallback in enumerate(("agent:other", "function:gone", None), 1):
        agentfiles.write(tmp_path, version=number, tools=[], fallback=fallback)
    agentfiles.write(tmp_path, name="other", version=2, tools=[], takes="test_task/1", returns="test_notes/1")
    found = load_catalogue(tmp_path, TOOLS)
    assert len(found.agents) == 5
    assert chain_of(found.newest("helper"), found.newest) == ()
    agentfiles.write(tmp_path, version=4, tools=[], fallback="agent:other")
    with pytest.raises(Misconfigured, match=r"agents/helper/v4.md: fallback: agent 'other' turns test_task/1"):
        load_catalogue(tmp_path, TOOLS)


async def test_a_function_that_is_gone_is_named(sqlite_url: str, tmp_path: Path) -> None:
    """A run that pinned an older version ends with what is missing and what to do, not with a mistake of the program's."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    run = RunRef(trace="trace-1", workflow_id="w", path="test/1")
    request = FallBack(run=run, task="{}", agent="tester@v1", function="gone", why="HTTP 500")
    with pytest.raises(Misconfigured, match=r"'gone' as fallback of tester@v1, and this release does not have it"):
        await ActivityEnvironment().run(Fallbacks(ledger).fall_back, request)
    ledger.close()


def test_a_fallback_names_its_kind() -> None:
    """A bare name is refused: it does not say whether an agent or a function is meant."""
    with pytest.raises(ContractViolation, match="fallback: String should match pattern"):
        AgentFile.read_typed_by_people(agentfiles.front(fallback="checks_alone"))


def test_every_shipped_agent_declares_one_or_says_why_not() -> None:
    """The live version of each agent has a fallback, or a reason why none is honest; never both."""
    shipped = load_catalogue(AGENTS, TOOLS)
    live = [shipped.newest(name).file for name in {agent.file.name for agent in shipped.agents}]
    assert [file.name for file in live if bool(file.fallback) == bool(file.no_fallback)] == []


async def test_what_a_function_makes_is_kept_once_and_stamped(sqlite_url: str, tmp_path: Path) -> None:
    """Asked twice it gives the same handoff; the ledger has it with its stamp, and the feed one line."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    task = TestTask(instruction="x", acceptance=(), files=(), diff="", check="pytest -q")
    run = RunRef(trace="trace-1", workflow_id="w", path="test/1")
    known: dict[str, Any] = {"agent": "tester@v1", "function": "checks_alone", "why": "HTTP 500"}
    request = FallBack(run=run, task=task.stored().decode(), **known)
    one, two = [await ActivityEnvironment().run(Fallbacks(ledger).fall_back, request) for _ in range(2)]
    assert one == two == ledger.read_now(handoffs.get, one.id)
    assert one.degraded == "checks_alone stands in for tester@v1: HTTP 500"
    assert "`pytest -q` runs as always" in one.body["summary"]
    assert [line.did for line in ledger.read_now(feed.after, 0)] == ["answered in place of tester@v1"]
    ledger.close()


async def test_what_a_function_makes_is_as_tainted_as_its_inputs(sqlite_url: str, tmp_path: Path) -> None:
    """That no model took part makes nothing of it trusted."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    sources = {"a": ("tool:search",), "b": ("tool:read_file", "tool:search")}
    given = [made(path).model_copy(update={"taint": taint}) for path, taint in sources.items()]
    for one in given:
        put(ledger, one)
    task = RoutingTask(instruction="x", repository="r", base="b").stored().decode()
    run = RunRef(trace="trace-1", workflow_id="w", path="size")
    known: dict[str, Any] = {"agent": "router@v1", "function": "whole_pipeline", "why": "HTTP 500"}
    request = FallBack(run=run, task=task, inputs=tuple(one.id for one in given), **known)
    handoff = await ActivityEnvironment().run(Fallbacks(ledger).fall_back, request)
    assert handoff.taint == ("tool:read_file", "tool:search")
    ledger.close()


SETUP = FileChange(path="setup.py", status="added", added=3, removed=0)

TASKS: dict[type[Contract], Contract] = {
    TestTask: TestTask(instruction="x", acceptance=("a",), files=(), diff="", check=None),
    RoutingTask: RoutingTask(instruction="x", repository="r", base="b"),
    ReviewTask: ReviewTask(files=(SETUP,), diff="", artifact="0" * 64),
    OutsideTask: OutsideTask(source="ticket", text="charged twice"),
    CaseTask: CaseTask(
        desk="shop", about="x", category="billing", urgency="low", language="en", fields=fields_of("charged twice", Guide())
    ),
    MapTask: MapTask(table="t", about="x", columns=(TableColumn(name="id", type="integer"),), header=("Id", "id")),
    Incident: Incident(question="x", services=(Service(name="shop", logs=("/a.log",)),)),
    ServiceTask: ServiceTask(service="shop", question="x", files=(), signs=Signs(records=3)),
    WeighTask: WeighTask(question="x", services=("shop",)),
}


ANSWERS = (Clarified(question="Round up?", answer="Half a cent, yes", by="maria"),)


async def test_a_function_is_given_what_people_have_answered(sqlite_url: str, tmp_path: Path) -> None:
    """Who stands in for an agent that had asked knows the answers: its result says them, and names them as its source."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    task = TestTask(instruction="x", acceptance=(), files=(), diff="", check=None).stored().decode()
    run = RunRef(trace="trace-1", workflow_id="w", path="test/1")
    request = FallBack(run=run, task=task, agent="tester@v1", function="checks_alone", why="HTTP 500", answers=ANSWERS)
    made = await ActivityEnvironment().run(Fallbacks(ledger).fall_back, request)
    assert "maria had answered 'Round up?': 'Half a cent, yes'." in made.body["summary"]
    kept = ledger.read_now(artifacts.get, ledger.files, sha256(stored_answers(ANSWERS)))
    assert kept == stored_answers(ANSWERS)
    edges = ledger.read_now(handoffs.upstream, made.id)
    assert (made.id, "derived", sha256(stored_answers(ANSWERS))) in edges
    ledger.close()


SCANS = {"bug_scan", "security_scan"}
"""Those that read files: tests/activities/scanning is about them."""


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - SCANS))
async def test_functions_are_deterministic(name: str) -> None:
    """The same task gives the same bytes of the declared contract, whoever runs it and whenever."""
    function = FUNCTIONS[name]
    made = [await function.make(Given(TASKS[function.takes], ANSWERS)) for _ in range(2)]
    assert made[0].stored() == made[1].stored()
    assert isinstance(made[0], function.returns)
