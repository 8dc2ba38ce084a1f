"""Pauses of an agent, a pipeline, a project or everything: whoever is about to begin a step asks here whether one holds it.

Of two that pause the same thing at once one pause is in force, and of two that lift it one lifts it; the other is told.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, exists, func, or_, select, update

from contracts.base import digest_of
from contracts.errors import NotFound, Refused
from contracts.pauses import HELD_UP, Paused, PauseKind, Resumed, paused_thing
from contracts.runs import WHEN_WRITTEN, Note, RunRef
from contracts.text import one_line
from ledger import feed
from ledger.db import from_us, insert_once, plain, server_us
from ledger.statement import Statement
from ledger.tables import pause, run, turn

LONGEST = 1000
"""Most characters of a reason."""

_IN_FORCE = pause.c.lifted_at.is_(None)
_ALL = Statement(select(pause).where(_IN_FORCE).order_by(pause.c.at, pause.c.id))
_PIPELINE = Statement(select(run.c.pipeline).where(run.c.trace == bindparam("of")))
_AGENT = Statement(select(turn.c.agent).where(turn.c.id == bindparam("of")))


@dataclass(frozen=True)
class Step:
    """A step that is about to begin. `agent` is the one that does it, or `turn` the stored turn that says so; "" for none."""

    trace: str
    project: str
    agent: str = ""
    turn: str = ""


def put(connection: Connection, kind: PauseKind, name: str, by: str, why: str, channel: str) -> Paused:
    """Pause an agent, a pipeline (by its workflow type), a project, or (`all`, name "") everything, and tell the feed.

    Counts for every step that has not begun when this commits. Raises `Refused`, with who did it, where it is paused already.
    The name is taken as it is: `ledger.views.pauses.check_known` knows which there are.
    """
    same = select(func.count()).select_from(pause).where(pause.c.kind == kind, pause.c.name == plain(name))
    # Counted: what was lifted can be paused again.
    id = digest_of("pause", kind, plain(name), str(connection.execute(same).scalar_one()))[:12]
    values = {"kind": kind, "name": name, "by": by, "why": one_line(why, LONGEST), "at": server_us(connection)}
    if not insert_once(connection, pause, id=id, **values):
        there = _of(connection, kind, name)
        if there is None:  # it was paused and lifted by others between the two statements
            raise Refused(f"somebody else paused {paused_thing(kind, name)} at the same moment; look again with `baton status`")
        raise Refused(f"{there.told}: {there.why}; it stays so. `{there.lift}` lifts it")
    made = _of(connection, kind, name)
    assert made is not None, "it was written just now"
    following = f"steps that have begun end, the next ones wait until it is lifted: `{made.lift}`"
    _tell(connection, made, "put", by, f"paused {made.thing}", made.why, following, channel)
    return made


def lift(connection: Connection, kind: PauseKind, name: str, by: str, why: str, channel: str) -> Paused:
    """Lift a pause and tell the feed: what it holds goes on by itself. Returns the pause.

    Raises `NotFound`, with what is paused, or who lifted it last, where it is not paused.
    """
    said = plain(one_line(why, LONGEST))
    values = {"lifted_by": plain(by), "lifted_why": said, "lifted_at": server_us(connection)}
    # The condition is in the statement that changes the row: of two that come at once one finds nothing to change.
    there = (pause.c.kind == kind, pause.c.name == plain(name), _IN_FORCE)
    row = connection.execute(update(pause).where(*there).values(**values).returning(pause)).first()
    if row is None:
        raise NotFound(_nothing_to_lift(connection, kind, name))
    lifted = _as_paused(row)
    told = f"resumed {lifted.thing}, which {lifted.by} had paused"
    _tell(connection, lifted, "lifted", by, told, said, "what it held goes on by itself", channel)
    return lifted


def in_force(connection: Connection) -> list[Paused]:
    """Every pause that is not lifted, oldest first."""
    return [_as_paused(row) for row in _ALL.all(connection)]


def holding(connection: Connection, step: Step) -> Paused | None:
    """The oldest pause that holds this step; None where it may begin. Without any pause it costs one small statement."""
    there = in_force(connection)
    return next((one for one in there if _holds(connection, one, step)), None)


def resumed(connection: Connection, id: str) -> Resumed | None:
    """Who lifted this pause, and why; None while it is in force. One that the ledger does not have holds nothing."""
    row = connection.execute(select(pause).where(pause.c.id == id)).first()
    if row is None:
        return Resumed(by="nobody", why="the ledger has no such pause: it is an older one than the pause was made in")
    return None if row.lifted_at is None else Resumed(by=row.lifted_by, why=row.lifted_why)


def held_up(connection: Connection) -> int:
    """How many runs are on record as waiting for a pause to be lifted."""
    query = select(func.count()).select_from(run).where(run.c.ended_at.is_(None), run.c.waiting_for == HELD_UP)
    return int(connection.execute(query).scalar_one())


def holds_run_of(trace: ColumnElement[str]) -> ColumnElement[bool]:
    """True, as a condition, while a pause of everything, or of the run's project or pipeline, is in force."""
    of_run = or_(
        pause.c.kind == "all",
        and_(pause.c.kind == "project", pause.c.name == run.c.project),
        and_(pause.c.kind == "pipeline", pause.c.name == run.c.pipeline),
    )
    return exists(select(pause.c.id).select_from(pause.outerjoin(run, run.c.trace == trace)).where(_IN_FORCE, of_run))


def _holds(connection: Connection, one: Paused, step: Step) -> bool:
    if one.kind == "all":
        return True
    if one.kind == "project":
        return one.name == step.project
    if one.kind == "pipeline":
        return bool(one.name == _PIPELINE.scalar(connection, of=step.trace))
    return one.name == _agent(connection, step)


def _agent(connection: Connection, step: Step) -> str:
    """The agent's name, without its version and what else stands beside it."""
    said = step.agent or (str(_AGENT.scalar(connection, of=step.turn) or "") if step.turn else "")
    return said.partition(" ")[0].partition("@")[0]


def _of(connection: Connection, kind: PauseKind, name: str) -> Paused | None:
    row = connection.execute(select(pause).where(pause.c.kind == kind, pause.c.name == plain(name), _IN_FORCE)).first()
    return None if row is None else _as_paused(row)


def _nothing_to_lift(connection: Connection, kind: PauseKind, name: str) -> str:
    query = select(pause).where(pause.c.kind == kind, pause.c.name == plain(name)).order_by(pause.c.lifted_at.desc()).limit(1)
    last = connection.execute(query).first()
    before = ""
    if last is not None:
        before = f"; {last.lifted_by} resumed it at {from_us(last.lifted_at):%Y-%m-%d %H:%M:%S} UTC: {last.lifted_why}"
    there = ", ".join(one.thing for one in in_force(connection)) or "nothing"
    return f"{paused_thing(kind, name)} is not paused{before}. Paused now: {there}"


def _tell(connection: Connection, one: Paused, what: str, by: str, did: str, why: str, following: str, channel: str) -> None:
    line = Note(
        key=digest_of("pause", one.id, what),
        at=WHEN_WRITTEN,
        stage="pause",
        actor=by,
        channel=channel,
        did=did,
        why=why,
        next=following,
    )
    # It belongs to no run; that of a project is found among the project's lines.
    project = one.name if one.kind == "project" else "default"
    feed.append(connection, RunRef(trace="pauses", workflow_id="pauses", project=project), [line])


def _as_paused(row: Row[Any]) -> Paused:
    return Paused(id=row.id, kind=row.kind, name=row.name, by=row.by, why=row.why, since=from_us(row.at))
