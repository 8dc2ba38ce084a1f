"""Gates and what people decided at them: one winner per gate revision, every refusal kept."""

import json
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import BigInteger, Connection, Row, bindparam, literal, select, tuple_, update

from contracts.errors import NotFound
from contracts.gates import Claimed, Decided, GateView, Refusal
from contracts.known import Known
from contracts.work import digest_of_made
from ledger import gate_actions, lineage, resets, seals
from ledger.db import from_us, in_parts, insert_once, now_us, to_us
from ledger.statement import Statement
from ledger.tables import action, decision, gate, run

if TYPE_CHECKING:  # all who list runs load this module; what a worker is asked about gates is for those who write
    from contracts.gate_requests import AdmitDecision, OpenGate

_CLOSE_ALL = Statement(
    update(gate)
    .where(gate.c.trace == bindparam("of"), gate.c.state == literal("open"))
    .values(state=literal("cancelled"), closed_at=bindparam("now", type_=BigInteger))
)
_UNDECIDED = ("expired", "cancelled", "released")
"""States of a gate that closed without a person."""


def open_gate(connection: Connection, request: "OpenGate") -> Row[Any] | None:
    """Record an open gate and return None. Safe to call twice.

    Called by the run that replaces, after a reset, the one that opened it, it opens the gate again with that run's subject and
    returns the decision that no longer counts.
    """
    view = request.gate
    values = {
        "subject": view.subject,
        "policy_digest": request.policy_digest,
        "view": view.model_dump_json(),
        "intents": json.dumps([intent.model_dump(mode="json") for intent in request.intents]),
        "opened_at": to_us(view.opened_at),
        "deadline": to_us(view.deadline),
    }
    lineage.of_subject(connection, view.trace, view.gate, view.subject, request.subject)
    seals.touch(connection, view.trace, "gate", f"{view.trace}/{view.gate}")
    if resets.whose(connection, view, request.run.run_id) == "newer":
        return resets.reopen(connection, view, request.run.run_id, values)
    fixed = {name: getattr(view, name) for name in ("trace", "gate", "kind", "revision", "path", "workflow_id", "project")}
    # By this a run that replaces the one that opened it, after a reset, is recognised.
    run_ids = json.dumps([request.run.run_id] if request.run.run_id else [])
    insert_once(connection, gate, **fixed, **values, state="open", run_ids=run_ids)
    return None


def approver_of(connection: Connection, key: str) -> str:
    """Who approved the action with this key; "" if no gate did."""
    row = connection.execute(select(action.c.trace, action.c.gate).where(action.c.key == key)).first()
    won = winner(connection, row.trace, row.gate) if row is not None and row.gate else None
    return won.by if won is not None else ""


def close(connection: Connection, trace: str, name: str, state: str) -> bool:
    """Close an open gate. False if it was closed already."""
    # Conditional: of a decision, a deadline and the end of the run the first one closes it.
    query = update(gate).where(gate.c.trace == trace, gate.c.gate == name, gate.c.state == "open")
    return connection.execute(query.values(state=state, closed_at=now_us())).rowcount == 1


def win(
    connection: Connection, request: "AdmitDecision", claim: Claimed, *, authenticated: bool, known: Known = "", state: str = ""
) -> Decided:
    """Record the decision that closes a gate. Called again for the same gate it returns what was recorded first.

    `won` is False if the gate has closed without a decision, was decided about another subject before a reset, or the nonce
    has been used. `known` is how the console knew who decided, `state` the artifact that a patch leaves a step's files in.
    """
    view = request.gate
    # Locked first: a decision and the deadline must not both close the gate.
    standing = _locked_state(connection, view)
    row = winner(connection, view.trace, view.gate)
    # Temporal applies a run's decisions again after a reset: the same one counts again, under its old row.
    if row is None and resets.applied_again(connection, view, claim, known):
        close(connection, view.trace, view.gate, claim.verb)
        row = winner(connection, view.trace, view.gate)
    if row is None and standing in _UNDECIDED:
        closed = f"gate {view.gate} is {standing} and takes no decision"
        return decided(claim, view, authenticated=authenticated, known=known, refused=closed)
    if row is None:
        # A unique index: of two decisions that get this far the second inserts nothing, and is answered with the first.
        if _insert_winner(connection, view, claim, authenticated=authenticated, known=known, state=state):
            close(connection, view.trace, view.gate, claim.verb)
        row = winner(connection, view.trace, view.gate)
    if row is None:
        used = "this decision's nonce has been used before"
        return decided(claim, view, authenticated=authenticated, known=known, refused=used)
    if row.subject != view.subject:
        before = f"gate {view.gate} was decided before, by {row.by}, about another subject; that decision does not carry over"
        return decided(claim, view, authenticated=authenticated, known=known, refused=before)
    return _standing(row, view)


def _insert_winner(
    connection: Connection, view: GateView, claim: Claimed, *, authenticated: bool, known: Known, state: str
) -> bool:
    identity = secrets.token_hex(16)
    return insert(connection, view, claim, id=identity, outcome="won", authenticated=authenticated, known=known, state=state)


def insert(
    connection: Connection,
    view: GateView,
    claim: Claimed,
    *,
    id: str,
    outcome: str,
    authenticated: bool,
    known: Known = "",
    state: str = "",
) -> bool:
    """Record a decision at a gate. False if there is one with this id, or its nonce has been used. Else as `win`."""
    from contracts.signing import SignedDecision

    said = claim.decision
    statement = SignedDecision.of(view, gate_actions.intents(connection, view.trace, view.gate), claim.verb, said)
    seals.touch(connection, view.trace, "decision", id)
    return insert_once(
        connection,
        decision,
        id=id,
        trace=view.trace,
        gate=view.gate,
        verb=claim.verb,
        by=said.by,
        note=said.note,
        answers=json.dumps(said.answers or {}),
        reference=said.reference,
        made=json.dumps({"made": said.made, "patch": said.patch, "state": state}) if said.made or said.patch else "",
        subject=view.subject,
        outcome=outcome,
        reason="",
        via=claim.via,
        channel=said.channel,
        authenticated=authenticated,
        known=known,
        nonce=said.nonce,
        signature=said.signature or "",
        statement=statement.stored().decode() if said.signature else "",
        at=to_us(claim.at),
    )


def is_known(connection: Connection, view: GateView) -> bool:
    """True if the gate was opened in this ledger. Locks its row until the end of the transaction."""
    return _locked_state(connection, view) is not None


def lock(connection: Connection, things: Iterable[str]) -> None:
    """Wait for whoever decides at these gates (TRACE/GATE), and have others wait, until the end of the transaction."""
    both = tuple_(gate.c.trace, gate.c.gate)
    for some in in_parts(sorted(tuple(thing.split("/", 1)) for thing in things)):
        query = select(gate.c.state).where(both.in_(some)).order_by(gate.c.trace, gate.c.gate)
        connection.execute(query.with_for_update())


def _locked_state(connection: Connection, view: GateView) -> str | None:
    """The gate's state; None if there is no such gate. Locks its row until the end of the transaction."""
    # On SQLite, FOR UPDATE is nothing and nothing is needed: BEGIN IMMEDIATE has locked the whole database.
    query = select(gate.c.state).where(gate.c.trace == view.trace, gate.c.gate == view.gate)
    return connection.execute(query.with_for_update()).scalar()


def _standing(row: Row[Any], view: GateView) -> Decided:
    """The recorded decision, as it was made."""
    return Decided(
        gate=view.gate,
        won=True,
        verb=row.verb,
        by=row.by,
        note=row.note,
        answers=json.loads(row.answers),
        reference=row.reference,
        made=digest_of_made(*made_in(row)),
        state=json.loads(row.made).get("state", "") if row.made else "",
        subject=row.subject,
        at=from_us(row.at),
        authenticated=bool(row.authenticated),
        known=row.known,
    )


def decided(claim: Claimed, view: GateView, *, authenticated: bool, known: Known = "", refused: str = "") -> Decided:
    """The outcome of a claim: won, or refused with the reason."""
    return Decided(
        gate=view.gate,
        won=not refused,
        verb=claim.verb,
        by=claim.decision.by,
        note=claim.decision.note,
        answers=claim.decision.answers or {},
        reference=claim.decision.reference,
        made=digest_of_made(claim.decision.made, claim.decision.patch),
        subject=view.subject,
        at=claim.at,
        authenticated=authenticated,
        known=known,
        reason=refused,
    )


def made_in(row: Row[Any]) -> tuple[dict[str, Any] | None, str]:
    """What a decision hands in at a gate `work`: the answer and the patch; (None, "") for nothing."""
    handed_in = json.loads(row.made) if row.made else {}
    return handed_in.get("made"), handed_in.get("patch", "")


def winner(connection: Connection, trace: str, name: str) -> Row[Any] | None:
    """The decision that closed a gate, or None."""
    query = select(decision).where(decision.c.trace == trace, decision.c.gate == name, decision.c.outcome == "won")
    return connection.execute(query).first()


def refuse(connection: Connection, trace: str, refusal: Refusal) -> None:
    """Record something that was sent and not accepted. Safe to call twice."""
    seals.touch(connection, trace, "decision", refusal.key)
    insert_once(
        connection,
        decision,
        id=refusal.key,
        trace=trace,
        gate=refusal.gate,
        verb=refusal.verb,
        by=refusal.by,
        note="",
        answers="{}",
        subject="",
        outcome="refused",
        reason=refusal.reason,
        via=refusal.via,
        channel="",
        authenticated=False,
        at=to_us(refusal.at),
    )


def expire(connection: Connection, view: GateView, how: Literal["expired", "cancelled", "released"], at: datetime) -> Decided:
    """Close a gate without a person. A decision that was recorded before about the same subject stands and is returned."""
    # Locked as in `win`: whichever of the two comes first stands.
    _locked_state(connection, view)
    row = winner(connection, view.trace, view.gate)
    if row is not None and row.subject == view.subject:
        return _standing(row, view)
    close(connection, view.trace, view.gate, how)
    return Decided(gate=view.gate, won=True, verb=how, subject=view.subject, at=at)


def close_left_over(connection: Connection, trace: str) -> None:
    """Close the gates of a run that has ended: nobody waits at them any more."""
    _CLOSE_ALL.run(connection, of=trace, now=now_us())


def open_gates(connection: Connection, project: str | None = None, trace: str | None = None) -> list[GateView]:
    """All open gates, earliest deadline first."""
    query = select(gate.c.view).where(gate.c.state == "open").order_by(gate.c.deadline, gate.c.gate)
    if project is not None:
        query = query.where(gate.c.project == project)
    if trace is not None:
        query = query.where(gate.c.trace == trace)
    return [GateView.model_validate_json(view) for view in connection.execute(query).scalars()]


def find(connection: Connection, trace: str, name: str) -> tuple[GateView, str]:
    """One gate by id or bare kind (then an open one, else the newest) with its state. Raises `NotFound`, listing open gates."""
    query = (
        select(gate)
        .where(gate.c.trace == trace, (gate.c.gate == name) | (gate.c.kind == name))
        .order_by((gate.c.state == "open").desc(), gate.c.opened_at.desc())
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"this run has no gate {name!r}; {_there(connection, trace)}")
    return GateView.model_validate_json(row.view), str(row.state)


def _there(connection: Connection, trace: str) -> str:
    """The gates that a run has, for somebody who named one that it does not have."""
    rows = connection.execute(select(gate.c.gate, gate.c.state).where(gate.c.trace == trace).order_by(gate.c.opened_at)).all()
    names = ", ".join(f"{row.gate} ({row.state})" for row in rows)
    told = f"it has {names}" if names else "it has opened none"
    if connection.execute(select(run.c.ended_at).where(run.c.trace == trace)).scalar() is not None:
        return f"{told}, and it has ended"
    return f"{told}. If Temporal shows that gate, this ledger does not know it: it was restored from an older backup"


def decisions(connection: Connection, trace: str) -> list[dict[str, Any]]:
    """All decisions and refusals of a run family, oldest first."""
    query = select(decision).where(decision.c.trace == trace).order_by(decision.c.at)
    return [dict(row) for row in connection.execute(query).mappings()]
