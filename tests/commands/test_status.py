"""`baton status`: did, why, next, and whether to act or to wait; true without any worker and without Temporal."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, update

from ledger import actions, breakers, feed, gone, progress, retries, workers
from ledger import db as ledger_db
from ledger.breakers import Failure, Thresholds
from ledger.db import Ledger, now_us
from ledger.gone import Ending
from ledger.money import spend
from ledger.tables import action, worker
from ledger.workers import Serving
from tests.activities import agentfiles
from tests.commands.conftest import Baton, Begin, Serve, asking
from tests.ledger import contents, samples

QUEUE = Serving(task_queue="baton")
AN_HOUR = timedelta(hours=1)
HOSTILE = "\x1b[31mred\x1b[0m\nACT      \u202eforged"


def heard(ledger: Ledger, ago: timedelta, name: str = "host:1") -> None:
    """A worker that sent its last heartbeat so long ago."""
    ledger.tx_now(workers.beat, name, "a test", QUEUE)
    seen = update(worker).where(worker.c.id == name).values(seen_at=now_us() - ago // timedelta(microseconds=1))
    ledger.tx_now(lambda connection: connection.execute(seen))


def test_before_anything_has_run_it_says_so(baton: Baton, tmp_path: Path) -> None:
    """No ledger is no error, also as JSON."""
    ran = baton("status")
    assert (ran.code, "nothing has run here yet" in ran.err) == (0, True)
    assert baton("status", "--json").json["status"] is None


def test_where_nothing_is_open_nobody_has_to_act(baton: Baton, ledger: Ledger) -> None:
    """It says to wait for nothing, and does not cry for a worker that has nothing to do."""
    ran = baton("status")
    assert ran.code == 0
    for part in (
        "DID      nothing yet",
        "WAIT     nothing needs a person, and no run is open",
        "RUNS     none open",
        "MONEY    month:",
    ):
        assert part in ran.out
    assert "NOBODY" not in ran.out


@pytest.mark.parametrize(("ago", "works"), [(0, True), (15, True), (16, False), (3600, False)])
def test_nobody_works_fifteen_seconds_after_the_last_heartbeat(
    baton: Baton, ledger: Ledger, begin: Begin, monkeypatch: pytest.MonkeyPatch, ago: int, works: bool
) -> None:
    """In status, runs, show and gates, from the ledger alone, where a run is open; with what to start."""
    # The ledger's clock stands still: a slow machine changes nothing.
    now = time.time_ns()
    monkeypatch.setattr(ledger_db, "time", SimpleNamespace(time_ns=lambda: now, monotonic=time.monotonic, sleep=time.sleep))
    begin()
    heard(ledger, timedelta(seconds=ago))
    status = baton("status")
    assert ("ACT      NOBODY WORKS: no worker answers on task queue 'baton'" in status.out) is not works, status.out
    assert ("\n         baton up\n" in status.out) is not works
    for command in (["runs"], ["show", "delivery-trace-1"], ["gates"]):
        ran = baton(*command)
        assert ("nothing goes on until one starts" in ran.err) is not works, command
    assert bool(baton("status", "--json").json["status"]["nobody_works"]) is not works


def _troubles(connection: Connection) -> None:
    """An open breaker, an action of unknown outcome and one that was given up, and something that was condemned."""
    limits = Thresholds(failures=1, window=AN_HOUR, cooldown=AN_HOUR, longest=AN_HOUR)
    breakers.failed(connection, "model:openai:one", Failure("it is down"), limits, now_us())
    for name, state in (("one", "unknown"), ("two", "dead")):
        meant = samples.intent(name, arguments=name)
        actions.propose(connection, meant, trace="trace-1", gate="action-1", state="approved")
        connection.execute(update(action).where(action.c.key == meant.key).values(state=state))


def test_it_names_all_that_somebody_has_to_do(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Gates with their command and the time left, unknown and dead actions, runs that Temporal ended, money and breakers."""
    begin()
    begin("trace-2")
    heard(ledger, timedelta(seconds=1))
    for number in range(1, 5):
        soon = datetime.now(UTC) + timedelta(days=2 * number, hours=12)
        contents.gate(ledger, gate=f"plan-{number}", revision=number, deadline=soon, title=f"the plan {HOSTILE}")
    ledger.tx_now(_troubles)
    [known] = ledger.read_now(gone.known, ["trace-2"])
    assert ledger.tx_now(gone.close, known, Ending("cancelled", "terminated in Temporal", "the flat is on fire"))
    ledger.tx_now(feed.append, samples.ref(), [samples.note("it", did=HOSTILE, importance="alert", at=datetime.now(UTC))])
    ran = baton("status")
    lines = ran.out.splitlines()
    assert lines[0].startswith("DID      ")
    assert lines[1:3] == ["WHY      because", "NEXT     more"]
    for part in (
        "ACT      1 unknown action: settle",
        "ACT      1 dead action: retry, or abandon",
        "ACT      plan-1 of delivery-trace-1: the plan ",
        "         baton approve delivery-trace-1 plan-1",
        "(2 d left)",
        "ACT      1 more gate: `baton gates`",
        "RUNS     1 ",
        "ENDED    delivery-trace-2: cancelled (terminated in Temporal: the flat is on fire)",
        "ALERTS   ",
        "BREAKER  model:openai:one is unavailable until ",
        "         baton runbook gate-plan",
        "         baton runbook alert-action-unknown",
        "         baton runbook alert-action-dead",
        "         baton runbook alert-breaker-open",
        "         baton retry delivery-trace-2",
        "         baton runbook alert-run-ended",
        "WORKERS  host:1 on task queue baton",
    ):
        assert part in ran.out, f"{part!r} is not in\n{ran.out}"
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out
    assert not [line for line in lines if line.startswith("ACT      forged")]
    found = baton("status", "--json").json["status"]
    assert [one["gate"] for one in found["gates"]] == ["plan-1", "plan-2", "plan-3", "plan-4"]
    assert (found["actions"]["unknown"], found["actions"]["dead"], found["gone"][0]["trace"]) == (1, 1, "trace-2")
    assert found["wait_until"] is not None
    other = baton("status", "--project", "other", "--json").json["status"]
    assert (other["gates"], other["open"], other["gone"], other["last"]) == ([], {}, [], None)


def test_what_it_names_has_a_runbook_that_can_be_printed(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Of an alert on the feed as well; one that there is none of is named with what lists them. A retried run is done with."""
    begin()
    alert = samples.note("orphan/1", importance="alert", at=datetime.now(UTC))
    ledger.tx_now(feed.append, samples.ref(), [alert, samples.note("plain")])
    assert "; help: baton runbook alert-lost-call\n" in baton("feed", "--alerts").out
    assert baton("feed", "--alerts", "--json").json["lines"][0]["runbook"] == "alert-lost-call"
    assert "runbook" not in baton("feed", "--find", "plain", "--json").json["lines"][-1]
    printed = baton("runbook", "alert-lost-call").out
    assert printed.startswith("Alert: lost call\n\nYou see an alert charged")
    assert "\n    baton budget show   # lists lost calls with their keys\n" in printed
    assert "baton runbook gate-work\n" in baton("runbook").out
    ran = baton("runbook", "gate-nothing")
    assert (ran.code, "`baton runbook` lists those there are" in ran.err) == (3, True)
    [known] = ledger.read_now(gone.known, ["trace-1"])
    assert ledger.tx_now(gone.close, known, Ending("cancelled", "terminated in Temporal", "by mistake"))
    assert "ENDED    delivery-trace-1" in baton("status").out
    ledger.tx_now(lambda c: retries.record(c, samples.ref(), "retried", "olga", "", again="r2", name="delivery-trace-2"))
    assert "ENDED" not in baton("status").out


def test_a_worker_with_a_wrong_agent_version_is_named(baton: Baton, ledger: Ledger, tmp_path: Path) -> None:
    """With its runbook, until a worker without it has taken over; withdrawing it is a command."""
    said = "helper@v2 is live and was never released; helper@v1 was"
    ledger.tx_now(workers.beat, "host:1", "a test", Serving(task_queue="baton", machine={"agents": [said]}))
    ran = baton("status")
    assert (
        f"ACT      worker host:1: {said}\n         baton agents list\n         baton runbook alert-agent-version\n" in ran.out
    )
    folder = agentfiles.routed(tmp_path / "agents")
    (folder / "planner" / "v2.md").write_text(
        (folder / "planner" / "v1.md").read_text().replace("version: 1\n", "version: 2\n")
    )
    baton.set(BATON_AGENTS=folder)
    assert baton("agents", "withdraw", "planner", "-m", "why").code == 2
    done = baton("agents", "withdraw", "planner@v2", "-m", "it plans in circles", "--json").json
    assert (done["added"], done["live"]) == (True, "planner@v1")
    assert "not released, withdrawn" in baton("agents", "list").out


async def test_of_a_run_under_way_it_says_what_it_does_and_waits_for(baton: Baton, serve: Serve, origin: Path) -> None:
    """With a worker and Temporal: the run at its gate, what decides it, and who works."""
    async with serve():
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        ran = await baton.live("status")
        await baton.live("cancel", run)
    assert f"ACT      plan-1 of {run}: approve the plan" in ran.out
    assert f"         baton approve {run} plan-1" in ran.out
    assert f"         {run}: waiting (plan); waits for plan-1" in ran.out
    assert "NOBODY WORKS" not in ran.out


def test_what_is_under_way_is_said_with_how_far_it_has_got(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """In status and show, for people and as JSON; a guess is called one, what was never heard of ages, and words stay words."""
    begin()
    about = spend.About(trace="trace-1", path="plan", agent="planner@v1", model="scripted:model-1")
    scopes = [spend.Scope("run:trace-1", 10_000_000)]
    ledger.tx_now(spend.begin, scopes[0])
    held = ledger.tx_now(spend.reserve, "call", scopes, 2_000_000, price_version="p", worker="gone", about=about)
    far = progress.SoFar(held, 120, 30, estimated=True, tool=HOSTILE, silent=timedelta(seconds=40))
    ledger.tx_now(progress.note, "gone", [far])
    said = "this call: about 30 tokens written (estimated from 120 characters), now a call of "
    for command in (["status"], ["show", "delivery-trace-1"]):
        ran = baton(*command)
        (line,) = [one for one in ran.out.splitlines() if said in one]
        assert "plan: planner@v1 asks scripted:model-1, $2.00 held, for 0 s" in line.replace("for 1 s", "for 0 s"), line
        assert ("; no word for " in line, line.endswith(", nor of its worker")) == (True, True)
        assert ("\x1b" in ran.out, "\nACT      \u202eforged" in ran.out) == (False, False)
    [running] = baton("status", "--json").json["status"]["running"]["trace-1"]
    [shown] = baton("show", "delivery-trace-1", "--json").json["running"]
    for one in (running, shown):
        told = one["progress"]
        assert (told["tokens"], told["characters"], told["estimated"], told["lost"]) == (30, 120, True, True)
        assert told["silent_s"] >= 40
    assert baton("show", "delivery-trace-1", "--json").json["tokens"] == 0
    ledger.tx_now(spend.settle, held, 0)
    assert baton("status", "--json").json["status"]["running"] == {}
