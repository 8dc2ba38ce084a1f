"""Runs that Temporal has ended without us: they are closed in the record, and opened again if they are reset afterwards."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from contracts.actions import ActionState
from contracts.gates import GateKind, GateView
from contracts.printed import command
from contracts.runs import FINAL, WHEN_WRITTEN, Note, RunChange, RunRef, RunState
from ledger import actions, feed, gates, runs, seals
from ledger.db import plain, server_us, to_us
from ledger.money import ceilings, spend
from ledger.statement import Statement
from ledger.tables import action, gate, run, trip, turn

AT_ONCE = 10_000
"""Most runs that one round of upkeep compares with Temporal, those that changed longest ago first."""

_NAMES = ("trace", "workflow_id", "project", "state", "namespace", "gone")
_COLUMNS = (*(run.c[name] for name in _NAMES), run.c.run_ids)  # without input and result, which may be large
_ROW = Statement(select(run).where(run.c.trace == bindparam("of")).with_for_update())


@dataclass(frozen=True)
class Known:
    """What the ledger knows of a run whose standing Temporal is asked for. `run_ids` are those of its chain, oldest first."""

    trace: str
    workflow_id: str
    project: str
    state: RunState
    run_ids: tuple[str, ...]
    namespace: str
    gone: str

    @property
    def has_ended(self) -> bool:
        """True if its state is a final one."""
        return self.state in FINAL


@dataclass(frozen=True)
class Ending:
    """How Temporal ended a run: `did` in a few words, `why` in those of whoever did it, and the report that the run left.

    `actor` is who closes it in the record: a person, where Temporal itself was lost. `withdraws`: somebody wanted the run not
    to go on, or it ended by itself and this ledger does not know what it did; then what it was allowed and nobody has begun is
    not done any more. Otherwise the relay does it.
    """

    state: RunState
    did: str
    why: str = ""
    report: dict[str, Any] | None = None
    actor: str = "temporal"
    withdraws: bool = False


def open_runs(connection: Connection, limit: int = AT_ONCE) -> list[Known]:
    """Runs that are open in the ledger, those that changed longest ago first."""
    query = select(*_COLUMNS).where(run.c.ended_at.is_(None)).order_by(run.c.updated_at).limit(limit)
    return [_known(row) for row in connection.execute(query)]


def known(connection: Connection, traces: Collection[str]) -> list[Known]:
    """Those of these runs that Temporal may have another word on: the open ones, and those that it ended without us."""
    asked = select(*_COLUMNS).where(run.c.trace.in_(list(traces)), run.c.ended_at.is_(None) | (run.c.gone != ""))
    return [_known(row) for row in connection.execute(asked)]


def ended_named(connection: Connection, workflow_ids: Collection[str]) -> list[Known]:
    """Ended runs that Temporal ended without us and that have one of these workflow ids: one may have been reset."""
    query = select(*_COLUMNS).where(run.c.gone != "").order_by(run.c.updated_at.desc()).limit(AT_ONCE)
    return [_known(row) for row in connection.execute(query) if row.workflow_id in workflow_ids]


def seen_in(connection: Connection, traces: Collection[str], namespace: str) -> None:
    """Record that this Temporal namespace has these runs: only there does their absence mean that they were deleted."""
    unknown = (run.c.trace.in_(list(traces)), run.c.namespace == "")
    connection.execute(update(run).where(*unknown).values(namespace=namespace))


def close(connection: Connection, one: Known, end: Ending) -> bool:
    """Close a run with its gates, reservations and waits, and remember them for `opened_again`.

    False if it has ended, or gone on as another run of its chain, meanwhile. Safe to call twice.
    """
    row = _ROW.first(connection, of=one.trace)
    if row is None or row.state in FINAL or tuple(json.loads(row.run_ids)) != one.run_ids:
        return False
    closed = {
        "row": [row.state, row.waiting_for, row.next],
        "gates": _names(connection, select(gate.c.gate).where(gate.c.trace == one.trace, gate.c.state == "open")),
        "actions": _names(
            connection, select(action.c.key).where(action.c.trace == one.trace, action.c.state.in_(actions.MAY_HAPPEN))
        ),
    }
    close_left_over(connection, one.trace)
    if end.withdraws:
        actions.withdraw(connection, one.trace, f"the run was {end.did} before it began")
    ref = RunRef(trace=one.trace, workflow_id=one.workflow_id, project=one.project)
    runs.change(connection, ref, RunChange(state=end.state, next="nothing: the run has ended"))
    report = json.dumps(_report(connection, row, end), ensure_ascii=False)
    values = {"gone": json.dumps(closed), "result": plain(report)}
    connection.execute(update(run).where(run.c.trace == one.trace).values(**values))
    feed.append(connection, ref, [_line(one, end)])
    return True


def gates_of_children(connection: Connection, namespace: str, traces: Collection[str] | None = None) -> list[GateView]:
    """Open gates of children of open runs that this Temporal namespace has; with `traces` only of these runs."""
    theirs = (run.c.ended_at.is_(None), run.c.namespace == namespace, gate.c.workflow_id != run.c.workflow_id)
    query = select(gate.c.view).join(run, run.c.trace == gate.c.trace).where(gate.c.state == "open", *theirs)
    if traces is not None:
        query = query.where(run.c.trace.in_(list(traces)))
    return [GateView.model_validate_json(view) for view in connection.execute(query.limit(AT_ONCE)).scalars()]


def close_gate(connection: Connection, view: GateView, end: Ending) -> bool:
    """Close the gate of a child that Temporal has ended while its run goes on. False if it was closed meanwhile."""
    if not gates.close(connection, view.trace, view.gate, "cancelled"):
        return False
    line = Note(
        key=f"{view.trace}/gone/{view.gate}/{to_us(view.opened_at)}",
        at=WHEN_WRITTEN,
        stage=view.kind,
        actor=end.actor,
        did=f"closed gate {view.gate}: its child workflow was {end.did}",
        why=end.why,
        next="the run goes on without that child's answer",
    )
    feed.append(
        connection, RunRef(trace=view.trace, path=view.path, workflow_id=view.workflow_id, project=view.project), [line]
    )
    return True


def close_left_over(connection: Connection, trace: str) -> None:
    """Close what is still open of a run that has ended. Safe to call twice."""
    spend.close_left_over(connection, trace)
    gates.close_left_over(connection, trace)
    ceilings.close_left_over(connection, trace)


def left_over(connection: Connection, limit: int = AT_ONCE) -> list[str]:
    """Traces of ended runs with a gate that is open: the activity that opened it ended after its run."""
    ended = select(run.c.trace).where(run.c.trace == gate.c.trace, run.c.ended_at.is_not(None)).exists()
    return list(connection.execute(select(gate.c.trace).where(gate.c.state == "open", ended).distinct().limit(limit)).scalars())


def close_ended(connection: Connection, trace: str) -> bool:
    """Close what an ended run still has open. False if the run is not closed any more: it was reset."""
    row = _ROW.first(connection, of=trace)
    if row is None or row.state not in FINAL:
        return False
    close_left_over(connection, trace)
    return True


def reopen(connection: Connection, ref: RunRef, line: Note) -> bool:
    """Open a run again that Temporal has reset after it had ended it, or that was closed as lost and is there after all.

    False if that is on record already. `ref` names the run of the chain that goes on now, `line` is for the feed.
    """
    if runs.follow(connection, ref) is None and not _was_mistaken(connection, ref.trace):
        return False
    opened_again(connection, ref.trace)
    feed.append(connection, ref, [line])
    return True


def _was_mistaken(connection: Connection, trace: str) -> bool:
    """Open a run that is closed although the last run of its chain is the one that goes on."""
    row = _ROW.first(connection, of=trace)
    if row is None or not row.gone or row.state not in FINAL:
        return False
    runs.open_again(connection, trace)
    return True


def opened_again(connection: Connection, trace: str) -> None:
    """Open what `close` closed of a run that was reset and goes on. Call it after `runs.follow`. Safe to call twice.

    A paused run is paused again, for it does nothing that would record so. A gate that the reset run does not wait at is closed
    by its next activity.
    """
    row = _ROW.first(connection, of=trace)
    if row is None or not row.gone:
        return
    closed: dict[str, list[str]] = json.loads(row.gone)
    theirs = (gate.c.trace == trace, gate.c.gate.in_(closed["gates"]), gate.c.state == "cancelled")
    kinds: list[GateKind] = list(connection.execute(update(gate).where(*theirs).values(_OPEN).returning(gate.c.kind)).scalars())
    waits = (trip.c.trace == trace, trip.c.gate.in_(closed["gates"]), trip.c.how == "cancelled")
    connection.execute(update(trip).where(*waits).values(closed_at=None, how="", by=""))
    approved: ActionState = "approved"
    withdrawn = (action.c.key.in_(closed["actions"]), action.c.trace == trace, action.c.state == "expired")
    again = (
        update(action)
        .where(*withdrawn)
        .values(state=approved, reason="", updated_at=server_us(connection))
        .returning(action.c.key)
    )
    for key in connection.execute(again).scalars():
        seals.touch(connection, trace, "action", key)
    values: dict[str, Any] = {"gone": ""}
    before, waiting_for, next = closed["row"]
    if before == "paused":
        values |= {"state": before, "waiting_for": waiting_for, "next": next}
    elif kinds:
        state: RunState = "parked" if "ceiling" in kinds else "held" if "held" in kinds else "waiting"
        values |= {"state": state, "waiting_for": ", ".join(closed["gates"]), "next": next}
    connection.execute(update(run).where(run.c.trace == trace).values(**values))


_OPEN: dict[str, Any] = {"state": "open", "closed_at": None}


def _names(connection: Connection, query: Any) -> list[str]:
    return list(connection.execute(query).scalars())


def _line(one: Known, end: Ending) -> Note:
    return Note(
        key=f"{one.trace}/gone/{one.run_ids[-1] if one.run_ids else ''}",
        at=WHEN_WRITTEN,
        stage="end",
        actor=end.actor,
        did=f"ended: {end.state}; the run was {end.did}",
        why=end.why or "Temporal ended it, and the run itself could record nothing",
        next=f"nothing: its gates, reservations and workspaces are closed; `{command('retry', one.workflow_id)}` does it again",
        importance="alert",
    )


def _report(connection: Connection, row: Row[Any], end: Ending) -> dict[str, Any]:
    """The run's own report, or what every pipeline's report has, with the costs that the ledger knows."""
    totals = runs.totals(connection, row.trace)
    providers = select(turn.c.provider).where(turn.c.trace == row.trace).distinct()
    common = {
        "pipeline": row.pipeline,
        "run": row.workflow_id,
        "trace": row.trace,
        "state": end.state,
        "reason": f"{end.did}: {end.why}" if end.why else end.did,
        "scripted": _names(connection, providers) == ["scripted"],
    }
    return (end.report or common) | {"usd_micros": totals["usd_micros"], "tokens": totals["tokens"]}


def _known(row: Row[Any]) -> Known:
    return Known(**{name: getattr(row, name) for name in _NAMES}, run_ids=tuple(json.loads(row.run_ids)))
