"""That a person had a run done again: recorded in the feed of the run that was retried, where `baton show` finds it."""

import json

from sqlalchemy import Connection, select

from contracts.runs import WHEN_WRITTEN, Note, RunRef
from ledger import feed
from ledger.tables import feed as line

_KEY = "retried/"


def record(
    connection: Connection, earlier: RunRef, did: str, by: str, why: str, *, again: str, name: str, channel: str = "cli"
) -> None:
    """Write the line of a retry of `earlier`. `again` is the run id in Temporal that came of it, `name` its workflow id.

    Safe to call twice: one line per `again`.
    """
    note = Note(
        key=f"{_KEY}{earlier.trace}/{again}",
        at=WHEN_WRITTEN,
        stage="retry",
        actor=by,
        channel=channel,
        did=did,
        why=why,
        outputs=(name,),
    )
    feed.append(connection, earlier, [note])


def of(connection: Connection, trace: str) -> tuple[str, ...]:
    """The workflow ids of the runs that retry the one with this trace, oldest first; itself where it was reset to a stage."""
    query = select(line.c.outputs).where(line.c.trace == trace, line.c.key.startswith(f"{_KEY}{trace}/", autoescape=True))
    return tuple(name for row in connection.execute(query.order_by(line.c.seq)) for name in json.loads(row.outputs))
