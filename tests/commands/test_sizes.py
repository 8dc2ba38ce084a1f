"""What is too large is refused by the command, with what to do, before anything is sent: nothing listens where it would go."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.gates import VERBS
from contracts.handoff import Question
from ledger import artifacts, gates
from ledger.db import Ledger
from tests.commands.conftest import Baton, Begin
from tests.ledger import samples
from tests.stack import sample

LONG = "\U0001f600" * 20_000
"""Few enough characters for every field, and 80 kB."""

QUESTIONS = tuple(Question(id=name, text="Which?") for name in ("one", "two"))


@pytest.fixture
def waiting(ledger: Ledger, begin: Begin) -> str:
    """A run whose gate asks two questions."""
    run, ends = begin(), datetime.now(UTC) + timedelta(hours=5)
    view = samples.view("plan-1", verbs=VERBS["plan"], deadline=ends, questions=QUESTIONS)
    ledger.tx_now(artifacts.put, ledger.files, samples.SUBJECT.encode())
    ledger.tx_now(gates.open_gate, samples.opening(view))
    return run


def test_a_delivery_that_is_too_large_is_not_started(baton: Baton, tmp_path: Path) -> None:
    """The size, the limit and the option to shorten; a field that is too long by itself is named with its option."""
    origin = str(sample(tmp_path / "sample"))
    whole = baton("deliver", "-r", origin, "-i", LONG)
    field = baton("deliver", "-r", origin, "-i", "x" * 70_000)
    assert (whole.code, field.code) == (2, 2)
    assert "the input has 80" in whole.err
    assert ", the limit is 65536; shorten --instruction and put the rest where the agents can read it" in whole.err
    assert "--instruction: String should have at most 20000 characters" in field.err
    assert not baton.state.exists()


def test_a_decision_that_is_too_large_is_not_sent(baton: Baton, waiting: str) -> None:
    """Answers that are large together, and a note that is too long by itself: which option, and that nothing was sent."""
    answers = ("--answer", f"one={LONG}", "--answer", "two=x")
    large = baton("approve", waiting, "--yes", "--by", "maria", *answers)
    note = baton("reject", waiting, "--yes", "--by", "maria", "-m", "x" * 70_000)
    assert (large.code, note.code) == (2, 2)
    assert "bytes, the limit is 65536; shorten what you send. Nothing was sent" in large.err
    assert "the decision was not sent: -m note: String should have at most 8000 characters" in note.err
