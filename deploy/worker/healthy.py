"""Exit code 0 while the worker in this container polls its task queue and the ledger answers. For the health check."""

import asyncio
import os
import socket
import sys
from pathlib import Path

# Baton's modules are on no import path but that of its own programs.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import config
import connection
from commands.doctor.host import ledger
from contracts.errors import BatonError
from ledger.db import Ledger
from ledger.views.workers import workers_of
from task_queues import pollers


async def problem() -> str:
    """What is wrong, "" when nothing is."""
    settings = config.load()
    found = ledger(settings)
    if found.level == "fail":
        return f"ledger: {found.text}"
    here = f"@{socket.gethostname()}"
    if settings.role == "actions":
        return _relays(settings, here[1:])
    there = await pollers(await connection.connect(), settings.task_queue)
    if any(one.identity.endswith(here) for one in there):
        return ""
    others = ", ".join(one.identity for one in there) or "none"
    return f"no worker of {here[1:]} polls {settings.task_queue!r}; polling are: {others}"


def _relays(settings: config.Settings, host: str) -> str:
    """Why no worker of this container carries out actions; it polls no queue, so its heartbeats say it."""
    opened = Ledger(settings.database, settings.artifacts)
    try:
        relays = opened.read_now(workers_of, settings.task_queue).relays
    finally:
        opened.close()
    return "" if any(one.host == host for one in relays) else f"no worker of {host} with role actions sends heartbeats"


def main() -> int:
    """Print the problem, if there is one, for `docker inspect`."""
    try:
        text = asyncio.run(problem())
    except BatonError as error:
        text = str(error)
    if text:
        print(f"not healthy: {text}", file=sys.stderr, flush=True)
    return 1 if text else 0


if __name__ == "__main__":
    # The SDK's threads can abort the interpreter while it shuts down (temporalio/sdk-python issue 300).
    os._exit(main())
