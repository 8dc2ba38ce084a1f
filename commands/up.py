"""`baton up` and `baton down`: server and worker on one machine, in the background."""

import asyncio
from pathlib import Path

from commands import server
from commands.server import Ports
from config import Settings

DEFAULT_PORTS = Ports(7233, 8233)


async def up(settings: Settings, ports: Ports = DEFAULT_PORTS) -> Ports:
    """Start the Temporal dev server (with a database file) and one worker, unless they run already. Safe to call twice.

    Raises `Misconfigured` for a busy port, and `BatonError` with the end of the log if a process does not come up.
    """
    state = settings.state.absolute()
    running = server.find(state, "server")
    if running is None:
        ports = server.free_ports(ports, strict=True)
        running = server.start("server", server.server_command(state, ports), state, {}, ports)
    # A server that was running keeps its ports, whatever was asked for now.
    ports = Ports(running.port, running.ui_port)
    client = await server.ready(ports.address, running, state)
    worker = server.find(state, "worker") or server.start_worker(state, worker_variables(state, ports))
    await server.polled(client, settings.task_queue, worker, state)
    return ports


def worker_variables(state: Path, ports: Ports) -> dict[str, str]:
    """The environment variables for this machine's worker."""
    return {
        "TEMPORAL_ADDRESS": ports.address,
        "BATON_STATE": str(state),
        "BATON_UI_URL": ports.ui_url,
        "BATON_LOG_FORMAT": "json",
    }


async def down(settings: Settings) -> list[str]:
    """Stop what `up` started, worker first, and nothing else. Returns the names of what was running. State is kept."""
    state = settings.state.absolute()
    # A worker that stops still reports its last activities, so the server has to outlive it.
    return [name for name in ("worker", "server") if await asyncio.to_thread(server.stop, state, name)]
