"""What an agent could not do, or is not sure of, is told where the change is approved, and is a high risk."""

from pathlib import Path
from typing import Any

import pytest

from tests.scripts import a_tester, answer, could_not, edit, item, notes, plan, read, says, summary, unsure, write, writer
from tests.stack import result_of, sample
from tests.workflows.conftest import Start
from tests.workflows.test_delivery import FIX

README = edit("README.md", "Prices are whole cents.\n", "Prices are whole cents, always.\n")
PLAN = plan(item("fix", ["shop/pricing.py"]), item("say", ["README.md"]))
PLANNER, FIXES, SAYS = says("planner", answer(PLAN)), writer("fix", FIX), writer("say", README)


ABOUT_SAY = "Your item is `say`"

ROWS: list[tuple[str, tuple[dict[str, Any], ...], dict[str, str]]] = [
    (
        "a planner and a writer that are unsure, a tester that could not",
        (
            says("planner", unsure("there may be more", body=PLAN)),
            FIXES,
            says("writer", README, unsure("which page?", body=summary()), text=ABOUT_SAY),
            says("tester", could_not("no browser here")),
        ),
        {
            "the planner": "is unsure: there may be more",
            "the writer of say": "is unsure: which page?",
            "the tester": "could not: no browser",
        },
    ),
    (
        "a writer that could not, a tester that is unsure",
        (
            PLANNER,
            FIXES,
            says("writer", could_not("no such page"), text=ABOUT_SAY),
            says("tester", unsure("rounding is not said", body=notes())),
        ),
        {"the writer of say": "could not: no such page", "the tester": "is unsure: rounding is not said"},
    ),
]


@pytest.mark.parametrize(("script", "told"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_the_change_gate_tells_who_was_not_done(
    start: Start, tmp_path: Path, script: tuple[dict[str, Any], ...], told: dict[str, str]
) -> None:
    """Each with the reason, beside a green check that says nothing of it."""
    async with start(*script) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        await stack.approve(run, "plan-1")
        await stack.approve(run, "stuck-1")
        view = await stack.gate(run, "change-1")
        await stack.decide(view)
        assert (await result_of(run)).state == "done"
    assert view.risk.startswith("high: ")
    _, _, unsure_of = view.risk.partition("not done, or not sure: ")
    for who, why in told.items():
        assert [one for one in view.facts if one.startswith(f"{who} {why}")], view.facts
        assert who in unsure_of, view.risk


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


MADE_UP = {"subject": "README.md", "attribute": "currency", "value": "prices are euros", "evidence": []}
BESIDE = MADE_UP | {
    "attribute": "rounded",
    "value": "never",
    "evidence": [{"artifact": "@artifact:read_file:1", "quote": "def discounted(cents"}],
}


async def test_what_a_writer_claims_without_evidence_stands_at_the_change_gate(start: Start, tmp_path: Path) -> None:
    """Without any, or by a quote about something else: named with the writer that says so, and a reason for the risk; the plan
    gate of before knows nothing of it."""
    said = says("writer", read("shop/pricing.py"), README, answer(summary(), claims=[MADE_UP, BESIDE]), text=ABOUT_SAY)
    async with start(PLANNER, FIXES, said, a_tester()) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        plan_view = await stack.approve(run, "plan-1")
        view = await stack.gate(run, "change-1")
        await stack.decide(view)
        assert (await result_of(run)).state == "done"
    [told] = [one for one in view.facts if one.startswith("writer of say: 2 of 2 claims without verified evidence: ")]
    assert "README.md: currency = prices are euros" in told
    assert "README.md: rounded = never" in told
    assert "2 claims without checked evidence" in view.risk
    assert not any("writer of" in fact for fact in plan_view.facts)


async def test_claims_of_work_that_was_done_anew_are_forgotten(start: Start, tmp_path: Path) -> None:
    """A new plan: what was claimed about the change of the first one stands at no gate any more."""
    other = plan(item("mend", ["shop/pricing.py"]), item("tell", ["README.md"]))
    planners = (says("planner", answer(PLAN), occurrence=1), says("planner", answer(other), occurrence=2))
    first = says("writer", README, answer(summary(), claims=[MADE_UP]), text=ABOUT_SAY)
    outside = says("writer", FIX, write("extra.py", "x = 1\n"), answer(summary()), text="Your item is `fix`")
    async with start(*planners, first, outside, writer("mend", FIX), writer("tell", README), a_tester()) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"))
        await stack.approve(run, "plan-1")
        conflict = await stack.next_gate(run)
        assert conflict.kind == "conflict", conflict
        await stack.decide(conflict, "request_changes", note="nobody asked for extra.py")
        again = await stack.next_gate(run)
        assert again.gate == "plan-2", again
        await stack.decide(again)
        view = await stack.next_gate(run)
        assert view.gate == "change-1", view
        await stack.decide(view)
        assert (await result_of(run)).state == "done"
    assert not any("without verified evidence" in fact for fact in view.facts), view.facts
