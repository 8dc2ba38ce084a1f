"""Agents and System: what the workers give to new runs, and what actions take, by whom and since when."""

import html
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert, update

from activities.gates.policy import Policy, load_policy
from activities.gates.standing import body_of
from ledger import actions, pauses, policies, runs, turns, workers
from ledger.db import Ledger, now_us
from ledger.tables import action, agent_version
from ledger.views import agents, boundaries
from tests.console.serving import QUEUE, Served, forms_of
from tests.ledger import samples

SHIPPED = load_policy(Path("policy.toml"))


async def test_workers_that_give_new_runs_different_versions_are_told(console: Served) -> None:
    """Somebody has released an agent on one machine and not on the other: what a run gets would be chance."""
    visitor = await console.signed_in()
    console.ledger.tx_now(_known, "planner", "v2")
    for name, live in (("one:1", "v2 0a1b"), ("two:2", "v2 0a1b")):
        console.ledger.tx_now(workers.beat, name, "baton", _serving(live))
    page = (await visitor.get("/agents")).text
    assert ("<b>v2 0a1b</b>" in page, "different versions" in page) == (True, False)
    console.ledger.tx_now(workers.stopped, "two:2")
    console.ledger.tx_now(workers.beat, "three:3", "baton", _serving("v3 ffff"))
    page = (await visitor.get("/agents")).text
    assert "Workers give new runs different versions: three:3 v3 ffff; one:1 v2 0a1b" in page


def test_a_version_has_the_turns_of_the_period_alone(ledger: Ledger) -> None:
    """With what they cost and how many had a problem; a version without any is listed all the same."""
    ledger.tx_now(runs.begin, *samples.begin())
    for version in ("v1", "v2"):
        ledger.tx_now(_known, "planner", version)
    used = samples.turn(1)
    ledger.tx_now(turns.insert, used)
    ledger.tx_now(_has_digest, "v1", used.agent_digest)
    now = datetime.now(UTC)
    newest, used_one = ledger.read_now(agents.versions, now - timedelta(days=1))
    assert (newest.version, newest.turns, newest.last_at) == ("v2", 0, None)
    assert (used_one.turns, used_one.failed, used_one.usd_micros) == (1, 0, used.usd_micros)
    assert ledger.read_now(agents.versions, now + timedelta(days=1))[1].turns == 0


def test_a_boundary_names_the_version_that_changed_it_and_not_the_newest(ledger: Ledger) -> None:
    """What changed something else since then is no change of this one."""
    other = SHIPPED.model_copy(update={"defaults": SHIPPED.defaults.model_copy(update={"owner": "erik"})})
    push = SHIPPED.actions["git.push"]
    changed = push.model_copy(update={"approvals": push.approvals + 1})
    stricter = SHIPPED.model_copy(update={"actions": SHIPPED.actions | {"git.push": changed}})
    for nth, (policy, by) in enumerate([(SHIPPED, "first"), (stricter, "olga"), (_with(stricter, other), "erik")], 1):
        ledger.tx_now(policies.add, nth, f"d{nth}", body_of(policy), "approved", "why", by)
    found = ledger.read_now(boundaries.last_changes, (*SHIPPED.actions, "no.such"))
    assert {name: one.by for name, one in found.items()} == {
        name: "olga" if name == "git.push" else "first" for name in SHIPPED.actions
    }
    assert (found["git.push"].nth, found["git.push"].how) == (2, "approved")


async def test_a_boundary_counts_what_came_of_it_this_week(console: Served) -> None:
    """By outcome, with a link to the actions; what is older is not counted."""
    ledger = console.ledger
    ledger.tx_now(runs.begin, *samples.begin())
    ledger.tx_now(policies.add, 1, "d", body_of(SHIPPED), "found", "why", "olga")
    for event in ("new", "old"):
        ledger.tx_now(_proposed, event)
    ledger.tx_now(_changed, samples.intent("old").key, now_us() - 8 * 86_400_000_000)
    visitor = await console.signed_in()
    document = json.loads((await visitor.get("/system", accept="application/json")).text)
    (push,) = [one for one in document["boundaries"] if one["type"] == "git.push"]
    assert push["outcomes"] == {"approved": 1}
    assert (push["tier"], push["changed"]["by"]) == (SHIPPED.actions["git.push"].tier, "olga")
    assert "1 approved" in (await visitor.get("/system")).text


async def test_an_agent_is_paused_and_resumed_with_a_reason(console: Served) -> None:
    """As the commands do it: an unknown name, a second pause and a second lifting are refused with what is the case."""
    visitor = await console.signed_in()
    console.ledger.tx_now(_known, "planner", "v1")
    form = {"session": forms_of((await visitor.get("/system")).text), "kind": "agent", "name": "planner"}
    for wrong, why in (
        ({"why": " "}, "say why"),
        ({"why": "x", "name": "nobody"}, "there is no agent 'nobody'"),
        ({"why": "x", "name": ""}, "say which agent"),
        ({"why": "x", "kind": "world"}, "there is no such thing to pause"),
    ):
        refused = await visitor.post("/system/pause", **(form | wrong))
        assert why in html.unescape(refused.text), wrong
    assert console.ledger.read_now(pauses.in_force) == []
    assert (await visitor.post("/system/pause", **form, why="it lies")).status_code == 303
    (held,) = console.ledger.read_now(pauses.in_force)
    assert (held.thing, held.by, held.why) == ("agent planner", "olga", "it lies")
    assert "it lies" in (await visitor.get("/system")).text
    again = await visitor.post("/system/pause", **form, why="me too")
    assert (again.status_code, "paused by olga" in again.text) == (409, True)
    lifting = {"session": form["session"], "id": held.id, "why": "mended"}
    assert (await visitor.post("/system/resume", **lifting)).status_code == 303
    assert console.ledger.read_now(pauses.in_force) == []
    assert "resumed by olga" in (await visitor.get("/system")).text
    late = await visitor.post("/system/resume", **lifting)
    assert (late.status_code, "olga resumed it, mended" in late.text) == (409, True)


def _proposed(connection: Connection, event: str) -> None:
    actions.propose(connection, samples.intent(event), trace="trace-1", gate="change-1", state="approved")


def _changed(connection: Connection, key: str, at: int) -> None:
    connection.execute(update(action).where(action.c.key == key).values(updated_at=at))


def _with(policy: Policy, other: Policy) -> Policy:
    return policy.model_copy(update={"defaults": other.defaults})


def _known(connection: Connection, name: str, version: str) -> None:
    row = {"name": name, "version": version, "digest": f"digest of {version}", "definition": "{}", "at": now_us()}
    connection.execute(insert(agent_version).values(row))


def _has_digest(connection: Connection, version: str, digest: str) -> None:
    connection.execute(update(agent_version).where(agent_version.c.version == version).values(digest=digest))


async def test_a_version_that_should_not_be_live_is_told_with_its_runbook(console: Served) -> None:
    """As `baton status` tells it."""
    visitor = await console.signed_in()
    said = {"agents": ["planner@v2 is live and was never released"], "live": {"planner": "v2 0a1b"}, "role": "all"}
    console.ledger.tx_now(workers.beat, "one:1", "baton", workers.Serving(QUEUE, "host", machine=said))
    page = (await visitor.get("/agents")).text
    assert "one:1: planner@v2 is live and was never released" in page
    assert 'href="/help/alert-agent-version"' in page


async def test_a_workers_sandbox_and_prices_are_told(console: Served) -> None:
    """As the worker found them when it started; a worker of an older release has said neither."""
    visitor = await console.signed_in()
    said = {"sandbox": "bubblewrap 0.11.0, processes limited by a cgroup", "prices": "genai-prices 0.2.3", "role": "all"}
    console.ledger.tx_now(workers.beat, "one:1", "baton", workers.Serving(QUEUE, "host", machine=said))
    page = (await visitor.get("/system")).text
    assert "<td>bubblewrap 0.11.0, processes limited by a cgroup</td><td>genai-prices 0.2.3</td>" in page
    console.ledger.tx_now(workers.beat, "two:2", "baton", workers.Serving(QUEUE, "host"))
    assert "<td>none</td><td>not said</td>" in (await visitor.get("/system")).text


def _serving(live: str) -> workers.Serving:
    return workers.Serving(QUEUE, "host", machine={"live": {"planner": live}, "role": "all"})
