"""The background processes that Baton starts on this machine: started, found again, and stopped by their process id.

A file in the state folder names each. Where it is missing, cut off or was removed with the folder, they are known by their
command lines, which hold the state folder.
"""

import asyncio
import contextlib
import fcntl
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import places
from activities.files.atomic import write_durably
from contracts.base import Contract
from contracts.errors import BatonError, ContractViolation, Misconfigured
from contracts.text import one_line

# Longer than the ten seconds that a worker gives its running activities.
STOP_SECONDS = 20
STATE_OPTION = "--state"
"""The argument by which worker and console of `up` and `demo` are known; they take their settings from elsewhere."""

PARTS = ("console", "worker", "server")
"""What is started on one machine, in the order in which it is stopped."""

CONSOLE = ("console", "serve")
"""The command that `up` and `demo` start as the console."""

_DATABASE = "temporal.db"
_LINE = 1200
"""Characters of a log's line that an error shows."""

_LOCK_SECONDS = 180
"""How long one `up` or `down` waits for another: longer than it takes to start both processes at their slowest."""


class Busy(BatonError):
    """Another command is starting or stopping what runs here. Wait for it, or end it."""


class Running(Contract):
    """A process that we started. `born` distinguishes it from a later process with the same pid."""

    name: str
    pid: int
    born: str
    port: int = 0
    ui_port: int = 0


def with_database(command: list[str], state: Path) -> list[str]:
    """The server's command with its database file in `state`.

    The server makes a URI of the name, unescaped, so `?`, `#` and `%` in it would lead to another file, and it looks for the
    folder under the name as it is. Where the path has one of them the server works in the folder and gets the bare name.
    """
    if not set(os.fspath(state)) & set("?#%"):
        return [*command, "--db-filename", str(state / _DATABASE)]
    # The shell becomes the server, under the same process id.
    return ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(state), *command, "--db-filename", _DATABASE]


@contextlib.asynccontextmanager
async def alone(state: Path, what: str = "up", patience: float = _LOCK_SECONDS) -> AsyncIterator[None]:
    """No other command finds, starts or stops processes of this state folder meanwhile. A dead one's lock is free.

    Waits `patience` seconds for another one, and then raises `Busy`.
    """
    folder = state / "run"
    folder.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + patience
    with (folder / f"{what}.lock").open("ab") as file:
        while not _locked(file.fileno()):
            if time.monotonic() >= ends:
                raise Busy(f"another `baton up` or `baton down` has been at work in {state} for {patience:.0f} s")
            await asyncio.sleep(0.05)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start(name: str, command: list[str], state: Path, variables: Mapping[str, str], port: int = 0, ui_port: int = 0) -> Running:
    """Start a process in its own session, log to `state`/logs, and record its pid.

    It sees none of this user's connection settings for Temporal, but those in `variables`: they belong to other servers.
    """
    logs = state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    # Opened here: where the child cannot open it, the error would name the program and not the log.
    with (logs / f"{name}.log").open("ab") as log:
        # Not Popen: the process outlives the command that starts it, and Popen warns about an unreaped child.
        pid = os.posix_spawn(
            command[0],
            command,
            _inherited() | dict(variables),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,  # Ctrl-C in the terminal must not reach it
            setsigdef=[signal.SIGPIPE],  # Python ignores it, and a child would inherit that
        )
    running = Running(name=name, pid=pid, born=_born(pid) or "", port=port, ui_port=ui_port)
    record(running, state)
    return running


def _inherited() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    # With the first a script does not find the modules beside it; the other two would put strange ones before our packages.
    for name in ("PYTHONSAFEPATH", "PYTHONPATH", "PYTHONHOME"):
        kept.pop(name, None)
    # Logs, agent files and what git says are UTF-8, whatever the terminal of the caller can show.
    return kept | {"TEMPORAL_CONFIG_FILE": os.devnull, "PYTHONUTF8": "1"}


def record(running: Running, state: Path) -> None:
    """Name a process in the state folder, so that `find` and `stop` know it."""
    write_durably(_file(state, running.name), running.stored())


def find(state: Path, name: str) -> Running | None:
    """The running process that we started under this name, or None."""
    recorded = _recorded(state, name)
    if recorded is not None and recorded.born and _born(recorded.pid) == recorded.born:
        return recorded
    # The pid belongs to nobody, or to a stranger since a reboot.
    return next((one for at, one in _known() if one.name == name and _same(at, state)), None)


def everywhere() -> Iterator[tuple[Path, Running]]:
    """Each process that this installation has started for a state folder, with that folder; servers last."""
    programs = Path(sys.executable).parent
    # Without arguments it has ended since.
    own = [(state, one) for state, one in _known() if Path((_arguments(one.pid) or [""])[0]).parent == programs]
    yield from sorted(own, key=lambda found: PARTS.index(found[1].name))


def forget(state: Path, name: str) -> None:
    """Take away what names a process. Safe to call twice."""
    _file(state, name).unlink(missing_ok=True)


def stop(state: Path, name: str) -> bool:
    """Stop the process that we started under this name, and no other. True if one was running."""
    running = find(state, name)
    if running is not None:
        end(running)
    forget(state, name)
    return running is not None


def end(running: Running) -> None:
    """Ask a process to end, wait for it, and kill it if it does not."""
    _signal(running, signal.SIGTERM)
    if not _gone_within(running, STOP_SECONDS):
        _signal(running, signal.SIGKILL)
        _gone_within(running, 5)


def runs(running: Running) -> bool:
    """True if that process is still there."""
    return _born(running.pid) == running.born


def lost_its_files(running: Running, state: Path) -> bool:
    """True if the database that this process works on was removed, or moved out of the state folder, under it."""
    ends, there = tuple(f"/{name} (deleted)" for name in (_DATABASE, "ledger.db")), os.path.realpath(state / _DATABASE)
    try:
        with os.scandir(f"/proc/{running.pid}/fd") as files:
            open_now = [os.readlink(one.path) for one in files]
    except OSError:  # it, or one of its files, was closed just now
        return False
    # A ledger may be elsewhere, because a setting says so; the server's database is in the state folder.
    return any(one.endswith(ends) or (one.endswith(f"/{_DATABASE}") and one != there) for one in open_now)


def log_end(state: Path, name: str) -> str:
    """The last lines of a process's log, and the log's path."""
    file = state / "logs" / f"{name}.log"
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()[-8:] if file.exists() else []
    # Cut: a line of the worker's log may hold a whole traceback.
    return f"its log is {file}; it ends with:\n" + "\n".join(one_line(line, _LINE) for line in lines)


def _file(state: Path, name: str) -> Path:
    return state / "run" / f"{name}.json"


def _recorded(state: Path, name: str) -> Running | None:
    """What the state folder says. A file that is not whole says nothing: a power cut or a full disk leaves such."""
    try:
        return Running.read(_file(state, name).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ContractViolation):
        return None
    except OSError as error:
        raise Misconfigured(f"what runs here cannot be read: {places.unable(error)}") from None


def _known() -> Iterator[tuple[Path, Running]]:
    """This user's processes that are the server, worker or console of some state folder, by their command lines."""
    for pid in (int(name) for name in os.listdir("/proc") if name.isdecimal()):  # not open until the last is asked for
        found = _understood(_arguments(pid), pid)
        born = _born(pid)
        if found is not None and born is not None and _owner(pid) == os.geteuid():
            name, state, port, ui_port = found
            yield state, Running(name=name, pid=pid, born=born, port=port, ui_port=ui_port)


def _arguments(pid: int) -> list[str]:
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")[:-1]
    except OSError:
        return []


def _owner(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def _understood(arguments: list[str], pid: int) -> tuple[str, Path, int, int] | None:
    """Name, state folder and ports that a command line of ours says; None for every other."""
    after = dict(itertools.pairwise(arguments))
    database = Path(after.get("--db-filename", ""))
    if arguments[1:3] == ["server", "start-dev"] and database.name == _DATABASE:
        ports = [int(text) if text.isdecimal() else 0 for text in (after.get("--port", ""), after.get("--ui-port", ""))]
        return "server", database.parent if database.is_absolute() else _works_in(pid), ports[0], ports[1]
    # Its role may follow.
    if len(arguments) in (4, 6) and Path(arguments[1]).name == "worker.py" and arguments[2] == STATE_OPTION:
        return "worker", Path(arguments[3]), 0, 0
    if len(arguments) == 8 and arguments[2:5] == [*CONSOLE, STATE_OPTION] and arguments[7].isdecimal():
        return "console", Path(arguments[5]), int(arguments[7]), 0
    return None


def _works_in(pid: int) -> Path:
    """A process's working folder, under the name that it had if it was removed; the root for a process that has ended."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)"))
    except OSError:
        return Path("/")


def _same(one: Path, other: Path) -> bool:
    # Neither has to be there: a link to the folder and the folder itself are still one.
    return os.path.realpath(one) == os.path.realpath(other)


def _born(pid: int) -> str | None:
    """A process's start time in kernel ticks; None if it does not exist or is a zombie."""
    try:
        # From the last bracket on: a program's name may hold spaces and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
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
