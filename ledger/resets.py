"""Gates of a run that was reset: they open again, and what was decided before stays on record without counting.

A gate remembers which runs of a chain it was open in. The last of them is the one that decides.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, bindparam, null, select, update

from contracts.gates import Claimed, GateView
from contracts.known import Known
from ledger import actions, seals
from ledger.db import from_us, now_us, plain, to_us
from ledger.statement import Statement
from ledger.tables import decision, gate

SUPERSEDED = "superseded"
"""Outcome of a decision that counted until its run was reset to before it."""

_GATE = Statement(
    select(gate.c.state, gate.c.opened_at, gate.c.run_ids)
    .where(gate.c.trace == bindparam("of"), gate.c.gate == bindparam("named"))
    .with_for_update()
)


def whose(connection: Connection, view: GateView, run_id: str) -> Literal["ours", "newer", "older"]:
    """Who asks: the run that the gate is open in, a run that replaces it, or one that was replaced."""
    row = _GATE.first(connection, of=view.trace, named=view.gate)
    if row is None or not run_id:
        return "ours"
    known: list[str] = json.loads(row.run_ids)
    if not known:
        # Opened by a release that did not record runs: only another opening time tells that it is another run.
        return "ours" if to_us(view.opened_at) == row.opened_at else "newer"
    if run_id == known[-1]:
        return "ours"
    return "older" if run_id in known else "newer"


def reopen(connection: Connection, view: GateView, run_id: str, values: dict[str, Any]) -> Row[Any] | None:
    """Open a gate again, with these new values, for the run that has taken over. Returns the decision that no longer counts."""
    here = (gate.c.trace == view.trace, gate.c.gate == view.gate)
    won = (decision.c.trace == view.trace, decision.c.gate == view.gate, decision.c.outcome == "won")
    row = _GATE.first(connection, of=view.trace, named=view.gate)
    assert row is not None, "a gate that is opened again is there"
    # Read before it is marked: the feed line names whose decision no longer counts.
    counted = connection.execute(select(decision).where(*won)).first()
    # Those that counted without closing it, too: whoever decides in the newer run looks at the gate again.
    ended = (*won[:2], decision.c.outcome.in_(("won", "counted")))
    connection.execute(update(decision).where(*ended).values(outcome=SUPERSEDED, reason="the run was reset to before it"))
    # What that decision approved and nobody has begun must not be carried out.
    actions.withdraw(connection, view.trace, "the run was reset to before its approval", gate=view.gate)
    again = {"state": "open", "closed_at": null(), "run_ids": json.dumps([*json.loads(row.run_ids), run_id])}
    connection.execute(update(gate).where(*here).values(**values, **again))
    seals.touch(connection, view.trace, "gate", f"{view.trace}/{view.gate}")
    return counted


def applied_again(connection: Connection, view: GateView, claim: Claimed, known: Known = "") -> bool:
    """Let the decision that counted before the reset count again, if this is the same one. False if it is another.

    `known`: how the console knew who decided. One that was made there is not revived by somebody who only claims the same.
    """
    found = _same(connection, view, claim, (decision.c.known == known,), SUPERSEDED)
    if found is None:
        return False
    connection.execute(update(decision).where(decision.c.id == found[0]).values(outcome="won", reason=""))
    return True


def counted_at(connection: Connection, view: GateView, claim: Claimed) -> datetime | None:
    """When the same decision was received that counted before a reset, or counts; None if there is none."""
    found = _same(connection, view, claim, (), SUPERSEDED, "won")
    return None if found is None else from_us(found[1])


def _same(
    connection: Connection, view: GateView, claim: Claimed, also: Sequence[ColumnElement[bool]], *outcomes: str
) -> tuple[str, int] | None:
    """Id and instant of the newest decision that says the same."""
    said = claim.decision
    same = {
        "trace": view.trace,
        "gate": view.gate,
        "subject": view.subject,
        "verb": claim.verb,
        "by": plain(said.by),
        "note": plain(said.note),
        "answers": plain(json.dumps(said.answers or {})),
        "reference": plain(said.reference),
        # A decision that is signed now is not the one that was not, or that another key has signed.
        "signature": said.signature or "",
    }
    # Compared by what was said, not by time or id: Temporal applies it again at another time.
    query = select(decision.c.id, decision.c.at).where(*(decision.c[name] == value for name, value in same.items()))
    query = query.where(decision.c.outcome.in_(outcomes), *also)
    found = connection.execute(query.order_by(decision.c.at.desc()).limit(1)).first()
    return None if found is None else (str(found.id), int(found.at))


def close_abandoned(connection: Connection, trace: str, run_id: str, waiting: tuple[str, ...]) -> None:
    """Close the gates of the root that were open in a run that `run_id` replaces, except those that it waits at."""
    query = (
        update(gate)
        .where(gate.c.trace == trace, gate.c.path == "", gate.c.state == "open", gate.c.gate.not_in(waiting))
        .where(~gate.c.run_ids.contains(json.dumps(run_id), autoescape=True))
    )
    connection.execute(query.values(state="cancelled", closed_at=now_us()))
