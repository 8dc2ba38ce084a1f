"""What was spent, on what, and what came of it. Only reads.

Money counts at the time of its reservation, as it does for ceilings: a month here is the month of its ceiling.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from ledger.figures import kept
from ledger.figures.families import Family, Replied, Reserved, families, label, others_of, versions
from ledger.figures.kept import By as By
from ledger.figures.period import Period, day_of
from ledger.figures.waste import thrown_away

ChargePart = Literal["useful", "retried", "repaired", "thrown_away"]
PARTS: tuple[ChargePart, ...] = ("useful", "retried", "repaired", "thrown_away")
COUNTED = ("spent", "held", "unknown", "calls", "calls_held", "calls_unknown")
SUMMED = (*COUNTED, *PARTS)
"""Everything that is added up of charges."""

UNKNOWN = ""
"""The group of calls for which it is unknown: made by a release that did not record it, and never answered."""


class Charge(NamedTuple):
    """One reservation, with what it was for. `charged` is what it counts against its ceilings, `held` what it still holds.

    `part` is the first of these that is true, so that the parts always add up to the whole:

    - retried: an attempt whose reply is not the stored one: lost, failed, or dropped because another attempt was faster;
    - repaired: its reply could not be used, and the agent was asked to repair it;
    - thrown_away: its turn is in nothing that the run produced (see `waste.thrown_away`);
    - useful: everything else, and what open runs have done so far.

    `agent` is a version, planner@v1; only the name if none of its calls in this run was answered.

    `known` is False if the real cost is unknown (lost, or an answer without usage): it is charged at its reservation, the most
    that it can have cost.
    """

    run: str
    trace: str
    path: str
    agent: str
    model: str
    pipeline: str
    project: str
    at: int
    state: str
    error: str
    charged: int
    held: int
    part: ChargePart
    known: bool


@dataclass(slots=True)
class Sums:
    """Micro-dollars and calls of some charges. The four parts add up to `spent`; `unknown` is the share of `spent` whose real
    cost is unknown."""

    spent: int = 0
    held: int = 0
    unknown: int = 0
    calls: int = 0
    calls_held: int = 0
    calls_unknown: int = 0
    parts: dict[ChargePart, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))

    def add(self, charge: Charge) -> None:
        """Count one more."""
        self.spent += charge.charged
        self.held += charge.held
        self.parts[charge.part] += charge.charged
        self.calls += charge.state != "released"
        self.calls_held += charge.state == "held"
        if not charge.known:
            self.unknown += charge.charged
            self.calls_unknown += 1

    def add_sums(self, numbers: Mapping[str, int]) -> None:
        """Count charges that are added up already, by the names of `SUMMED`; a name that is not there is 0."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + int(numbers.get(name, 0)))
        for part in PARTS:
            self.parts[part] += int(numbers.get(part, 0))

    @property
    def summed(self) -> dict[str, int]:
        """Its numbers by the names of `SUMMED`."""
        return {name: getattr(self, name) for name in COUNTED} | dict(self.parts)


@dataclass(frozen=True)
class Spending:
    """What was spent in a period, in total and by group. The most expensive group comes first; days are in order."""

    total: Sums
    groups: dict[str, Sums]


def spending(connection: Connection, period: Period, by: By, project: str | None = None) -> Spending:
    """What was spent in this period, by group: of most run families as it is kept, of the others from their rows."""
    key, total, groups = _KEYS[by], Sums(), defaultdict[str, Sums](Sums)
    sums, others = kept.spending(connection, period, by, project)
    for name, numbers in sums:
        total.add_sums(numbers)
        groups[name].add_sums(numbers)
    for charge in _charges(others_of(connection, period, others), period, project):
        total.add(charge)
        groups[key(charge)].add(charge)
    ordered = sorted(groups.items(), key=lambda one: one[0] if by == "day" else (-one[1].spent, -one[1].held, one[0]))
    return Spending(total, dict(ordered))


_KEYS: dict[By, Callable[[Charge], str]] = {
    "run": lambda charge: charge.run,
    "agent": lambda charge: charge.agent,
    "model": lambda charge: charge.model,
    "pipeline": lambda charge: charge.pipeline,
    "project": lambda charge: charge.project,
    "day": lambda charge: day_of(charge.at),
}


def charges(connection: Connection, period: Period, project: str | None = None) -> Iterator[Charge]:
    """Every reservation that was made in this period, of all projects (None) or of one."""
    return _charges(families(connection, period), period, project)


def _charges(some: Iterable[Family], period: Period, project: str | None) -> Iterator[Charge]:
    for family in some:
        for charge in charges_of(family):
            if period.has(charge.at) and project in (None, charge.project):
                yield charge


def charges_of(family: Family) -> Iterator[Charge]:
    """Every reservation of one run family."""
    turns = {row.id: row for row in family.turns}
    known = versions(family)
    behind = _behind(family.reservations, turns)
    lost = thrown_away(family)
    for row in family.reservations:
        turn = turns.get(row.call_key)
        counts = behind.get(row.call_key) == row.id
        agent = label(turn.agent) if turn is not None else known.get(row.agent, row.agent)
        yield _charge(family, row, turn, agent, _part(turn, counts, lost), counts=counts)


def _behind(reservations: Iterable[Reserved], turns: dict[str, Replied]) -> dict[str, str]:
    """The reservation that paid for each stored turn: a settled one of the same cost; of several the one of its model, then the
    newest."""
    found: dict[str, tuple[tuple[bool, int, str], str]] = {}
    for row in reservations:
        turn = turns.get(row.call_key)
        if turn is None or row.state != "settled" or row.settled != turn.usd_micros:
            continue
        # Several attempts can have cost the same: the turn names its model, and the newest is the most likely.
        rank = (row.model == turn.model_asked, row.at, row.id)
        if row.call_key not in found or rank > found[row.call_key][0]:
            found[row.call_key] = rank, row.id
    return {key: identity for key, (_, identity) in found.items()}


def _part(turn: Replied | None, counts: bool, lost: set[str]) -> ChargePart:
    if turn is None or not counts:
        return "retried"
    if turn.unusable:
        return "repaired"
    return "thrown_away" if turn.id in lost else "useful"


def _charge(family: Family, row: Reserved, turn: Replied | None, agent: str, part: ChargePart, *, counts: bool) -> Charge:
    run = family.run
    return Charge(
        run=run.workflow_id if run is not None else family.trace,
        trace=family.trace,
        path=turn.path if turn is not None else row.path,
        agent=agent,
        model=turn.model_asked if turn is not None and counts else row.model or (turn.model_asked if turn is not None else ""),
        pipeline=run.pipeline if run is not None else UNKNOWN,
        project=run.project if run is not None else row.project,
        at=row.at,
        state=row.state,
        error=row.error,
        charged=0 if row.state == "held" else row.settled,
        held=row.amount if row.state == "held" else 0,
        part=part,
        known=_is_known(row, turn, counts=counts),
    )


def _is_known(row: Reserved, turn: Replied | None, *, counts: bool) -> bool:
    """True if the real cost is known. A dropped or refused reply has no turn that says so; if charged in full, it came without
    usage.
    """
    if row.state == "settled" and counts and turn is not None:
        return not turn.flagged
    return bool(row.settled == 0 or row.settled != row.amount)
