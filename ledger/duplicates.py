"""Runs that were ended as duplicates, recorded in the feed of the run that has their request key, and what became of them."""

import json
from dataclasses import dataclass

from sqlalchemy import Connection, select

from contracts.runs import WHEN_WRITTEN, Note, RunRef
from contracts.text import one_line
from ledger import feed
from ledger.tables import feed as line

_KEY, _STARTED = "duplicate-of/", "duplicate-started/"


@dataclass(frozen=True)
class Duplicate:
    """A run that was ended because another one has its request key. `input` is the digest of what it was asked for, as JSON.

    `started` is the workflow id of the run that was started in its place under a key of its own, by `by`; "" for none.
    """

    trace: str
    workflow_id: str
    pipeline: str
    input: str
    started: str = ""
    by: str = ""


def record(connection: Connection, holder: RunRef, ended: RunRef, pipeline: str, input: str) -> None:
    """Write to the feed of the run that has the key that another one was ended as its duplicate. Safe to call twice."""
    note = Note(
        key=f"{_KEY}{holder.trace}/{ended.trace}",
        at=WHEN_WRITTEN,
        stage="intake",
        did=f"{one_line(ended.workflow_id, 200)} came with the same request key and was ended as a duplicate of this run",
        why="a request key starts one run",
        next="if it was another request, it can be started under a key of its own from the page of this run",
        outputs=(ended.workflow_id, input, pipeline),
        importance="detail",
    )
    feed.append(connection, holder, [note])


def started(connection: Connection, holder: RunRef, ended: Duplicate, run: str, by: str, why: str, channel: str) -> None:
    """Write that what a duplicate was asked for is done by a run of its own. Safe to call twice: the first one stays."""
    note = Note(
        key=f"{_STARTED}{holder.trace}/{ended.trace}",
        at=WHEN_WRITTEN,
        stage="intake",
        actor=by,
        channel=channel,
        did=f"started {run}: what {one_line(ended.workflow_id, 200)} was asked for, under a request key of its own",
        why=why,
        outputs=(run,),
    )
    feed.append(connection, holder, [note])


def of(connection: Connection, trace: str) -> list[Duplicate]:
    """The runs that were ended as duplicates of the one with this trace, oldest first. Those of earlier releases are not."""
    begun = {
        key.removeprefix(f"{_STARTED}{trace}/"): (json.loads(outputs)[0], actor)
        for key, actor, outputs in _lines(connection, trace, _STARTED)
    }
    found = []
    for key, _, outputs in _lines(connection, trace, _KEY):
        ended = key.removeprefix(f"{_KEY}{trace}/")
        more = begun.get(ended, ("", ""))
        name, input, pipeline = json.loads(outputs)[:3]
        found.append(Duplicate(ended, name, pipeline, input, *more))
    return found


def _lines(connection: Connection, trace: str, key: str) -> list[tuple[str, str, str]]:
    query = select(line.c.key, line.c.actor, line.c.outputs)
    wanted = (line.c.trace == trace, line.c.key.startswith(f"{key}{trace}/", autoescape=True))
    rows = connection.execute(query.where(*wanted).order_by(line.c.seq))
    return [(row.key, row.actor, row.outputs) for row in rows]
