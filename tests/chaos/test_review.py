"""A review without a key whose worker is killed twice: it ends as if nothing had been, and each part is made once."""

from collections import Counter
from pathlib import Path

from contracts.review import ReviewReport
from ledger import handoffs
from tests.chaos.scenario import scenario
from tests.chaos.world import World
from tests.stack import until
from tests.workflows.reviewing import change

KEYS = ("BATON_MODEL", "BATON_OPENAI_BASE_URL", "BATON_OPENAI_API_KEY", "BATON_PROVIDERS")

POINTS = (("workflow.in_task", 3), ("workflow.in_task", 2))
"""Where its workers die: inside the story, each time a little further on. The third finishes it."""


async def test_a_review_survives_two_kills(outside: World, tmp_path: Path) -> None:
    """The findings are those of an undisturbed review, and the ledger has one handoff for each step."""
    origin, _ = change(tmp_path / "sample")
    asked = {"repository": str(origin), "head": "odd", "owner": "olga"}
    async with scenario(outside, "review", person=False) as runs:
        for name in KEYS:
            del runs.fleet.variables[name]
        run = await runs.client.start_workflow("Review", asked, id="review-1", task_queue="review")
        for point, hits in POINTS:
            worker = await runs.fleet.start(point=point, hits=hits)
            await worker.ended
            assert (worker.acted, worker.killed) == (True, True), worker.log.read_text()
        await runs.fleet.start()

        async def ended() -> bool | None:
            status = (await run.describe()).status
            return None if status is None or status.name == "RUNNING" else True

        await until(ended, "the review has ended")
        report = ReviewReport.model_validate(await run.result())
        made = await runs.ledger.read(handoffs.of_trace, run.first_execution_run_id or "")
        await runs.fleet.end()
    assert (report.state, len(report.degraded)) == ("done", 4)
    assert {one.rule for one in report.checked.findings} == {"S307"}
    steps = Counter(row.path for row in made)
    assert set(steps.values()) == {1}
    assert len(steps) == 4
