"""A diagnosis without a key whose worker is killed twice: it ends as if nothing had been, and each part is made once."""

from collections import Counter
from pathlib import Path

from contracts.diagnosis import DiagnosisReport
from ledger import handoffs
from tests.chaos.scenario import scenario
from tests.chaos.test_review import KEYS, POINTS
from tests.chaos.world import World
from tests.stack import until

LOGS = {
    "shop": "2026-11-30 08:00:07,000 ERROR order 3 failed: stock timed out\n",
    "stock": "2026-11-30 08:00:06,000 ERROR Too many open files\n",
}


async def test_a_diagnosis_survives_two_kills(outside: World, tmp_path: Path) -> None:
    """The cause is that of an undisturbed one, and the ledger has one handoff for each step."""
    services = []
    for name, text in LOGS.items():
        (tmp_path / f"{name}.log").write_text(text)
        services.append({"name": name, "logs": [str(tmp_path / f"{name}.log")]})
    asked = {"services": services, "report_only": True, "owner": "olga"}
    async with scenario(outside, "diagnosis", person=False) as runs:
        for name in KEYS:
            del runs.fleet.variables[name]
        run = await runs.client.start_workflow("Diagnosis", asked, id="diagnose-1", task_queue="diagnosis")
        for point, hits in POINTS:
            worker = await runs.fleet.start(point=point, hits=hits)
            await worker.ended
            assert (worker.acted, worker.killed) == (True, True), worker.log.read_text()
        await runs.fleet.start()

        async def ended() -> bool | None:
            status = (await run.describe()).status
            return None if status is None or status.name == "RUNNING" else True

        await until(ended, "the diagnosis has ended")
        report = DiagnosisReport.model_validate(await run.result())
        made = await runs.ledger.read(handoffs.of_trace, run.first_execution_run_id or "")
        await runs.fleet.end()
    assert (report.state, report.roots, len(report.degraded)) == ("done", ("stock",), 4)
    assert [(one.service, one.state) for one in report.services] == [("shop", "affected"), ("stock", "faulty")]
    steps = Counter(row.path for row in made)
    # The planner's, the weigher's, and for each service that of its diagnostician and the checked one.
    assert set(steps.values()) == {1}
    assert len(steps) == 6
