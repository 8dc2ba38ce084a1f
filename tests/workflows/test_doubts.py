"""What an agent could not do, or is not sure of, is told where the change is approved, and is a high risk."""

from pathlib import Path
from typing import Any

import pytest

from tests.scripts import a_tester, answer, could_not, edit, item, notes, plan, says, summary, unsure, writer
from tests.stack import result_of, sample
from tests.workflows.conftest import Start
from tests.workflows.test_delivery import FIX

README = edit("README.md", "Prices are whole cents.\n", "Prices are whole cents, always.\n")
PLAN = plan(item("fix", ["shop/pricing.py"]), item("say", ["README.md"]))
PLANNER, FIXES, SAYS = says("planner", answer(PLAN)), writer("fix", FIX), writer("say", README)


ABOUT_SAY = "Your item is `say`"

ROWS: list[tuple[str, tuple[dict[str, Any], ...], str]] = [
    (
        "a tester that could not",
        (PLANNER, FIXES, SAYS, says("tester", could_not("no browser here"))),
        "the tester could not: no browser",
    ),
    (
        "a tester that is unsure",
        (PLANNER, FIXES, SAYS, says("tester", unsure("rounding is not said", body=notes()))),
        "the tester is unsure: rounding is not said",
    ),
    (
        "a writer that is unsure",
        (
            PLANNER,
            FIXES,
            says("writer", README, unsure("which page?", body=summary()), text=ABOUT_SAY),
            a_tester(),
        ),
        "the writer of say is unsure: which page?",
    ),
    (
        "a writer that could not",
        (PLANNER, FIXES, says("writer", could_not("no such page"), text=ABOUT_SAY), a_tester()),
        "the writer of say could not: no such page",
    ),
    (
        "a planner that is unsure",
        (says("planner", unsure("there may be more", body=PLAN)), FIXES, SAYS, a_tester()),
        "the planner is unsure: there may be more",
    ),
]


@pytest.mark.parametrize(("script", "fact"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_the_change_gate_tells_who_was_not_done(
    start: Start, tmp_path: Path, script: tuple[dict[str, Any], ...], fact: str
) -> None:
    """With the reason, beside a green check that says nothing of it."""
    async with start(*script) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        await stack.approve(run, "plan-1")
        if fact.startswith("the writer"):
            await stack.approve(run, "stuck-1")
        view = await stack.gate(run, "change-1")
        await stack.decide(view)
        assert (await result_of(run)).state == "done"
    assert [one for one in view.facts if one.startswith(fact)], view.facts
    assert view.risk.startswith("high: ")
    assert f"not done, or not sure: {fact.partition(' could')[0].partition(' is unsure')[0]}" in view.risk


async def test_what_was_done_in_the_end_is_no_doubt(start: Start, tmp_path: Path) -> None:
    """A tester that could not at first, and can after changes were asked for: nothing is left to tell."""
    again = writer("rework-1", edit("README.md", "whole", "full"))
    script = (PLANNER, FIXES, SAYS, again, says("tester", could_not("not yet"), occurrence=1), a_tester(occurrence=2))
    async with start(*script) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        await stack.approve(run, "plan-1")
        first = await stack.gate(run, "change-1")
        await stack.decide(first, "request_changes", note="say full")
        second = await stack.gate(run, "change-2")
        await stack.decide(second, "reject", note="enough")
        await result_of(run)
    assert first.risk.startswith("high: ")
    assert not second.risk.startswith("high: ")
    assert not [one for one in second.facts if one.startswith("the tester")]
