"""What a condemnation holds, and which actions that have happened came from it: before it is made, and since."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from contracts.actions import SETTLED, ActionState
from ledger import condemnations, proposals
from ledger.condemnations import Condemnation, Remedy
from ledger.db import from_us, rows_with
from ledger.tables import action, gate, handoff, run, turn
from ledger.views.impact import Effect, Impact, Shown, again, impact_of
from ledger.views.runs import RunView

HAPPENED: tuple[ActionState, ...] = ("delivered", "done_by_person")
MAY_HAVE: tuple[ActionState, ...] = ("sending", "unknown")
"""Nobody knows yet whether it has happened, or it is being sent at this moment."""
STILL_TO_COME: tuple[ActionState, ...] = ("approved", "held")


@dataclass(frozen=True)
class Compensation:
    """An action that takes another one back, with its run: proposed, on its way, executed, or declined.

    `run` is "" where it is proposed and no run that goes on has begun it: a person starts it, or declines it.
    """

    key: str
    type: str
    state: ActionState
    summary: str
    run: str
    at: datetime

    @property
    def is_done(self) -> bool:
        """True once it has happened."""
        return self.state in HAPPENED

    @property
    def waits(self) -> bool:
        """True while a person has to start or decline it."""
        return self.state == "proposed" and not self.run


@dataclass(frozen=True)
class Executed:
    """An action that has happened, or (`certain` False) may have, and came from what is condemned.

    `taken_back_by` is the type of action that policy declares as its compensation, "" if there is none; `compensation` the
    action that was proposed or started to take it back, None while there is none. `remedy` is what a person said became of it,
    None while nobody has. `went_on`: a person let it happen although it was held.
    """

    effect: Effect
    certain: bool
    taken_back_by: str
    remedy: Remedy | None
    went_on: bool
    compensation: Compensation | None = None

    @property
    def open(self) -> bool:
        """True while somebody has to say what becomes of it: until a person has said it, or what takes it back is settled."""
        back = self.compensation
        taken_back = back is not None and (back.is_done or back.state == "declined")
        return self.remedy is None and not self.went_on and not taken_back


@dataclass(frozen=True)
class Reach:
    """What a condemnation reaches: all that came from its things, what of that is held, and what has happened already.

    `runs` are those that go on and stop before their next use of it; `passed` are the traces that a person let go on. `pending`
    are actions that are not carried out.
    """

    impact: Impact = field(default_factory=Impact)
    executed: tuple[Executed, ...] = ()
    pending: tuple[Effect, ...] = ()
    runs: tuple[RunView, ...] = ()
    passed: frozenset[str] = frozenset()

    @property
    def gates(self) -> tuple[Shown, ...]:
        """Open gates that nobody can approve: those of runs that were not let go on."""
        return tuple(one for one in self.impact.gates if one.thing.partition("/")[0] not in self.passed)

    @property
    def holds(self) -> bool:
        """True while it keeps anything from going on."""
        return bool(self.pending or self.runs)

    @property
    def left(self) -> tuple[Executed, ...]:
        """Executed actions of which nobody has said what becomes of them."""
        return tuple(one for one in self.executed if one.open)


@dataclass(frozen=True)
class Standing:
    """A condemnation and what it reaches now."""

    condemnation: Condemnation
    reach: Reach

    @property
    def state(self) -> str:
        """open: somebody has something left to do, or it holds something. settled: neither. undone: it was taken back."""
        if self.condemnation.undone_at is not None:
            return "undone"
        return "open" if self.reach.left or self.reach.holds else "settled"


Compensations = Mapping[str, str]
"""Which type of action takes back which, as policy has it."""


def reach_of(connection: Connection, things: Sequence[str], undone_by: Compensations) -> Reach:
    """What condemning these things would hold, and which executed actions came from them. Only reads."""
    return _reach(connection, impact_of(connection, things), undone_by, None)


def standing_of(connection: Connection, one: Condemnation, undone_by: Compensations, before: Impact | None = None) -> Standing:
    """A condemnation with what it reaches now; what was undone reaches nothing. Only reads.

    With `before`, which is what it reached a moment ago, only what has become of that is read.
    """
    if one.undone_at is not None:
        return Standing(one, Reach())
    impact = again(connection, before) if before else impact_of(connection, condemnations.things_of(connection, one.id))
    return Standing(one, _reach(connection, impact, undone_by, one))


def standings(
    connection: Connection, undone_by: Compensations, *, everything: bool = False, limit: int = 200
) -> list[Standing]:
    """Condemnations that are open, oldest first; with `everything` also settled and undone ones. Only reads.

    `limit`: how many of the newest are looked at, each of which is a walk through what came from it.
    """
    rows = condemnations.every(connection, undone=everything, limit=limit)
    found = (standing_of(connection, one, undone_by) for one in rows)
    return [one for one in found if everything or one.state == "open"]


def _reach(connection: Connection, impact: Impact, undone_by: Compensations, one: Condemnation | None) -> Reach:
    remedies = {} if one is None else condemnations.remedies(connection, one.id)
    traces = [one.trace for one in impact.runs]
    passed = frozenset() if one is None else frozenset(condemnations.lets_on(connection, traces, one.id))
    about = _about(connection, [effect.key for effect in impact.effects])
    back = _compensations(connection, [effect.key for effect in impact.effects if effect.state in HAPPENED])
    executed = []
    for effect in impact.effects:
        if effect.state not in (*HAPPENED, *MAY_HAVE):
            continue
        remedy, (trace, at) = remedies.get(effect.key), about[effect.key]
        # What happened before it was condemned is not what somebody then let happen.
        allowed = trace in passed or (remedy is not None and remedy.how == "goes_on")
        went_on = allowed and one is not None and at > one.at
        said = None if remedy is None or remedy.how == "goes_on" else remedy
        certain, by = effect.state in HAPPENED, undone_by.get(effect.type, "")
        executed.append(Executed(effect, certain, by, said, went_on, _since(back.get(effect.key), one)))
    pending = [
        effect
        for effect in impact.effects
        if effect.state in STILL_TO_COME
        and about[effect.key][0] not in passed
        and not ((said := remedies.get(effect.key)) is not None and said.how == "goes_on")
    ]
    runs = tuple(one for one in impact.runs if not one.has_ended and one.trace not in passed)
    return Reach(impact, tuple(executed), tuple(pending), runs, passed)


def _about(connection: Connection, keys: Iterable[str]) -> dict[str, tuple[str, datetime]]:
    """The run family of each action, and when it changed last."""
    rows = rows_with(connection, select(action.c.key, action.c.trace, action.c.updated_at), action.c.key, keys)
    return {row.key: (row.trace, from_us(row.updated_at)) for row in rows}


def _since(back: Compensation | None, one: Condemnation | None) -> Compensation | None:
    """It, unless it was declined before this condemnation: then nobody has said yet whether it stays so."""
    declined_before = back is not None and back.state == "declined" and (one is None or back.at < one.at)
    return None if declined_before else back


def _compensations(connection: Connection, keys: Sequence[str]) -> dict[str, Compensation]:
    """What takes each of these actions back: what has happened before what is on its way, then what was declined."""
    pairs = [pair for pair in proposals.undoing(connection, keys) if _counts(pair[1].state)]
    traces = sorted({row.trace for _, row in pairs})
    names = {row.trace: row for row in rows_with(connection, _NAMES, run.c.trace, traces)}
    found: dict[str, Compensation] = {}
    order = lambda pair: (pair[1].state in HAPPENED, pair[1].state != "declined", pair[1].updated_at, pair[1].key)  # noqa: E731
    for undone, row in sorted(pairs, key=order):
        its = names.get(row.trace)
        nobodys = row.state == "proposed" and (its is None or its.ended_at is not None)
        name = "" if nobodys else row.trace if its is None else its.workflow_id
        found[undone] = Compensation(row.key, row.type, row.state, row.summary, name, from_us(row.updated_at))
    return found


def _counts(state: ActionState) -> bool:
    return state in (*HAPPENED, "declined") or state not in SETTLED


_NAMES = select(run.c.trace, run.c.workflow_id, run.c.ended_at)


def made_in(connection: Connection, trace: str) -> list[str]:
    """Everything that a run family has made so far, by its ids: handoffs, turns, gates and actions."""
    columns = (handoff.c.id, turn.c.id, action.c.key)
    found = [one for it in columns for one in connection.execute(select(it).where(it.table.c.trace == trace)).scalars()]
    gates = connection.execute(select(gate.c.gate).where(gate.c.trace == trace)).scalars()
    return [*found, *(f"{trace}/{name}" for name in gates)]


def marked(connection: Connection, things: Iterable[str]) -> dict[str, str]:
    """Those of these things that are condemned themselves, each with a line for people that says so."""
    found = condemnations.marks(connection, things)
    return {thing: "; ".join(one.mark for one in several) for thing, several in found.items()}
