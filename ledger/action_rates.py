"""How many actions of a type there were in a period: what policy's `rate` allows without a person."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from contracts.actions import Rate
from ledger.actions import GIVEN_UP
from ledger.db import from_us, insert_once, server_us
from ledger.tables import action, counter, run


@dataclass(frozen=True)
class Used:
    """How many there were, and when the next one has room; None: now."""

    count: int
    room: datetime | None


def used(connection: Connection, type: str, rate: Rate, *, project: str, target: str, key: str) -> Used:
    """What is used up of a rate by actions that happened, or may yet, in the period that ends now; `key` is not counted.

    Locks the type until the end of the transaction: of two that come for the last place, one gets it.
    """
    name = f"rate/{type}"
    insert_once(connection, counter, name=name, value=0)
    connection.execute(select(counter.c.value).where(counter.c.name == name).with_for_update())
    per_us = rate.per // timedelta(microseconds=1)
    query = select(action.c.updated_at).where(
        action.c.type == type,
        action.c.key != key,
        action.c.state.not_in((*GIVEN_UP, "proposed", "done_by_person")),
        action.c.updated_at > server_us(connection) - per_us,
    )
    if rate.of == "target":
        query = query.where(action.c.target == target)
    elif rate.of == "project":
        query = query.where(action.c.trace.in_(select(run.c.trace).where(run.c.project == project)))
    newest = list(connection.execute(query.order_by(action.c.updated_at.desc())).scalars())
    if len(newest) < rate.most:
        return Used(len(newest), None)
    return Used(len(newest), from_us(newest[rate.most - 1] + per_us))
