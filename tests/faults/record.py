"""What a run left in the ledger, without what differs between two runs that went the same way: ids, times, folders."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from contracts.runs import FINAL
from ledger import feed, runs, turns
from ledger.tables import action, decision, edge, gate, handoff, reservation, scope, tool_result
from ledger.tables import feed as feed_table
from ledger.tables import run as run_table
from ledger.tables import turn as turn_table
from ledger.views.runs import find_run


@dataclass(frozen=True)
class Record:
    """Everything that a person, a bill or the outside world could tell two runs apart by; each line as often as it stands."""

    state: str
    lines: Counter[tuple[str, ...]]
    turns: Counter[tuple[Any, ...]]
    results: Counter[tuple[Any, ...]]
    handoffs: Counter[tuple[Any, ...]]
    gates: Counter[tuple[Any, ...]]
    decisions: Counter[tuple[Any, ...]]
    actions: Counter[tuple[Any, ...]]
    edges: Counter[str]
    spent: int


def record(connection: Connection, name: str) -> Record:
    """What one run left."""
    run = find_run(connection, name)
    trace, where = run.trace, str(run.asked["repository"])
    made = connection.execute(select(turn_table).where(turn_table.c.trace == trace)).all()
    places = {one.id: (one.path, len(turns.chain(connection, one.id))) for one in made}
    results = connection.execute(select(tool_result).where(tool_result.c.turn.in_(places))).all()
    known = {*places, *(f"{one.turn}/{one.position}" for one in results)}
    found = connection.execute(select(handoff).where(handoff.c.trace == trace)).all()
    edges = connection.execute(select(edge).where(edge.c.child.in_({*known, *(one.id for one in found)}))).all()
    lines = connection.execute(select(feed_table).where(feed_table.c.trace == trace)).all()
    return Record(
        run.state,
        Counter((one.path, one.stage, one.actor, one.did.replace(where, "ORIGIN")) for one in lines),
        Counter((*places[one.id], one.agent, one.problem, one.tokens_out, one.usd_micros) for one in made),
        Counter((*places[one.turn], one.position, one.name, one.failed, one.repeated, one.state_after) for one in results),
        Counter((one.path, one.contract, one.outcome) for one in found),
        Counter((one.gate, one.state) for one in connection.execute(select(gate).where(gate.c.trace == trace))),
        Counter(
            (one.gate, one.verb, one.by, one.outcome)
            for one in connection.execute(select(decision).where(decision.c.trace == trace))
        ),
        Counter(
            (one.type, one.state, one.summary) for one in connection.execute(select(action).where(action.c.trace == trace))
        ),
        Counter(one.relation for one in edges),
        connection.execute(select(scope.c.spent).where(scope.c.id == f"run:{trace}")).scalar_one(),
    )


def once(left: Record) -> bool:
    """True if nothing stands there twice."""
    counted = (left.lines, left.turns, left.results, left.handoffs, left.gates, left.decisions, left.actions)
    return all(number == 1 for counter in counted for number in counter.values())


def sound(connection: Connection) -> None:
    """Fail if the ledger contradicts itself: money that is held by nobody, a broken chain, a gap, a run that never ended."""
    assert [row.workflow_id for row in connection.execute(select(run_table)) if row.state not in FINAL] == []
    assert connection.execute(select(reservation.c.id).where(reservation.c.state == "held")).all() == []
    assert connection.execute(select(scope.c.id).where(scope.c.held != 0)).all() == []
    for row in connection.execute(select(scope).where(scope.c.id.startswith("run:"))):
        paid = connection.execute(select(reservation).where(reservation.c.scopes.contains(row.id))).all()
        assert row.spent == sum(one.settled for one in paid), row.id
    lines = connection.execute(select(feed_table).order_by(feed_table.c.seq)).mappings().all()
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    ends: dict[str, str] = {}
    for line in lines:
        assert line["previous_hash"] == ends.get(line["trace"], "")
        assert line["hash"] == feed.chained(line)
        ends[line["trace"]] = line["hash"]
    traces = {row.trace for row in connection.execute(select(run_table.c.trace))}
    for trace, end in ends.items():
        # Lines about no run, such as those about the policy, have no row that knows the last of them.
        assert trace not in traces or runs.find(connection, trace).feed_hash == end
