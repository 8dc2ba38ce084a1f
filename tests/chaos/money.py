"""Compares the provider's own book of money with the ledger, when all is over. No problem: the two say the same."""

import json
from collections import Counter
from collections.abc import Iterator

from ledger import tables
from tests.chaos.budget import TURNS, Budget
from tests.wire.book import by_key


def audit(budget: Budget) -> list[str]:
    """All that is wrong, each as a sentence; what the sampler has seen comes first."""
    seen = [f"{problem} ({times} of {budget.sampler.samples} looks)" for problem, times in budget.sampler.problems.items()]
    checks = (_runs, _calls, _book, _turns, _scopes)
    return seen + [problem for check in checks for problem in check(budget)]


def _runs(budget: Budget) -> Iterator[str]:
    states = {row.workflow_id: row.state for row in budget.rows(tables.run)}
    for run in budget.runs:
        if (budget.ends.get(run), states.get(run)) != ("done", "done"):
            yield f"lost: {run} is {states.get(run)} and ended with {budget.ends.get(run)}"
    for row in budget.rows(tables.trip):
        if row.closed_at is None:
            yield f"wrong: {row.trace[:8]} still waits at {row.gate}"


def _calls(budget: Budget) -> Iterator[str]:
    """Every reservation is of a run and has an end."""
    traces = {row.trace for row in budget.rows(tables.run)}
    for row in budget.rows(tables.reservation):
        if row.trace not in traces or not row.path:
            yield f"untraceable: reservation {row.id[:8]} is of the run {row.trace!r}, path {row.path!r}"
        if row.state == "held" or row.closed_at is None:
            yield f"held: reservation {row.id[:8]} of {row.worker} at the end"


def _book(budget: Budget) -> Iterator[str]:
    """Each settled call costs what the book says for its key; lost ones cover every other answer to it."""
    lines = budget.book
    whole = {key: Counter(costs) for key, costs in by_key(lines).items()}
    billed, charged = Counter[str](), Counter[str]()
    for line in lines:
        billed[line["key"]] += line["usd_micros"] or 0
    settled: dict[str, Counter[int]] = {}
    for row in budget.rows(tables.reservation):
        charged[row.call_key] += row.settled
        if row.state == "settled":
            settled.setdefault(row.call_key, Counter())[row.settled] += 1
    for key, costs in settled.items():
        if costs - whole.get(key, Counter()):
            yield f"unequal: {key[:8]} was settled at {list(costs)}, and the provider's book has {list(whole.get(key, ()))}"
    for key, cost in billed.items():
        if charged[key] < cost:
            yield f"unpaid: {key[:8]} cost {cost} by the provider's book, and {charged[key]} was charged"


def _turns(budget: Budget) -> Iterator[str]:
    """One turn per key, each with one settled call of its cost; as many as a run has."""
    settled = Counter((row.call_key, row.settled) for row in budget.rows(tables.reservation) if row.state == "settled")
    turns = budget.rows(tables.turn)
    for row in turns:
        if settled[row.id, row.usd_micros] != 1:
            yield f"wrong: turn {row.id[:8]} cost {row.usd_micros}, and {settled[row.id, row.usd_micros]} settled calls say so"
    for key in {key for key, _ in settled} - {row.id for row in turns}:
        yield f"lost: {key[:8]} is settled, and no turn is stored"
    for place, times in Counter((row.trace, row.path, row.parent) for row in turns).items():
        if times > 1:
            yield f"doubled: one step of {place[1]} in {place[0][:8]} has {times} turns"
    for row in budget.rows(tables.run):
        count = sum(turn.trace == row.trace for turn in turns)
        if count != TURNS:
            yield f"{'doubled' if count > TURNS else 'lost'}: {row.workflow_id} has {count} turns and not {TURNS}"


def _scopes(budget: Budget) -> Iterator[str]:
    """Nothing is held, and the sums are those of the calls."""
    spent = Counter[str]()
    for row in budget.rows(tables.reservation):
        spent.update(dict.fromkeys(json.loads(row.scopes), row.settled))
    for row in budget.rows(tables.scope):
        if (row.held, row.spent) != (0, spent[row.id]) or row.spent > row.ceiling:
            yield f"wrong: {row.id} has {row.held} held and {row.spent} of {row.ceiling} spent, its calls {spent[row.id]}"
