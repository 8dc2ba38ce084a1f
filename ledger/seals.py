"""Seals: digests of gates, decisions, actions, revoked keys and condemnations in the feed's hash chain, so that a row that was
altered or removed later is found.

Whoever writes such a row calls `touch`; the feed lines of the same transaction then carry the seal of the row as it is.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

from sqlalchemy import Connection, RowMapping, select

from contracts.actions import SETTLED
from contracts.base import canonical, sha256
from ledger.tables import action, condemnation, decision, gate, remedy, revoked_key

Kind = Literal["gate", "decision", "action", "key", "condemnation", "remedy"]

PREFIX = "seal:"
"""Begins a seal among a feed line's outputs; its kind, the row's key and a digest follow, between colons."""

CONDEMNED = "condemned"
"""What feed lines about condemnations have in place of a run."""

_TOUCHED = "baton_touched"

_GATE = ("trace", "gate", "kind", "revision", "path", "project", "subject", "policy_digest", "view", "intents", "deadline")
_DECISION = (
    "id",
    "trace",
    "gate",
    "verb",
    "by",
    "note",
    "answers",
    "subject",
    "via",
    "channel",
    "authenticated",
    "nonce",
    "at",
)
_SIGNED = ("signature", "statement")
"""Sealed where they are there: decisions from before signatures keep their seals."""

_WHOLE: dict[Kind, tuple[str, ...]] = {
    "key": ("key", "by", "why", "at"),
    "condemnation": ("id", "what", "things", "why", "by", "at", "undone_by", "undone_why", "undone_at"),
    "remedy": ("condemnation", "action", "how", "note", "reference", "by", "at"),
}
"""Rows that are about no run: all of each is sealed."""

_ACTION = ("key", "type", "trace", "gate", "summary", "arguments", "arguments_digest", "reason", "receipt", "at")


def begin(connection: Connection) -> None:
    """Forget what an earlier transaction on this database connection has touched. Called as each begins."""
    connection.info[_TOUCHED] = {}


def touch(connection: Connection, trace: str, kind: Kind, key: str) -> None:
    """Have the next feed lines of this run, in this transaction, carry the seal of this row. A gate's key is TRACE/GATE,
    a remedy's CONDEMNATION/ACTION."""
    connection.info.setdefault(_TOUCHED, {}).setdefault(trace, {})[kind, key] = None


def taken(connection: Connection, trace: str) -> list[str]:
    """The seals of what was touched for this run, which counts as sealed from now on."""
    touched: dict[str, dict[tuple[Kind, str], None]] = connection.info.get(_TOUCHED) or {}
    rows = [(kind, key, find(connection, kind, key)) for kind, key in touched.pop(trace, {})]
    return [seal_of(kind, key, row) for kind, key, row in rows if row is not None]


def find(connection: Connection, kind: Kind, key: str) -> RowMapping | None:
    """The row with this key; None if there is none."""
    trace, _, name = key.rpartition("/")
    queries: dict[Kind, Callable[[], Any]] = {
        "gate": lambda: select(gate).where(gate.c.trace == trace, gate.c.gate == name),
        "decision": lambda: select(decision).where(decision.c.id == key),
        "action": lambda: select(action).where(action.c.key == key),
        "key": lambda: select(revoked_key).where(revoked_key.c.key == key),
        "condemnation": lambda: select(condemnation).where(condemnation.c.id == key),
        "remedy": lambda: select(remedy).where(remedy.c.condemnation == trace, remedy.c.action == name),
    }
    return connection.execute(queries[kind]()).mappings().first()


def seal_of(kind: Kind, key: str, row: RowMapping) -> str:
    """The seal of a row as it is: over what may not change any more, and where it stands."""
    return f"{PREFIX}{kind}:{key}:{sha256(canonical(_content(kind, row)))}"


def _content(kind: Kind, row: RowMapping) -> list[Any]:
    if kind == "gate":
        return [row[name] for name in _GATE]
    if kind == "decision":
        # A reset takes back that a decision counts, and a replay gives it back; the decision itself stays what it was.
        refused = row["outcome"] == "refused"
        signed = [row[name] for name in _SIGNED] if any(row[name] for name in _SIGNED) else []
        # Sealed where it is there, like signatures. Named, so that it is never taken for the first of these.
        referred = [f"reference {row['reference']}"] if row["reference"] else []
        known = [f"known {row['known']}"] if row["known"] else []
        return [*(row[name] for name in _DECISION), refused, row["reason"] if refused else "", *signed, *referred, *known]
    if kind in _WHOLE:
        return [row[name] for name in _WHOLE[kind]]
    # While it is open, workers move it between approved, sending and unknown; how it ended stays.
    state = row["state"] if row["state"] in SETTLED else "open"
    return [*(row[name] for name in _ACTION), state]


def rows_of_condemnations(connection: Connection) -> Iterator[tuple[Kind, str, RowMapping]]:
    """Every row that the feed lines about condemnations seal, with the proposals that no run has begun: kind, key and row."""
    for row in connection.execute(select(condemnation)).mappings():
        yield "condemnation", row["id"], row
    for row in connection.execute(select(remedy)).mappings():
        yield "remedy", f"{row['condemnation']}/{row['action']}", row
    for row in connection.execute(select(action).where(action.c.trace == CONDEMNED)).mappings():
        yield "action", row["key"], row


def rows_of(connection: Connection, trace: str) -> Iterator[tuple[Kind, str, RowMapping]]:
    """Every sealed row of a run: kind, key and row. Revoked keys and condemnations belong to no run."""
    for row in connection.execute(select(gate).where(gate.c.trace == trace)).mappings():
        yield "gate", f"{trace}/{row['gate']}", row
    for row in connection.execute(select(decision).where(decision.c.trace == trace)).mappings():
        yield "decision", row["id"], row
    for row in connection.execute(select(action).where(action.c.trace == trace)).mappings():
        yield "action", row["key"], row


def read(text: str) -> tuple[Kind, str, str] | None:
    """Kind, key and digest of a seal among a line's outputs; None for another output."""
    if not text.startswith(PREFIX):
        return None
    kind, _, rest = text.removeprefix(PREFIX).partition(":")
    key, _, digest = rest.rpartition(":")
    return (kind, key, digest) if kind in get_args(Kind) else None  # type: ignore[return-value]
