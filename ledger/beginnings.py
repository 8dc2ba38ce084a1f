"""What has to be known before a call begins, in one look: as a rule it is that nothing of all this is there."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, exists, literal, select

from ledger.statement import Statement
from ledger.tables import condemnation, reservation, seen, turn


@dataclass(frozen=True)
class Beginning:
    """`held`: an earlier attempt of the call holds money. `stored`: the call was answered. `condemned`: anything is, anywhere.
    `outside`: the run family has seen text from outside."""

    held: bool
    stored: bool
    condemned: bool
    outside: bool


_LOOK = Statement(
    select(
        exists(
            select(reservation.c.id).where(
                reservation.c.call_key == bindparam("call_key"), reservation.c.state == literal("held")
            )
        ).label("held"),
        exists(select(turn.c.id).where(turn.c.id == bindparam("call_key"))).label("stored"),
        exists(select(condemnation.c.id).where(condemnation.c.undone_at.is_(None))).label("condemned"),
        exists(select(seen.c.source).where(seen.c.trace == bindparam("of"), seen.c.source != literal(""))).label("outside"),
    )
)


def look(connection: Connection, call_key: str, trace: str) -> Beginning:
    """How things stand at this moment.

    All of it is of one moment: an attempt that answers meanwhile is seen as one that holds money, or by its answer, and never
    as neither. Where one holds money, look for the answer again once its row is locked.
    """
    row = _LOOK.first(connection, call_key=call_key, of=trace)
    assert row is not None, "a look at four conditions has one row"
    return Beginning(bool(row.held), bool(row.stored), bool(row.condemned), bool(row.outside))
