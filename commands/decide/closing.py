"""Close circuit breakers by hand, and let the runs that wait for them go on."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from commands.context import connect
from commands.errors import first_line
from contracts.errors import Refused
from ledger.views.causes import Waiting, asking_again, kept_by

if TYPE_CHECKING:
    from temporalio.client import Client

    from ledger.db import Connection, Ledger

AT_ONCE = 50
"""Runs that are told at the same time."""


@dataclass
class Closed:
    """What came of it: `names` that were closed now, what each run at a gate answered, and the runs that were woken."""

    names: list[str] = field(default_factory=list)
    gates: dict[str, str] = field(default_factory=dict)
    woken: list[str] = field(default_factory=list)
    warning: str = ""


def close_all(ledger: "Ledger", names: Sequence[str], by: str, why: str, limit: float) -> Closed:
    """Close breakers, have the gates that wait for them ask again, and wake the runs that wait on a timer.

    Raises `NotFound` for a name without a breaker, and `Refused` if all are closed and nothing waits for them. A run that
    cannot be told asks again by itself, or at its gate.
    """
    there = ledger.read_now(_waiting, names)
    found = Closed(ledger.tx_now(_close, names, by, why))
    if not found.names and not there:
        raise Refused(f"{', '.join(names)}: closed already, calls are made, and no run waits at a gate for it")
    runs = ledger.read_now(asking_again)
    if there or runs:
        asyncio.run(_tell(ledger, there, runs, found, by, why, limit))
    return found


def _close(connection: "Connection", names: Sequence[str], by: str, why: str) -> list[str]:
    """Those that were closed now. Raises `NotFound` for a name without a breaker, and then closes none."""
    from commands.look.routes import close_now

    closed = []
    for name in dict.fromkeys(names):
        with contextlib.suppress(Refused):  # it is closed already, and its gates may wait all the same
            close_now(connection, name, by, why)
            closed.append(name)
    return closed


def _waiting(connection: "Connection", names: Sequence[str]) -> list[Waiting]:
    several = {(one.run, one.view.gate): one for name in names for one in kept_by(connection, name)}
    return list(several.values())


async def _tell(
    ledger: "Ledger", gates: Sequence[Waiting], runs: Sequence[str], found: Closed, by: str, why: str, limit: float
) -> None:
    from activities.turns.health import FRESH
    from commands.money.ceilings import nudge
    from connection import Unreachable

    try:
        client = await connect(by, ledger=ledger)
    except Unreachable as error:
        found.warning = f"{first_line(error)}; the runs ask again by themselves, or at their gates"
        return
    # Workers read the breakers again only then: a run that is told sooner finds them open still, and waits as long again.
    await asyncio.sleep(FRESH)
    found.gates = dict(await _answered(ledger, client, gates, by, why, limit))
    nudged = await nudge(client, runs)
    found.woken = [name for name in runs if name not in nudged.over]


async def _answered(
    ledger: "Ledger", client: "Client", gates: Sequence[Waiting], by: str, why: str, limit: float
) -> Mapping[str, str]:
    """Approve each gate, which has its model asked again. Per gate "confirmed", "unconfirmed", or why it was refused."""
    from commands.decide import decision
    from ledger.views.gates import refused_before

    room = asyncio.Semaphore(AT_ONCE)

    async def one(waiting: Waiting) -> tuple[str, str]:
        view = waiting.view
        before = await ledger.read(refused_before, view.trace, view.gate, by, "approve")
        update_id, values = decision.compose(view, "approve", by, why, {}, before)
        async with room:
            try:
                await decision.send(client, view, "approve", update_id, values, limit)
            except decision.Unconfirmed:
                outcome = "unconfirmed"
            except Refused as refused:
                outcome = first_line(refused)
            else:
                outcome = "confirmed"
        return f"{waiting.run} {view.gate}", outcome

    return dict(await asyncio.gather(*map(one, gates)))
