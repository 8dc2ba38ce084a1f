"""Which ledger this is, and which Temporal namespace it belongs to."""

from dataclasses import dataclass

from sqlalchemy import Connection, literal, select, update

from ledger.statement import Statement
from ledger.tables import identity

HERE = identity.c.id == 1

_FIND = Statement(select(identity.c.ledger, identity.c.namespace, identity.c.server).where(identity.c.id == literal(1)))


@dataclass(frozen=True)
class Identity:
    """The ledger's id, and the id and place of its namespace ("" until a worker or a start has used it with one)."""

    ledger: str
    namespace: str
    server: str


def find(connection: Connection) -> Identity:
    """This ledger's identity. A copy that is restored keeps it."""
    row = _FIND.first(connection)
    assert row is not None, "every ledger has one from its first migration on"
    return Identity(row.ledger, row.namespace, row.server)


def bind(connection: Connection, namespace: str, server: str, *, anew: bool = False) -> Identity:
    """Record which namespace the ledger belongs to, unless it belongs to one already (`anew`: whatever it belonged to).

    Returns what holds now. Safe to call twice: of two that bind at once, the first one counts.
    """
    change = update(identity).where(HERE, *(() if anew else (identity.c.namespace == "",)))
    connection.execute(change.values(namespace=namespace, server=server))
    return find(connection)
