"""A gate that takes two people: who counts, what both have to say, and that a retry counts nobody twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.gates.gates import Gates
from activities.gates.policy import load_policy
from contracts.gates import Claimed, Decided
from ledger import gates, runs
from ledger.db import Ledger
from tests.ledger.samples import POLICY, admit, begin, claim, intent, opening, view

TWO = POLICY.model_copy(update={"approvals": 2})
GATE = view(approvals=2)


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one run in it."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    opened.tx_now(runs.begin, *begin())
    yield opened
    opened.close()


async def test_two_people_say_the_same(ledger: Ledger) -> None:
    """A retry finds its own decision; the same person, other answers and a used nonce do not count; the second decides."""
    desk = Gates(ledger, load_policy(Path("policy.toml")))
    await ActivityEnvironment().run(desk.open_gate, opening(GATE, intent()))

    async def said(by: str, answer: str = "pytest -q", nonce: str | None = None, nth: int = 1) -> Decided:
        made: Claimed = claim(by, nonce=nonce).model_copy(update={"nth": nth})
        made = made.model_copy(update={"decision": made.decision.model_copy(update={"answers": {"check": answer}})})
        request = admit(GATE, made).model_copy(update={"policy": TWO})
        decided: Decided = await ActivityEnvironment().run(desk.admit_decision, request)
        return decided

    first = await said("maria", nonce="n-1")
    assert (first.won, first.counts, first.approved_by) == (False, True, ("maria",))
    assert await said("maria", nonce="n-1") == first
    assert "has said approve here already" in (await said("MARIA", nth=2)).reason
    assert "has to answer the same" in (await said("otto", answer="true", nth=3)).reason
    assert "nonce has been used" in (await said("otto", nonce="n-1", nth=4)).reason
    assert ledger.read_now(gates.open_gates)[0].so_far == "1 of 2 approvals: maria"
    last = await said("otto", nth=5)
    assert (last.won, last.by, last.approved_by, last.intents) == (True, "otto", ("maria", "otto"), (intent().key,))
