"""The kit's types: wrong uses fail type checking at the line that is wrong, and the right use beside each does not."""

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[2]

HEAD = """
from typing import Any, assert_never
from activities.repositories.cleanup import Cleanup
from activities.repositories.fetch import Fetch
from contracts.delivery.plan import Plan
from contracts.delivery.run import DeliveryInput, DeliveryReport
from contracts.delivery.testing import TestNotes
from contracts.reports import Report
from contracts.repositories import Base, DropWorkspaces, PrepareRepository
from workflows.kit.ask import ask
from workflows.kit.kit import Kit
from workflows.kit.pipeline import Pipeline
from workflows.kit.step import CouldNot, Done, Step, Unsure
"""

PREPARE = "PrepareRepository(run=kit.ref, repository='r', base=None, check=None)"
PIPELINE = """
class Some(Pipeline[DeliveryInput, DeliveryReport]):
    {reports}
    async def story(self, asked: DeliveryInput) -> None: ...
    def report(self) -> dict[str, Any]: return {{}}
    async def run(self, asked: DeliveryInput) -> {returns}: return await self.conduct(asked)
"""
MATCH = """
def route(step: Step[Plan]) -> str:
    match step.ended:
        case Done(plan): return plan.summary
        {cases}
        case never: assert_never(never)
"""

EXAMPLE = ("contracts", "workflows")

SAMPLES: dict[str, tuple[str, str]] = {
    "do_right": (f"async def f(kit: Kit) -> Base: return await kit.do(Fetch.prepare_repository, {PREPARE}, 'x')", ""),
    "do_wrong": (f"async def f(kit: Kit) -> None: await kit.do(Cleanup.drop_workspaces, {PREPARE}, 'x')", "arg-type"),
    "do_result": (f"async def f(kit: Kit) -> Plan: return await kit.do(Fetch.prepare_repository, {PREPARE}, 'x')", "arg-type"),
    "do_unknown_field": ("def f(kit: Kit) -> object: return DropWorkspaces(run=kit.ref, run_id='x')", "call-arg"),
    "match_whole": (MATCH.format(cases="case Unsure(why, _) | CouldNot(why): return why"), ""),
    "match_without_could_not": (MATCH.format(cases="case Unsure(why, _): return why"), "arg-type"),
    "match_without_unsure": (MATCH.format(cases="case CouldNot(why): return why"), "arg-type"),
    "body_needed": ("def f(step: Step[Plan]) -> Plan: return step.needed()", ""),
    "body_or_else": (
        "def f(step: Step[TestNotes]) -> TestNotes: return step.or_else(lambda why: TestNotes(summary=why, tried=()))",
        "",
    ),
    "body_or_else_of_another_contract": (
        "def f(step: Step[Plan]) -> Plan: return step.or_else(lambda why: TestNotes(summary=why, tried=()))",
        "arg-type return-value",
    ),
    "body_by_itself": ("def f(step: Step[Plan]) -> None: print(step.body)", "attr-defined"),
    "body_around_the_step": ("def f(step: Step[Plan]) -> Plan: return step.handoff.body", "return-value"),
    "step_as_its_body": (
        "async def f(kit: Kit, task: Plan) -> Plan: return await ask(kit, 'p', 'a', task, Plan)",
        "return-value",
    ),
    "pipeline_right": (PIPELINE.format(reports="reports = DeliveryReport", returns="DeliveryReport"), ""),
    "pipeline_with_another_report": (PIPELINE.format(reports="reports = Report", returns="DeliveryReport"), "assignment"),
    "pipeline_returns_another": (PIPELINE.format(reports="reports = DeliveryReport", returns="Plan"), "return-value"),
}
"""Each sample with the kinds of error that it has to get, "" for none."""


pytestmark = pytest.mark.timeout(600)
"""Without the cache that `make types` leaves, mypy reads all that the kit imports."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The kinds of error in each sample, by one run of mypy over all of them with the house's own settings."""
    folder = tmp_path_factory.mktemp("typing")
    for name, (code, _) in SAMPLES.items():
        (folder / f"{name}.py").write_text(f"{HEAD}\n{code}\n")
    for name in EXAMPLE:  # beside each other, because the packages that they are made for are not theirs
        text = (ROOT / "examples" / "triage" / name / "triage.py").read_text()
        (folder / f"triage_{name}.py").write_text(text.replace("from contracts.triage", "from triage_contracts"))
    names = [*SAMPLES, *(f"triage_{name}" for name in EXAMPLE)]
    files = [str(folder / f"{name}.py") for name in names]
    told, problem, _ = api.run(
        ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache"), *files]
    )
    assert not problem
    kinds: dict[str, list[str]] = {name: [] for name in names}
    for line in told.splitlines():
        if match := re.fullmatch(r".*?(\w+)\.py:\d+: error: .*\[([a-z-]+)\]", line):
            kinds[match[1]].append(match[2])
    return kinds


@pytest.mark.parametrize("name", EXAMPLE)
def test_the_example_has_its_types_right(found: dict[str, list[str]], name: str) -> None:
    """Whoever begins with the example begins with code that the type checker takes."""
    assert found[f"triage_{name}"] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_the_type_checker_says(found: dict[str, list[str]], name: str) -> None:
    """Exactly the error that the sample is about; none for the right uses, so that a broken sample is seen, too."""
    expected = SAMPLES[name][1]
    assert found[name] == expected.split()
