"""`baton up` and `baton down`: server, worker and console on one machine, in the background."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import contexts
import places
from commands import processes, server
from commands.processes import Running
from commands.server import Ports
from config import Settings
from contracts.errors import Misconfigured

if TYPE_CHECKING:
    from temporalio.client import Client

DEFAULT_PORTS = Ports(7233, 8233)
_UI_ABOVE = 1000
"""How much higher the Web UI's port is than the server's, as in Temporal's own defaults."""


@dataclass(frozen=True)
class Up:
    """Where server and console listen, and what a user should know besides."""

    ports: Ports
    console: int
    notes: tuple[str, ...] = ()


async def up(settings: Settings, port: int | None = None, ui_port: int | None = None) -> Up:
    """Start the Temporal dev server (with a database file), a worker with the settings' role and the console, unless they run.

    Safe to call twice, and by several at once. What works on files that were removed under it is stopped first. None for a
    port: the context's, else Temporal's usual one. Raises `Misconfigured` for a port that is busy or is not the one of the
    server that runs, and `BatonError` with the end of the log if a process does not come up.
    """
    wanted = _wanted(port, ui_port)
    state = places.usable(settings.state.absolute())
    async with processes.alone(state):
        notes = await _stop_what_lost_its_files(state)
        running = processes.find(state, "server")
        if running is None:
            ports = server.free_ports(wanted, strict=True)
            running = server.start("server", server.server_command(state, ports), state, {}, ports)
        else:
            ports = _kept(running, port, ui_port)
            processes.record(running, state)
        client = await server.ready(ports.address, running, state)
        await worker_at(settings, state, ports, client)
        console = processes.find(state, "console")
        if console is None:
            # After the worker: it is the worker that makes the ledger.
            console = await server.start_console(state, worker_variables(settings, state, ports), console_port(ports))
        processes.record(console, state)
    return Up(ports, console.port, notes)


async def worker_at(settings: Settings, state: Path, ports: Ports, client: "Client") -> Running:
    """The worker of this place, once it asks for work; started, unless one runs. Call it under `processes.alone`.

    Raises `BatonError` with the end of its log if it does not come up.
    """
    worker, hangs = processes.find(state, "worker"), ""
    if worker is None:
        worker = server.start_worker(state, worker_variables(settings, state, ports))
    else:
        hangs = f"process {worker.pid} ran before and asks for no work: it hangs, or was stopped. `baton down`, then `baton up`"
    processes.record(worker, state)
    if settings.role == "actions":
        await server.beats(settings, worker, state)
    else:
        await server.polled(client, settings.task_queue, worker, state, hangs)
    return worker


def _wanted(port: int | None, ui_port: int | None) -> Ports:
    """The ports to use where no server runs."""
    chosen = contexts.chosen()
    if chosen.context is not None and (chosen.context.temporal or chosen.context.profile):
        own = chosen.context.local_port
        where = chosen.context.temporal or f"the profile {chosen.context.profile}"
        if own is None or (port is not None and port != own):
            raise Misconfigured(
                f"the context {chosen.name} works with Temporal at {where}, and `baton up` would start another server; "
                "use a context for this machine (`baton context add NAME --temporal 127.0.0.1:PORT`), or `--context default`"
            )
        port = own
    port = DEFAULT_PORTS.port if port is None else port
    return Ports(port, beside(port) if ui_port is None else ui_port)


def beside(port: int) -> int:
    """The Web UI's port of a server on this one, where nobody names another."""
    return port + _UI_ABOVE if port + _UI_ABOVE <= 65_535 else port - _UI_ABOVE


def console_port(ports: Ports) -> int:
    """The console's port beside these, if nobody else has it."""
    return ports.ui_port + 1 if ports.ui_port < 65_535 else ports.ui_port - 1


def _kept(running: Running, port: int | None, ui_port: int | None) -> Ports:
    """The ports of the server that runs. Raises `Misconfigured` if others were asked for."""
    ports = Ports(running.port, running.ui_port)
    if port not in (None, ports.port) or ui_port not in (None, ports.ui_port):
        raise Misconfigured(
            f"the server runs already, on port {ports.port} with the Web UI on {ports.ui_port}, and cannot move while it runs: "
            "`baton down` first, or leave out --port and --ui-port"
        )
    return ports


async def _stop_what_lost_its_files(state: Path) -> tuple[str, ...]:
    """Stop what runs if the state folder was removed or moved while they ran: nobody would find what they write."""
    found = {name: running for name in processes.PARTS if (running := processes.find(state, name)) is not None}
    if not any(processes.lost_its_files(running, state) for running in found.values()):
        return ()
    # Both, if only the ledger was removed, too: the server would list the worker of the old ledger, and refuse one with a new.
    for name in found:
        await asyncio.to_thread(processes.stop, state, name)
    names = " and ".join(filter(None, (", ".join(list(found)[:-1]), list(found)[-1])))
    return (f"the files of {state} were removed or moved while the {names} ran; stopped, and started again on new files",)


def worker_variables(settings: Settings, state: Path, ports: Ports) -> dict[str, str]:
    """The environment variables for this machine's worker."""
    variables = {
        "TEMPORAL_ADDRESS": ports.address,
        "BATON_STATE": str(state),
        "BATON_UI_URL": ports.ui_url,
        "BATON_LOG_FORMAT": "json",
        "BATON_ROLE": settings.role,
    }
    if state != settings.state.absolute():  # the demo's: nothing of it goes into the user's own ledger
        return variables | _ledger(places.sqlite_url(state / "ledger.db"), None)
    if contexts.chosen().context is None:
        return variables
    return variables | _ledger(settings.ledger_url, settings.ledger_url_file)


def _ledger(url: str, file: Path | None) -> dict[str, str]:
    """The ledger as it is in force here. The worker chooses no context: the one in use may be another one tomorrow."""
    return {"BATON_LEDGER_URL": url, "BATON_LEDGER_URL_FILE": str(file or ""), contexts.VARIABLE: contexts.DEFAULT}


async def down(settings: Settings) -> list[str]:
    """Stop what `up` started, the server last, and nothing else. Returns the names of what was running. State is kept.

    Finds them as well where the state folder is not there any more.
    """
    state = settings.state.absolute()
    async with _at_work(state):
        # A worker that stops still reports its last activities, so the server has to outlive it.
        return [name for name in processes.PARTS if await asyncio.to_thread(processes.stop, state, name)]


def _at_work(state: Path) -> contextlib.AbstractAsyncContextManager[None]:
    """As `processes.alone`; without a lock where the folder is gone, or is not known because its process has just ended."""
    there = state.is_dir() and state != Path(state.anchor)
    return processes.alone(state) if there else contextlib.nullcontext()


async def down_everywhere() -> list[str]:
    """Stop each server, worker and console of this installation, for whatever state folder. Returns them with their folders."""
    stopped: list[str] = []
    # By folder: an `up` that is at work in one is waited for, and what it has started by then is stopped as well.
    for state in dict.fromkeys(state for state, _ in processes.everywhere()):
        async with _at_work(state):
            for running in [one for at, one in processes.everywhere() if at == state]:
                await asyncio.to_thread(processes.end, running)
                processes.forget(state, running.name)
                stopped.append(f"{running.name} of {state}")
    return stopped
