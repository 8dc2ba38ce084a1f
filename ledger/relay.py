"""Actions that are left to the relay: what is due, in which order, what became of an attempt, and what operators do.

An action is its run's until it is handed over, or its run is over. From then on the relay tries it: one at a time for each
target, in the order in which they were handed over, until it is settled, waits for a person, or is given up.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, literal, or_, select, update

from contracts.actions import SETTLED, Receipt, Relayed
from contracts.relay import Relaying
from contracts.runs import RunRef
from ledger import seals
from ledger.actions import ITS_RUNS_OWN, MAY_HAPPEN, unheld
from ledger.db import plain, server_us
from ledger.pauses import holds_run_of
from ledger.statement import Statement
from ledger.tables import action, counter, run

PART = "relay"
"""The name of the lease by which one worker at a time looks for what is due."""

AT_ONCE = 100
"""Most actions that one round looks at."""

OPEN = ("approved", "sending")
"""States that the relay brings forward. `unknown` waits for a person."""

TRIED = (*OPEN, "held")
"""States of what the relay tries. What is held keeps nothing behind it waiting, so it may lose its turn."""


_LEFT = Statement(
    select(action)
    .where(
        action.c.trace == bindparam("of"),
        or_(
            *(action.c.relay == literal(how) for how in ("handed", "swept")),
            and_(action.c.relay != literal(""), or_(*(action.c.state == literal(state) for state in TRIED))),
        ),
    )
    .order_by(action.c.handed_at, action.c.order, action.c.key)
)


@dataclass(frozen=True)
class Attempt:
    """What a failed attempt came to: it is tried again, or the action was given up as `dead` or `unknown`."""

    row: Row[Any]
    state: Literal["approved", "sending", "dead", "unknown"]


def hand_over(connection: Connection, key: str, how: Relayed) -> bool:
    """Leave an action that may happen, and that nobody is sending, to the relay. False if it is there already, or settled."""
    now = server_us(connection)
    ours = (action.c.key == key, action.c.relay == "", _free(now))
    values = ITS_RUNS_OWN | {"relay": how, "handed_at": now, "updated_at": now}
    return connection.execute(update(action).where(*ours).values(values)).rowcount == 1


def _free(now: int) -> ColumnElement[bool]:
    return or_(action.c.state.in_(MAY_HAPPEN), and_(action.c.state == "sending", unheld(now)))


def _left(connection: Connection) -> ColumnElement[bool]:
    """Open actions of runs that are over, as a condition. Without those from before there was a relay."""
    since = connection.execute(select(counter.c.value).where(counter.c.name == "swept_since")).scalar() or 0
    over = select(run.c.trace).where(run.c.trace == action.c.trace, run.c.ended_at.is_not(None)).exists()
    return and_(action.c.relay == "", action.c.updated_at >= since, _free(server_us(connection)), over)


def left_behind(connection: Connection) -> list[str]:
    """Keys of the actions that may happen, and whose run is over however it ended: nobody carries them out."""
    query = select(action.c.key).where(_left(connection)).order_by(action.c.at, action.c.order).limit(AT_ONCE)
    return list(connection.execute(query).scalars())


def sweep(connection: Connection, key: str) -> Row[Any] | None:
    """Leave one of them to the relay. None if it is nobody's to sweep any more: its run was reset, or another was faster."""
    now = server_us(connection)
    values = ITS_RUNS_OWN | {"relay": "swept", "handed_at": now, "updated_at": now}
    query = update(action).where(action.c.key == key, _left(connection)).values(values).returning(action)
    return connection.execute(query).first()


def due(connection: Connection) -> list[Row[Any]]:
    """What the relay is to try now: of each target only what was handed over first, and nothing that is being sent.

    Actions of a run that a pause holds wait, and keep nothing behind them waiting.
    """
    now = server_us(connection)
    ours = (action.c.relay != "", action.c.state.in_(TRIED), action.c.due_at <= now, _free(now), ~holds_run_of(action.c.trace))
    first = action.alias("before")
    earlier = or_(
        first.c.handed_at < action.c.handed_at,
        and_(first.c.handed_at == action.c.handed_at, first.c.at < action.c.at),
        and_(first.c.handed_at == action.c.handed_at, first.c.at == action.c.at, first.c.order < action.c.order),
        and_(
            first.c.handed_at == action.c.handed_at,
            first.c.at == action.c.at,
            first.c.order == action.c.order,
            first.c.key < action.c.key,
        ),
    )
    # Also one that waits for its next attempt, or that another relay is sending: what comes after it must not overtake it.
    blocked = select(first.c.key).where(
        first.c.target == action.c.target, first.c.relay != "", first.c.state.in_(OPEN), earlier, ~holds_run_of(first.c.trace)
    )
    query = select(action).where(*ours, or_(action.c.target == "", ~blocked.exists()))
    order = (action.c.handed_at, action.c.at, action.c.order, action.c.key)
    return list(connection.execute(query.order_by(*order).limit(AT_ONCE)))


def anything(connection: Connection) -> bool:
    """True if there is something to sweep, or due. Only reads: a relay that has nothing to do takes no lease."""
    return bool(left_behind(connection) or due(connection))


def failed(connection: Connection, key: str, problem: str, limits: Relaying) -> Attempt | None:
    """Count a failed attempt: it is tried again later, or given up. None if the action is settled or somebody is sending it.

    Given up it is `dead` where certainly nothing has happened, and `unknown` where it may have: a person finds that out.
    """
    row = _free_one(connection, key)
    if row is None:
        return None
    tries = row.tries + 1
    if tries < limits.attempts:
        wait = int(limits.wait(tries).total_seconds() * 1_000_000)
        _change(connection, key, tries=tries, problem=problem, due_at=server_us(connection) + wait)
        return Attempt(row, row.state)
    given_up: Literal["dead", "unknown"] = "dead" if row.state in MAY_HAPPEN else "unknown"
    _change(connection, key, state=given_up, tries=tries, problem=problem)
    return Attempt(row, given_up)


def unclear(connection: Connection, key: str, problem: str) -> Attempt | None:
    """Leave it to a person whether it has happened: no further attempt can show it. None as `failed`."""
    row = _free_one(connection, key)
    if row is None:
        return None
    # Those that nobody heard of again were attempts as well.
    _change(connection, key, state="unknown", tries=row.tries + max(row.begun, 1), problem=problem)
    return Attempt(row, "unknown")


def postpone(connection: Connection, key: str, wait_us: int, problem: str) -> None:
    """Try it again after so long. It does not count as an attempt: nobody was asked to act."""
    if _free_one(connection, key) is not None:
        _change(connection, key, problem=problem, due_at=server_us(connection) + wait_us)


def _free_one(connection: Connection, key: str) -> Row[Any] | None:
    query = select(action).where(action.c.key == key, action.c.relay != "", _free(server_us(connection)))
    return connection.execute(query.with_for_update()).first()


def _change(connection: Connection, key: str, **values: Any) -> None:
    connection.execute(update(action).where(action.c.key == key).values(updated_at=server_us(connection), **values))


def end(connection: Connection, row: Row[Any], receipt: Receipt) -> None:
    """Settle an action that nobody is sending. The caller has made sure of that in this transaction, and tells the feed."""
    values = {"state": receipt.state, "receipt": receipt.model_dump_json(), "reason": receipt.problem}
    _change(connection, row.key, **values, lease_until=0)
    seals.touch(connection, row.trace, "action", row.key)


def begin_again(connection: Connection, row: Row[Any]) -> None:
    """Have the relay try an action again, from the first attempt and after all that waits for its target.

    What may have happened is asked of the target first. The caller has made sure that nobody is sending it.
    """
    values = ITS_RUNS_OWN | {"relay": row.relay or "swept", "handed_at": server_us(connection)}
    state = "sending" if row.state in ("sending", "unknown") else "approved"
    _change(connection, row.key, **values, state=state, receipt="", reason="", lease_until=0, begun=0)
    seals.touch(connection, row.trace, "action", row.key)


def is_held(connection: Connection, row: Row[Any]) -> bool:
    """True while somebody is sending it."""
    free = select(action.c.key).where(action.c.key == row.key, unheld(server_us(connection)))
    return row.state == "sending" and connection.execute(free).first() is None


def run_of(connection: Connection, trace: str) -> RunRef:
    """The run that an action belongs to, for the feed; also of one that was never admitted."""
    row = connection.execute(select(run.c.workflow_id, run.c.project).where(run.c.trace == trace)).first()
    if row is None:
        return RunRef(trace=trace, workflow_id=trace, project="default")
    return RunRef(trace=trace, workflow_id=row.workflow_id, project=row.project)


def outcomes(connection: Connection, trace: str) -> tuple[Receipt, ...]:
    """What a run has left to the relay, as it is now. What it waited for itself is not among it, unless it is still open."""
    return tuple(_outcome(row) for row in _LEFT.all(connection, of=trace))


def _outcome(row: Row[Any]) -> Receipt:
    if row.state in SETTLED and row.receipt:
        return Receipt.model_validate_json(row.receipt)
    return Receipt(key=row.key, type=row.type, state=row.state, summary=row.summary, problem=row.problem or row.reason)


def tell_report(connection: Connection, trace: str) -> None:
    """Bring the report of a run that has ended up to date with what became of its actions. Call it before the feed."""
    query = select(run.c.result).where(run.c.trace == trace, run.c.ended_at.is_not(None), run.c.result != "")
    kept = connection.execute(query.with_for_update()).scalar()
    if not kept:
        return
    report = json.loads(kept)
    told = [one.model_dump(mode="json") for one in outcomes(connection, trace)]
    if isinstance(report, dict) and report.get("handed_over", []) != told:
        text = json.dumps(report | {"handed_over": told}, ensure_ascii=False)
        connection.execute(update(run).where(run.c.trace == trace).values(result=plain(text)))
