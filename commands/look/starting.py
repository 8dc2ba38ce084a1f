"""How a run that only Temporal has is shown: one that is just starting, or that ended before anything was recorded."""

import asyncio
from typing import TYPE_CHECKING

from commands.asking import asked
from commands.context import ui_link
from commands.errors import Code
from commands.look.page import tell_pending
from commands.look.pending import Pending, as_json, pending
from commands.output import Out, clock, safe
from commands.text import code_of, tell_state
from commands.unrecorded import Unrecorded, how
from contracts.printed import command

if TYPE_CHECKING:
    from temporalio.client import Client

    from config import Settings
    from ledger.db import Ledger


def show(out: Out, ledger: "Ledger", found: "Settings", one: Unrecorded) -> None:
    """Print the run with what it waits for."""
    nothing: tuple[list[Pending], str, str] = ([], "default", "")
    work = asked(out, ledger, lambda client: _under_way(client, ledger, found, one), nothing)
    under_way, namespace, problem = asyncio.run(work)
    waits = f"a worker: {problem}" if problem and one.is_running and one.begins_at is None else ""
    out.document(**one.fields(), waits_for=waits, pending=as_json(under_way))
    out.line(f"{safe(one.run, 1000)}: {one.state}", "bold")
    facts = (
        ("asked", safe(one.asked, 300)),
        ("trace", one.trace),
        ("started", clock(one.started_at) + (f"  ended {clock(one.ended_at)}" if one.ended_at else "")),
        ("record", safe(how(one), 1000)),
        ("waits for", waits),
        ("web", ui_link(found, namespace, one.run)),
    )
    for label, text in facts:
        if text:
            out.line(f"  {label:<11} {text}")
    tell_pending(out, under_way)


async def _under_way(client: "Client", ledger: "Ledger", found: "Settings", one: Unrecorded) -> tuple[list[Pending], str, str]:
    from commands.workers import nobody

    problem = await nobody(client, ledger, found.task_queue)
    return await pending(client, one.run, one.described), client.namespace, problem


def tell_end(out: Out, one: Unrecorded) -> Code:
    """Print how it ended, or that it has not. Returns the exit code, as for a run on record."""
    out.document(run=one.run, trace=one.trace, state=one.state, report=None, recorded=False, why=one.why)
    tell_state(out, how(one))
    if one.is_running:
        see, wait = command("show", one.run), command("result", one.run, options="--wait")
        out.note(f"`{see}` says what it waits for; `{wait}` waits until it ends")
        return Code.NOT_ENDED
    return code_of("done" if one.state == "completed" else one.state, one.why)
