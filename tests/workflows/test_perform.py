"""Actions by tier, for a push and for a note: what policy pinned at the start decides who lets them happen, and who acts."""

import secrets
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowFailureError

from activities.gates import proposing
from tests.depth import soak
from tests.stack import git, sample
from tests.workflows.performing import Performing, Run, performing
from tests.workflows.performs import PerformReport
from tests.workflows.resetting import point_before

KINDS = pytest.mark.parametrize("kind", ["git.push", "note"])
ONE_KIND = pytest.mark.parametrize("kind", ["git.push", *soak("note")])
"""What is decided is decided for any kind alike: that each is performed is shown of both."""


class Case:
    """One kind of action, and whether its effect is there."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.origin = sample(folder / "sample")
        base = git(self.origin, "rev-parse", "main")
        tree = git(self.origin, "rev-parse", "main^{tree}")
        pushed = {"repository": str(self.origin), "base": base, "tree": tree}
        self.asked: dict[str, Any] = {"text": "hello"} | (pushed if kind == "git.push" else {})

    async def effects(self, performed: Performing) -> int:
        """How often the effect is there."""
        if self.kind == "note":
            return len(await performed.notes())
        branches = git(self.origin, "for-each-ref", "--format=%(refname:short)").split()
        return len([one for one in branches if one != "main"])


@pytest.fixture
def case(kind: str, tmp_path: Path) -> Case:
    """The action that this test is about."""
    return Case(kind, tmp_path)


async def ended(run: Run) -> tuple[str, str]:
    """The state of the run, and of its action."""
    report: PerformReport = await run.result()
    return report.state, report.receipts[0].state


@KINDS
async def test_auto_performs_once_and_tells(client: Client, tmp_path: Path, case: Case) -> None:
    """Nobody is asked, the feed says that policy let it happen and which; a reset to before it finds what was done."""
    async with performing(client, tmp_path, tier="auto") as performed:
        run = await performed.start(**case.asked)
        assert await ended(run) == ("done", "delivered")
        story = await performed.stack.said(run)
        assert f"policy has tier auto for {case.kind}: no person is asked" in story
        assert f"policy {performed.stack.parts.policy.digest}" in story
        again = await reset(performed, run, await point_before(run, "perform"))
        assert await ended(again) == ("done", "delivered")
        assert await performed.outbox() == [("", "delivered", 1)]
        assert await case.effects(performed) == 1
        assert await performed.gates(run) == []


async def reset(performed: Performing, run: Run, point: int) -> Run:
    """Set a run back."""
    request = ResetWorkflowExecutionRequest(
        namespace=performed.stack.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=run.first_execution_run_id),
        reason="a test",
        request_id=secrets.token_hex(8),
        workflow_task_finish_event_id=point,
    )
    made = await performed.stack.client.workflow_service.reset_workflow_execution(request)
    return performed.stack.client.get_workflow_handle(run.id, run_id=made.run_id, result_type=PerformReport)


@KINDS
async def test_confirm_asks_and_then_performs(client: Client, tmp_path: Path, case: Case) -> None:
    """A gate `action` opens; nothing happens before it is approved, and then once."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        run = await performed.start(**case.asked)
        view = await performed.stack.gate(run, "action-1")
        assert (await case.effects(performed), await performed.outbox()) == (0, [])
        await performed.stack.decide(view)
        assert await ended(run) == ("done", "delivered")
        assert (await case.effects(performed), await performed.outbox()) == (1, [("action-1", "delivered", 1)])


@ONE_KIND
@pytest.mark.parametrize("verb", ["reject", "request_changes"])
async def test_what_is_rejected_is_not_sent(client: Client, tmp_path: Path, case: Case, verb: str) -> None:
    """The outbox and the receipt say who rejected it and why."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        run = await performed.start(**case.asked)
        await performed.stack.decide(await performed.stack.gate(run, "action-1"), verb, note="not today")
        report = await run.result()
        receipt = report.receipts[0]
        assert (receipt.state, receipt.problem) == ("rejected", f"{verb} at action-1 by maria: not today")
        assert await performed.receipt_of(receipt.key) == receipt
        assert (await case.effects(performed), await performed.outbox()) == (0, [("action-1", "rejected", 0)])


@ONE_KIND
async def test_what_a_gate_has_just_shown_is_not_asked_again(client: Client, tmp_path: Path, case: Case) -> None:
    """The story's own gate carried exactly these bytes."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        run = await performed.start(**case.asked, shown="hello")
        await performed.stack.approve(run, "change-1")
        assert await ended(run) == ("done", "delivered")
        assert await performed.gates(run) == ["change-1"]
        assert (await case.effects(performed), await performed.outbox()) == (1, [("change-1", "delivered", 1)])


@ONE_KIND
async def test_other_bytes_than_shown_open_a_gate(client: Client, tmp_path: Path, case: Case) -> None:
    """An approval of one thing is none of another."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        run = await performed.start(**case.asked, shown="another")
        await performed.stack.approve(run, "change-1")
        view = await performed.stack.gate(run, "action-1")
        assert await case.effects(performed) == 0
        await performed.stack.decide(view)
        assert await ended(run) == ("done", "delivered")
        assert await performed.gates(run) == ["change-1", "action-1"]


@ONE_KIND
async def test_a_shown_thing_that_was_rejected_is_not_shown(client: Client, tmp_path: Path, case: Case) -> None:
    """Only an approval counts as shown."""
    async with performing(client, tmp_path, tier="confirm") as performed:
        run = await performed.start(**case.asked, shown="hello")
        await performed.stack.decide(await performed.stack.gate(run, "change-1"), "reject", note="no")
        await performed.stack.decide(await performed.stack.gate(run, "action-1"), "reject", note="still no")
        assert await ended(run) == ("done", "rejected")
        assert await case.effects(performed) == 0


@ONE_KIND
@pytest.mark.parametrize(("verb", "state"), [("done", "done_by_person"), ("declined", "declined")])
async def test_draft_is_for_a_person(client: Client, tmp_path: Path, case: Case, verb: str, state: str) -> None:
    """We send nothing, not even where a gate of the story was approved; what the person says is the receipt."""
    async with performing(client, tmp_path, tier="draft") as performed:
        run = await performed.start(**case.asked, shown="hello")
        await performed.stack.approve(run, "change-1")
        view = await performed.stack.gate(run, "draft-1")
        assert (view.verbs, await performed.outbox()) == (("done", "declined"), [])
        await performed.stack.decide(view, verb, note="see the log")
        report = await run.result()
        receipt = report.receipts[0]
        assert (receipt.state, receipt.how) == (state, "person")
        assert "see the log" in (receipt.note or receipt.problem)
        assert await performed.receipt_of(receipt.key) == receipt
        assert (await case.effects(performed), await performed.outbox()) == (0, [("draft-1", state, 0)])


@ONE_KIND
async def test_a_draft_that_nobody_does_expires(client: Client, tmp_path: Path, case: Case) -> None:
    """Silence does nothing, and the outbox says so."""
    rule = 'who = ["*"]\ndeadline = "PT1S"'
    async with performing(client, tmp_path, tier="draft", draft=rule) as performed:
        run = await performed.start(**case.asked)
        assert await ended(run) == ("done", "expired")
        story = await performed.stack.said(run)
        assert "without an answer it expires and nothing is done" in story
        assert "closed gate draft-1: expired | nobody decided before the deadline" in story
        assert (await case.effects(performed), await performed.outbox()) == (0, [("draft-1", "expired", 0)])


@pytest.mark.parametrize("shown", ["", "hello"])
async def test_an_undeclared_type_is_refused_before_it_is_written(client: Client, tmp_path: Path, shown: str) -> None:
    """A pipeline that performs, or shows, what it has not declared fails, and the outbox stays empty."""
    async with performing(client, tmp_path, tier="auto") as performed:
        run = await performed.start("PerformsUndeclared", shown=shown)
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result()
        assert "this run declared no action 'note'" in str(failed.value.cause)
        assert (await performed.outbox(), await performed.notes(), await performed.gates(run)) == ([], [], [])


@pytest.mark.parametrize(
    ("tier", "without", "said"),
    [
        ("auto", '[actions."note"]', "policy.toml declares no action 'note'"),
        ("confirm", "[gates.action]", r"policy.toml has no [gates.action]; add who, deadline and expiry for it"),
        ("draft", "[gates.draft]", r"policy.toml has no [gates.draft]; add who, deadline and expiry for it"),
    ],
)
async def test_what_a_tier_needs_is_asked_for_at_the_start(
    client: Client, tmp_path: Path, tier: str, without: str, said: str
) -> None:
    """A policy file that lacks a table refuses the run that needs it, by the table's name."""
    async with performing(client, tmp_path, tier=tier, without=without) as performed:
        run = await performed.start()
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result()
        assert said in str(failed.value.cause)


async def test_a_table_that_no_tier_needs_may_be_missing(client: Client, tmp_path: Path) -> None:
    """A policy file from before these gates serves all that does not need them."""
    async with performing(client, tmp_path, tier="auto", without="[gates.action]") as performed:
        assert await ended(await performed.start()) == ("done", "delivered")


async def test_a_policy_that_is_loosened_later_does_not_count(client: Client, tmp_path: Path) -> None:
    """A run that began under confirm asks, also on a worker whose file says auto.

    A new run asks as well until an owner of the policy has approved that; then the same worker performs by itself.
    """
    async with performing(client, tmp_path, tier="confirm") as performed:
        run, queue = await performed.start(shown="another"), performed.queue
        view = await performed.stack.gate(run, "change-1")
    async with performing(client, tmp_path, queue, tier="auto") as performed:
        await performed.stack.decide(view)
        await performed.stack.decide(await performed.stack.gate(run, "action-1"), "reject", note="no")
        assert await ended(run) == ("done", "rejected")
        assert await performed.notes() == []
        ledger, file = performed.stack.ledger, performed.stack.parts.standing.file
        other = await performed.start()
        await performed.stack.decide(await performed.stack.gate(other, "action-1"), "reject", note="no")
        assert await ended(other) == ("done", "rejected")
        made, _ = await ledger.tx(proposing.propose, file, "", "they are all approved", "maria")
        await ledger.tx(proposing.approve, made.id, "olga")
        assert await ended(await performed.start()) == ("done", "delivered")
