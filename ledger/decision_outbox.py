"""What people decided in the console: written down first, then sent until the run has answered. Nothing is lost in between."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, RowMapping, Update, select, update

from contracts.gates import Verb
from contracts.known import Known, Way
from contracts.work import digest_of_made
from ledger.db import from_us, insert_once, plain, server_us
from ledger.tables import decision_outbox

CHANNEL = "console"
"""The channel of what was decided there."""

State = Literal["waiting", "confirmed", "refused", "withdrawn"]


@dataclass(frozen=True)
class Sent:
    """A decision of the console. `said` is the update's JSON object; `tried_at` is None before it was first sent.

    `way` is how whoever decided had come in; "" for what an older release has written.
    """

    nonce: str
    trace: str
    gate: str
    verb: Verb
    by: str
    said: dict[str, Any]
    state: State
    answer: str
    made_at: datetime
    tried_at: datetime | None
    way: Known = ""


def put(connection: Connection, trace: str, verb: Verb, said: Mapping[str, Any], way: Way) -> None:
    """Write a decision down, to be sent, with how its person had come in. The same one again changes nothing."""
    fixed = {"nonce": said["nonce"], "trace": trace, "gate": said["gate"], "verb": verb, "by": said["by"], "way": way}
    text, now = json.dumps(dict(said), sort_keys=True), server_us(connection)
    insert_once(connection, decision_outbox, **fixed, said=text, state="waiting", made_at=now)


def waiting(connection: Connection, limit: int = 100) -> list[Sent]:
    """What has not been answered, oldest first."""
    query = select(decision_outbox).where(decision_outbox.c.state == "waiting").order_by(decision_outbox.c.made_at)
    return [_sent(row) for row in connection.execute(query.limit(limit))]


def of_gate(connection: Connection, trace: str, gate: str) -> list[Sent]:
    """What was decided in the console at one gate, newest first."""
    query = select(decision_outbox).where(decision_outbox.c.trace == trace, decision_outbox.c.gate == gate)
    return [_sent(row) for row in connection.execute(query.order_by(decision_outbox.c.made_at.desc()))]


def find(connection: Connection, nonce: str, *, lock: bool = False) -> Sent | None:
    """The decision with this nonce, or None. `lock`: who withdraws it waits for this transaction, where the database can."""
    query = select(decision_outbox).where(decision_outbox.c.nonce == nonce)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _sent(row)


def tried(connection: Connection, nonce: str) -> None:
    """Note that it is being sent now."""
    connection.execute(_mine(nonce).values(tried_at=server_us(connection)))


def settle(connection: Connection, nonce: str, state: Literal["confirmed", "refused"], answer: str) -> bool:
    """Record what the run has answered. False where something else was recorded before, which stands."""
    return connection.execute(_mine(nonce).values(state=state, answer=answer, ended_at=server_us(connection))).rowcount == 1


def withdraw(connection: Connection, nonce: str, by: str) -> bool:
    """Take back what this person has decided, while nothing has answered it. False where it is too late, or not theirs."""
    mine = _mine(nonce).where(decision_outbox.c.by == by)
    return connection.execute(mine.values(state="withdrawn", ended_at=server_us(connection))).rowcount == 1


def stands_behind(connection: Connection, row: RowMapping) -> bool:
    """True if the console has written down exactly what a stored decision says, of somebody whom it knew in this way."""
    sent = find(connection, row["nonce"] or "")
    if sent is None or (row["channel"], sent.state) != (CHANNEL, "confirmed"):
        return False
    said = sent.said
    made = json.loads(row["made"]) if row["made"] else {}
    return (sent.trace, sent.gate, sent.verb, sent.way, said.get("subject")) == tuple(
        row[name] for name in ("trace", "gate", "verb", "known", "subject")
    ) and (
        *(plain(said.get(name) or "") for name in ("by", "note", "reference")),
        said.get("answers") or {},
        digest_of_made(said.get("made"), said.get("patch", "")),
    ) == (
        *(row[name] for name in ("by", "note", "reference")),
        json.loads(row["answers"]),
        digest_of_made(made.get("made"), made.get("patch", "")),
    )


def _mine(nonce: str) -> Update:
    # Only what waits changes: of an answer and a withdrawal that come at once, one counts.
    return update(decision_outbox).where(decision_outbox.c.nonce == nonce, decision_outbox.c.state == "waiting")


def _sent(row: Row[Any]) -> Sent:
    tried_at = None if row.tried_at is None else from_us(row.tried_at)
    fixed = (row.nonce, row.trace, row.gate, row.verb, row.by, json.loads(row.said), row.state, row.answer)
    return Sent(*fixed, made_at=from_us(row.made_at), tried_at=tried_at, way=row.way)
