"""Condemnations: what came from something wrong is held wherever it is, what has happened is listed, and all is sealed."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Executable, delete, insert, select, text, update
from temporalio.testing import ActivityEnvironment

from activities.actions import operating, outbox
from activities.actions.sending import LEASE_US
from activities.gates import condemning
from activities.gates.condemning import Condemned
from activities.gates.gates import Gates
from activities.gates.policy import Policy, load_policy
from contracts.actions import Deliver, Receipt
from contracts.base import digest_of, sha256
from contracts.errors import Ambiguous, NotFound, Refused
from contracts.gates import Decided, GateView
from contracts.runs import RunChange
from ledger import actions, bundle, condemnations, gates, handoffs, lineage, manifest, runs, turns
from ledger import feed as lines
from ledger.db import Ledger
from ledger.tables import condemnation, condemned, edge, feed, gate, remedy
from ledger.views.condemned import reach_of, standings
from ledger.views.gates import gates_of
from ledger.views.integrity import about_no_run, verified
from ledger.views.origins import Node, Origins
from ledger.views.runs import find_run
from ledger.views.selection import Selection, select_handoffs, things_selected
from tests.ledger import samples
from tests.ledger.contents import begin
from tests.ledger.traced import REPORT, SOURCE, traced

SHIPPED = load_policy(Path("policy.toml"))
RUNS = ("trace-1", "trace-2")


@pytest.fixture
def both(ledger: Ledger) -> dict[str, str]:
    """Two runs that read one source; the id of each one's handoff."""
    for trace in RUNS:
        begin(ledger, trace)
    return {trace: ledger.tx_now(traced, ledger, trace, f"cents {trace}") for trace in RUNS}


def condemn(ledger: Ledger, *things: str, by: str = "maria", why: str = "it was an old list") -> Condemned:
    """Condemn these things under the policy that we ship."""
    return ledger.tx_now(condemning.condemn, SHIPPED, things, "the price list", by, why)


def key(trace: str) -> str:
    """Of a run's action."""
    return samples.intent(trace, arguments=trace).key


def state(ledger: Ledger, trace: str) -> str:
    """Of a run's action."""
    return str(ledger.read_now(actions.get, key(trace)).state)


def delivered(connection: Connection, trace: str) -> None:
    """A run's action has happened."""
    _, lease = actions.claim(connection, key(trace), "w", LEASE_US)
    assert lease is not None
    done = Receipt(key=key(trace), type="git.push", state="delivered", summary="pushed", reference=f"commit of {trace}")
    assert actions.settle(connection, lease, done)


def holding(ledger: Ledger, trace: str, *things: str) -> list[str]:
    """The ids of what keeps a run from using these things."""
    return [one.id for one in ledger.read_now(condemnations.holding, trace, things)]


def test_what_came_from_it_is_held_in_every_run_and_undo_lets_it_go(ledger: Ledger, both: dict[str, str]) -> None:
    """Actions that nobody has begun are marked at once; gates, handoffs and what is made of them later are held by asking."""
    done = condemn(ledger, sha256(SOURCE))
    reach, id = done.standing.reach, done.standing.condemnation.id
    assert (done.fresh, done.standing.state) == (1, "open")
    assert {one.summary for one in reach.pending} == {"push trace-1", "push trace-2"}
    assert {(one.run, one.gate) for one in reach.gates} == {("delivery-trace-1", "plan-1"), ("delivery-trace-2", "plan-1")}
    assert {one.trace for one in reach.runs} == set(RUNS)
    assert (reach.executed, [state(ledger, one) for one in RUNS]) == ((), ["held", "held"])
    later = ledger.tx_now(_made_later, both["trace-1"])
    for thing in (both["trace-1"], "trace-1/plan-1", key("trace-1"), later, sha256(SOURCE)):
        assert holding(ledger, "trace-1", thing) == [id]
    assert holding(ledger, "trace-1", sha256(b"another source"), "trace-9/plan-1") == []
    before = ledger.tx_now(condemning.undo, SHIPPED, id[:6], "olga", "it was the right list")
    assert {one.trace for one in before.reach.runs} == set(RUNS)
    assert [state(ledger, one) for one in RUNS] == ["approved", "approved"]
    assert holding(ledger, "trace-1", later) == []
    assert ledger.read_now(standings, {}) == []
    assert [one.state for one in ledger.read_now(lambda c: standings(c, {}, everything=True))] == ["undone"]


def _made_later(connection: Connection, handoff: str) -> str:
    """A turn of another run that was given the handoff, and one that came from a cached reply to it."""
    first = samples.turn(1, branch="later", trace="trace-3")
    cached = samples.turn(2, branch="later", trace="trace-3")
    for one in (first, cached):
        turns.insert(connection, one)
    handoffs.link(connection, first.id, "used", [handoff])
    handoffs.link(connection, cached.id, "derived", [first.id])
    return cached.id


def test_one_run_alone_is_held_where_its_own_work_was_wrong(ledger: Ledger, both: dict[str, str]) -> None:
    """A handoff, a turn, a tool's call or a gate of it reaches that run; the other one goes on."""
    first = samples.turn(1, trace="trace-1").id
    for thing in (both["trace-1"], samples.turn(2, trace="trace-1").id, f"{first}/0", "trace-1/plan-1"):
        one = condemn(ledger, thing).standing.condemnation.id
        assert [state(ledger, trace) for trace in RUNS] == ["held", "approved"]
        assert holding(ledger, "trace-2", key("trace-2")) == []
        ledger.tx_now(condemning.undo, SHIPPED, one, "maria", "next")


def test_whatever_leads_down_to_a_thing_leads_up_from_it(ledger: Ledger, both: dict[str, str]) -> None:
    """Walking up finds a start exactly where walking down from that start finds the thing: for every pair of things."""
    del both
    every = {sha256(SOURCE), *ledger.read_now(handoffs.downstream, [sha256(SOURCE)], 1000)}
    assert len(every) > 10
    below = {one: set(ledger.read_now(handoffs.downstream, [one], 1000)) for one in every}
    for thing in every:
        above = set(ledger.read_now(handoffs.ancestry, [thing])) - {thing}
        # Of a turn the calls that the next one reads count as well, which are not above it.
        above -= {one for one in every if one.startswith(f"{thing}/")}
        assert above & every == {one for one in every if thing in below[one]}


def test_what_has_happened_is_listed_until_each_is_settled(ledger: Ledger, both: dict[str, str]) -> None:
    """With its compensation, as policy has it; done or declined, with who and why, and then the condemnation is settled."""
    del both
    for trace in RUNS:
        ledger.tx_now(delivered, trace)
        ledger.tx_now(_ended, trace)
    policy = SHIPPED.model_copy(
        update={"actions": {"git.push": SHIPPED.actions["git.push"].model_copy(update={"reversible": "by git.revert"})}}
    )
    done = ledger.tx_now(condemning.condemn, policy, [sha256(SOURCE)], "the price list", "maria", "old")
    id, executed = done.standing.condemnation.id, done.standing.reach.executed
    assert [(one.effect.reference, one.taken_back_by, one.certain) for one in executed] == [
        ("commit of trace-1", "git.revert", True),
        ("commit of trace-2", "git.revert", True),
    ]
    assert done.standing.state == "open"
    after = ledger.tx_now(condemning.settle, policy, id, key("trace-1")[:8], "done", "olga", "reverted", "commit 7")
    assert (after.state, len(after.reach.left)) == ("open", 1)
    with pytest.raises(Refused, match="olga has said done before: reverted"):
        ledger.tx_now(condemning.settle, policy, id, key("trace-1"), "declined", "olga", "no")
    again = ledger.tx_now(condemning.settle, policy, id, key("trace-1"), "done", "olga", "reverted", "commit 7")
    assert len(again.reach.left) == 1
    after = ledger.tx_now(condemning.settle, policy, id, key("trace-2"), "declined", "olga", "nobody uses it")
    assert (after.state, after.reach.left) == ("settled", ())
    told = ledger.read_now(lambda c: condemnations.remedies(c, id))
    assert [(one.how, one.by, one.note, one.reference) for one in told.values()] == [
        ("done", "olga", "reverted", "commit 7"),
        ("declined", "olga", "nobody uses it", ""),
    ]


def test_what_takes_it_back_is_not_held_and_shown_with_what_it_takes_back(ledger: Ledger, both: dict[str, str]) -> None:
    """It did not come from what it mends. Once it has happened nothing is left to settle; what a person says then has it as the
    reference."""
    del both
    ledger.tx_now(delivered, "trace-1")
    begin(ledger, "trace-3")
    ledger.tx_now(_takes_back, "trace-3", "trace-1")
    id = condemn(ledger, sha256(SOURCE)).standing.condemnation.id
    assert state(ledger, "trace-3") == "approved"
    assert holding(ledger, "trace-3", key("trace-3"), "trace-3/plan-1") == []
    assert _back(ledger) == (True, "approved", "delivery-trace-3")
    ledger.tx_now(delivered, "trace-3")
    assert _back(ledger) == (False, "delivered", "delivery-trace-3")
    for _ in range(2):
        ledger.tx_now(condemning.settle, SHIPPED, id, key("trace-1"), "done", "olga", "the push was reverted")
    assert ledger.read_now(condemnations.remedies, id)[key("trace-1")].reference == key("trace-3")
    assert _back(ledger)[0] is False


def test_what_came_to_nothing_takes_nothing_back(ledger: Ledger, both: dict[str, str]) -> None:
    """After a withdrawn one the command that takes it back is offered once more, and nothing is the reference."""
    ledger.tx_now(delivered, "trace-1")
    begin(ledger, "trace-3")
    ledger.tx_now(_takes_back, "trace-3", "trace-1")
    ledger.tx_now(actions.withdraw, "trace-3", "not wanted")
    id = condemn(ledger, both["trace-1"]).standing.condemnation.id
    [pushed] = ledger.read_now(standings, {})[0].reach.executed
    assert pushed.compensation is None
    ledger.tx_now(condemning.settle, SHIPPED, id, key("trace-1"), "done", "olga", "reverted by hand")
    assert ledger.read_now(condemnations.remedies, id)[key("trace-1")].reference == ""


def _takes_back(connection: Connection, trace: str, of: str) -> None:
    """A run's approved action is to take back what another run did."""
    intent = samples.intent(trace, arguments=trace)
    lineage.of_undo(connection, trace, intent.arguments, key(of))
    gates.open_gate(connection, samples.opening(samples.view(trace=trace, subject=sha256(trace.encode())), intent))
    actions.propose(connection, intent, trace=trace, gate="plan-1", state="approved")


def _back(ledger: Ledger) -> tuple[bool, str, str]:
    """Of the one executed action of what is condemned: whether it is open, and what takes it back in which run."""
    [one] = ledger.read_now(lambda c: standings(c, {}, everything=True))
    [pushed] = one.reach.executed
    assert pushed.compensation is not None
    return pushed.open, pushed.compensation.state, pushed.compensation.run


def _ended(connection: Connection, trace: str) -> None:
    assert runs.change(connection, samples.ref(trace), RunChange(state="done")) is None


def test_what_is_held_goes_on_where_a_person_says_so(ledger: Ledger, both: dict[str, str]) -> None:
    """For one action by its key, or for a run at its gate `held`: the other run stays held, and so does the rest."""
    del both
    id = condemn(ledger, sha256(SOURCE)).standing.condemnation.id
    with pytest.raises(Refused, match=r"there is nothing to mend: `baton condemned settle .* --go-on"):
        ledger.tx_now(condemning.settle, SHIPPED, id, key("trace-1"), "done", "olga", "x")
    with pytest.raises(Refused, match="is held, as the price list: condemned by maria"):
        ledger.tx_now(operating.retry, key("trace-1"), "olga", "try")
    after = ledger.tx_now(condemning.settle, SHIPPED, id, key("trace-1"), "goes_on", "olga", "the price is right")
    assert [state(ledger, one) for one in RUNS] == ["approved", "held"]
    assert [one.summary for one in after.reach.pending] == ["push trace-2"]
    holds = {one: ledger.read_now(condemnations.holding, one, [key(one)], key(one)) for one in RUNS}
    assert {one: [it.id for it in found] for one, found in holds.items()} == {"trace-1": [], "trace-2": [id]}
    ledger.tx_now(delivered, "trace-1")
    [standing] = ledger.read_now(standings, {})
    assert [(one.went_on, one.open) for one in standing.reach.executed] == [(True, False)]
    ledger.tx_now(_let_on, "trace-2", id)
    assert holding(ledger, "trace-2", key("trace-2")) == []
    assert holding(ledger, "trace-1", "trace-1/plan-1") == [id]


def _let_on(connection: Connection, trace: str, *ids: str) -> None:
    """Somebody approves at the run's gate `held`."""
    gate, said = samples.view("held-1", kind="held", trace=trace, condemned=ids), samples.claim("olga", gate="held-1")
    gates.open_gate(connection, samples.opening(gate))
    assert gates.win(connection, samples.admit(gate, said), said, authenticated=False).won


def test_condemned_twice_is_condemned_once(ledger: Ledger, both: dict[str, str]) -> None:
    """The first one stands and is told; of several things only new ones are added; what was undone can be condemned anew."""
    first = condemn(ledger, both["trace-1"])
    again = condemn(ledger, both["trace-1"], by="olga", why="me too")
    assert (again.fresh, again.standing.condemnation) == (0, first.standing.condemnation)
    more = condemn(ledger, both["trace-1"], both["trace-2"])
    assert more.fresh == 1
    ids = [one.id for one in ledger.read_now(condemnations.every)]
    assert ids == [first.standing.condemnation.id, more.standing.condemnation.id]
    ledger.tx_now(condemning.undo, SHIPPED, ids[0], "maria", "no")
    ledger.tx_now(condemning.undo, SHIPPED, ids[0], "maria", "no")
    with pytest.raises(Refused, match="was undone before, by maria: no"):
        ledger.tx_now(condemning.undo, SHIPPED, ids[0], "olga", "no")
    anew = condemn(ledger, both["trace-1"])
    assert anew.fresh == 1
    assert anew.standing.condemnation.id not in ids
    with pytest.raises(NotFound, match="there is no condemnation 'ffff'"):
        ledger.tx_now(condemning.undo, SHIPPED, "ffff", "olga", "no")
    with pytest.raises(Refused, match="more than 100000 things"):
        condemn(ledger, *map(str, range(condemning.MOST + 1)))


def test_many_things_are_condemned_at_once(ledger: Ledger, both: dict[str, str]) -> None:
    """More than one statement takes; they hold as one, and are let go as one."""
    things = [digest_of("made up", str(number)) for number in range(1200)]
    done = condemn(ledger, *things, both["trace-1"])
    assert done.fresh == 1201
    assert holding(ledger, "trace-1", *things) == [done.standing.condemnation.id]
    assert holding(ledger, "trace-1", key("trace-1")) == [done.standing.condemnation.id]
    assert ledger.read_now(about_no_run)[0].problems == []


@pytest.mark.parametrize(("who", "by", "allowed"), [(["*"], "eva", True), (["lead"], "maria", True), (["lead"], "eva", False)])
def test_only_who_may_decide_at_held_condemns_and_undoes(
    ledger: Ledger, both: dict[str, str], who: list[str], by: str, allowed: bool
) -> None:
    """A role of the gate `held` is asked for, and a stranger is nobody where people are known; the reason names the table."""
    people = {"maria": {"roles": ["lead"]}, "eva": {"roles": []}}
    gate = SHIPPED.gates["held"].model_dump() | {"who": who}
    policy = Policy.model_validate(SHIPPED.model_dump() | {"identity": "known", "people": people, "gates": {"held": gate}})

    def done(by: str) -> Condemned:
        return ledger.tx_now(condemning.condemn, policy, [both["trace-1"]], "it", by, "old")

    with pytest.raises(Refused, match="'mallory' is not one of the people"):
        done("mallory")
    if allowed:
        id = done(by).standing.condemnation.id
        with pytest.raises(Refused, match="'mallory' is not one of the people"):
            ledger.tx_now(condemning.undo, policy, id, "mallory", "no")
        with pytest.raises(Refused, match="'mallory' is not one of the people"):
            ledger.tx_now(condemning.settle, policy, id, key("trace-1"), "goes_on", "mallory", "no")
        return
    with pytest.raises(Refused, match=r"'eva' may not decide here; policy allows lead; \[gates.held\] of the policy says"):
        done(by)
    assert ledger.read_now(condemnations.every) == []


def test_what_is_being_sent_is_told_as_that(ledger: Ledger, both: dict[str, str]) -> None:
    """Whoever condemns while an attempt takes the action waits for it: it is listed as perhaps executed, and not as held."""
    del both
    began, goes_on = threading.Event(), threading.Event()
    request = Deliver(run=samples.ref("trace-1"), key=key("trace-1"))

    def claims() -> None:
        with ledger.engine.begin() as connection:
            _, lease, held = outbox.claim(connection, request, "w", LEASE_US)
            assert lease is not None
            assert held == ()
            began.set()
            assert goes_on.wait(60)

    found = list[Condemned]()
    sender = _thread(claims)
    assert began.wait(60)
    person = _thread(lambda: found.append(condemn(ledger, sha256(SOURCE))))
    goes_on.set()
    for one in (sender, person):
        one.join(60)
    [reach] = [one.standing.reach for one in found]
    assert [(one.effect.summary, one.effect.state, one.certain) for one in reach.executed] == [
        ("push trace-1", "sending", False)
    ]
    assert [one.summary for one in reach.pending] == ["push trace-2"]
    with pytest.raises(Refused, match="nobody knows yet whether it has happened"):
        ledger.tx_now(condemning.settle, SHIPPED, found[0].standing.condemnation.id, key("trace-1"), "done", "olga", "x")


def test_what_is_condemned_first_is_not_sent(ledger: Ledger, both: dict[str, str]) -> None:
    """Whoever would take the action while somebody condemns waits, and finds it held."""
    del both
    began, goes_on = threading.Event(), threading.Event()
    found = list[Any]()

    def condemns() -> None:
        with ledger.engine.begin() as connection:
            condemning.condemn(connection, SHIPPED, [sha256(SOURCE)], "it", "maria", "old")
            began.set()
            assert goes_on.wait(60)

    request = Deliver(run=samples.ref("trace-1"), key=key("trace-1"))
    person = _thread(condemns)
    assert began.wait(60)
    sender = _thread(lambda: found.append(ledger.tx_now(outbox.claim, request, "w", LEASE_US)))
    goes_on.set()
    for one in (person, sender):
        one.join(60)
    [(_, lease, held)] = found
    assert (lease, [one.by for one in held], state(ledger, "trace-1")) == (None, ["maria"], "held")


def test_what_is_being_approved_is_held_once_it_is(ledger: Ledger, both: dict[str, str]) -> None:
    """Whoever condemns while a gate is being approved waits: the gate is decided, and the action that this approved is held."""
    began, goes_on = threading.Event(), threading.Event()
    view = samples.view("change-1", kind="change", trace="trace-1", subject=sha256(both["trace-1"].encode()))
    intent = samples.intent("later", arguments="later")
    ledger.tx_now(gates.open_gate, samples.opening(view, intent).model_copy(update={"subject": both["trace-1"]}))

    def approves() -> None:
        with ledger.engine.begin() as connection:
            gates.lock(connection, ["trace-1/change-1"])
            said = samples.claim("olga", gate="change-1")
            assert gates.win(connection, samples.admit(view, said), said, authenticated=False).won
            actions.propose(connection, intent, trace="trace-1", gate="change-1", state="approved")
            began.set()
            assert goes_on.wait(60)

    found = list[Condemned]()
    approver = _thread(approves)
    assert began.wait(60)
    person = _thread(lambda: found.append(condemn(ledger, both["trace-1"])))
    goes_on.set()
    for one in (approver, person):
        one.join(60)
    [reach] = [one.standing.reach for one in found]
    assert [one.gate for one in reach.gates] == ["plan-1"]
    assert {one.summary: one.state for one in reach.pending} == {"push trace-1": "held", "push later": "held"}


def test_what_is_condemned_first_is_not_approved(ledger: Ledger, both: dict[str, str]) -> None:
    """Whoever approves while somebody condemns waits, and is refused; sent once more after undo, the decision counts."""
    began, goes_on = threading.Event(), threading.Event()
    view = samples.view(trace="trace-1", subject=sha256(f"{both['trace-1']} {sha256(REPORT)}".encode()))
    ids, found = list[str](), list[Decided]()

    def condemns() -> None:
        with ledger.engine.begin() as connection:
            done = condemning.condemn(connection, SHIPPED, [both["trace-1"]], "it", "maria", "old")
            ids.append(done.standing.condemnation.id)
            began.set()
            assert goes_on.wait(60)

    def approves() -> Decided:
        request = samples.admit(view, samples.claim("olga"))
        return asyncio.run(ActivityEnvironment().run(Gates(ledger, SHIPPED).admit_decision, request))

    person = _thread(condemns)
    assert began.wait(60)
    approver = _thread(lambda: found.append(approves()))
    goes_on.set()
    for one in (person, approver):
        one.join(60)
    assert [(one.won, one.held) for one in found] == [(False, True)]
    assert "what this gate shows came from something condemned" in found[0].reason
    ledger.tx_now(condemning.undo, SHIPPED, ids[0], "maria", "no")
    assert approves().won
    condemn(ledger, both["trace-1"])
    assert approves().won  # it is on record, whatever was condemned since


def _thread(work: Callable[[], object]) -> threading.Thread:
    started = threading.Thread(target=work, daemon=True)
    started.start()
    return started


def test_nobody_changes_a_condemnation_unseen(ledger: Ledger, both: dict[str, str]) -> None:
    """Who, why, of what, that it was undone, and what was said of actions: altered, removed or added by hand, it is found."""
    ledger.tx_now(delivered, "trace-1")
    id = condemn(ledger, both["trace-1"]).standing.condemnation.id
    ledger.tx_now(condemning.settle, SHIPPED, id, key("trace-1"), "declined", "olga", "fine")
    assert [(one.trace, one.problems) for one in ledger.read_now(about_no_run)] == [("condemned", [])]
    strange = {"id": "beef", "what": "x", "things": "y", "why": "z", "by": "m", "at": 1}
    for change, says in (
        (update(condemnation).values(why="because"), f"condemnation {id} is missing, or was altered"),
        (update(condemnation).values(undone_at=5), f"condemnation {id} is missing, or was altered"),
        (delete(condemned), f"condemnation {id} is missing, or was altered"),
        (delete(condemnation), f"condemnation {id} is missing, or was altered"),
        (update(remedy).values(note="sold"), f"remedy {id}/{key('trace-1')} is missing, or was altered"),
        (insert(condemnation).values(**strange), "condemnation beef is in no feed line: it was added by hand"),
    ):
        assert says in _problems_after(ledger, change)


def _problems_after(ledger: Ledger, change: Any) -> list[str]:
    """What is found after a change that is then taken back."""
    with ledger.engine.connect() as connection, connection.begin() as transaction:
        connection.execute(change)
        found = about_no_run(connection)
        transaction.rollback()
    return [problem for one in found for problem in one.problems]


def test_a_bundle_of_a_run_has_what_was_condemned_and_any_change_of_it_is_found(
    ledger: Ledger, both: dict[str, str], tmp_path: Path
) -> None:
    """Where the run's things came from it, also of what was undone. A run that it does not reach takes nothing of it along."""
    ledger.tx_now(delivered, "trace-1")
    id = condemn(ledger, both["trace-1"]).standing.condemnation.id
    ledger.tx_now(condemning.settle, SHIPPED, id, key("trace-1"), "declined", "olga", "fine")
    ledger.tx_now(condemning.undo, SHIPPED, condemn(ledger, "trace-1/plan-1").standing.condemnation.id, "olga", "no")
    with _bundle(ledger, "trace-1", tmp_path / "one.db") as held:
        assert [(one.trace, one.lines, one.problems) for one in held.read_now(about_no_run)] == [("condemned", 4, [])]
        for change in (
            update(condemnation).values(why="because"),
            update(condemnation).values(undone_by="maria"),
            update(remedy).values(how="done"),
            delete(remedy),
            delete(condemned),
            delete(condemnation),
            insert(condemned).values(thing="x", condemnation=id),
            update(feed).where(feed.c.trace == "condemned").values(why="because"),
            delete(feed).where(feed.c.did.startswith("undid")),
        ):
            assert _problems_after(held, change), str(change)
    with _bundle(ledger, "trace-2", tmp_path / "two.db") as held:
        assert held.read_now(about_no_run) == []
        assert held.read_now(condemnations.every) == []
        assert held.read_now(manifest.read).problems == ()


WITHOUT = (delete(remedy), delete(condemned), delete(condemnation), delete(feed).where(feed.c.trace == "condemned"))
"""All that is on record of condemnations."""


def _last(count: int) -> Executable:
    """Take the last lines about condemnations away."""
    last = select(feed.c.seq).where(feed.c.trace == "condemned").order_by(feed.c.seq.desc()).limit(count)
    return delete(feed).where(feed.c.seq.in_(last))


STRIPPED: dict[str, tuple[Executable, ...]] = {
    "all of it": WITHOUT,
    "the last line and its row": (_last(1), delete(condemned), update(condemnation).values(undone_at=None)),
    "one condemnation and the lines since": (
        _last(3),
        delete(condemnation).where(condemnation.c.undone_at.is_not(None)),
        delete(remedy),
    ),
    "the order of two lines": (
        update(feed).where(feed.c.did.startswith("undid")).values(seq=-1),
        update(feed).where(feed.c.seq == -1).values(seq=10_000),
        update(feed).where(feed.c.did.startswith("condemned"), feed.c.seq < 10_000).values(seq=feed.c.seq + 20_000),
    ),
    "a word": (update(condemnation).values(why="because"),),
    "a row that no line seals": (delete(edge),),
    "the manifest": (text("DROP TABLE manifest"),),
    "half of the manifest": (text("UPDATE manifest SET said = substr(said, 9)"),),
    "a second manifest": (text("INSERT INTO manifest SELECT said FROM manifest"),),
}


def test_a_bundle_without_what_was_condemned_is_found_out(ledger: Ledger, both: dict[str, str], tmp_path: Path) -> None:
    """Dropped in part or as a whole, with its chain, moved or altered: the manifest has the count and the end of the chain.

    Written anew with its manifest it cannot be told from a real one but by the digest, which is another one then.
    """
    ledger.tx_now(delivered, "trace-1")
    condemn(ledger, both["trace-1"])
    ledger.tx_now(condemning.undo, SHIPPED, condemn(ledger, "trace-1/plan-1").standing.condemnation.id, "olga", "no")
    with _bundle(ledger, "trace-1", tmp_path / "one.db") as held:
        whole = held.read_now(manifest.read)
        assert (len(whole.digest), whole.problems) == (64, ())
        found = {name: _manifest_after(held, *changes) for name, changes in STRIPPED.items()}
        assert all(one.problems for one in found.values()), found
        told = "what is on record of condemnations is not as it was: 3 lines were exported, 0 in the file"
        assert told in found["all of it"].problems
        forged = _manifest_after(held, *WITHOUT, text("DROP TABLE manifest"), forge=True)
    assert (forged.problems, forged.digest != whole.digest) == ((), True)


def _manifest_after(held: Ledger, *changes: Executable, forge: bool = False) -> manifest.Manifest:
    """What a bundle's manifest says after such changes, which are taken back. `forge`: a new one is written after them."""
    with held.engine.connect() as connection, connection.begin() as transaction:
        for one in changes:
            connection.execute(one)
        if forge:
            manifest.write(connection, "trace-1", (feed, gate), manifest.chain_of(connection))
        found = manifest.read(connection)
        transaction.rollback()
    return found


def test_a_run_that_was_held_shows_by_what(ledger: Ledger, both: dict[str, str]) -> None:
    """Its own feed seals the gate `held`, which names the condemnation: without that the run itself does not verify."""
    id = condemn(ledger, both["trace-1"]).standing.condemnation.id
    ledger.tx_now(_opened, samples.view("held-1", kind="held", condemned=(id,)))
    run, told = ledger.read_now(find_run, "trace-1"), f"condemnation {id}, which gate held-1 names, is missing"
    assert told not in ledger.read_now(verified, ledger.files, run).problems
    ledger.tx_now(lambda connection: [connection.execute(one) for one in WITHOUT])
    assert told in ledger.read_now(verified, ledger.files, run).problems


def _opened(connection: Connection, view: GateView) -> None:
    gates.open_gate(connection, samples.opening(view))
    lines.append(connection, samples.ref(view.trace), [samples.note("held")])


@contextmanager
def _bundle(ledger: Ledger, trace: str, file: Path) -> Iterator[Ledger]:
    """A run's bundle as a ledger."""
    bundle.write(ledger, trace, file)
    held = Ledger(f"sqlite:///{file}", file.with_suffix(".artifacts"))
    try:
        yield held
    finally:
        held.close()


def test_people_see_that_a_thing_is_condemned(ledger: Ledger, both: dict[str, str]) -> None:
    """In the tree of its origins, among what is found, and at the gate that shows what came from it."""
    condemn(ledger, both["trace-1"])
    labels = ledger.read_now(lambda c: [Origins(c, trace).label(Node("handoff", both[trace])) for trace in RUNS])
    assert ["CONDEMNED by maria" in one for one in labels] == [True, False]
    found = ledger.read_now(select_handoffs, Selection(agent="planner"), 10)
    assert {one.trace: one.condemned[:18] for one in found} == {"trace-1": "CONDEMNED by maria", "trace-2": ""}
    [gate] = ledger.read_now(gates_of, "trace-1")
    assert any(one.startswith("came from the price list: condemned by maria") for one in gate.view.facts)
    assert not any("condemned" in one for one in ledger.read_now(gates_of, "trace-2")[0].view.facts)


def test_a_selection_means_its_handoffs_and_a_source_what_was_read(ledger: Ledger, both: dict[str, str]) -> None:
    """A source alone is condemned itself, so that whoever reads it later is held as well."""
    assert ledger.read_now(things_selected, Selection(source="shop/pricing.py"), 10) == [sha256(SOURCE)]
    assert set(ledger.read_now(things_selected, Selection(agent="planner@v2"), 10)) == set(both.values())
    both_of = Selection(source="shop/pricing.py", claim="trace-1")
    assert ledger.read_now(things_selected, both_of, 10) == [both["trace-1"]]
    assert ledger.read_now(things_selected, Selection(agent="planner@v9"), 10) == []
    reach = ledger.read_now(reach_of, [sha256(SOURCE)], {})
    assert {one.summary for one in reach.pending} == {"push trace-1", "push trace-2"}
    assert [state(ledger, one) for one in RUNS] == ["approved", "approved"]


def test_an_id_that_begins_alike_has_to_be_typed_further(ledger: Ledger) -> None:
    """Two condemnations whose ids begin with the same character."""
    ids = list[str]()
    while len({one[0] for one in ids}) == len(ids):
        ids.append(condemn(ledger, digest_of("x", str(len(ids)))).standing.condemnation.id)
    with pytest.raises(Ambiguous, match="type more of it"):
        ledger.tx_now(condemning.undo, SHIPPED, ids[-1][0], "olga", "no")
