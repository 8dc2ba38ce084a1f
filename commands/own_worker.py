"""The worker of a place that `baton up` has made, for the console that stands beside it: started, or started anew."""

import asyncio
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commands import processes, server
from commands.server import Ports
from commands.up import worker_at
from contracts.base import digest_of
from contracts.errors import Refused
from contracts.runs import WHEN_WRITTEN, Note, RunRef
from ledger import feed

if TYPE_CHECKING:
    from config import Settings
    from ledger.db import Ledger

PATIENCE = 30.0
"""Seconds to wait for an `up` or `down` that is at work."""


@dataclass(frozen=True)
class Place:
    """A place that `baton up` or `baton demo` has made. `worker` is what the worker that runs is known by; "" if none runs."""

    state: Path
    ports: Ports
    worker: str


def here(settings: "Settings") -> Place | None:
    """The place, if this very process is the console that was started in it, beside its server; else None."""
    state = settings.state.absolute()
    console, temporal = processes.find(state, "console"), processes.find(state, "server")
    if console is None or console.pid != os.getpid() or temporal is None:
        return None
    worker = processes.find(state, "worker")
    return Place(state, Ports(temporal.port, temporal.ui_port), "" if worker is None else f"{worker.pid}/{worker.born}")


async def begin(ledger: "Ledger", settings: "Settings", by: str, why: str, seen: str, channel: str) -> None:
    """Start the worker, with the environment of this process; end the one that runs first, if it is the one that was `seen`.

    Waits until it asks for work, and tells the feed. Raises `Refused` where `up` has not made the place, or another worker runs
    than was seen, so that sending it twice starts one; and `BatonError` with the end of its log if it does not come up.
    """
    if here(settings) is None:
        raise Refused(
            "`baton up` has not started this console, so it starts no worker; start one where yours run. Nothing was done"
        )
    async with processes.alone(settings.state.absolute(), patience=PATIENCE):
        place = here(settings)
        if place is None:
            raise Refused("`baton down` has stopped what runs here; nothing was done")
        if place.worker != seen:
            what = "another worker runs here now" if place.worker else "the worker has stopped since"
            raise Refused(f"{what}. Look again; nothing was done")
        if place.worker:
            # It gives what it works on ten seconds; what it does not end then is done by the next one.
            await asyncio.to_thread(processes.stop, place.state, "worker")
        running = processes.find(place.state, "server")
        assert running is not None, "`alone` keeps `down` out"
        client = await server.ready(place.ports.address, running, place.state)
        worker = await worker_at(settings, place.state, place.ports, client)
    name = f"{socket.gethostname()}:{worker.pid}"
    did = f"started the worker {name} anew" if seen else f"started the worker {name}"
    line = Note(
        key=digest_of("worker-started", name, worker.born),
        at=WHEN_WRITTEN,
        stage="workers",
        actor=by,
        channel=channel,
        did=did,
        why=why,
        next="it takes what waits",
    )
    await ledger.tx(feed.append, RunRef(trace="workers", workflow_id="workers"), [line])
