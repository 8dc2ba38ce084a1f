"""The riders of a request, committed together with an activity's own effect: feed lines, the run row's change, handoffs."""

from collections.abc import Sequence

from sqlalchemy import Connection

from activities.running import lines
from contracts.base import canonical, sha256
from contracts.runs import Note, Request
from ledger import feed, gone, handoffs, resets, run_rows, runs
from ledger.db import Ledger, now_us
from ledger.money import spend


def commit_riders(
    connection: Connection,
    request: Request,
    own: Sequence[Note] = (),
    *,
    tokens: int = 0,
    usd_micros: int = 0,
    result: str | None = None,
) -> None:
    """Write the request's riders and the activity's own feed lines. Call it last in a transaction. Safe to call twice.

    A forbidden move of the run's state becomes a feed line; it undoes nothing. `result` is the run's, stored as JSON.
    """
    notes = [*request.notes, *own]
    # Scopes first, as when a call is settled; whatever touches the run's row comes before the feed, which locks the one
    # counter that all writers share: two transactions that locked them in different orders would deadlock.
    for slice_id in request.gives_back:
        spend.give_back(connection, slice_id)
    row = run_rows.locked(connection, request.run.trace) if notes or request.change or result else None
    ended = runs.follow(connection, request.run, row)
    if ended is not None:
        notes.insert(0, lines.run_reset(request.run, ended))
        gone.opened_again(connection, request.run.trace)
        row = run_rows.locked(connection, request.run.trace)
    if request.waiting is not None:
        resets.close_abandoned(connection, request.run.trace, request.run.run_id, request.waiting)
    if request.change is not None:
        refused = runs.change(connection, request.run, request.change, row)
        # A line and no error: an error would undo what was paid for in the same transaction.
        if refused is not None:
            notes.append(lines.move_refused(request, refused))
    for one in request.made:
        handoffs.put(connection, one, sha256(canonical(one.body)), one.stored())
    feed.append(connection, request.run, notes, tokens=tokens, usd_micros=usd_micros, row=row)
    if row is not None:
        row.values |= {} if result is None else {"result": result, "updated_at": now_us()}
        run_rows.write(connection, row)


async def commit_alone(ledger: Ledger, request: Request) -> None:
    """Commit the riders of an activity that has nothing else to write. Without riders there is no transaction."""
    if request.notes or request.change is not None or request.gives_back or request.made:
        await ledger.tx(commit_riders, request)
