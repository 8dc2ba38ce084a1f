"""What people should hear of, beside the feed line that says it: written in the same transaction, so that none is lost."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, select

from contracts.notices import kind_of
from contracts.runs import Note, RunRef
from ledger.db import insert_each_once, server_us, to_us
from ledger.tables import notice, run


def add(connection: Connection, ref: RunRef, told: Sequence[tuple[int, Note]]) -> None:
    """Keep a notice for each of these feed lines, given with their numbers, that tells something. Safe to call twice."""
    tells = [(seq, note.tells) for seq, note in told if note.tells is not None]
    if not tells:
        return
    columns = (run.c.workflow_id, run.c.project, run.c.pipeline, run.c.owner)
    row = connection.execute(select(*columns).where(run.c.trace == ref.trace)).first()
    # A run that was not admitted has no row.
    name, project, pipeline, owner = row if row is not None else (ref.workflow_id, ref.project, "", "owner")
    rows, now = [], server_us(connection)
    for seq, said in tells:
        of_run = kind_of(said.kind).of_run
        rows.append(
            {
                "seq": seq,
                "kind": said.kind,
                "trace": ref.trace,
                "run": name if of_run else "",
                "project": project if of_run else "",
                "pipeline": pipeline.lower() if of_run else "",
                "about": said.about,
                "what": said.what,
                "who": json.dumps([owner if one == "owner" else one for one in said.who], ensure_ascii=False),
                "risk": said.risk,
                "deadline": to_us(said.deadline) if said.deadline is not None else 0,
                "at": now,
            }
        )
    insert_each_once(connection, notice, rows)
