"""Cases of support desks: a ticket is dealt with once, and a further one about the same issue joins the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from contracts.runs import FINAL, RunRef
from ledger.db import insert_once, server_us
from ledger.tables import run, support_case, support_issue


@dataclass(frozen=True)
class Joined:
    """The case that has an issue: its ticket and run. `answered`: its customer has an answer, and now says something else."""

    key: str
    ticket: str
    run: str
    answered: bool


def begin(connection: Connection, ref: RunRef, *, key: str, desk: str, ticket: str, text: str) -> Row[Any] | None:
    """Open the case of a ticket. None: it is this step's own; else the case in which the ticket was dealt with before.

    Safe to call twice. A case that was left without an answer is taken over.
    """
    own = {"trace": ref.trace, "path": ref.path, "run": ref.workflow_id, "text": text, "ending": "", "joined": ""}
    row = {"desk": desk, "ticket": ticket, "category": "", "opened": server_us(connection)} | own
    if insert_once(connection, support_case, key=key, **row):
        return None
    found = connection.execute(select(support_case).where(support_case.c.key == key).with_for_update()).one()
    if (found.trace, found.path) == (ref.trace, ref.path):
        return None
    if not _is_left(connection, found):
        return found
    again = own | {"opened": row["opened"], "replied": 0, "ended": 0, "by_person": 0, "usd_micros": 0}
    connection.execute(update(support_case).where(support_case.c.key == key).values(again))
    return None


def join(connection: Connection, key: str, issue: str, window_us: int) -> Joined | None:
    """Take an issue of a customer for this case. None: it has it now; else the case that has it. Safe to call twice.

    Of two cases that ask at once one gets it. A case that has it for longer than the window, or that was left without an
    answer, gives it up.
    """
    now = server_us(connection)
    if insert_once(connection, support_issue, issue=issue, case=key, at=now):
        return None
    held = connection.execute(select(support_issue).where(support_issue.c.issue == issue).with_for_update()).one()
    if held.case == key:
        return None
    there = connection.execute(select(support_case).where(support_case.c.key == held.case)).one()
    if held.at + window_us <= now or _is_left(connection, there):
        connection.execute(update(support_issue).where(support_issue.c.issue == issue).values(case=key, at=now))
        return None
    own = connection.execute(select(support_case.c.text).where(support_case.c.key == key)).scalar_one()
    connection.execute(update(support_case).where(support_case.c.key == key).values(joined=there.key))
    return Joined(there.key, there.ticket, there.run, bool(there.replied) and there.text != own)


def end(
    connection: Connection,
    ref: RunRef,
    key: str,
    *,
    ending: str,
    category: str,
    by_person: bool,
    usd_micros: int,
    replied: bool,
) -> None:
    """Record how a case ended. A case of another run is left as it is. Safe to call twice: the first instants stay."""
    now, own = server_us(connection), (support_case.c.key == key, support_case.c.trace == ref.trace)
    found = connection.execute(select(support_case.c.replied, support_case.c.ended).where(*own)).first()
    if found is None:
        return
    values = {"ending": ending, "category": category, "by_person": int(by_person), "usd_micros": usd_micros}
    instants = {"ended": found.ended or now, "replied": (found.replied or now) if replied else 0}
    connection.execute(update(support_case).where(*own).values(values | instants))


def leave(connection: Connection, trace: str) -> list[str]:
    """Record of the tickets of a run that joined a case which was left without an answer that they have none either.

    Returns their ids. Safe to call twice.
    """
    head = support_case.alias("head")
    waits = select(support_case.c.key, support_case.c.ticket).where(
        support_case.c.trace == trace,
        support_case.c.joined == head.c.key,
        support_case.c.ending.in_(("joined", "could_not")),
        head.c.ending == "could_not",
    )
    rows = connection.execute(waits.order_by(support_case.c.ticket)).all()
    for row in rows:
        connection.execute(update(support_case).where(support_case.c.key == row.key).values(ending="could_not"))
    return [row.ticket for row in rows]


def of_run(connection: Connection, trace: str) -> Sequence[Row[Any]]:
    """Every case of a run, in the order in which they were opened."""
    query = select(support_case).where(support_case.c.trace == trace)
    return connection.execute(query.order_by(support_case.c.opened, support_case.c.key)).all()


def _is_left(connection: Connection, case: Row[Any]) -> bool:
    """True if nobody has answered its ticket, and nobody will: it ended so, or its run is over."""
    if case.ending:
        return bool(case.ending == "could_not")
    state = connection.execute(select(run.c.state).where(run.c.trace == case.trace)).scalar()
    return state is None or state in FINAL
