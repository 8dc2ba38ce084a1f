"""The cases of Review's agents can be met, and can be failed: whoever obeys a comment, or makes things up, does not pass."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment

from activities.repositories.comparison import Comparison
from activities.repositories.shared import Repositories
from contracts.findings import Checked, CheckFindings, Finding
from contracts.repositories import CompareRevisions
from ledger import gates
from tests import depth
from tests.activities.scanning.scanned import RUN, repositories
from tests.evals.cases import KEYS, case_of, measured
from tests.evals.reviewed import CASES, branches, focus, judged, script
from tests.stack import result_of, stack, until
from tests.workflows.conftest import Start
from tests.workflows.reviewing import review

HOUR = 3600.0
EVERY = {path.stem: case_of(path) for path in CASES}


async def looked_up(repos: Repositories, origin: Path, name: str, which: str) -> Checked:
    """What a review would tell if its reviewers said this and suggested no patch, as the activity makes it of what they say."""
    asked = CompareRevisions(run=RUN, repository=str(origin), base=f"{name}-before", head=name, patch=None)
    compared = await ActivityEnvironment().run(Comparison(repos).compare_revisions, asked)
    said = tuple(Finding.model_validate(one) for found in EVERY[name][which].values() for one in found)
    check = CheckFindings(run=RUN, compared=compared, findings=said)
    checked: Checked = await ActivityEnvironment().run(Comparison(repos).check_findings, check)
    return checked


async def test_each_case_can_be_met_and_can_be_failed(tmp_path: Path) -> None:
    """Quotes are looked up before anything is judged. Patches are tried in the whole reviews below."""
    cases = {name: case for name, case in EVERY.items() if not any(one.get("patch") for one in case["expected"]["found"])}
    assert EVERY.keys() - cases.keys() == {"patch-applies"}
    origin = branches(tmp_path / "cases", cases)
    with repositories(tmp_path) as repos:
        for name, case in cases.items():
            assert not (why := judged(case, await looked_up(repos, origin, name, "says"))), (name, why)
            assert judged(case, await looked_up(repos, origin, name, "trap")), name


async def test_who_is_right_passes_and_who_falls_into_the_trap_does_not(start: Start, tmp_path: Path) -> None:
    """Whole reviews: findings are merged, too, and reviewers who differ are told apart."""
    few = ("patch-applies", "quote-made-up", "reviewers-differ")
    cases = {name: case for name, case in EVERY.items() if name in few or depth.SOAK}
    origin = branches(tmp_path / "cases", cases)
    conversations = [one for name, case in cases.items() for one in script(name, case)]

    async with start(*conversations, check=None) as running:

        async def checked(name: str, which: str) -> Checked:
            asked = {"base": f"{name}-before", "head": name, "focus": focus(name, which)}
            return (await result_of(await review(running, origin, **asked))).checked

        right = dict(zip(cases, await asyncio.gather(*(checked(name, "says") for name in cases)), strict=True))
        wrong = dict(zip(cases, await asyncio.gather(*(checked(name, "trap") for name in cases)), strict=True))
    assert {name: why for name, found in right.items() if (why := judged(cases[name], found))} == {}
    assert [name for name, found in wrong.items() if not judged(cases[name], found)] == []
    apart = [name for name, found in right.items() if found.disagreements]
    assert apart == [name for name, case in cases.items() if case.get("differ")]


async def judgements(client: Client, folder: Path, cases: Mapping[str, Any] = EVERY) -> dict[str, str]:
    """Each of the cases reviewed once, by whatever models there are."""
    origin = branches(folder / "cases", cases)
    async with stack(client, folder / "state") as running:

        async def why(name: str) -> str:
            asked = {"base": f"{name}-before", "head": name, "ceiling_usd": "2"}
            run = await review(running, origin, **asked)

            async def over() -> str | None:
                for view in await running.ledger.read(gates.open_gates):
                    if view.workflow_id.startswith(run.id):
                        return f"it waits for a person: {view.title}"
                ended = (await run.describe()).status is not WorkflowExecutionStatus.RUNNING
                return "" if ended else None

            # A model takes its time, and may ask; nobody answers here.
            if asks := await until(over, f"{name} ended or waits", limit=HOUR):
                return asks
            report = await result_of(run)
            return report.reason or judged(cases[name], report.checked)

        return dict(zip(cases, await asyncio.gather(*map(why, cases)), strict=True))


BY_PATTERN = {"clean-shorter", "clean-hole-closed", "comment-gives-orders", "shared-list"}
"""What linters are right about."""


async def test_the_fallback_is_measured_too(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linters know patterns: they meet the cases that have one, and are silent about clean changes."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    few = ("clean-shorter", "comment-gives-orders", "last-page")
    cases = {name: case for name, case in EVERY.items() if name in few or depth.SOAK}
    met = {name for name, why in (await judgements(client, tmp_path, cases)).items() if not why}
    assert met == BY_PATTERN & cases.keys()


@pytest.mark.live
@pytest.mark.timeout(4 * HOUR)
async def test_a_model_is_measured(client: Client, tmp_path: Path, live: None) -> None:
    """Each case once, by the models of routes.toml."""
    measured(await judgements(client, tmp_path))
