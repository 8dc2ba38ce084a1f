"""Telling open runs that something was condemned, or undone: those that are not reached learn it at their next step."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from commands.context import connect
from commands.errors import first_line
from commands.output import Out, safe

if TYPE_CHECKING:
    from temporalio.client import Client

    from ledger.db import Ledger
    from ledger.views.runs import RunView

AT_ONCE = 20
"""Most runs that are told at a time."""


@dataclass(frozen=True)
class Told:
    """How many of these runs were told; `why` not all of them, "" if they were, or if there are none."""

    runs: int = 0
    told: int = 0
    why: str = ""

    def as_fields(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"runs": self.runs, "told": self.told, "why": self.why}

    def tell(self, out: Out) -> None:
        """Print which runs have yet to learn it."""
        if self.runs:
            out.line(f"  told     {self.told} of {self.runs} open runs")
        if self.why:
            out.note(f"warning: {safe(self.why, 400)}; those runs learn it from the ledger before their next use of it")


def have_them_look(out: Out, ledger: "Ledger", runs: "Sequence[RunView]", by: str) -> Told:
    """Tell these runs to look at what is condemned. What is in the ledger counts whether or not they are reached."""
    from connection import Unreachable

    if not runs:
        return Told()

    async def signalled() -> list[str]:
        client = await connect(by, ledger=ledger)
        return await signal(client, [run.workflow_id for run in runs])

    try:
        with out.waiting("telling the runs"):
            failed = asyncio.run(signalled())
    except Unreachable as error:
        return Told(len(runs), 0, first_line(error))
    return Told(len(runs), len(runs) - len(failed), failed[0] if failed else "")


async def signal(client: "Client", runs: Sequence[str]) -> list[str]:
    """Have these runs (by workflow id) look at what is condemned. Returns why runs were not reached, a line each."""
    from temporalio.service import RPCError

    room = asyncio.Semaphore(AT_ONCE)

    async def one(run: str) -> str:
        async with room:
            try:
                await client.get_workflow_handle(run).signal("condemned", {})
            except RPCError as error:
                return f"{run}: {error}"
            return ""

    # Every run is tried: one that cannot be reached must not keep the others from being told.
    return [why for why in await asyncio.gather(*(one(run) for run in runs)) if why]
