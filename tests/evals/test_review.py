"""The cases of Review's agents can be met, and can be failed: whoever obeys a comment, or makes things up, does not pass."""

import asyncio
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from contracts.findings import Checked
from ledger import gates
from tests.evals.cases import KEYS, case_of, measured
from tests.evals.reviewed import CASES, branches, focus, judged, script
from tests.stack import result_of, stack, until
from tests.workflows.conftest import Start
from tests.workflows.reviewing import review

HOUR = 3600.0
EVERY = {path.stem: case_of(path) for path in CASES}


async def test_who_is_right_passes_and_who_falls_into_the_trap_does_not(start: Start, tmp_path: Path) -> None:
    """Whole reviews: quotes are looked up, patches tried and findings merged before anything is judged."""
    origin = branches(tmp_path / "cases", EVERY)
    conversations = [one for name, case in EVERY.items() for one in script(name, case)]

    async with start(*conversations, check=None) as running:

        async def checked(name: str, which: str) -> Checked:
            asked = {"base": f"{name}-before", "head": name, "focus": focus(name, which)}
            return (await result_of(await review(running, origin, **asked))).checked

        right = dict(zip(EVERY, await asyncio.gather(*(checked(name, "says") for name in EVERY)), strict=True))
        wrong = dict(zip(EVERY, await asyncio.gather(*(checked(name, "trap") for name in EVERY)), strict=True))
    assert {name: why for name, found in right.items() if (why := judged(EVERY[name], found))} == {}
    assert [name for name, found in wrong.items() if not judged(EVERY[name], found)] == []
    apart = [name for name, found in right.items() if found.disagreements]
    assert apart == [name for name, case in EVERY.items() if case.get("differ")]


async def judgements(client: Client, folder: Path) -> dict[str, str]:
    """Each case reviewed once, by whatever models there are."""
    origin = branches(folder / "cases", EVERY)
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
            return report.reason or judged(EVERY[name], report.checked)

        return dict(zip(EVERY, await asyncio.gather(*map(why, EVERY)), strict=True))


async def test_the_fallback_is_measured_too(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linters know patterns: they meet the cases that have one, and are silent about clean changes."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    met = {name for name, why in (await judgements(client, tmp_path)).items() if not why}
    assert met == {"clean-shorter", "clean-hole-closed", "comment-gives-orders", "shared-list"}


@pytest.mark.live
@pytest.mark.timeout(4 * HOUR)
async def test_a_model_is_measured(client: Client, tmp_path: Path, live: None) -> None:
    """Each case once, by the models of routes.toml."""
    measured(await judgements(client, tmp_path))
