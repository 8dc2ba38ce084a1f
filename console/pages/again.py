"""A run's page: have one that has ended done again, and start what was ended as its duplicate under a key of its own."""

import json
from collections.abc import Mapping
from typing import Any

from activities.gates.from_console import CHANNEL
from commands.start import retry as retrying
from console.pages.asked import Asked, said
from contracts.errors import NotFound, Refused
from contracts.printed import command
from contracts.runs import RunRef
from ledger import artifacts, duplicates, retries, runs
from ledger.artifacts import ArtifactDamaged
from ledger.db import Connection
from ledger.duplicates import Duplicate
from ledger.views.asked import asked_of
from ledger.views.runs import RunView, find_run


def done_again(connection: Connection, run: RunView) -> dict[str, Any]:
    """What the page says of it: `retried`, the runs that did it again; `can_retry`; `retry`, the command that goes back to a
    stage."""
    return {
        "retried": retries.of(connection, run.trace),
        "can_retry": run.has_ended,
        "retry": command("retry", run.workflow_id, options='--from STAGE -m "why"'),
    }


def ended_as_duplicates(connection: Connection, asked: Asked, trace: str) -> list[dict[str, Any]]:
    """Each run that was ended as a duplicate of this one (`it`), with what it was `asked` for: None if that is not kept."""
    found = []
    for one in duplicates.of(connection, trace):
        try:
            given = asked_of(one.pipeline, _input(connection, asked, one))
        except (NotFound, ArtifactDamaged):
            given = None
        found.append({"it": one, "asked": given})
    return found


def _input(connection: Connection, asked: Asked, one: Duplicate) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(artifacts.get(connection, asked.files, one.input))
    return found


async def retry(asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Start a new run from the same input, as `baton retry` does."""
    why, here = said(fields), asked.here
    run, before = await here.ledger.read(_with_retries, asked.path["run"])
    if not run.has_ended:
        raise Refused(f"{run.workflow_id} has not ended: it is {run.state}. Wait for its end, or cancel it. Nothing was done")
    if fields.get("seen") != str(len(before)):
        again = f": {before[-1]}" if before else ""
        raise Refused(f"it was done again since this page was shown{again}. Look again; nothing was done")
    # The key makes one run of a form that is sent twice, also where the console dies before it has recorded the first.
    about = {"by": by, "retry_of": run.trace, "request_key": f"retry/{run.trace}/{len(before)}"}
    spec, given = retrying.same_input(run.pipeline, run.asked, **about)
    started = await retrying.started_again(await here.connect(), here.ledger, spec, given, here.settings.task_queue)
    retrying.record_retry(here.ledger, run, started, by, why, CHANNEL)


def _with_retries(connection: Connection, name: str) -> tuple[RunView, tuple[str, ...]]:
    run = find_run(connection, name)
    return run, retries.of(connection, run.trace)


async def start_duplicate(asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Start what a duplicate was asked for, as a run with a request key of its own."""
    why, key, here = said(fields), fields.get("key", "").strip(), asked.here
    if not key:
        raise Refused("give it a request key of its own; nothing was done")
    run, one, given = await here.ledger.read(_duplicate, asked, fields.get("duplicate", ""))
    spec, made = retrying.same_input(one.pipeline, given, by=by, request_key=key)
    holder = await here.ledger.read(runs.by_request, made.project, key)
    if holder is not None:
        raise Refused(f"the request key {key!r} was used before, by {holder.workflow_id}; give it another. Nothing was done")
    started = await retrying.started_again(await here.connect(), here.ledger, spec, made, here.settings.task_queue)
    ref = RunRef(trace=run.trace, workflow_id=run.workflow_id, project=run.project)
    await here.ledger.tx(duplicates.started, ref, one, started.run, by, why, CHANNEL)


def _duplicate(connection: Connection, asked: Asked, trace: str) -> tuple[RunView, Duplicate, dict[str, Any]]:
    run = find_run(connection, asked.path["run"])
    one = next((one for one in duplicates.of(connection, run.trace) if one.trace == trace), None)
    if one is None:
        raise Refused(f"no such run was ended as a duplicate of {run.workflow_id}; nothing was done")
    if one.started:
        raise Refused(f"{one.by} has started it as {one.started}; nothing was done")
    return run, one, _input(connection, asked, one)
