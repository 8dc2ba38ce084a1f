"""Views of runs, their feed and their gates: typed, and the same on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from contracts.errors import NotFound
from contracts.gates import Refusal
from contracts.runs import RunChange
from ledger import actions, artifacts, feed, gates, runs
from ledger.db import Ledger
from ledger.money import spend
from ledger.money.spend import Scope
from ledger.tables import run
from ledger.views import details
from ledger.views import feed as positions
from ledger.views import gates as gate_views
from ledger.views import runs as run_views
from tests.ledger import samples
from tests.ledger.contents import PLAN, begin, change, gate, handoff_of, kept
from tests.ledger.samples import NOW


def test_a_run_is_read_whole(ledger: Ledger) -> None:
    """Its row as a person needs it: the input decoded, no report and no end while it goes on; both once it has ended."""
    begin(ledger)
    going = ledger.read_now(run_views.find_run, "delivery-trace-1")
    assert (going.trace, going.asked, going.report, going.ended_at) == ("trace-1", {"instruction": "say höher"}, None, None)
    assert not going.has_ended
    ledger.tx_now(lambda connection: connection.execute(update(run).values(result='{"state": "done"}')))
    assert ledger.tx_now(runs.change, samples.ref(), RunChange(state="done")) is None
    ended = ledger.read_now(run_views.find_run, "trace-1")
    assert (ended.has_ended, ended.report) == (True, {"state": "done"})
    assert ended.ended_at is not None
    assert ended.ended_at >= ended.started_at


def test_a_run_is_found_by_its_beginning_unless_the_whole_name_is_wanted(ledger: Ledger) -> None:
    """One that begins so is found, by id or trace; four characters at least; of several all are named; a % is no wildcard."""
    begin(ledger)
    assert ledger.read_now(run_views.find_run, "deli").trace == "trace-1"
    assert ledger.read_now(run_views.find_run, "trac").trace == "trace-1"
    for name in ("del", "%%%%%", "d_liv"):
        with pytest.raises(NotFound):
            ledger.read_now(run_views.find_run, name)
    with pytest.raises(NotFound, match="only what begins so: delivery-trace-1"):
        ledger.read_now(run_views.find_run, "delivery-trace", whole=True)
    begin(ledger, "trace-2")
    with pytest.raises(NotFound, match=r"several runs begin with .*: delivery-trace-1, delivery-trace-2"):
        ledger.read_now(run_views.find_run, "delivery")


def test_the_list_shows_money_and_open_gates(ledger: Ledger) -> None:
    """Newest first, with spent, held, ceiling and the number of open gates; a project shows only its own."""
    begin(ledger, "one")
    begin(ledger, project="other")
    ledger.tx_now(spend.begin, Scope("run:trace-1", 7))
    gate(ledger)
    listed = ledger.read_now(run_views.recent)
    assert [(one.run.trace, one.money, one.open_gates) for one in listed] == [
        ("trace-1", run_views.Money(0, 0, 7), 1),
        ("one", run_views.Money(0, 0, 0), 0),
    ]
    assert [one.run.trace for one in ledger.read_now(run_views.recent, project="other")] == ["trace-1"]
    assert len(ledger.read_now(run_views.recent, 1)) == 1


def test_what_is_known_of_some_runs(ledger: Ledger) -> None:
    """Their names, which of them were let in, and which have ended; unknown ones are left out."""
    begin(ledger)
    begin(ledger, "trace-2")
    ledger.tx_now(runs.change, samples.ref("trace-2"), RunChange(state="failed"))
    asked = ["trace-1", "trace-2", "trace-3"]
    assert ledger.read_now(run_views.names_of, asked) == {"trace-1": "delivery-trace-1", "trace-2": "delivery-trace-2"}
    assert [ledger.read_now(run_views.is_there, trace) for trace in asked] == [True, True, False]
    assert ledger.read_now(run_views.ended_among, asked) == {"trace-2"}


def test_details_have_what_belongs_to_a_run(ledger: Ledger) -> None:
    """Gates with their state now, decisions, handoffs without bodies, actions without receipt, and the newest lines only."""
    begin(ledger)
    gate(ledger)
    ledger.tx_now(gates.win, samples.admit(samples.view(), None), samples.claim("maria"), authenticated=True)
    ledger.tx_now(handoff_of, "plan", "write")
    ledger.tx_now(actions.propose, samples.intent(), trace="trace-1", gate="plan-1", state="approved")
    ledger.tx_now(feed.append, samples.ref(), [samples.note("one"), samples.note("two"), samples.note("three")])
    found = ledger.read_now(details.details, "delivery", 2)
    assert [(one.view.gate, one.state) for one in found.gates] == [("plan-1", "approve")]
    assert [(one.by, one.outcome, one.authenticated) for one in found.decisions] == [("maria", "won", True)]
    assert found.decisions[0].at == NOW + timedelta(hours=1)
    assert [(one.path, one.producer.agent) for one in found.handoffs] == [("plan", "planner"), ("write", "planner")]
    assert [(one.type, one.state, one.receipt) for one in found.actions] == [("git.push", "approved", None)]
    assert [line.did for line in found.feed] == ["did two", "did three"]


def test_a_look_tells_what_is_new(ledger: Ledger) -> None:
    """State, lines after a number, open gates and report of one moment; a run that is not there has none of them."""
    nowhere = ledger.read_now(details.look, "trace-1", 0)
    assert (nowhere.state, nowhere.report, nowhere.lines, nowhere.open) == ("", None, [], [])
    begin(ledger)
    gate(ledger)
    ledger.tx_now(feed.append, samples.ref(), [samples.note("one"), samples.note("two")])
    first = ledger.read_now(details.look, "trace-1", 0)
    assert (first.state, [view.gate for view in first.open], len(first.lines)) == ("admitted", ["plan-1"], 2)
    assert [line.did for line in ledger.read_now(details.look, "trace-1", first.lines[0].seq).lines] == ["did two"]


def test_positions_in_the_feed(ledger: Ledger) -> None:
    """Reading behind a position gives the last so many lines, or those since an instant, of a run or of all."""
    begin(ledger)
    assert ledger.read_now(positions.head) == 0
    for number, key in enumerate(("one", "two", "three")):
        ledger.tx_now(feed.append, samples.ref(), [samples.note(key, at=NOW + timedelta(hours=number))])
    head = ledger.read_now(positions.head)
    every: dict[str, Any] = {"since": None, "last": None}
    all_of = positions.Filter()
    assert ledger.read_now(positions.seq_before, all_of, **every) == 0
    assert ledger.read_now(positions.seq_before, all_of, **every | {"last": 2}) == head - 2
    assert ledger.read_now(positions.seq_before, all_of, **every | {"since": NOW + timedelta(hours=2)}) == head - 1
    assert ledger.read_now(positions.seq_before, all_of, **every | {"since": NOW + timedelta(hours=9)}) == head
    assert ledger.read_now(positions.seq_before, positions.Filter("trace-2"), **every | {"last": 2}) == 0


def test_the_feed_is_filtered_by_all_that_is_asked(ledger: Ledger) -> None:
    """An agent in all its versions or in one, a stage, alerts, a text in any of the three parts, and the feed as it was."""
    begin(ledger)
    lines = [
        samples.note("a", actor="planner@v1 (scripted)"),
        samples.note("b", actor="planner@v10", why="100% of it"),
        samples.note("c", actor="planner-2@v1", importance="alert", next="An ALERT_"),
        samples.note("d", actor="planner", stage="write", importance="alert"),
    ]
    ledger.tx_now(feed.append, samples.ref(), lines)
    whole = [one.seq for one in ledger.read_now(positions.lines, positions.Filter())]

    def found(**asked: Any) -> str:
        rows = ledger.read_now(positions.lines, positions.Filter(**asked))
        return "".join(one.did[-1] for one in rows)

    assert (found(agent="planner"), found(agent="planner@v1"), found(agent="plan")) == ("abd", "a", "")
    assert (found(stage="write"), found(alerts=True), found(alerts=True, agent="planner")) == ("d", "cd", "d")
    assert (found(text="0% OF"), found(text="alert_"), found(text="a_e"), found(text="did b")) == ("b", "c", "", "b")
    assert (found(until=whole[1]), found(until=whole[1], agent="planner@v10"), found(trace="trace-2")) == ("ab", "b", "")
    rest = positions.Filter(agent="planner")
    assert ledger.read_now(positions.seq_before, rest, since=None, last=2) == whole[1] - 1
    with pytest.raises(NotFound, match=f"no line {whole[-1] + 1} yet: the newest is {whole[-1]}"):
        ledger.read_now(positions.check_line, whole[-1] + 1)


def test_a_subject_is_read_as_what_it_is(ledger: Ledger) -> None:
    """A plan's items, a change's patch, or bytes that are neither; named by its kind, of a run named by its beginning."""
    begin(ledger)
    patch = ledger.tx_now(artifacts.put, ledger.files, b"+ one line").digest
    for number, subject in enumerate((PLAN, change(patch)), 1):
        gate(ledger, gate=f"plan-{number}", revision=number, subject=kept(ledger, subject))
    plain = ledger.tx_now(artifacts.put, ledger.files, samples.SUBJECT.encode()).digest
    gate(ledger, gate="action-1", kind="action", subject=plain)
    read = [ledger.read_now(gate_views.subject_of, ledger.files, "delivery", name) for name in ("plan-1", "plan-2", "action")]
    assert [(one.plan, one.patch) for one in read] == [(PLAN, None), (None, b"+ one line"), (None, None)]
    assert {(one.run, one.gate.state) for one in read} == {("delivery-trace-1", "open")}
    assert read[2].data == samples.SUBJECT.encode()
    with pytest.raises(NotFound, match="action-1 \\(open\\)"):
        ledger.read_now(gate_views.subject_of, ledger.files, "delivery", "stuck")


def test_who_waits_and_who_was_refused(ledger: Ledger) -> None:
    """Open gates beside the name of their run; refusals counted for one person, one verb and one gate."""
    begin(ledger)
    gate(ledger)
    assert [(name, view.gate) for name, view in ledger.read_now(gate_views.waiting)] == [("delivery-trace-1", "plan-1")]
    assert ledger.read_now(gate_views.waiting, "other") == []
    assert ledger.read_now(gate_views.gates_named, "plan-1") == [("trace-1", "plan-1")]
    assert ledger.read_now(gate_views.gates_named, "plan") == []
    refusal = Refusal(key="k", at=NOW, verb="approve", gate="plan-1", by="maria", reason="no", via="update")
    ledger.tx_now(gates.refuse, "trace-1", refusal)
    asked = [("maria", "approve"), ("maria", "reject"), ("olga", "approve")]
    assert [ledger.read_now(gate_views.refused_before, "trace-1", "plan-1", *one) for one in asked] == [1, 0, 0]
    assert ledger.read_now(gate_views.winner, "trace-1", "plan-1") is None
