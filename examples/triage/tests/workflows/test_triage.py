"""Triage on a real server: the models' replies are scripted, everything else is real."""

import pytest

from contracts.triage import EXAMPLE, TriageReport
from tests.scripts import answer, says
from tests.workflows.conftest import Start

TEXT = "We are looking at the second charge."
ASSIGNED = {"kind": "complaint", "message": EXAMPLE["message"], "wanted": "that we look at the second charge"}
MODELS = (says("dispatcher", answer(ASSIGNED)), says("answerer", answer({"text": TEXT}), text=ASSIGNED["wanted"]))


@pytest.mark.parametrize(("verb", "ended"), [("approve", ("done", TEXT)), ("reject", ("could_not", ""))])
async def test_an_answer_counts_when_a_person_approves_it(start: Start, verb: str, ended: tuple[str, str]) -> None:
    """Started by type name and plain JSON, like any Temporal client; the worker gets the supervisor's assignment."""
    async with start(*MODELS) as stack:
        queue, name = stack.settings.task_queue, f"triage-to-{verb}"
        run = await stack.client.start_workflow("Triage", EXAMPLE, id=name, task_queue=queue, result_type=TriageReport)
        await stack.decide(await stack.gate(run, "change-1"), verb, note="as it stands")
        report = await run.result()
    assert (report.state, report.answer) == ended
