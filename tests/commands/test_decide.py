"""Deciding, up to the moment of sending: which gate is meant, what must be given, what is refused before it leaves."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.decide.decision import compose
from commands.errors import Usage
from contracts.errors import NotFound
from contracts.gates import VERBS, Claimed, Decision, GateView
from contracts.handoff import Question
from ledger import artifacts, gates
from ledger.db import Ledger
from tests.commands.conftest import Baton, Begin
from tests.depth import soak
from tests.ledger import samples

RUN = "delivery-trace-1"
SUBJECT = samples.view().subject
CHECK = Question(id="check", text="Which command proves the change?")


def open_gate(ledger: Ledger, name: str = "plan-1", **changes: Any) -> GateView:
    """Open a gate that has time left."""
    view = samples.view(name, verbs=VERBS["plan"], deadline=datetime.now(UTC) + timedelta(hours=5), **changes)
    ledger.tx_now(artifacts.put, ledger.files, samples.SUBJECT.encode())
    ledger.tx_now(gates.open_gate, samples.opening(view))
    return view


@pytest.fixture
def waiting(ledger: Ledger, begin: Begin) -> GateView:
    """A run that waits at plan-1."""
    begin()
    return open_gate(ledger)


def test_where_nobody_can_be_asked_the_subject_is_required(baton: Baton, waiting: GateView) -> None:
    """No terminal, no --subject, no --yes: exit 2, and the digest to send is named. Nothing is sent."""
    for command in ("approve", "reject", "request-changes", "answer"):
        ran = baton(command, RUN, "-m", "because")
        assert ran.code == (5 if command == "answer" else 2)
        assert command == "answer" or f"--subject {waiting.subject}" in ran.err


def test_a_subject_that_is_not_the_gates_is_stale(baton: Baton, waiting: GateView) -> None:
    """What was looked at is not what is there now: exit 5, before anything is sent."""
    ran = baton("approve", RUN, "plan-1", "--subject", "0" * 64)
    assert ran.code == 5
    assert f"is about subject {SUBJECT[:12]}…, but you looked at 000000000000…" in ran.err


@pytest.mark.parametrize("wrong", ["", "abc", "not a digest", "zzzzzzzzzz"])
def test_a_subject_that_is_no_digest_is_a_usage_error(baton: Baton, waiting: GateView, wrong: str) -> None:
    """--subject takes a digest or at least eight digits of it."""
    ran = baton("approve", RUN, "--subject", wrong)
    assert ran.code == 2
    assert "at least 8 digits" in ran.err


def test_the_right_subject_is_sent_without_a_question(baton: Baton, waiting: GateView) -> None:
    """With the digest given nobody is asked: the next thing that can go wrong is the connection (exit 6)."""
    ran = baton("approve", RUN, "--subject", SUBJECT[:12])
    assert ran.code == 6
    assert "GATE plan-1" in ran.err


def test_reject_and_request_changes_need_a_reason(baton: Baton, waiting: GateView) -> None:
    """No -m: exit 2, with the flag that is missing."""
    for command in ("reject", "request-changes"):
        ran = baton(command, RUN, "--yes")
        assert ran.code == 2
        assert f'{command} needs a reason: add -m "why"' in ran.err


def test_a_verb_that_the_gate_does_not_take_names_those_it_does(baton: Baton, waiting: GateView) -> None:
    """`answer` at a plan gate: exit 5, with the commands that fit."""
    ran = baton("answer", RUN, "--yes", "--answer", "check=x")
    assert ran.code == 5
    assert "takes approve, reject, request_changes, not answer" in ran.err
    assert f"baton approve {RUN} plan-1" in ran.err


def test_with_several_open_gates_one_must_be_named(baton: Baton, ledger: Ledger, waiting: GateView) -> None:
    """Two gates are open: exit 2, both named. Naming one is enough."""
    open_gate(ledger, "conflict-1", kind="conflict")
    ran = baton("approve", RUN, "--yes")
    assert ran.code == 2
    assert "has 2 open gates: plan-1, conflict-1" in ran.err
    assert baton("approve", RUN, "conflict-1", "--yes").code == 6


def test_without_an_open_gate_there_is_nothing_to_decide(baton: Baton, begin: Begin) -> None:
    """Exit 3, the run's state, and where to look."""
    begin()
    ran = baton("approve", RUN, "--yes")
    assert ran.code == 3
    assert "the run is admitted" in ran.err
    assert "baton gates" in ran.err


def test_an_unknown_gate_names_the_open_ones(baton: Baton, waiting: GateView) -> None:
    """A misspelt gate: exit 3."""
    ran = baton("approve", RUN, "plan-2", "--yes")
    assert ran.code == 3
    assert "it has plan-1 (open)" in ran.err


def test_a_closed_gate_says_who_closed_it(baton: Baton, ledger: Ledger, waiting: GateView) -> None:
    """Somebody was faster: exit 5, with verb and name."""
    said = Claimed(verb="approve", decision=Decision(gate="plan-1", by="maria"), at=samples.NOW, via="update")
    ledger.tx_now(gates.win, samples.admit(waiting, said), said, authenticated=False)
    ran = baton("reject", RUN, "plan-1", "--yes", "-m", "too late")
    assert ran.code == 5
    assert "gate plan-1 is closed: approve by maria" in ran.err


def test_questions_of_a_gate_must_be_answered(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A gate that asks: approving without the answer is exit 2 with the flag to add; other ids are refused by name."""
    begin()
    open_gate(ledger, questions=(CHECK,))
    missing = baton("approve", RUN, "--yes")
    assert missing.code == 2
    assert '--answer check="…"' in missing.err
    unknown = baton("approve", RUN, "--yes", "--answer", "chekc=pytest")
    assert unknown.code == 2
    assert "has no question chekc; it asks check" in unknown.err
    assert baton("approve", RUN, "--yes", "--answer", "check=pytest -q").code == 6


@pytest.mark.parametrize("wrong", ["pytest", "=pytest", " =x"])
def test_an_answer_without_an_id_says_how_it_is_written(baton: Baton, waiting: GateView, wrong: str) -> None:
    """--answer is ID=TEXT."""
    ran = baton("approve", RUN, "--yes", "--answer", wrong)
    assert ran.code == 2
    assert '--answer check="pytest -q"' in ran.err


def test_answering_twice_is_refused(baton: Baton, waiting: GateView) -> None:
    """Two answers to one question cannot both be meant."""
    ran = baton("approve", RUN, "--yes", "--answer", "check=a", "--answer", "check=b")
    assert ran.code == 2
    assert "answered twice" in ran.err


def test_a_note_that_is_too_long_is_refused_before_it_is_sent(baton: Baton, waiting: GateView) -> None:
    """The contract's limit, named with the flag."""
    ran = baton("reject", RUN, "--yes", "-m", "x" * 8001)
    assert ran.code == 2
    assert "-m note: String should have at most 8000 characters" in ran.err


def test_an_empty_name_is_refused(baton: Baton, waiting: GateView) -> None:
    """--by must be somebody, with a name that fits."""
    assert "--by is empty" in baton("reject", RUN, "--yes", "-m", "no", "--by", " " * 300).err
    ran = baton("reject", RUN, "--yes", "-m", "no", "--by", "m" * 300)
    assert ran.code == 2
    assert "--by by: String should have at most 200 characters" in ran.err


def test_more_than_64_kib_is_refused_before_it_is_sent() -> None:
    """Many long answers: each fits, all together do not."""
    questions = tuple(Question(id=f"q{number}", text="?") for number in range(10))
    answers = {question.id: "x" * 7000 for question in questions}
    with pytest.raises(Usage, match="the limit is 65536"):
        compose(samples.view(questions=questions), "approve", "maria", "", answers, 0)


def test_the_same_decision_has_the_same_id() -> None:
    """Sent again it is the same update; another person, verb, note, subject or answer is another; so is one after a refusal."""
    view = samples.view(questions=(CHECK,))
    said: dict[str, Any] = {"verb": "approve", "by": "maria", "note": "", "answers": {"check": "a"}, "attempt": 0}
    first, values = compose(view, **said)
    assert compose(view, **said) == (first, values)
    assert values["subject"] == view.subject
    changes: list[dict[str, Any]] = [{"by": "olga"}, {"note": "x"}, {"answers": {"check": "b"}}, {"attempt": 1}]
    others = [compose(view, **said | change)[0] for change in changes]
    others.append(compose(view.model_copy(update={"subject": "0" * 64}), **said)[0])
    assert len({first, *others}) == 6


@given(by=st.text(min_size=1, max_size=50), note=st.text(max_size=200))
def test_what_is_composed_is_a_decision_or_a_usage_error(by: str, note: str) -> None:
    """Whatever is typed, what leaves is accepted by the decision contract, or nothing leaves."""
    try:
        update_id, values = compose(samples.view(), "reject", by, note, {}, 0)
    except Usage:
        return
    assert Decision.read_typed_by_people(values).by == by
    assert len(update_id) < 100


def test_on_a_terminal_a_person_is_asked_and_no_means_nothing_is_sent(baton: Baton, waiting: GateView) -> None:
    """The gate is shown, the question names gate, run and person; anything but yes sends nothing and exits with 1."""
    ran = baton.process("approve", RUN, "--by", "maria", typed=[("[y/N]", "n\n")])
    assert ran.code == 1
    assert "GATE plan-1" in ran.out
    assert f"approve plan-1 of {RUN} as maria? [y/N]" in ran.out
    assert "nothing was sent" in ran.out


def test_on_a_terminal_missing_answers_and_reasons_are_asked_for(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A gate's question is asked, and the reason of a rejection; then the decision is on its way (here: to nowhere, exit 6)."""
    begin()
    open_gate(ledger, questions=(CHECK,))
    answered = baton.process("approve", RUN, typed=[("proves the change? ", "pytest -q\n"), ("[y/N]", "y\n")])
    assert "check: Which command proves the change?" in answered.out
    assert answered.code == 6
    assert "why:" in baton.process("reject", RUN, typed=[("why:", "not like this\n"), ("[y/N]", "y\n")]).out


OTHERS = (Question(id="check", text="another command"), Question(id="environment", text="a prepared interpreter"))


def test_what_was_answered_on_the_command_line_is_not_asked_for(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """`--answer check=…` names what is wanted: only the reason is asked for then."""
    begin()
    open_gate(ledger, changes=OTHERS)
    typed = [("why:", "it is another one\n"), ("[y/N]", "n\n")]
    ran = baton.process("request-changes", RUN, "--answer", "check=tox", typed=typed)
    assert (ran.code, "leave it out" in ran.out) == (1, False)


@pytest.mark.parametrize("early", ["y\ny\ny\n", *soak("y\n", "maybe\ny\n")])
def test_what_was_typed_before_the_question_is_no_answer(baton: Baton, waiting: GateView, early: str) -> None:
    """Lines that were typed while the command started are dropped: only what is typed below the question decides."""
    ran = baton.process("approve", RUN, typed=[("", early), ("[y/N]", "n\n")])
    assert ran.code == 1
    assert "nothing was sent" in ran.out


def test_each_question_is_answered_by_what_is_typed_below_it(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A yes that was typed along with the answer to the question before is dropped as well."""
    begin()
    open_gate(ledger, questions=(CHECK,))
    ran = baton.process("approve", RUN, typed=[("proves the change? ", "pytest -q\ny\n"), ("[y/N]", "n\n")])
    assert ran.code == 1


def test_an_answer_that_is_not_understood_is_asked_again(baton: Baton, waiting: GateView) -> None:
    """Neither yes nor no, or no reason at all: the question stands there again, and nothing is sent until it is answered."""
    again = [("[y/N]", "maybe\n"), ("neither y nor n", ""), ("[y/N]", "yes please\n"), ("[y/N]", "Y\n")]
    assert baton.process("approve", RUN, typed=again).code == 6
    reasons = [("why:", "  \n"), ("some words are needed", ""), ("why:", "too wide\n"), ("[y/N]", "no\n")]
    assert baton.process("reject", RUN, typed=reasons).code == 1
    ended = baton.process("approve", RUN, typed=[("[y/N]", "\x04")])
    assert (ended.code, "Traceback" in ended.out) == (130, False)


def test_what_is_approved_is_printed_before_the_question(baton: Baton, waiting: GateView) -> None:
    """The subject, then title, facts and digest, then the question: nobody has to look elsewhere first."""
    ran = baton.process("approve", RUN, typed=[("[y/N]", "n\n")])
    order = [
        "WHAT approve is about; `baton show",
        *samples.SUBJECT.split("\n"),
        f"GATE plan-1 of {RUN}: {waiting.title}",
        *(f"- {fact}" for fact in waiting.facts),
        f"subject {SUBJECT}",
        "[y/N]",
    ]
    places = [ran.out.index(part) for part in order]
    assert places == sorted(places)


def test_finding_nothing_is_said_with_the_class_of_its_code(baton: Baton, ledger: Ledger) -> None:
    """A run that is not there is exit 3 for every verb."""
    for command in ("approve", "reject", "request-changes", "answer", "happened", "did-not-happen", "done", "declined"):
        assert baton(command, "deliver-nope-0001", "--yes", "-m", "x").code == 3
    with pytest.raises(NotFound):
        ledger.read_now(gates.find, "nope", "plan-1")


def test_closed_input_is_nobody_who_could_be_asked(baton: Baton, waiting: GateView, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `baton approve RUN <&-`: the same exit and advice as without a terminal."""
    monkeypatch.setattr(sys, "stdin", None)
    ran = baton("approve", RUN)
    assert (ran.code, "this is not a terminal" in ran.err) == (2, True)
