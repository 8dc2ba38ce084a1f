"""How agents and pipelines perform: outcomes, errors, time, tokens and money in a period. Only reads."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from contracts.agents import PERSON
from contracts.ids import AGAIN
from contracts.runs import FINAL
from ledger.figures.charges import Charge, Sums, charges_of
from ledger.figures.families import Family, Replied, by_path, families, label, versions
from ledger.figures.period import Period
from ledger.figures.samples import Sample
from ledger.figures.waste import outcomes
from ledger.tables import run, tool_result, turn

TOKENS = ("tokens_in", "tokens_out", "tokens_cache_read", "tokens_cache_write", "tokens_reasoning")
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


@dataclass
class Quality:
    """Figures of one agent version or one pipeline.

    `outcomes` counts an agent's steps by outcome (`done`, `unsure`, `could_not`; `nothing`: the run ended before they had an
    output; `open`), and a pipeline's runs by state. Latency and tokens are those of turns; a turn without usage counts in
    `tokens_unknown` and not in `tokens`. `by_person` are turns of people, which have no
    latency. `steps` are those that a model answered, each with its repetition as one, and
    `stepped_up` those of them in which a choice meant for unusable replies or unsure steps answered; one for outages does
    not count. `escalated` counts an agent's steps that ended in one of `GIVEN_UP`, and a pipeline's
    runs that opened a gate of `ESCALATIONS`. `cost` is micro-dollars per ended run, with retried attempts and with what was
    paid outside the period. `unmetered` are turns of agents that may be outside programs: no amount holds what those cost.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    unmetered: int = 0
    cached: int = 0
    by_person: int = 0
    chosen: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    steps: int = 0
    stepped_up: int = 0
    escalated: int = 0
    retries: int = 0
    tools: int = 0
    runs: int = 0
    runs_with_person: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKENS, 0))
    tokens_unknown: int = 0
    latency: Sample = field(default_factory=Sample)
    cost: Sample = field(default_factory=Sample)
    money: Sums = field(default_factory=Sums)

    @property
    def success(self) -> int | None:
        """Share of ended steps or runs that are done, per mille; None before any has ended."""
        ended = sum(count for name, count in self.outcomes.items() if name in _ENDED)
        return self.outcomes["done"] * 1000 // ended if ended else None


_WITHOUT_ERROR = {"settled": "dropped", "released": "not made"}
"""What happened to attempts without an error: another one was faster, or the call was given up before it was made."""

_ENDED = FINAL | {"unsure", "could_not", "nothing"}


def agents(connection: Connection, period: Period, project: str | None = None) -> dict[str, Quality]:
    """Figures of each agent version, by its name: planner@v1."""
    found: dict[str, Quality] = defaultdict(Quality)
    for family in _families(connection, period, project):
        _count_agents(found, family, period)
    _count_tools(connection, period, project, found)
    return dict(sorted(found.items()))


def pipelines(connection: Connection, period: Period, project: str | None = None) -> dict[str, Quality]:
    """Figures of each pipeline, by its name."""
    found: dict[str, Quality] = defaultdict(Quality)
    for family in _families(connection, period, project):
        name = family.run.pipeline if family.run is not None else ""
        _count_turns(found[name], [row for row in family.turns if period.has(row.at)])
        for step in _answered(family, period):
            _count_stepping(found[name], step)
        paid = list(charges_of(family))
        _count_charges(found[name], [charge for charge in paid if period.has(charge.at)])
        if family.run is not None:
            _count_run(found[name], family, sum(charge.charged for charge in paid))
    return dict(sorted(found.items()))


def _families(connection: Connection, period: Period, project: str | None) -> Iterable[Family]:
    for family in families(connection, period):
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


def _count_tools(connection: Connection, period: Period, project: str | None, found: dict[str, Quality]) -> None:
    failed = func.count().filter(tool_result.c.failed.is_(True))
    query = select(turn.c.agent, tool_result.c.name, func.count().label("all"), failed.label("failed"))
    query = query.join(turn, turn.c.id == tool_result.c.turn).group_by(turn.c.agent, tool_result.c.name)
    query = query.where(turn.c.at >= period.since_us, turn.c.at < period.until_us)
    if project is not None:
        query = query.join(run, run.c.trace == turn.c.trace).where(run.c.project == project)
    for row in connection.execute(query):
        into = found[label(row.agent)]
        into.tools += int(row.all)
        if row.failed:
            into.errors[f"tool {row.name}"] += int(row.failed)
