"""Actions that policy lets happen by themselves: by the run's own pins, written and carried out once, whatever is retried."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.actions.deliver import Actions
from activities.actions.note import NoteAdapter
from activities.actions.sending import Sender
from contracts.actions import NoteAction, Receipt, Tier
from contracts.intents import Intent, Perform
from ledger import actions, artifacts, feed, runs
from ledger.db import Ledger
from tests.ledger.samples import begin, ref

Open = Callable[[dict[str, Tier] | None], Ledger]
NOTE = NoteAction(run=ref(), name="hello", text="hello\nworld")


@pytest.fixture
def opened(sqlite_url: str, tmp_path: Path) -> Iterator[Open]:
    """A ledger with one run that has pinned these tiers."""
    made: list[Ledger] = []

    def open_(tiers: dict[str, Tier] | None) -> Ledger:
        made.append(Ledger(sqlite_url, tmp_path / "artifacts"))
        request, began = begin()
        made[0].tx_now(runs.begin, request, began.model_copy(update={"actions": tiers}))
        return made[0]

    yield open_
    for one in made:
        one.close()


class Fails(NoteAdapter):
    """Makes the effect, and then fails once before it answers."""

    failing = True

    def send(self, arguments: bytes, when: datetime) -> str:
        """The effect, and the failure."""
        reference = super().send(arguments, when)
        if self.failing:
            self.failing = False
            raise ConnectionError("the answer was lost")
        return reference


class Refuses(NoteAdapter):
    """Says no for good, once; then it would take it."""

    permanent = (*NoteAdapter.permanent, PermissionError)  # type: ignore[assignment]
    asked = 0

    def send(self, arguments: bytes, when: datetime) -> str:
        """No, the first time."""
        self.asked += 1
        if self.asked == 1:
            raise PermissionError("not here")
        return super().send(arguments, when)


async def perform(ledger: Ledger, adapter: NoteAdapter, note: NoteAction = NOTE, arguments: str | None = None) -> Receipt:
    """One attempt."""
    intent = Intent.of("note", note, "note hello")
    request = Perform(run=ref(), intent=intent, arguments=note.stored().decode() if arguments is None else arguments)
    return await ActivityEnvironment().run(Actions(ledger, Sender(ledger, {"note": adapter}, "worker-1")).perform, request)


def outbox(ledger: Ledger) -> list[tuple[str, int]]:
    """State and attempts of the run's actions."""
    return [(row.state, row.attempts) for row in ledger.read_now(actions.of_trace, "trace-1")]


def told(ledger: Ledger) -> list[str]:
    """What the feed says."""
    return [line.did for line in ledger.read_now(feed.after)]


async def test_a_retry_after_a_lost_answer_finds_the_effect(opened: Open) -> None:
    """The note was written, the attempt failed: the next one finds it, and one after that finds the receipt."""
    ledger = opened({"note": "auto"})
    adapter = Fails(ledger)
    with pytest.raises(ConnectionError):
        await perform(ledger, adapter)
    receipt = await perform(ledger, adapter)
    assert (receipt.state, receipt.how) == ("delivered", "found")
    assert await perform(ledger, adapter) == receipt
    assert told(ledger) == ["allowed: note hello", "note hello: hello\\nworld", "delivered: note hello"]
    assert ledger.read_now(artifacts.get, ledger.files, receipt.reference) == b"hello\nworld"
    assert outbox(ledger) == [("delivered", 2)]


async def test_what_failed_for_good_is_not_tried_again(opened: Open) -> None:
    """An attempt that is repeated because its answer was lost gives back the failure."""
    ledger = opened({"note": "auto"})
    adapter = Refuses(ledger)
    assert (await perform(ledger, adapter)).state == "failed"
    assert (await perform(ledger, adapter)).state == "failed"
    assert (adapter.asked, outbox(ledger)) == (1, [("failed", 1)])


@pytest.mark.parametrize("tiers", [None, {}, {"note": "confirm"}, {"note": "draft"}, {"git.push": "auto"}])
async def test_the_pins_in_the_ledger_decide(opened: Open, tiers: dict[str, Tier] | None) -> None:
    """Whatever the workflow asks for: a type that is not pinned as auto is not written and not sent."""
    ledger = opened(tiers)
    with pytest.raises(ApplicationError, match="does not allow note without a person; nothing was done") as refused:
        await perform(ledger, NoteAdapter(ledger))
    assert (refused.value.type, refused.value.non_retryable) == ("NotAllowed", True)
    assert (outbox(ledger), told(ledger)) == ([], [])


async def test_the_same_event_with_other_arguments_is_refused(opened: Open) -> None:
    """The second text under one name is not written, and the feed raises it."""
    ledger = opened({"note": "auto"})
    await perform(ledger, NoteAdapter(ledger))
    receipt = await perform(ledger, NoteAdapter(ledger), NOTE.model_copy(update={"text": "other"}))
    assert receipt.state == "rejected"
    assert "asked for the same event with other arguments" in receipt.problem
    last = ledger.read_now(feed.after)[-1]
    assert (last.did, last.importance) == ("refused: note hello", "alert")
    assert outbox(ledger) == [("delivered", 1)]


async def test_arguments_that_the_intent_does_not_name_are_refused(opened: Open) -> None:
    """What is kept, and executed, is what the intent says."""
    ledger = opened({"note": "auto"})
    with pytest.raises(ApplicationError, match="these are not the arguments that the intent names"):
        await perform(ledger, NoteAdapter(ledger), arguments="{}")
    assert outbox(ledger) == []


@pytest.mark.parametrize(
    ("state", "allowed"), [("rejected", "approved"), ("expired", "approved"), ("done_by_person", "done_by_person")]
)
def test_an_end_at_a_gate_leaves_what_another_run_was_allowed(opened: Open, state: str, allowed: str) -> None:
    """Rejected here is not rejected there; but what a person has done must not be sent once more."""
    ledger = opened({"note": "confirm"})
    intent = Intent.of("note", NOTE, "note hello")
    ledger.tx_now(actions.propose, intent, trace="another", gate="action-1", state="approved")
    receipt = Receipt(key=intent.key, type="note", state=state, summary="note hello", at=datetime.now(UTC))
    ledger.tx_now(actions.end, intent, receipt, trace="trace-1", gate="action-1")
    assert ledger.read_now(actions.get, intent.key).state == allowed
