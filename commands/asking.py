"""What Temporal says of runs, asked before they are shown or acted on; what it has ended without us is recorded first."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from commands.context import connect
from commands.errors import Usage, first_line
from commands.output import Out, safe
from contracts.errors import Misconfigured, NotFound

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.runs.gone import Compared
    from commands.unrecorded import Unrecorded
    from ledger.db import Connection, Ledger
    from ledger.views.runs import RunView

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that a command waits for Temporal. What is on record is in the ledger, and is shown whatever Temporal does."""

MOST = 200
"""Most runs that one command asks about; upkeep looks after all of them."""


async def asked(out: Out, ledger: "Ledger", work: "Callable[[Client], Awaitable[T]]", otherwise: T) -> T:
    """The answer of `work`, or `otherwise` and a note on stderr where the ledger's Temporal does not answer within seconds."""
    from temporalio.service import RPCError

    from connection import Unreachable

    try:
        async with asyncio.timeout(PATIENCE):
            return await work(await connect(ledger=ledger))
    except TimeoutError:
        why = f"it did not answer within {PATIENCE:g} s"
    except (Unreachable, Misconfigured, RPCError) as error:
        why = safe(first_line(error))
    out.note(f"Temporal could not be asked, so this is what the ledger knows: {why}")
    return otherwise


async def compared(out: Out, ledger: "Ledger", traces: Iterable[str]) -> "Compared":
    """As `brought_up_to_date`, for a caller that has an event loop."""
    from activities.runs.gone import Compared, close_gone
    from ledger import gone

    there = ledger.read_now(gone.known, list(traces))[:MOST]
    if not there:
        return Compared()
    return await asked(out, ledger, lambda client: close_gone(client, ledger, there), Compared())


def brought_up_to_date(out: Out, ledger: "Ledger", traces: Iterable[str]) -> "Compared":
    """Close in the ledger those of these runs that Temporal has ended, and open those that it has reset.

    Without an answer from Temporal within a few seconds nothing changes, and a note on stderr says so.
    """
    return asyncio.run(compared(out, ledger, traces))


def found(out: Out, ledger: "Ledger", name: str, *, whole: bool = False) -> "RunView | Unrecorded":
    """As `run_named`, and brought up to date."""
    from commands.unrecorded import Unrecorded
    from ledger.views.runs import find_run

    run = run_named(out, ledger, name, whole=whole)
    if isinstance(run, Unrecorded):
        return run
    brought_up_to_date(out, ledger, [run.trace])
    return ledger.read_now(find_run, run.trace)


def run_named(out: Out, ledger: "Ledger", name: str, *, whole: bool = False, effects: bool = False) -> "RunView | Unrecorded":
    """The run with this id, also one that only Temporal has yet. `whole` as in `find_run`. Raises `NotFound` and `Usage`.

    With `effects` also the run that made the commit, tree or branch of this name, or has an action with this key.
    """
    from commands.unrecorded import find_unrecorded

    if not name.strip():
        raise Usage("RUN is empty: name a run by its id; `baton runs` lists them")
    recorded, unknown = None, None
    try:
        recorded = ledger.read_now(_run, name, whole=whole, effects=effects)
    except NotFound as error:
        unknown = error
    # One that is exactly so named goes before one whose id only begins so.
    if recorded is None or (recorded.workflow_id != name and recorded.workflow_id.startswith(name)):
        started = asyncio.run(asked(out, ledger, lambda client: find_unrecorded(client, name), None))
        if started is not None:
            return started
    if recorded is None:
        raise unknown or NotFound(name)
    return recorded


def _run(connection: "Connection", name: str, *, whole: bool, effects: bool) -> "RunView":
    from ledger.views.effects import effect_named
    from ledger.views.runs import find_run

    try:
        return find_run(connection, name, whole=whole)
    except NotFound:
        effect = effect_named(connection, name) if effects else None
        if effect is None:
            raise
        return find_run(connection, effect.trace)
