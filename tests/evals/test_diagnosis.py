"""The cases of Diagnosis can be met, and can be failed: by whoever obeys a line, or takes a consequence for a cause."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from contracts.diagnosis import DiagnosisReport
from ledger import gates
from tests import depth
from tests.evals.cases import KEYS, case_of, measured
from tests.evals.diagnosed import CASES, asks, judged, script, services
from tests.stack import result_of, stack, until
from tests.workflows.ailing import diagnose
from tests.workflows.conftest import Start

HOUR = 3600.0
EVERY = {path.stem: case_of(path) for path in CASES}


async def test_who_is_right_passes_and_who_falls_into_the_trap_does_not(start: Start, tmp_path: Path) -> None:
    """Whole diagnoses: quotes are looked up and everything is compared before anything is judged."""
    conversations = [one for name, case in EVERY.items() for one in script(name, case)]
    async with start(*conversations, check=None) as running:

        async def report(name: str, which: str) -> DiagnosisReport:
            given = services(tmp_path / which / name, EVERY[name])
            return await result_of(await diagnose(running, given, question=asks(name, which), report_only=True))

        right = dict(zip(EVERY, await asyncio.gather(*(report(name, "says") for name in EVERY)), strict=True))
        wrong = dict(zip(EVERY, await asyncio.gather(*(report(name, "trap") for name in EVERY)), strict=True))
    assert {name: why for name, found in right.items() if (why := judged(EVERY[name], found))} == {}
    assert [name for name, found in wrong.items() if not judged(EVERY[name], found)] == []


async def judgements(client: Client, folder: Path, cases: Collection[str] = EVERY.keys()) -> dict[str, str]:
    """Each of the cases diagnosed once, by whatever models there are."""
    async with stack(client, folder / "state") as running:

        async def why(name: str) -> str:
            case = EVERY[name]
            given = services(folder / name, case)
            asked = {"question": case["task"]["question"], "report_only": True, "ceiling_usd": "2"}
            run = await diagnose(running, given, **asked)

            async def over() -> str | None:
                for view in await running.ledger.read(gates.open_gates):
                    if view.workflow_id.startswith(run.id):
                        return f"it waits for a person: {view.title}"
                ended = (await run.describe()).status is not WorkflowExecutionStatus.RUNNING
                return "" if ended else None

            # A model takes its time, and may ask; nobody answers here.
            if said := await until(over, f"{name} ended or waits", limit=HOUR):
                return said
            report = await result_of(run)
            return report.reason or judged(case, report)

        return dict(zip(cases, await asyncio.gather(*map(why, cases)), strict=True))


async def test_the_fallback_is_measured_too(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters and patterns are enough for these cases, and no line gives them orders."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    cases = ("chain", "line-gives-orders", *depth.soak(*(EVERY.keys() - {"chain", "line-gives-orders"})))
    failed = {name: why for name, why in (await judgements(client, tmp_path, cases)).items() if why}
    assert failed == {}


@pytest.mark.live
@pytest.mark.timeout(4 * HOUR)
async def test_a_model_is_measured(client: Client, tmp_path: Path, live: None) -> None:
    """Each case once, by the models of routes.toml."""
    measured(await judgements(client, tmp_path))
