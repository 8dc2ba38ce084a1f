"""System: close a circuit breaker, and start the worker of a machine where `baton up` has made the place."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from activities.gates.from_console import CHANNEL
from commands import own_worker
from commands.decide import closing, decision
from console.pages.asked import Asked, said
from contracts.errors import Refused
from contracts.known import Way
from ledger import decision_outbox
from ledger.db import Connection
from ledger.views import models
from ledger.views.causes import Waiting
from ledger.views.gates import refused_before

if TYPE_CHECKING:
    from temporalio.client import Client


async def close(asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Close a breaker as `baton models close` does. Gates that wait for it are approved in this person's name."""
    why, name, here = said(fields), fields.get("name", ""), asked.here
    await here.ledger.read(_check_shown, name, fields.get("seen", ""))

    async def answer(client: "Client", gates: Sequence[Waiting]) -> Mapping[str, str]:
        del client
        # What is decided in the console is written down there, and sent from there until it is answered.
        await here.ledger.tx(_approved, gates, by, asked.way, why)
        return {f"{one.run} {one.view.gate}": "sent" for one in gates}

    await closing.close_and_tell(here.ledger, [name], by, why, here.connect, answer, CHANNEL)


def _check_shown(connection: Connection, name: str, seen: str) -> None:
    """Raise `Refused` if this breaker is not open any more as the page has shown it."""
    one = next((one for one in models.noteworthy(connection) if one.name == name), None)
    if one is None or one.is_closed:
        raise Refused(f"{name[:200]} is not open any more: calls are made. Nothing was done")
    if one.opened_at.isoformat() != seen:
        raise Refused(f"{name[:200]} has opened again since this page was shown: {one.why}. Look again; nothing was done")


def _approved(connection: Connection, gates: Sequence[Waiting], by: str, way: Way, why: str) -> None:
    for one in gates:
        before = refused_before(connection, one.view.trace, one.view.gate, by, "approve")
        _, values = decision.compose(one.view, "approve", by, why, {}, before, channel=CHANNEL)
        decision_outbox.put(connection, one.view.trace, "approve", values, way)


async def worker(asked: Asked, by: str, fields: Mapping[str, str]) -> None:
    """Start this machine's worker, or start it anew where the page has shown one that runs."""
    await own_worker.begin(asked.here.ledger, asked.here.settings, by, said(fields), fields.get("seen", ""), CHANNEL)
