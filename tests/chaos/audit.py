"""Compares the books of the world outside with the ledger, when all is over. No problem means: nothing lost or doubled."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Table, select

from activities.money import prices
from contracts.agents import Choice
from contracts.conversation import Usage
from contracts.delivery.run import DeliveryReport
from ledger import tables
from ledger.feed import chained
from tests.chaos.scenario import MODEL, PERSON, Scenario, branch_of
from tests.chaos.scene import TURNS
from tests.stack import git


def audit(scenario: Scenario) -> list[str]:
    """All that is wrong, each as a sentence."""
    checks = (_runs, _pushes, _calls, _money, _turns, _decisions, _feed, _left_behind)
    return [problem for check in checks for problem in check(scenario)]


def rows(scenario: Scenario, table: Table) -> list[Row[Any]]:
    """A whole table of the ledger."""
    return scenario.ledger.read_now(lambda connection: list(connection.execute(select(table))))


def _runs(scenario: Scenario) -> Iterator[str]:
    states = {row.workflow_id: row.state for row in rows(scenario, tables.run)}
    for run, report in scenario.reports.items():
        if not isinstance(report, DeliveryReport) or (report.state, states.get(run)) != ("done", "done"):
            why = report.reason if isinstance(report, DeliveryReport) else report
            yield f"lost: {run} is {states.get(run)} and not done: {why}"


def _pushes(scenario: Scenario) -> Iterator[str]:
    """The origin's book and its records against the ledger's receipts: each branch set once, to what was approved."""
    booked: dict[str, list[dict[str, Any]]] = {}
    for push in scenario.scene.pushes:
        booked.setdefault(push["ref"].removeprefix("refs/heads/"), []).append(push)
    actions = {row.trace: row for row in rows(scenario, tables.action)}
    for run, report in scenario.reports.items():
        branch, seen = branch_of(run), booked.get(branch_of(run), [])
        if len(seen) != 1:
            yield f"{'doubled' if seen else 'lost'}: {branch} was pushed {len(seen)} times"
        if not seen or not isinstance(report, DeliveryReport):
            continue
        log = (scenario.scene.origin / "logs" / "refs" / "heads" / branch).read_text().splitlines()
        if len(log) != len(seen):
            yield f"doubled: the origin's own log has {len(log)} changes of {branch}, its book {len(seen)}"
        action = actions[report.trace]
        named = {seen[-1]["new"], report.commit, json.loads(action.receipt or "{}").get("reference")}
        named.add(git(scenario.scene.origin, "rev-parse", branch))
        trees = {seen[-1]["tree"], report.tree}
        if action.state != "delivered" or len(named) != 1 or len(trees) != 1:
            yield f"wrong: {branch} is {action.state} with commits {named} and trees {trees}"


def _calls(scenario: Scenario) -> Iterator[str]:
    """The provider's book against itself and the ledger: no prompt under two keys, no answer that nobody paid for."""
    reserved = Counter(row.call_key for row in rows(scenario, tables.reservation) if row.state in {"settled", "lost"})
    stored = {row.id for row in rows(scenario, tables.turn)}
    keys: dict[str, set[str]] = {}
    answered: Counter[str] = Counter()
    for call in scenario.scene.calls:
        if call["run"] in scenario.reports and call["what"] == "answered":
            keys.setdefault(call["prompt"], set()).add(call["key"])
            answered[call["key"]] += 1
    for prompt, several in keys.items():
        if len(several) > 1:
            yield f"doubled: the prompt {prompt[:8]} was answered under {len(several)} keys"
    for key, times in answered.items():
        if times > reserved[key]:
            yield f"unpaid: {key[:8]} was answered {times} times, and {reserved[key]} reservations stand for it"
    for key in answered.keys() - stored:
        yield f"lost: {key[:8]} was answered, and no turn is stored"


def _money(scenario: Scenario) -> Iterator[str]:
    """What the ledger charged covers what the provider served, nothing is held, and the sums agree to the micro-dollar."""
    served: Counter[str] = Counter()
    for call in scenario.scene.calls:
        if call["run"] in scenario.reports and call["what"] == "answered":
            served[call["key"]] += prices.tariff(Choice(model=MODEL)).cost(Usage.model_validate(call["usage"]))
    charged: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    for row in rows(scenario, tables.reservation):
        charged[row.call_key] += row.settled
        spent.update(dict.fromkeys(json.loads(row.scopes), row.settled))
        if row.state == "held":
            yield f"held: reservation {row.id[:8]} of {row.worker} at the end"
    for key, cost in served.items():
        if charged[key] < cost:
            yield f"unpaid: {key[:8]} cost {cost} and {charged[key]} was charged"
    for row in rows(scenario, tables.scope):
        if (row.held, row.spent) != (0, spent[row.id]) or row.spent > row.ceiling:
            yield f"wrong: {row.id} has {row.held} held and {row.spent} of {row.ceiling} spent, its calls {spent[row.id]}"


def _turns(scenario: Scenario) -> Iterator[str]:
    """Every step of every run has one answer, and every tool call one result."""
    turns = rows(scenario, tables.turn)
    stored = {row.id: row.at for row in turns}
    for row in rows(scenario, tables.reservation):
        if row.at > stored.get(row.call_key, row.at):
            yield f"doubled: {row.call_key[:8]} was paid for again when its turn was stored"
    places = Counter((row.trace, row.path, row.parent) for row in turns)
    for (trace, path, _), times in places.items():
        if times > 1:
            yield f"doubled: one step of {path} in {trace[:8]} has {times} turns"
    for trace, count in Counter(row.trace for row in turns).items():
        if count != TURNS:
            where = dict(Counter(row.path for row in turns if row.trace == trace))
            yield f"{'doubled' if count > TURNS else 'lost'}: {trace[:8]} has {count} turns and not {TURNS}: {where}"
    wanted = {(row.id, index) for row in turns for index in range(len(json.loads(row.reply)["calls"]))}
    results = {(row.turn, row.position) for row in rows(scenario, tables.tool_result)}
    if wanted != results:
        yield f"lost: {len(wanted - results)} tool calls have no result, {len(results - wanted)} results no call"


def _decisions(scenario: Scenario) -> Iterator[str]:
    """What was acknowledged to the person is what decided the gate."""
    won = {(row.trace, row.gate): (row.verb, row.by) for row in rows(scenario, tables.decision) if row.outcome == "won"}
    for gate in scenario.acknowledged:
        if won.get(gate) != ("approve", PERSON):
            yield f"lost: the approval of {gate} was acknowledged, and the ledger has {won.get(gate)}"
    for row in rows(scenario, tables.gate):
        if row.state == "open" or (row.trace, row.gate) not in scenario.acknowledged:
            yield f"wrong: gate {row.gate} of {row.trace[:8]} is {row.state}; nobody was told that it is decided"


def _feed(scenario: Scenario) -> Iterator[str]:
    """Numbers without a gap, and an unbroken chain for each run."""
    lines = sorted(rows(scenario, tables.feed), key=lambda row: int(row.seq))
    if [row.seq for row in lines] != list(range(1, len(lines) + 1)):
        yield "broken: the feed's numbers have gaps"
    ends = {row.trace: row.feed_hash for row in rows(scenario, tables.run)}
    for trace, of_run in groupby(sorted(lines, key=lambda row: (row.trace, row.seq)), key=lambda row: str(row.trace)):
        previous = ""
        for row in of_run:
            if row.previous_hash != previous or row.hash != chained(row._mapping):
                yield f"broken: line {row.seq} of {trace[:8]} does not follow the line before it"
            previous = row.hash
        # Lines about no run, such as those about the policy, have no row that knows the last of them.
        if trace in ends and ends[trace] != previous:
            yield f"broken: the last line of {trace[:8]} is gone"


def _left_behind(scenario: Scenario) -> Iterator[str]:
    """No workspace, no scratch folder, no process."""
    workspaces = scenario.folder / "state" / "workspaces"
    for kind in ("files", "marks", "scratch"):
        for left in (workspaces / kind).glob("*"):
            yield f"left behind: {kind}/{left.name}"
    yield from (f"left behind: process {said}" for said in processes(scenario.folder))


def processes(folder: Path) -> list[str]:
    """Command lines of processes that belong to this folder: each check of its deliveries names it, too."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = line.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = (line.parent / "cwd").readlink()
        except OSError:  # it ended meanwhile
            continue
        if str(folder) in said or where.is_relative_to(folder):
            found.append(said[:200])
    return found
