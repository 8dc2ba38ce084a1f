"""Pauses of more than a run: what they hold, who is told that they came second, and what is on record."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from contracts.errors import NotFound, Refused
from contracts.pauses import Paused, PauseKind
from ledger import actions, feed, pauses, relay, runs
from ledger.db import Ledger
from ledger.pauses import Step
from ledger.views import pauses as views
from tests.ledger import samples
from tests.ledger.racing import at_once, overlapped

STEP = Step(trace="trace-1", project="shop", agent="writer@3 (scripted)")


def put(ledger: Ledger, kind: PauseKind, name: str = "", by: str = "olga") -> Paused:
    """Pause it."""
    return ledger.tx_now(pauses.put, kind, name, by, "it deletes tests", "cli")


def lift(ledger: Ledger, kind: PauseKind, name: str = "", by: str = "bob") -> Paused:
    """Lift it."""
    return ledger.tx_now(pauses.lift, kind, name, by, "it was the prompt", "cli")


def begin(ledger: Ledger, trace: str = "trace-1", project: str = "shop") -> None:
    """A delivery that is on record."""
    ledger.tx_now(runs.begin, *samples.begin(trace, project=project))


@pytest.mark.parametrize(
    ("what", "name", "holds"),
    [
        ("all", "", True),
        ("project", "shop", True),
        ("project", "Shop", False),
        ("pipeline", "Delivery", True),
        ("pipeline", "Review", False),
        ("agent", "writer", True),
        ("agent", "write", False),
    ],
)
def test_a_pause_holds_the_steps_of_what_it_names_and_no_others(
    ledger: Ledger, what: PauseKind, name: str, holds: bool
) -> None:
    """Until it is lifted; an agent is meant in whichever version."""
    begin(ledger)
    made = put(ledger, what, name)
    assert (ledger.read_now(pauses.holding, STEP) == made) is holds
    assert lift(ledger, what, name).id == made.id
    assert ledger.read_now(pauses.holding, STEP) is None


def test_the_second_is_told_who_was_first(ledger: Ledger) -> None:
    """Its pause and its reason stand, whatever the second one says; paused again after its end it is another pause."""
    first = put(ledger, "agent", "writer")
    with pytest.raises(Refused, match=r"agent writer is paused by olga since .*: it deletes tests; it stays so"):
        put(ledger, "agent", "writer", by="maria")
    assert ledger.read_now(views.pauses_now) == [first]
    lift(ledger, "agent", "writer")
    second = put(ledger, "agent", "writer", by="maria")
    told = [(one.paused.id, one.paused.by, one.lifted_by, one.lifted_why) for one in ledger.read_now(views.history)]
    assert sorted(told) == sorted([(first.id, "olga", "bob", "it was the prompt"), (second.id, "maria", "", "")])


def test_of_two_that_pause_at_once_one_does(ledger: Ledger) -> None:
    """The other waits for it, and hears of it."""

    def second(connection: Connection) -> Any:
        try:
            return pauses.put(connection, "project", "shop", "maria", "mine", "cli")
        except Refused as error:
            return error

    first, other = overlapped(
        ledger, lambda connection: pauses.put(connection, "project", "shop", "olga", "first", "cli"), second
    )
    assert isinstance(other, Refused)
    assert "paused by olga" in str(other)
    assert ledger.read_now(views.pauses_now) == [first]


def test_of_two_that_lift_at_once_one_does(ledger: Ledger) -> None:
    """The other is told who was faster and what is paused; the record has one name and one line."""
    put(ledger, "all")
    put(ledger, "pipeline", "Review")
    outcomes = at_once(lambda by: lift(ledger, "all", by=by), ["bob", "maria"])
    lost = [one for one in outcomes if isinstance(one, NotFound)]
    assert len(lost) == 1
    row = next(one for one in ledger.read_now(views.history) if one.paused.kind == "all")
    assert f"everything is not paused; {row.lifted_by} resumed it at" in str(lost[0])
    assert "Paused now: pipeline Review" in str(lost[0])
    lines = [line for line in ledger.read_now(feed.after) if line.did == "resumed everything, which olga had paused"]
    assert [line.actor for line in lines] == [row.lifted_by]


def test_the_feed_has_who_why_and_what_lifts_it(ledger: Ledger) -> None:
    """Among the lines of a project where one is paused, and of no run."""
    put(ledger, "project", "shop")
    lift(ledger, "project", "shop")
    lines = ledger.read_now(feed.after, project="shop")
    assert [(line.actor, line.did, line.why) for line in lines] == [
        ("olga", "paused project shop", "it deletes tests"),
        ("bob", "resumed project shop, which olga had paused", "it was the prompt"),
    ]
    assert "`baton resume --project shop -m why`" in lines[0].next


@pytest.mark.parametrize(
    ("what", "name", "there"),
    [("agent", "wirter", "planner, writer"), ("pipeline", "Deliver", "Act, Delivery"), ("project", "shoq", "desk, shop")],
)
def test_what_nobody_knows_is_not_paused(ledger: Ledger, what: PauseKind, name: str, there: str) -> None:
    """A misspelt name would hold nothing, and look as if it did. The refusal says which names there are."""
    begin(ledger)
    with pytest.raises(NotFound, match=f"there is no {what} '{name}', so nothing was paused. There are: {there}"):
        ledger.read_now(views.check_known, what, name, ["planner", "writer"], ["desk"])


def test_known_names_are_taken(ledger: Ledger) -> None:
    """A project of a run or of the settings, a declared agent, a pipeline by its command as well."""
    begin(ledger)
    given: list[tuple[PauseKind, str]] = [("project", "shop"), ("project", "desk"), ("agent", "writer"), ("all", "")]
    for what, name in [*given, ("pipeline", views.canonical("pipeline", "deliver"))]:
        ledger.read_now(views.check_known, what, name, ["planner", "writer"], ["desk"])


def _handed_over(ledger: Ledger, trace: str, key: str) -> str:
    meant = samples.intent(key, arguments=key, target="the same")

    def left(connection: Connection) -> None:
        actions.propose(connection, meant, trace=trace, gate="action-1", state="approved")
        relay.hand_over(connection, meant.key, "handed")

    ledger.tx_now(left)
    return meant.key


@pytest.mark.parametrize(("what", "name"), [("all", ""), ("project", "shop"), ("pipeline", "Delivery")])
def test_actions_of_what_is_paused_stay_with_the_relay(ledger: Ledger, what: PauseKind, name: str) -> None:
    """None of them is due before the pause is lifted, and then each is, once; another project's need not wait behind it."""
    begin(ledger)
    begin(ledger, "trace-2", "desk")
    ours, theirs = _handed_over(ledger, "trace-1", "one"), _handed_over(ledger, "trace-2", "two")
    due: Callable[[], list[str]] = lambda: [row.key for row in ledger.read_now(relay.due)]  # noqa: E731 (asked three times)
    before = due()
    put(ledger, what, name)
    assert due() == ([theirs] if what == "project" else [])
    lift(ledger, what, name)
    assert due() == before == [ours]
