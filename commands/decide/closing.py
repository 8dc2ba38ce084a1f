"""Close circuit breakers by hand, and let the runs that wait for them go on."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from commands.context import connect
from commands.errors import first_line
from contracts.errors import Refused
from ledger.views.causes import Waiting, asking_again, carrying_out, kept_by

if TYPE_CHECKING:
    from temporalio.client import Client

    from ledger.db import Connection, Ledger

Answer = Callable[["Client", Sequence[Waiting]], Awaitable[Mapping[str, str]]]
"""Approves gates, which has their models asked again. Per gate what came of it, as in `Closed.gates`."""

AT_ONCE = 50
"""Runs that are told at the same time."""

TARGET = "target:"
"""What the name of a breaker begins with that is an action's target, and no model, provider or agent."""


@dataclass
class Closed:
    """What came of it: `names` that were closed now, what each run at a gate answered, and the runs that were woken."""

    names: list[str] = field(default_factory=list)
    gates: dict[str, str] = field(default_factory=dict)
    woken: list[str] = field(default_factory=list)
    warning: str = ""


@dataclass(frozen=True)
class _Kept:
    """What breakers of these names keep waiting: gates, runs on a timer, and runs that may have an action on a timer."""

    names: Sequence[str]
    gates: Sequence[Waiting]
    runs: Sequence[str]
    acting: Sequence[str]


def close_all(ledger: "Ledger", names: Sequence[str], by: str, why: str, limit: float) -> Closed:
    """Close breakers, have the gates that wait for them ask again, and wake the runs and actions that wait on a timer.

    Raises `NotFound` for a name without a breaker, and `Refused` if all are closed and nothing waits for them. A run that
    cannot be told asks again by itself, or at its gate.
    """

    async def answer(client: "Client", gates: Sequence[Waiting]) -> Mapping[str, str]:
        return await _answered(ledger, client, gates, by, why, limit)

    async def closing() -> Closed:
        return await close_and_tell(ledger, names, by, why, lambda: connect(by, ledger=ledger), answer)

    return asyncio.run(closing())


async def close_and_tell(
    ledger: "Ledger",
    names: Sequence[str],
    by: str,
    why: str,
    reach: Callable[[], Awaitable["Client"]],
    answer: Answer,
    channel: str = "cli",
) -> Closed:
    """As `close_all`. `reach` gives a client of Temporal or raises `Unreachable`; `answer` decides at the gates that wait."""
    there = await ledger.read(_waiting, names)
    acting = await ledger.read(carrying_out) if any(name.startswith(TARGET) for name in names) else []
    found = Closed(await ledger.tx(_close, names, by, why, channel))
    if not found.names and not there and not acting:
        raise Refused(f"{', '.join(names)}: closed already, calls are made, and no run waits at a gate for it")
    kept = _Kept(names, there, await ledger.read(asking_again), acting)
    if kept.gates or kept.runs or kept.acting:
        await _tell(kept, found, reach, answer)
    return found


def _close(connection: "Connection", names: Sequence[str], by: str, why: str, channel: str) -> list[str]:
    """Those that were closed now. Raises `NotFound` for a name without a breaker, and then closes none."""
    from commands.look.routes import close_now

    closed = []
    for name in dict.fromkeys(names):
        with contextlib.suppress(Refused):  # it is closed already, and its gates may wait all the same
            close_now(connection, name, by, why, channel)
            closed.append(name)
    return closed


def _waiting(connection: "Connection", names: Sequence[str]) -> list[Waiting]:
    several = {(one.run, one.view.gate): one for name in names for one in kept_by(connection, name)}
    return list(several.values())


async def _tell(kept: _Kept, found: Closed, reach: Callable[[], Awaitable["Client"]], answer: Answer) -> None:
    from temporalio.service import RPCError

    from activities.turns.health import FRESH
    from commands.money.ceilings import nudge
    from connection import Unreachable

    try:
        client = await reach()
    except Unreachable as error:
        found.warning = f"{first_line(error)}; the runs ask again by themselves, or at their gates"
        return
    # Workers read the breakers again only then: a run that is told sooner finds them open still, and waits as long again.
    await asyncio.sleep(FRESH)
    found.gates = dict(await answer(client, kept.gates))
    nudged = await nudge(client, kept.runs)
    found.woken = [name for name in kept.runs if name not in nudged.over]
    try:
        found.woken += await _tried_now(client, kept)
    except RPCError as error:
        found.warning = f"{first_line(error)}; the actions are tried again by themselves"


async def _tried_now(client: "Client", kept: _Kept) -> list[str]:
    """Have the actions that wait for these targets tried now, and not when Temporal would. The runs that had such."""
    from temporalio.api.workflowservice.v1 import ResetActivityRequest

    from activities.runs.gone import describe, together
    from commands.look.pending import pending

    said = [f"breaker of {name} is open" for name in kept.names]

    async def one(run: str) -> bool:
        there = await pending(client, run, await describe(client, run))
        waiting = [act for act in there if act.next_at is not None and any(words in act.error for words in said)]
        for act in waiting:
            # Its attempts count anew, which does no harm: each of them asks the target first.
            request = ResetActivityRequest(namespace=client.namespace, identity=client.identity, id=act.activity_id)
            request.execution.workflow_id, request.keep_paused = act.workflow, True
            await client.workflow_service.reset_activity(request)
        return bool(waiting)

    return [run for run, tried in zip(kept.acting, await together(kept.acting, one), strict=True) if tried]


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
