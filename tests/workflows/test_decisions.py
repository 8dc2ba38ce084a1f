"""What a gate itself can tell of a decision: about which bytes it is, why, with which answers. A refusal says the way out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.errors import Refused
from contracts.gates import VERBS, Decision, GateView, Verb
from contracts.handoff import Question
from contracts.money import CeilingRefused
from workflows.kit.messages import check_decision

OPENED = datetime(2026, 5, 1, tzinfo=UTC)
SHOWN, OTHER = "a" * 64, "b" * 64


def view(**changes: Any) -> GateView:
    """An open plan gate in its first revision."""
    whole: dict[str, Any] = {
        "gate": "plan-1",
        "kind": "plan",
        "revision": 1,
        "trace": "t",
        "path": "",
        "workflow_id": "w",
        "project": "p",
        "subject": SHOWN,
        "title": "a plan",
        "verbs": VERBS["plan"],
        "opened_at": OPENED,
        "deadline": OPENED + timedelta(hours=1),
        "on_expiry": "rejects",
    }
    return GateView(**(whole | changes))


def says(at: GateView, verb: Verb = "approve", **said: Any) -> str:
    """Why it may not be decided so; "" where it may."""
    try:
        check_decision(at, verb, Decision(**({"gate": at.gate, "by": "maria"} | said)))
    except Refused as error:
        return str(error)
    return ""


def test_a_decision_is_about_the_bytes_that_are_shown() -> None:
    """With another digest it is refused; with the right one, or in the first revision with none, it counts."""
    assert "it changed since you opened it" in says(view(), subject=OTHER)
    assert "it changed since you opened it" in says(view(), "reject", subject=OTHER, note="no")
    assert says(view(), subject=SHOWN) == says(view()) == ""


def test_a_later_revision_is_approved_only_with_its_digest() -> None:
    """Who says no digest may mean the plan of before. A gate's own name is enough for a reject; its kind alone is not."""
    again = view(gate="plan-2", revision=2)
    assert f"at revision 2: send the subject you looked at ({SHOWN})" in says(again)
    assert "at revision 2" in says(again, "reject", gate="plan", note="no")
    assert (
        says(again, subject=SHOWN)
        == says(again, "reject", note="no")
        == says(again, "reject", gate="plan", subject=SHOWN, note="no")
    )
    assert says(again, subject=SHOWN) == ""


@pytest.mark.parametrize("verb", ["reject", "request_changes"])
def test_who_says_no_says_why(verb: Verb) -> None:
    """A note of spaces is none."""
    assert says(view(), verb) == says(view(), verb, note=" \n") == f"{verb} needs a note that says why"
    assert says(view(), verb, note="too large") == ""


def test_what_a_gate_asks_is_answered_before_it_is_approved() -> None:
    """Each question; a blank answer is none. Who rejects need not answer."""
    asks = view(questions=(Question(id="check", text="Which check?"), Question(id="branch", text="Which branch?")))
    assert 'needs an answer to check, branch; send answers, e.g. "answers": {"check": "…"}' in says(asks)
    assert "needs an answer to branch; send answers" in says(asks, answers={"check": "pytest", "branch": " "})
    assert says(asks, answers={"check": "pytest", "branch": "main"}) == says(asks, "reject", note="no") == ""


def test_a_gate_takes_only_its_own_verbs() -> None:
    """Money is not raised at a plan."""
    assert says(view(), "raise_ceiling", to_usd="5") == "gate plan-1 takes approve, reject, request_changes, not raise_ceiling"


@pytest.mark.parametrize(
    ("shared", "to_usd", "why"),
    [
        (False, None, "needs the new ceiling in US dollars"),
        (False, "2", "the ceiling is $2.00, and 2 is not higher; name a higher one"),
        (False, "2.01", ""),
        (True, "50", "runs share month:2026-05; raise it for all of them"),
    ],
)
def test_a_ceiling_is_only_raised_and_only_the_runs_own(shared: bool, to_usd: str | None, why: str) -> None:
    """What several runs share one of them does not raise; and a raise is no cut."""
    scope = "month:2026-05" if shared else "run:t"
    refused = CeilingRefused(scope=scope, ceiling=2_000_000, spent=2_000_000, held=0, wanted=1)
    assert refused.shared == shared
    assert why in (said := says(view(kind="ceiling", verbs=VERBS["ceiling"], ceiling=refused), "raise_ceiling", to_usd=to_usd))
    assert bool(said) == bool(why)
