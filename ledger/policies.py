"""The policies that were in force, the newest of which is, and what was proposed instead."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, select, update

from contracts.errors import Ambiguous, NotFound
from contracts.runs import Note, RunRef
from ledger import feed
from ledger.db import from_us, insert_once, now_us
from ledger.tables import policy_approval, policy_proposal, policy_version

ITSELF = RunRef(trace="policy", workflow_id="policy")
"""Feed lines about the policy belong to no run."""

How = Literal["found", "tightened", "merged", "approved"]
"""How a version came into force. found: the first one. merged: what a file loosens is left out until it is approved."""


def newest(connection: Connection) -> Row[Any] | None:
    """The version in force; None before the first worker has started."""
    return connection.execute(select(policy_version).order_by(policy_version.c.nth.desc()).limit(1)).first()


def identity(connection: Connection) -> str:
    """Whose decisions count, as the policy in force says it: see `Identity`. "any" before the first worker has started."""
    found = newest(connection)
    return "any" if found is None else str(json.loads(found.body).get("identity", "any"))


def newest_number(connection: Connection) -> int:
    """Its number; 0 before there is one."""
    found = connection.execute(select(policy_version.c.nth).order_by(policy_version.c.nth.desc()).limit(1)).scalar()
    return int(found or 0)


def add(connection: Connection, nth: int, digest: str, body: str, how: How, why: str, by: str) -> bool:
    """Put a version into force. False if somebody else has put one there meanwhile: look again."""
    values = {"digest": digest, "body": body, "how": how, "why": why, "by": by, "at": now_us()}
    return insert_once(connection, policy_version, nth=nth, **values)


def tell(connection: Connection, note: Note) -> None:
    """Write a feed line about the policy. Call it last in a transaction."""
    feed.append(connection, ITSELF, [note])


@dataclass(frozen=True)
class Proposal:
    """What was proposed, by whom and why, and who has approved it so far.

    `base` is the version that it was compared with, `changes` what it loosens, `figures` how such actions were decided lately.
    """

    id: str
    base: int
    digest: str
    body: str
    changes: tuple[str, ...]
    figures: tuple[str, ...]
    why: str
    by: str
    state: str
    at: datetime
    approved_by: tuple[str, ...]


def propose(
    connection: Connection,
    *,
    id: str,
    base: int,
    digest: str,
    body: str,
    text: str,
    changes: Sequence[str],
    figures: Sequence[str],
    why: str,
    by: str,
) -> bool:
    """Keep a proposal. False if it is there: the same text, compared with the same version."""
    lists = {"changes": json.dumps(list(changes)), "figures": json.dumps(list(figures))}
    values = {"base": base, "digest": digest, "body": body, "text": text, "why": why, "by": by, "state": "open", "at": now_us()}
    return insert_once(connection, policy_proposal, id=id, **values, **lists)


def proposals(connection: Connection) -> list[Proposal]:
    """The open proposals, oldest first."""
    query = select(policy_proposal).where(policy_proposal.c.state == "open").order_by(policy_proposal.c.at)
    return [_proposal(connection, row) for row in connection.execute(query)]


def find(connection: Connection, name: str) -> Proposal:
    """The proposal whose id begins like this. Raises `NotFound`, or `Ambiguous`. Locks its row until the commit."""
    query = select(policy_proposal).where(policy_proposal.c.id.startswith(name, autoescape=True)).limit(2)
    rows = list(connection.execute(query.with_for_update()))
    if not name or not rows:
        there = ", ".join(one.id for one in proposals(connection)) or "none is open"
        raise NotFound(f"there is no proposal {name!r}; open ones: {there}")
    if len(rows) > 1:
        raise Ambiguous(f"several proposals have an id that begins with {name!r}; type more of it")
    return _proposal(connection, rows[0])


def approve(connection: Connection, id: str, by: str) -> None:
    """Count somebody's approval. Safe to call twice."""
    insert_once(connection, policy_approval, proposal=id, by=by, at=now_us())


def settle(connection: Connection, id: str, state: Literal["approved", "outdated"]) -> None:
    """Close an open proposal."""
    query = update(policy_proposal).where(policy_proposal.c.id == id, policy_proposal.c.state == "open")
    connection.execute(query.values(state=state))


def _proposal(connection: Connection, row: Row[Any]) -> Proposal:
    approved = select(policy_approval.c.by).where(policy_approval.c.proposal == row.id).order_by(policy_approval.c.at)
    return Proposal(
        id=row.id,
        base=row.base,
        digest=row.digest,
        body=row.body,
        changes=tuple(json.loads(row.changes)),
        figures=tuple(json.loads(row.figures)),
        why=row.why,
        by=row.by,
        state=row.state,
        at=from_us(row.at),
        approved_by=tuple(connection.execute(approved).scalars()),
    )
