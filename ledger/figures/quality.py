"""How agents and pipelines perform: outcomes, errors, time, tokens and money in a period. Only reads."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from contracts.agents import PERSON
from contracts.ids import AGAIN
from contracts.runs import FINAL
from ledger.db import rows_with
from ledger.figures import kept
from ledger.figures.charges import Charge, charges_of
from ledger.figures.families import Family, Replied, by_path, label, others_of, versions
from ledger.figures.performance import TOKENS, Quality
from ledger.figures.period import Period
from ledger.figures.waste import outcomes
from ledger.tables import tool_result, turn

BY_PEOPLE = frozenset({"approve", "reject", "request_changes", "answer", "raise_ceiling", "stop", "happened", "did_not_happen"})
"""States of gates that a person has closed."""

GIVEN_UP = frozenset({"unsure", "could_not"})
"""Outcomes of steps after which somebody else has to take over."""

STEPS_UP = frozenset({"invalid", "unsure"})
"""Why a choice answers that is better than the first."""

ESCALATIONS = frozenset({"stuck", "clarify", "ceiling"})
"""Kinds of gates that open because a run cannot go on by itself, and not because policy asks for a review."""


BY_HAND = f"{PERSON}:"
"""How the model of a turn begins that a person has made."""


_WITHOUT_ERROR = {"settled": "dropped", "released": "not made"}
"""What happened to attempts without an error: another one was faster, or the call was given up before it was made."""


def agents(connection: Connection, period: Period, project: str | None = None) -> dict[str, Quality]:
    """Figures of each agent version, by its name: planner@v1."""
    found: dict[str, Quality] = defaultdict(Quality)
    there, others = kept.figures(connection, period, project)
    for one in there:
        _add(found, one.body["agents"])
    families = list(_families(connection, period, project, others))
    for family in families:
        _count_agents(found, family, period)
    for _, called in _tools(connection, period, [family.trace for family in families]):
        _count_tool(found, called)
    return dict(sorted(found.items()))


def pipelines(connection: Connection, period: Period, project: str | None = None) -> dict[str, Quality]:
    """Figures of each pipeline, by its name."""
    found: dict[str, Quality] = defaultdict(Quality)
    there, others = kept.figures(connection, period, project)
    for one in there:
        _add(found, one.body["pipelines"])
    for family in _families(connection, period, project, others):
        _count_pipelines(found, family, period)
    return dict(sorted(found.items()))


def bodies(connection: Connection, families: Sequence[Family], ever: Period) -> dict[str, str]:
    """What is kept of each of these families, by its trace: its figures in a period that has all of it, as JSON."""
    found: dict[str, tuple[defaultdict[str, Quality], defaultdict[str, Quality]]] = {}
    for family in families:
        by_agent, by_pipeline = found[family.trace] = defaultdict(Quality), defaultdict(Quality)
        _count_agents(by_agent, family, ever)
        _count_pipelines(by_pipeline, family, ever)
    for trace, called in _tools(connection, ever, list(found)):
        _count_tool(found[trace][0], called)
    return {trace: json.dumps({"agents": _packed(one), "pipelines": _packed(other)}) for trace, (one, other) in found.items()}


def _packed(some: Mapping[str, Quality]) -> dict[str, Any]:
    return {name: one.packed for name, one in sorted(some.items())}


def _add(found: dict[str, Quality], packed: Mapping[str, Any]) -> None:
    for name, one in packed.items():
        found[name].add_packed(one)


def _count_pipelines(found: dict[str, Quality], family: Family, period: Period) -> None:
    name = family.run.pipeline if family.run is not None else ""
    _count_turns(found[name], [row for row in family.turns if period.has(row.at)])
    for step in _answered(family, period):
        _count_stepping(found[name], step)
    paid = list(charges_of(family))
    _count_charges(found[name], [charge for charge in paid if period.has(charge.at)])
    if family.run is not None:
        _count_run(found[name], family, sum(charge.charged for charge in paid))


def _families(connection: Connection, period: Period, project: str | None, traces: Sequence[str]) -> Iterable[Family]:
    for family in others_of(connection, period, traces):
        if project is None or (family.run is not None and family.run.project == project):
            yield family


def _count_run(into: Quality, family: Family, cost: int) -> None:
    assert family.run is not None, "only families with a run are counted"
    into.runs += 1
    into.outcomes[family.run.state if family.run.state in FINAL else "open"] += 1
    into.runs_with_person += any(row.state in BY_PEOPLE for row in family.gates)
    into.degraded += any(row.degraded for row in family.handoffs)
    into.escalated += any(row.kind in ESCALATIONS for row in family.gates)
    if family.run.state in FINAL:
        into.cost.add(cost)


def _count_agents(found: dict[str, Quality], family: Family, period: Period) -> None:
    turns: dict[str, list[Replied]] = defaultdict(list)
    for row in family.turns:
        if period.has(row.at):
            turns[label(row.agent)].append(row)
    for name, rows in turns.items():
        _count_turns(found[name], rows)
    paid: dict[str, list[Charge]] = defaultdict(list)
    whole: Counter[str] = Counter()
    for charge in charges_of(family):
        whole[charge.agent] += charge.charged
        if period.has(charge.at):
            paid[charge.agent].append(charge)
    for name in turns.keys() | paid.keys():
        _count_charges(found[name], paid[name])
        found[name].runs += 1
        if family.run is not None and family.run.state in FINAL:
            found[name].cost.add(whole[name])
    _count_steps(found, family, period)


def _count_steps(found: dict[str, Quality], family: Family, period: Period) -> None:
    """A step counts for the agent version of its last turn, at the time of that turn.

    A step without a turn counts if a fallback made its handoff, for the agent whose calls were not answered.
    """
    ended, turns = outcomes(family), by_path(family.turns)
    steps = {path: (label(rows[-1].agent), rows[-1].at, ended[path]) for path, rows in turns.items()}
    known, made = versions(family), {row.path: row for row in family.handoffs}
    for row in family.reservations:
        if row.path in made and row.path not in turns:
            steps[row.path] = known.get(row.agent, row.agent), row.at, made[row.path].outcome
    for path, (name, at, outcome) in steps.items():
        if period.has(at):
            found[name].outcomes[outcome] += 1
            found[name].escalated += outcome in GIVEN_UP
            found[name].degraded += path in made and made[path].degraded
    for rows in _answered(family, period):
        _count_stepping(found[label(rows[-1].agent)], rows)


def _answered(family: Family, period: Period) -> Iterator[list[Replied]]:
    """The turns of each step whose last one is in the period; a step that another model repeated is one step."""
    turns = by_path(family.turns)
    for path, rows in turns.items():
        if path.endswith(AGAIN) and path.removesuffix(AGAIN) in turns:
            continue
        whole = sorted([*rows, *turns.get(path + AGAIN, ())], key=lambda row: (row.at, row.id))
        if period.has(whole[-1].at):
            yield whole


def _count_stepping(into: Quality, step: Iterable[Replied]) -> None:
    into.steps += 1
    into.stepped_up += any(row.chosen in STEPS_UP for row in step)


def _count_turns(into: Quality, rows: Iterable[Replied]) -> None:
    for row in rows:
        into.turns += 1
        into.unmetered += row.agent.endswith("(unmetered)")
        into.cached += bool(row.cached)
        into.chosen[row.chosen] += 1
        by_person = row.model_asked.startswith(BY_HAND)
        into.by_person += by_person
        if not row.cached and not by_person:
            into.latency.add(row.latency_ms)
        if row.unusable:
            into.errors["unusable reply"] += 1
        if row.flagged:
            into.tokens_unknown += 1
            continue
        for name in TOKENS:
            into.tokens[name] += getattr(row, name)


def _count_charges(into: Quality, charges: Iterable[Charge]) -> None:
    for charge in charges:
        into.money.add(charge)
        # A reservation that is still held may yet be answered: no error so far.
        if charge.part == "retried" and charge.state != "held":
            into.retries += 1
            into.errors[charge.error or _WITHOUT_ERROR.get(charge.state, charge.state)] += 1


class Called(NamedTuple):
    """A tool that turns of an agent have called."""

    agent: str
    name: str
    times: int
    failed: int


def _tools(connection: Connection, period: Period, traces: Iterable[str]) -> Iterator[tuple[str, Called]]:
    failed = func.count().filter(tool_result.c.failed.is_(True))
    query = select(turn.c.trace, turn.c.agent, tool_result.c.name, func.count().label("times"), failed.label("failed"))
    query = query.join(turn, turn.c.id == tool_result.c.turn).group_by(turn.c.trace, turn.c.agent, tool_result.c.name)
    query = query.where(turn.c.at >= period.since_us, turn.c.at < period.until_us)
    for row in rows_with(connection, query, turn.c.trace, traces):
        yield row.trace, Called(row.agent, row.name, int(row.times), int(row.failed))


def _count_tool(found: dict[str, Quality], called: Called) -> None:
    into = found[label(called.agent)]
    into.tools += called.times
    if called.failed:
        into.errors[f"tool {called.name}"] += called.failed
