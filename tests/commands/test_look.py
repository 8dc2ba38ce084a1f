"""Looking: runs, show, result, gates and feed, on a ledger with rows in it and without Temporal."""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.server import ROOT
from contracts.actions import GitPush
from contracts.base import canonical, digest_of
from contracts.delivery.run import DeliveryReport
from contracts.runs import RunChange, RunState
from ledger import artifacts, feed, gates, handoffs, runs, turns
from ledger.db import Ledger
from ledger.money import spend
from ledger.money.spend import CeilingReached, Scope
from tests.commands.conftest import Baton, Begin
from tests.ledger import samples

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\nsecond line"
"""Retitles and clears a terminal, and turns text around."""


def end(ledger: Ledger, trace: str, state: RunState, reason: str = "") -> None:
    """End a run with a report."""
    from sqlalchemy import update

    from ledger.tables import run

    report = DeliveryReport(run=f"delivery-{trace}", trace=trace, state=state, reason=reason, scripted=True)
    ledger.tx_now(lambda connection: connection.execute(update(run).values(result=report.model_dump_json())))
    assert ledger.tx_now(runs.change, samples.ref(trace), RunChange(state=state)) is None


def open_gate(ledger: Ledger, **changes: Any) -> None:
    """Open a gate with its subject in the ledger."""
    view = samples.view(deadline=datetime.now(UTC) + timedelta(hours=5), **changes)
    ledger.tx_now(artifacts.put, ledger.files, samples.SUBJECT.encode())
    ledger.tx_now(gates.open_gate, samples.opening(view))


READERS = (("runs",), ("gates",), ("feed",))


@pytest.mark.parametrize("command", READERS)
def test_before_anything_ran_readers_say_so_and_create_nothing(baton: Baton, command: tuple[str, ...]) -> None:
    """No ledger yet: lists are empty, the text says how to begin, and no file appears."""
    ran = baton(*command)
    assert ran.code == 0
    assert "nothing has run here yet" in ran.err
    assert "baton demo" in ran.err
    assert not baton.state.exists()
    assert next(value for name, value in baton(*command, "--json").json.items() if name != "schema") == []


def test_a_run_is_not_found_before_anything_ran(baton: Baton) -> None:
    """Asking for one run without a ledger: exit 3, and nothing is created."""
    for command in ("show", "result", "approve", "pause", "cancel", "why", "feed"):
        ran = baton(command, "deliver-shop-0001")
        assert (command, ran.code) == (command, 3)
        assert "nothing has run here yet" in ran.err
    assert not baton.state.exists()


def test_runs_show_state_money_and_gates(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """`baton runs` has a line for each run, newest first, with its money and open gates; --json has whole numbers."""
    begin()
    begin("trace-2", project="other")
    ledger.tx_now(spend.begin, Scope("run:trace-1", 20_000_000))
    open_gate(ledger)
    lines = baton("runs").out.splitlines()
    assert lines[0].split() == ["RUN", "STATE", "STAGE", "SPENT", "CEILING", "GATES", "STARTED", "(UTC)", "ASKED"]
    assert [line.split()[0] for line in lines[1:]] == ["delivery-trace-2", "delivery-trace-1"]
    assert "$20.00" in lines[2]
    assert "1 open" in lines[2]
    only = baton("runs", "--project", "default", "--json").json["runs"]
    assert [(one["run"], one["ceiling_micros"], one["open_gates"]) for one in only] == [("delivery-trace-1", 20_000_000, 1)]


def test_a_run_is_found_by_its_beginning_and_near_misses_are_offered(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A unique beginning is enough; several are listed; a misspelling is answered with what comes near. Exit 3."""
    begin("trace-1")
    assert baton("show", "delivery-tr").code == 0
    begin("trace-2")
    several = baton("show", "delivery-tr")
    assert several.code == 3
    assert "delivery-trace-1, delivery-trace-2" in several.err
    wrong = baton("show", "delivery-trace-11")
    assert wrong.code == 3
    assert "did you mean delivery-trace-1 or delivery-trace-2? `baton runs`" in wrong.err
    empty = baton("show", " ")
    assert (empty.code, "RUN is empty" in empty.err) == (2, True)


def test_cancel_wants_the_whole_name(baton: Baton, begin: Begin) -> None:
    """What cannot be taken back is not done to a guess."""
    begin()
    ran = baton("cancel", "delivery-tr")
    assert ran.code == 3
    assert "only what begins so: delivery-trace-1. Type the whole id" in ran.err


def test_show_has_gates_with_facts_handoffs_actions_and_feed(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """One page: state, money, the open gate with what we computed and how to answer it, and the latest lines."""
    begin()
    open_gate(ledger, facts=("2 files",), risk="high: size", narrative="trust me")
    ledger.tx_now(feed.append, samples.ref(), [samples.note("one")])
    ran = baton("show", "delivery-trace-1")
    assert ran.code == 0
    for part in (
        "say höher",
        "GATE plan-1",
        "- 2 files",
        "- risk high: size",
        "baton approve delivery-trace-1 plan-1",
        "did one",
    ):
        assert part in ran.out
    box = ran.out[ran.out.index("┌ the agent's own words, unchecked") :]
    assert "│ trust me" in box
    document = baton("show", "delivery-trace-1", "--json").json
    assert document["gates"][0]["facts"] == ["2 files"]
    assert document["state"] == "admitted"


def test_text_from_agents_cannot_steer_the_terminal(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Escape sequences and direction marks from agents arrive as text, in every command that shows them, on one line."""
    begin(input={"instruction": HOSTILE, "repository": HOSTILE})
    open_gate(ledger, title=HOSTILE, facts=(HOSTILE,), narrative=HOSTILE, risk=HOSTILE)
    ledger.tx_now(feed.append, samples.ref(), [samples.note("x", did=HOSTILE, why=HOSTILE, next=HOSTILE, actor=HOSTILE)])
    commands = (["runs"], ["show", "delivery-trace-1"], ["gates"], ["feed"], ["why", "delivery-trace-1"], ["why", "plan-1"])
    for command in (*commands, ["show", "delivery-trace-1", "--gate", "plan-1"]):
        ran = baton(*command)
        assert ran.code == 0, ran.err
        assert {"\x1b", "\x07", "\u202e"}.isdisjoint(ran.out + ran.err), command
        assert "second line" not in [line.strip() for line in (ran.out + ran.err).splitlines()]


def test_show_gate_shows_what_is_decided_on(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """`show RUN --gate plan` prints the subject's bytes; a gate that does not exist names those there are."""
    begin()
    open_gate(ledger)
    ran = baton("show", "delivery-trace-1", "--gate", "plan")
    assert samples.SUBJECT in ran.out
    assert "baton reject delivery-trace-1 plan-1 -m" in ran.out
    wrong = baton("show", "delivery-trace-1", "--gate", "change-1")
    assert wrong.code == 3
    assert "no gate 'change-1'; it has plan-1 (open)." in wrong.err


ENDINGS = [
    ("done", "", 0),
    ("could_not", "the planner could not: no such file", 1),
    ("failed", "git failed", 1),
    ("cancelled", "cancelled by an operator", 1),
    ("failed", str(CeilingReached("run:trace-1", 5_000_000, 4_900_000, 0, 300_000)), 8),
]


@pytest.mark.parametrize(("state", "reason", "code"), ENDINGS, ids=[f"{one[0]}-{one[2]}" for one in ENDINGS])
def test_result_exits_as_the_run_ended(
    baton: Baton, ledger: Ledger, begin: Begin, state: RunState, reason: str, code: int
) -> None:
    """0 done, 1 not done, 8 out of money; the report says why, and that no real model took part."""
    begin()
    end(ledger, "trace-1", state, reason)
    ran = baton("result", "delivery-trace-1")
    assert ran.code == code
    assert reason in ran.out
    assert "no real model was used" in ran.out
    document = baton("result", "delivery-trace-1", "--json")
    assert (document.code, document.json["report"]["state"]) == (code, state)


def test_result_of_an_unfinished_run_says_what_it_waits_for(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Exit 4 while a person is needed, with the command that answers; 9 while it works."""
    begin()
    working = baton("result", "delivery-trace-1")
    assert working.code == 9
    assert "has not ended: it is admitted" in working.out
    open_gate(ledger)
    waiting = baton("result", "delivery-trace-1")
    assert waiting.code == 4
    assert "baton approve delivery-trace-1 plan-1" in waiting.out
    assert baton("result", "delivery-trace-1", "--wait-for-gate", "--json").json["gates"] == ["plan-1"]


def test_a_gate_that_is_closed_is_shown_without_commands(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """They could only be refused. While it is open they come last."""
    begin()
    open_gate(ledger)
    assert "baton approve delivery-trace-1 plan-1" in baton("show", "delivery-trace-1", "--gate", "plan-1").out
    assert ledger.tx_now(gates.close, "trace-1", "plan-1", "expired")
    closed = baton("show", "delivery-trace-1", "--gate", "plan-1")
    assert ("expired" in closed.out, "baton approve" in closed.out) == (True, False), closed.out


def test_gates_lists_what_waits_with_the_commands(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """The most urgent first, with the time left; JSON has the whole digest and the commands."""
    begin()
    assert "nothing waits for a person" in baton("gates").err
    open_gate(ledger)
    ran = baton("gates")
    assert ran.out.splitlines()[1].split()[:4] == ["delivery-trace-1", "plan-1", "4", "h"]
    document = baton("gates", "--json").json["gates"][0]
    assert document["subject"] == samples.view().subject
    assert document["commands"][0] == "baton approve delivery-trace-1 plan-1"
    assert baton("gates", "--project", "other", "--json").json["gates"] == []


def test_feed_says_did_why_next_who_and_cost(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A line has what was done, why, what comes next, the actor with its stamp, and what it cost."""
    begin()
    note = samples.note("one", actor="planner@v1 (scripted)")
    ledger.tx_now(feed.append, samples.ref(), [note], usd_micros=12_300)
    line = baton("feed", "delivery-trace-1").out
    for part in ("planner@v1 (scripted): did one", "why: because", "next: more", "$0.0123"):
        assert part in line


def test_feed_says_by_which_way_a_person_came(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A name that would say more of itself is in quotes: only what stands outside them is known."""
    begin()
    said = [
        samples.note("one", actor="anna", channel="cli"),
        samples.note("two", actor="ben (via console, password)", channel="cli"),
    ]
    ledger.tx_now(feed.append, samples.ref(), said)
    shown = baton("feed", "delivery-trace-1").out
    assert "anna (via cli): did one" in shown
    assert "'ben (via console, password)' (via cli): did two" in shown


def test_feed_reads_on_behind_a_number(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """`--after` with the last number of one reading misses nothing and repeats nothing."""
    begin()
    ledger.tx_now(feed.append, samples.ref(), [samples.note("one"), samples.note("two")])
    first = baton("feed", "--json").json
    assert [line["did"] for line in first["lines"]] == ["did one", "did two"]
    ledger.tx_now(feed.append, samples.ref(), [samples.note("three")])
    second = baton("feed", "--json", "--after", str(first["last"])).json
    assert [line["did"] for line in second["lines"]] == ["did three"]


def test_feed_is_cut_by_time_project_and_importance(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """--since, --project and --overview each leave out the others' lines."""
    begin()
    begin("trace-2", project="other")
    now = datetime.now(UTC)
    old = samples.note("old", at=now - timedelta(hours=3))
    ledger.tx_now(
        feed.append, samples.ref(), [old, samples.note("new", at=now), samples.note("fine", at=now, importance="detail")]
    )
    ledger.tx_now(feed.append, samples.ref("trace-2", project="other"), [samples.note("theirs", at=now)])

    def told(*options: str) -> list[str]:
        return [line["did"] for line in baton("feed", "--json", *options).json["lines"]]

    assert told("--since", "2h") == ["did new", "did fine", "did theirs"]
    assert told("--project", "other") == ["did theirs"]
    assert told("delivery-trace-1", "--overview") == ["did old", "did new"]
    assert told("--since", "0s") == []


def test_feed_is_filtered_and_read_as_it_was(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """--agent, --stage, --alerts, --find and --at, each and together; a reader that goes on misses no line that is wanted."""
    begin()
    lines = [
        samples.note("a", actor="planner@v1 (scripted)"),
        samples.note("b", actor="writer@v1", stage="write", importance="alert"),
        samples.note("c", actor="writer@v1", why="half a cent"),
    ]
    ledger.tx_now(feed.append, samples.ref(), lines)
    [first, *_, last] = baton("feed", "--json").json["lines"]

    def told(*options: str) -> list[str]:
        return [line["did"][-1] for line in baton("feed", "--json", *options).json["lines"]]

    assert (told("--agent", "planner"), told("--agent", "writer@v1"), told("--agent", "writer@v2")) == (["a"], ["b", "c"], [])
    assert (told("--stage", "write"), told("--alerts"), told("--find", "HALF A")) == (["b"], ["b"], ["c"])
    assert (told("--at", str(first["seq"])), told("--at", str(last["seq"]), "--agent", "writer", "--alerts")) == (["a"], ["b"])
    seen = baton("feed", "--json", "--alerts").json["last"]
    ledger.tx_now(feed.append, samples.ref(), [samples.note("d", importance="alert")])
    assert (seen, told("--alerts", "--after", str(seen))) == (last["seq"], ["d"])
    later = baton("feed", "--at", str(last["seq"] + 2))
    assert (later.code, f"the newest is {last['seq'] + 1}" in later.err) == (3, True)
    assert baton("feed", "--at", "1", "--follow").code == 2


@pytest.mark.parametrize("wrong", ["2", "h", "2 hours", "-2h", "2w", "999999d"])
def test_feed_refuses_a_length_of_time_it_cannot_read(baton: Baton, wrong: str) -> None:
    """--since says how it is written."""
    ran = baton("feed", f"--since={wrong}")
    assert ran.code == 2
    assert "such as 2h" in ran.err


def test_feed_json_with_follow_names_jsonl(baton: Baton) -> None:
    """One document has an end; a followed feed has none."""
    ran = baton("feed", "--follow", "--json")
    assert ran.code == 2
    assert "--jsonl" in ran.err


def test_following_ends_when_the_run_has_ended(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """`feed RUN --follow` of a run that ended prints all its lines, and comes back."""
    begin()
    ledger.tx_now(feed.append, samples.ref(), [samples.note("one")])
    end(ledger, "trace-1", "done")
    ran = baton("feed", "delivery-trace-1", "--follow", "--jsonl")
    assert [json.loads(line)["did"] for line in ran.out.splitlines()] == ["did one"]
    assert json.loads(ran.out)["schema"] == 1


def test_why_walks_from_a_handoff_to_the_files_its_agent_read(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A tree with agent version, model, turns, tools and artifact names; found by the beginning of an id."""
    begin()
    handoff = _handoff_that_read_a_file(ledger)
    ran = baton("why", handoff[:10])
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0].startswith("handoff plan: plan/1 done by planner@v1 with scripted:model-1, 2 turns")
    assert "shop/pricing.py at plan" in ran.out
    document = baton("why", handoff, "--json").json
    assert document["start"] == handoff
    assert {node["kind"] for node in document["nodes"]} == {"handoff", "artifact"}
    turn = baton("why", samples.turn(2).id)
    assert "tool read_file" in turn.out
    assert "turn of planner@v1 at plan with scripted:model-1" in turn.out


def _handoff_that_read_a_file(ledger: Ledger) -> str:
    from contracts.handoff import Handoff, Producer

    first = samples.turn(1)
    last = samples.turn(2, parent=first.id)
    made = Handoff[GitPush](
        id=digest_of("handoff"),
        contract_name="plan/1",
        outcome="done",
        producer=Producer(agent="planner", version="v1", model="scripted:model-1"),
        trace="trace-1",
        path="plan",
    )
    kept = ledger.tx_now(artifacts.put, ledger.files, b"the file")
    ledger.tx_now(artifacts.note_seen, "trace-1", "plan", kept.digest, "shop/pricing.py", untrusted=True)
    for turn in (first, last):
        ledger.tx_now(turns.insert, turn)
    ledger.tx_now(turns.insert_result, samples.result(first.id, 0))
    ledger.tx_now(handoffs.link, f"{first.id}/0", "used", [kept.digest])
    ledger.tx_now(handoffs.link, last.id, "used", [first.id])
    ledger.tx_now(handoffs.put, made, digest_of("body"), canonical(made.model_dump(mode="json")))
    ledger.tx_now(handoffs.link, made.id, "generated", [last.id])
    return made.id


def test_why_says_what_is_ambiguous_or_unknown(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A gate's name in two runs is asked back as RUN/GATE; an id that nothing has is exit 3."""
    begin()
    begin("trace-2")
    open_gate(ledger)
    open_gate(ledger, trace="trace-2", workflow_id="delivery-trace-2")
    several = baton("why", "plan-1")
    assert several.code == 2
    assert "delivery-trace-1/plan-1" in several.err
    assert baton("why", "delivery-trace-1/plan-1").code == 0
    unknown = baton("why", "ffffffff")
    assert unknown.code == 3
    assert "no run, gate, effect, handoff, turn or artifact" in unknown.err


def test_agents_are_listed_and_shown(baton: Baton) -> None:
    """Every agent version with digest and whether it is released; an unknown one or version names what there is."""
    names = [one["name"] for one in baton("agents", "list", "--json").json["agents"]]
    assert names == sorted(f"{path.parent.name}@{path.stem}" for path in (ROOT / "agents").glob("*/v*.md"))
    assert {"planner@v1", "tester@v1", "writer@v1"} <= set(names)
    shown = baton("agents", "show", "planner@v1")
    assert shown.code == 0
    assert "You are the planner" in shown.out
    assert len(baton("agents", "show", "planner", "--json").json["digest"]) == 64
    unknown = baton("agents", "show", "plumber")
    assert (unknown.code, ", ".join(sorted({one.partition("@")[0] for one in names})) in unknown.err) == (3, True)
    version = baton("agents", "show", "planner@v9")
    assert (version.code, "it has v1" in version.err) == (3, True)


def test_contracts_print_json_schemas(baton: Baton) -> None:
    """Each contract is a JSON Schema by name; an unknown name lists what there is."""
    assert json.loads(baton("contracts", "decision/1").out)["additionalProperties"] is False
    listed = {one["name"]: one["read_as"] for one in baton("contracts", "--json").json["contracts"]}
    assert (listed["plan/1"], listed["plan/2"], len(listed) > 20) == ("plan/2", "plan/2", True)
    assert "(read as plan/2)" in next(line for line in baton("contracts").out.splitlines() if "plan/1" in line)
    wrong = baton("contracts", "plan")
    assert wrong.code == 3
    assert "plan/1" in wrong.err


def test_a_terminal_gets_tables_and_a_pager(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """On a terminal `show --gate` goes through the pager of the environment."""
    begin()
    open_gate(ledger)
    ran = baton.process("show", "delivery-trace-1", "--gate", "plan", typed=(), PAGER="sed s/^/PAGED:/", MANPAGER="")
    assert f"PAGED:{samples.SUBJECT}" in ran.out.replace("\r", "")
    assert os.path.exists(baton.state)


REVIEWED = {"repository": "/srv/shop", "head": "shorter-prices", "focus": "rounding of prices"}


@pytest.mark.parametrize("command", ["runs", "show", "why"])
def test_any_pipelines_run_says_what_was_asked(baton: Baton, begin: Begin, command: str) -> None:
    """In its pipeline's own words: a review has no instruction."""
    run = begin(pipeline="Review", input=REVIEWED)
    assert "review shorter-prices" in baton(command, *(() if command == "runs" else (run,))).out


@pytest.mark.parametrize(("pipeline", "asked"), [("Review", {"head": 7}), ("Gone", REVIEWED | {"instruction": "Fix it"})])
def test_an_input_that_this_release_cannot_read_is_no_error(
    baton: Baton, begin: Begin, pipeline: str, asked: dict[str, Any]
) -> None:
    """A newer worker's pipeline, or an input that was refused: the run is shown all the same."""
    shown = baton("show", begin(pipeline=pipeline, input=asked)).out
    assert ("Fix it" in shown) is ("instruction" in asked)
