"""What finished cases cost in money and in people's time, and what they saved of it. Only reads.

The ledger knows when a gate opened and when somebody decided, and not how long anybody looked. So time at gates is the longest
that people can have taken, and what was saved is said as two bounds.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from contracts.value import MinutesBefore, minutes_of
from ledger.figures.period import Period
from ledger.figures.samples import Sample
from ledger.tables import decision, gate, run, scope, turn

MINUTE_US = 60 * 1_000_000


@dataclass
class Value:
    """Figures of one pipeline in one project, of runs that ended in the period.

    `finished` are those that ended done. `spent` is micro-dollars of all that ended, `unmetered` how many of these had an agent
    that may be an outside program. `waited` is microseconds from a gate's opening to its decision by a person, of all of them,
    and `decisions` the same by kind of gate. `before` is what a case took, in minutes; None: nobody declared it.
    """

    ended: int = 0
    finished: int = 0
    spent: int = 0
    unmetered: int = 0
    waited: int = 0
    decisions: dict[str, Sample] = field(default_factory=lambda: defaultdict(Sample))
    before: int | None = None

    @property
    def per_case(self) -> int | None:
        """Micro-dollars for each finished case, with what was spent on those that were not; None without one."""
        return -(-self.spent // self.finished) if self.finished else None

    @property
    def waited_minutes(self) -> int:
        """Minutes that gates were open: the longest that people can have taken, rounded up."""
        return -(-self.waited // MINUTE_US)

    @property
    def saved(self) -> tuple[int, int] | None:
        """The least and the most minutes that were saved: as if people had worked all the time that gates were open, or not at
        all. None where nobody has declared what a case took before.
        """
        if self.before is None:
            return None
        return self.finished * self.before - self.waited_minutes, self.finished * self.before


@dataclass(frozen=True)
class AtGates:
    """How long the gates of one run were open until a person decided: by gate, in microseconds, oldest first."""

    each: tuple[tuple[str, int], ...] = ()

    @property
    def minutes(self) -> int:
        """All of them together, rounded up: the longest that people can have taken."""
        return -(-sum(took for _, took in self.each) // MINUTE_US)

    def saved(self, before: int) -> tuple[int, int]:
        """The least and the most minutes that a finished run has saved, where its case took so many `before`."""
        return before - self.minutes, before


def at_gates(connection: Connection, trace: str) -> AtGates:
    """How long people let this run wait for what they decided."""
    query = select(gate.c.gate, gate.c.opened_at, decision.c.at)
    query = query.join(decision, (decision.c.trace == gate.c.trace) & (decision.c.gate == gate.c.gate))
    won = query.where(gate.c.trace == trace, decision.c.outcome == "won").order_by(gate.c.opened_at, gate.c.gate)
    return AtGates(tuple((row.gate, max(0, int(row.at) - int(row.opened_at))) for row in connection.execute(won)))


def value(
    connection: Connection, period: Period, declared: MinutesBefore, project: str | None = None
) -> dict[tuple[str, str], Value]:
    """Figures by pipeline and project, sorted."""
    found: dict[tuple[str, str], Value] = {}
    ended = (run.c.ended_at >= period.since_us, run.c.ended_at < period.until_us)
    of = () if project is None else (run.c.project == project,)
    query = select(run.c.trace, run.c.pipeline, run.c.project, run.c.state, scope.c.spent)
    query = query.join(scope, scope.c.id == "run:" + run.c.trace, isouter=True).where(*ended, *of)
    stamped = select(turn.c.trace).where(turn.c.agent.endswith("(unmetered)")).distinct()
    stamped = stamped.join(run, run.c.trace == turn.c.trace).where(*ended, *of)
    outside = {row.trace for row in connection.execute(stamped)}
    for row in connection.execute(query):
        one = found.setdefault((row.pipeline, row.project), Value(before=minutes_of(declared, row.pipeline, row.project)))
        one.ended += 1
        one.finished += row.state == "done"
        one.spent += int(row.spent or 0)
        one.unmetered += row.trace in outside
    decided = select(run.c.pipeline, run.c.project, gate.c.kind, gate.c.opened_at, decision.c.at)
    decided = decided.join(gate, gate.c.trace == run.c.trace).join(
        decision, (decision.c.trace == gate.c.trace) & (decision.c.gate == gate.c.gate)
    )
    for row in connection.execute(decided.where(decision.c.outcome == "won", *ended, *of)):
        one, took = found[row.pipeline, row.project], max(0, int(row.at) - int(row.opened_at))
        one.waited += took
        one.decisions[row.kind].add(took)
    return dict(sorted(found.items()))
