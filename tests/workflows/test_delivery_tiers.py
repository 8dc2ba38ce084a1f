"""Delivery where policy lets a push happen by itself, or leaves it to a person: what is asked, shown and pushed in each."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHandle

from contracts.actions import GitPush
from contracts.delivery.run import DeliveryReport
from ledger import actions
from ledger.views.gates import subject_of
from tests.depth import soak
from tests.scripts import a_tester, writer
from tests.stack import Stack, git, sample
from tests.workflows.conftest import Start
from tests.workflows.performing import policy
from tests.workflows.test_delivery import FIX, PLANNER

HAPPY = (PLANNER, writer("fix", FIX), a_tester())
Run = WorkflowHandle[object, DeliveryReport]


async def gates_of(stack: Stack, run: Run) -> list[str]:
    """The gates that have opened, in order."""
    return [line.did.split()[2].rstrip(":") for line in await stack.feed(run) if line.did.startswith("opened gate")]


async def test_auto_pushes_once_the_change_is_approved_and_tells(start: Start, tmp_path: Path) -> None:
    """The change gate is the last one: what it has shown is pushed, and feed, report and outbox say so."""
    origin = sample(tmp_path / "sample")
    async with start(*HAPPY, policy=policy(tmp_path, tier="auto")) as stack:
        run = await stack.deliver(origin, branch="fix/rounding")
        await stack.approve(run, "plan-1")
        await stack.approve(run, "change-1")
        report = await run.result()
        (receipt,) = report.receipts
        row = await stack.ledger.read(actions.get, receipt.key)
        story = await stack.said(run)
        opened = await gates_of(stack, run)
    assert (report.state, receipt.state, receipt.reference) == ("done", "delivered", report.commit)
    assert git(origin, "rev-parse", "fix/rounding", "fix/rounding^{tree}") == f"{report.commit}\n{report.tree}"
    assert opened == ["plan-1", "change-1"]
    assert (row.gate, row.state, row.attempts) == ("change-1", "delivered", 1)
    assert f"relay: delivered: {receipt.summary} | approved at the gate | receipt {report.commit}" in story


async def test_auto_pushes_nothing_that_was_rejected(start: Start, tmp_path: Path) -> None:
    """Policy lets the push happen, not the change: rejected at its gate, nothing is pushed."""
    origin = sample(tmp_path / "sample")
    async with start(*HAPPY, policy=policy(tmp_path, tier="auto")) as stack:
        run = await stack.deliver(origin, branch="fix/rounding")
        await stack.approve(run, "plan-1")
        await stack.decide(await stack.gate(run, "change-1"), "reject", note="not today")
        report = await run.result()
    assert (report.state, report.receipts) == ("could_not", ())
    assert "not today" in report.reason
    assert git(origin, "for-each-ref", "--format=%(refname:short)") == "main"


@pytest.mark.parametrize(
    ("verb", "state", "ended"), [("done", "done_by_person", "done"), *soak(("declined", "declined", "could_not"))]
)
async def test_draft_shows_everything_and_leaves_the_push_to_a_person(
    start: Start, tmp_path: Path, verb: str, state: str, ended: str
) -> None:
    """After the change gate a gate `draft` has all that a push needs, the diff too. We push nothing, whatever is said there."""
    origin = sample(tmp_path / "sample")
    async with start(*HAPPY, policy=policy(tmp_path, tier="draft")) as stack:
        run = await stack.deliver(origin, branch="fix/rounding")
        await stack.approve(run, "plan-1")
        await stack.approve(run, "change-1")
        view = await stack.gate(run, "draft-1")
        subject = await stack.ledger.read(subject_of, stack.ledger.files, run.id, "draft-1")
        before = git(origin, "for-each-ref", "--format=%(refname:short)")
        await stack.decide(view, verb, note="see ticket 12", **({"reference": "c0ffee12"} if verb == "done" else {}))
        report = await run.result()
        (receipt,) = report.receipts
        row = await stack.ledger.read(actions.get, receipt.key)
        opened = await gates_of(stack, run)
    push = GitPush.read(subject.data)
    assert (push.branch, push.base, push.tree) == ("fix/rounding", git(origin, "rev-parse", "main"), report.tree)
    for fact in (f"repository: {origin}", f"base: {push.base}", f"tree: {push.tree}", "branch: fix/rounding"):
        assert fact in view.facts
    assert any(fact.startswith("message: ") for fact in view.facts)
    assert b"+    return (cents * (100 - percent) + 50) // 100" in (subject.patch or b"")
    assert (view.verbs, opened) == (("done", "declined"), ["plan-1", "change-1", "draft-1"])
    assert before == git(origin, "for-each-ref", "--format=%(refname:short)") == "main"
    assert (report.state, receipt.state, receipt.how, report.commit) == (ended, state, "person", "")
    assert "see ticket 12" in (receipt.note or receipt.problem)
    assert receipt.reference == ("c0ffee12" if verb == "done" else "")
    told = dict(report.reading().tables[1])["git.push"]
    assert told.endswith("(see ticket 12; reference c0ffee12)" if verb == "done" else "by maria: see ticket 12"), told
    assert (row.gate, row.state, row.attempts) == ("draft-1", state, 0)
