"""Proposals: what takes back an executed action that came from something condemned waits for a person, once, and is sealed."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, update

from activities.gates import condemning
from activities.gates.condemning import Condemned
from activities.gates.mending import Proposer
from activities.gates.policy import Policy, load_policy
from contracts.act import Prepared
from contracts.actions import Receipt
from contracts.base import sha256
from contracts.effects.git_revert import GitRevert
from contracts.errors import Refused
from contracts.intents import Intent
from contracts.runs import RunChange
from ledger import actions, condemnations, handoffs, proposals, runs
from ledger.db import Ledger
from ledger.tables import action
from ledger.views.actions import outgoing
from ledger.views.condemned import Standing, standings
from ledger.views.integrity import about_no_run
from tests.ledger import samples
from tests.ledger.contents import begin
from tests.ledger.test_condemnations import RUNS, delivered, key
from tests.ledger.test_condemnations import _bundle as bundled
from tests.ledger.traced import SOURCE, traced

_SHIPPED = load_policy(Path("policy.toml"))
_PUSH = _SHIPPED.actions["git.push"].model_copy(update={"reversible": "by git.revert"})
_REVERT = _SHIPPED.actions["git.push"].model_copy(update={"adapter": "git.revert", "reversible": "no"})
POLICY: Policy = _SHIPPED.model_copy(update={"actions": {"git.push": _PUSH, "git.revert": _REVERT}})


def revert(of: str) -> GitRevert:
    """What takes back the push with this key."""
    return GitRevert(repository="/srv/shop", commit=of[:40], onto=of[:40], branch=f"revert-{of[:8]}")


def says(connection: Connection, of: str) -> Prepared:
    """The action that takes it back."""
    del connection
    return Prepared(intent=Intent.of("git.revert", revert(of), f"revert {of[:8]}"), arguments=revert(of).stored().decode())


def back(trace: str) -> str:
    """The key of what takes back the push of this run."""
    return revert(key(trace)).key()


@pytest.fixture
def pushed(ledger: Ledger) -> dict[str, str]:
    """Two runs that read one source, and whose pushes have happened; the id of each one's handoff."""
    made = {}
    for trace in RUNS:
        begin(ledger, trace)
        made[trace] = ledger.tx_now(traced, ledger, trace, f"cents {trace}")
        ledger.tx_now(delivered, trace)
        ledger.tx_now(_ended, trace)
    return made


def _ended(connection: Connection, trace: str) -> None:
    assert runs.change(connection, samples.ref(trace), RunChange(state="done")) is None


def condemn(ledger: Ledger, *things: str, by: str = "maria") -> Condemned:
    """Condemn these, and propose what takes back what came from them."""
    proposer = Proposer(ledger.files, says)
    return ledger.tx_now(condemning.condemn, POLICY, things, "the price list", by, "old", proposer)


def states(ledger: Ledger) -> dict[str, str]:
    """The reverts in the outbox, by the run whose push they take back."""
    rows = {one.key: one.state for one in ledger.read_now(outgoing, None)}
    return {trace: rows[back(trace)] for trace in RUNS if back(trace) in rows}


def standing(ledger: Ledger, id: str) -> Standing:
    """How a condemnation stands."""
    return {one.condemnation.id: one for one in ledger.read_now(_every)}[id]


def _every(connection: Connection) -> list[Standing]:
    return standings(connection, POLICY.undone_by(), everything=True)


def sound(ledger: Ledger) -> bool:
    """True if nothing that is said about condemnations was altered."""
    return [problem for one in ledger.read_now(about_no_run) for problem in one.problems] == []


def test_each_is_proposed_once_and_withdrawn_when_no_condemnation_needs_it(ledger: Ledger, pushed: dict[str, str]) -> None:
    """By two people at once, for two condemnations of one push; undone and condemned again it is proposed again."""
    found: dict[str, Condemned] = {}

    def condemns(by: str, thing: str) -> None:
        found[by] = condemn(ledger, thing, by=by)

    people = [threading.Thread(target=condemns, args=one) for one in (("maria", sha256(SOURCE)), ("olga", pushed["trace-1"]))]
    for one in people:
        one.start()
    for one in people:
        one.join(60)
    ids = {by: one.standing.condemnation.id for by, one in found.items()}
    assert states(ledger) == dict.fromkeys(RUNS, "proposed")
    listed = {one.key: one for one in ledger.read_now(outgoing)}
    assert listed[back("trace-1")].next == "a person starts it (`baton act --proposed`), or declines it"
    assert key("trace-1") in {parent for _, _, parent in ledger.read_now(handoffs.upstream, back("trace-1"))}
    assert back("trace-1") not in ledger.read_now(handoffs.downstream, [sha256(SOURCE)], 1000)
    ledger.tx_now(condemning.undo, POLICY, ids["maria"], "maria", "it was right")
    assert states(ledger) == {"trace-1": "proposed", "trace-2": "expired"}
    for _ in range(2):
        ledger.tx_now(condemning.undo, POLICY, ids["olga"], "olga", "this as well")
    assert states(ledger) == dict.fromkeys(RUNS, "expired")
    again = condemn(ledger, sha256(SOURCE))
    assert [one.compensation.state for one in again.standing.reach.executed if one.compensation] == ["proposed"] * 2
    after = ledger.tx_now(
        condemning.settle, POLICY, again.standing.condemnation.id, key("trace-1"), "done", "olga", "reverted by hand"
    )
    assert (states(ledger), after.state) == ({"trace-1": "expired", "trace-2": "proposed"}, "open")
    assert sound(ledger)


def test_declined_it_settles_what_it_would_have_taken_back(ledger: Ledger, pushed: dict[str, str], tmp_path: Path) -> None:
    """In every condemnation of it, with who and why, by whoever may settle; a later condemnation proposes it again."""
    id = condemn(ledger, pushed["trace-1"]).standing.condemnation.id
    strict = POLICY.model_copy(
        update={"gates": POLICY.gates | {"held": POLICY.gate("held").model_copy(update={"who": ("olga",)})}}
    )
    with pytest.raises(Refused, match="'eva' may not decide here"):
        ledger.tx_now(condemning.decline, strict, back("trace-1"), "eva", "no")
    for _ in range(2):
        _, [after] = ledger.tx_now(condemning.decline, POLICY, back("trace-1")[:12], "olga", "nobody uses it")
        assert (after.condemnation.id, after.state) == (id, "settled")
    said = ledger.read_now(condemnations.remedies, id)[key("trace-1")]
    assert (said.how, said.by, said.note, said.reference) == ("declined", "olga", "nobody uses it", back("trace-1"))
    with pytest.raises(Refused, match="is declined \\(declined by olga: nobody uses it\\), and not proposed any more"):
        ledger.tx_now(condemning.decline, POLICY, back("trace-1"), "eva", "no")
    assert sound(ledger)
    for change in (
        update(action).where(action.c.key == back("trace-1")).values(state="proposed"),
        update(action).where(action.c.key == back("trace-1")).values(receipt=""),
        delete(action).where(action.c.key == back("trace-1")),
    ):
        assert _problems_after(ledger, change) == [f"action {back('trace-1')} is missing, or was altered"]
    with bundled(ledger, "trace-1", tmp_path / "one.db") as held:
        assert sound(held)
        assert _problems_after(held, delete(action).where(action.c.key == back("trace-1"))) != []
    later = condemn(ledger, sha256(SOURCE)).standing
    assert (states(ledger), later.state) == (dict.fromkeys(RUNS, "proposed"), "open")
    assert standing(ledger, id).state == "settled"


def _problems_after(ledger: Ledger, change: Any) -> list[str]:
    with ledger.engine.connect() as connection, connection.begin() as transaction:
        connection.execute(change)
        found = about_no_run(connection)
        transaction.rollback()
    return [problem for one in found for problem in one.problems]


def test_one_run_begins_it_and_its_outcome_settles_the_condemnation(ledger: Ledger, pushed: dict[str, str]) -> None:
    """Another run is refused while that one goes on; undo leaves it alone; what it delivers settles, and is not sent again."""
    id = condemn(ledger, pushed["trace-1"]).standing.condemnation.id
    for trace in ("trace-3", "trace-4", "trace-5"):
        begin(ledger, trace)
    assert [ledger.tx_now(proposals.begin, samples.ref("trace-3"), back("trace-1")) for _ in range(2)] == [True, False]
    with pytest.raises(Refused, match="was begun by run delivery-trace-3, which goes on"):
        ledger.tx_now(proposals.begin, samples.ref("trace-4"), back("trace-1"))
    with pytest.raises(Refused, match="was begun by run delivery-trace-3, which goes on"):
        ledger.tx_now(condemning.decline, POLICY, back("trace-1"), "olga", "no")
    ledger.tx_now(condemning.undo, POLICY, id, "olga", "it was right")
    assert states(ledger) == {"trace-1": "proposed"}
    id = condemn(ledger, pushed["trace-1"]).standing.condemnation.id
    # Its run ended without a decision: it is anybody's again, and was not lost.
    ledger.tx_now(_ended, "trace-3")
    assert ledger.tx_now(proposals.begin, samples.ref("trace-4"), back("trace-1"))
    assert _shown(ledger, id) == ("open", "proposed", "delivery-trace-4")
    made = ledger.read_now(lambda c: says(c, key("trace-1"))).intent
    ledger.tx_now(actions.propose, made, trace="trace-4", gate="action-1", state="approved")
    assert _shown(ledger, id) == ("open", "approved", "delivery-trace-4")
    with pytest.raises(Refused, match="is approved, and not proposed any more"):
        ledger.tx_now(proposals.begin, samples.ref("trace-5"), back("trace-1"))
    ledger.tx_now(_sent)
    assert _shown(ledger, id) == ("settled", "delivered", "delivery-trace-4")
    assert condemn(ledger, sha256(SOURCE)).standing.state == "open"  # because of the other run alone
    assert states(ledger) == {"trace-1": "delivered", "trace-2": "proposed"}


def _shown(ledger: Ledger, id: str) -> tuple[str, str, str]:
    one = standing(ledger, id)
    [executed] = one.reach.executed
    assert executed.compensation is not None
    return one.state, executed.compensation.state, executed.compensation.run


def _sent(connection: Connection) -> None:
    _, lease = actions.claim(connection, back("trace-1"), "w", 1_000_000)
    assert lease is not None
    row = actions.get(connection, back("trace-1"))
    receipt = {"key": row.key, "type": row.type, "state": "delivered", "summary": row.summary}
    assert actions.settle(connection, lease, Receipt.model_validate(receipt))


def test_what_cannot_be_proposed_says_why_and_is_proposed_later(ledger: Ledger, pushed: dict[str, str]) -> None:
    """Nothing is written for it, and the reason is told; an action that is there with this key stays as it is."""

    def lacks(connection: Connection, of: str) -> Prepared:
        if of == key("trace-1"):
            raise Refused("no target is called 'books' here")
        return says(connection, of)

    # Somebody else has asked for the same event by hand, and is about to have it.
    made = ledger.read_now(lambda c: says(c, key("trace-2"))).intent
    ledger.tx_now(actions.propose, made, trace="trace-9", gate="", state="approved")
    proposer = Proposer(ledger.files, lacks)
    done = ledger.tx_now(condemning.condemn, POLICY, [sha256(SOURCE)], "the price list", "maria", "old", proposer)
    assert [one.why for one in done.planned if one.prepared is None] == ["no target is called 'books' here"]
    assert states(ledger) == {"trace-2": "approved"}
    assert ledger.read_now(actions.get, back("trace-2")).trace == "trace-9"
    id = done.standing.condemnation.id
    for left in (1, 0):
        again = ledger.tx_now(condemning.propose, POLICY, id, "olga", Proposer(ledger.files, says))
        assert len(again.planned) == left
    assert states(ledger) == {"trace-1": "proposed", "trace-2": "approved"}
    assert sound(ledger)
