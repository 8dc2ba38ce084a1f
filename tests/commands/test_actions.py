"""`baton actions`: what is left to do, and what operators say of it, with an error for everything that cannot be meant."""

import pytest
from sqlalchemy import Connection, update

from contracts.relay import Relaying
from ledger import actions, relay
from ledger.db import Ledger
from ledger.tables import action
from tests.activities.actions.relaying import handed
from tests.commands.conftest import Baton

GIVEN_UP = Relaying(attempts=1)


def dead(ledger: Ledger, name: str = "a") -> str:
    """A dead letter; its key."""
    key = handed(ledger, name, "bank")
    ledger.tx_now(relay.failed, key, "nobody answers", GIVEN_UP)
    return key


def unknown(ledger: Ledger, name: str = "b") -> str:
    """An action of unknown outcome; its key."""
    key = handed(ledger, name, "shop")
    ledger.tx_now(relay.unclear, key, "it keeps no list")
    return key


def state(ledger: Ledger, key: str) -> str:
    """Of an action."""
    return str(ledger.read_now(actions.get, key).state)


def test_nothing_is_left(baton: Baton, ledger: Ledger) -> None:
    """An empty outbox is said to be empty."""
    ran = baton("actions", "list")
    assert (ran.code, ran.out) == (0, "no action is left to do\n")
    assert baton("actions", "list", "--json").json["actions"] == []


def test_what_is_left_is_listed_with_what_happens_next(baton: Baton, ledger: Ledger) -> None:
    """Dead, unknown and waiting ones, each with its next step; settled ones only with --all or by their state."""
    keys = {"dead": dead(ledger), "unknown": unknown(ledger), "approved": handed(ledger, "c", "post")}
    gone = handed(ledger, "d", "post")
    ledger.tx_now(_delivered, gone)
    listed = {one["key"]: one for one in baton("actions", "list", "--json").json["actions"]}
    assert {key: listed[key]["state"] for key in listed} == {key: state for state, key in keys.items()}
    assert listed[keys["dead"]]["next"] == "retry or abandon"
    assert listed[keys["dead"]]["problem"] == "nobody answers"
    assert listed[keys["approved"]]["next"] == "in its turn"
    assert [one["key"] for one in baton("actions", "list", "--state", "dead", "--json").json["actions"]] == [keys["dead"]]
    assert gone in {one["key"] for one in baton("actions", "list", "--all", "--json").json["actions"]}
    text = baton("actions", "list").out
    assert keys["dead"][:12] in text
    assert gone[:12] not in text


def _delivered(connection: Connection, key: str) -> None:
    connection.execute(update(action).where(action.c.key == key).values(state="delivered"))


def test_one_is_shown_with_all_that_is_known(baton: Baton, ledger: Ledger) -> None:
    """Who carries it out, why it is where it is, and its lines on the feed."""
    key = unknown(ledger)
    assert baton("actions", "retry", key[:10], "-m", "it has a list now", "--by", "maria").code == 0
    ran = baton("actions", "show", key[:10])
    assert ran.code == 0
    for said in ("write b", "the relay", "maria: to be tried again: write b", "it has a list now"):
        assert said in ran.out
    assert baton("actions", "show", key, "--json").json["action"]["state"] == "sending"


def test_a_dead_letter_is_tried_again_or_given_up(baton: Baton, ledger: Ledger) -> None:
    """Who and why are recorded; without a worker that relays, that is said."""
    first, second = dead(ledger), dead(ledger, "other")
    ran = baton("actions", "retry", first[:8], "-m", "the bank is back")
    assert (ran.code, state(ledger, first)) == (0, "approved")
    assert "no worker carries out actions now" in ran.err
    ran = baton("actions", "abandon", second, "-m", "the order was cancelled", "--by", "maria")
    assert (ran.code, state(ledger, second)) == (0, "declined")
    assert ledger.read_now(actions.get, second).reason == "abandoned by maria: the order was cancelled"


def test_an_unknown_outcome_is_settled(baton: Baton, ledger: Ledger) -> None:
    """With the target's id where it happened."""
    key = unknown(ledger)
    ran = baton("actions", "settle", key, "--happened", "--reference", "mail-7", "-m", "it is in the box", "--json")
    assert (ran.code, ran.json["receipt"]["reference"], state(ledger, key)) == (0, "mail-7", "delivered")
    key = unknown(ledger, "other")
    assert baton("actions", "settle", key, "--did-not-happen", "-m", "they have nothing").code == 0
    assert state(ledger, key) == "failed"


@pytest.mark.parametrize(
    ("typed", "code", "says"),
    [
        (("show", "ffffffff"), 3, "no action has a key that begins with ffffffff; `baton actions list --all`"),
        (("show", "ff"), 5, "too short for the key of an action"),
        (("retry", "KEY"), 2, "Missing option '--message'"),
        (("abandon", "KEY", "-m", " "), 2, "-m is empty"),
        (("settle", "KEY", "-m", "seen"), 2, "say what you found: --happened or --did-not-happen"),
        (("settle", "KEY", "--did-not-happen", "--reference", "x", "-m", "seen"), 2, "leave it out with --did-not-happen"),
        (("settle", "KEY", "--happened", "-m", "seen"), 5, "is dead: whether it happened is known"),
        (("list", "--state", "gone"), 2, "--state gone is no state of an action; there are proposed"),
        (("list", "--run", "nobody"), 3, "nobody"),
    ],
)
def test_what_cannot_be_meant_is_refused(baton: Baton, ledger: Ledger, typed: tuple[str, ...], code: int, says: str) -> None:
    """Wrong keys, states and missing reasons: the exit code tells which, and nothing changes."""
    key = dead(ledger)
    ran = baton("actions", *(key if one == "KEY" else one for one in typed))
    assert (ran.code, state(ledger, key)) == (code, "dead")
    assert says in ran.err


def test_doctor_counts_what_needs_a_person(baton: Baton, ledger: Ledger) -> None:
    """Dead letters, unknown outcomes, and actions that no worker carries out, each with what to do."""
    dead(ledger)
    unknown(ledger)
    handed(ledger, "c", "post")
    found = [one for one in baton("doctor", "--json", "--offline").json["findings"] if one["name"] == "actions"]
    assert [one["text"] for one in found] == [
        "1 action is dead",
        "1 action is unknown",
        "1 action left to the relay, and no worker carries out any",
    ]
    assert all(one["level"] == "warn" and one["mend"] for one in found)


def test_a_role_that_there_is_none_of_is_refused(baton: Baton) -> None:
    """Before anything is started."""
    ran = baton("up", "--role", "everything")
    assert ran.code == 2
    assert "--role everything is no role of a worker; there are all, runs, actions" in ran.err
