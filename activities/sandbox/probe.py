"""Measures what the sandbox really enforces on this machine, by trying to break out of it. For `baton doctor`."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from activities.sandbox import Completed, Sandbox, SandboxUnavailable
from activities.sandbox.launch import unavailable
from activities.sandbox.limits import DEFAULT, MIB, ResourceLimits

_TIMEOUT = timedelta(seconds=60)
_PROCESSES = 24
_NAMESPACES = ("user", "pid", "net", "ipc", "uts", "mnt", "cgroup")


@dataclass(frozen=True)
class Fact:
    """One property of a sandbox: its name, whether it holds here, and by what means, or why not."""

    name: str
    holds: bool
    how: str


@dataclass(frozen=True)
class Isolation:
    """What the sandbox enforces on this machine. `complete` means everything."""

    bubblewrap: str
    facts: tuple[Fact, ...]

    @property
    def complete(self) -> bool:
        """True if every fact holds."""
        return all(fact.holds for fact in self.facts)


async def problem(find: Callable[[], Sandbox]) -> str:
    """Why no command can be run on this machine, and what to do; "" if one can: a program that does nothing is run."""
    try:
        done = await _try(find(), "pass", DEFAULT)
    except SandboxUnavailable as error:
        return str(error)
    return "" if done.exit_code == 0 else str(unavailable(done.output))


async def level(find: Callable[[], Sandbox]) -> str:
    """What a worker says of its sandbox, measured without running anything in it. Raises `SandboxUnavailable`."""
    sandbox = find()
    version = ".".join(str(part) for part in await sandbox.version())
    by_cgroup = sandbox.limited_by()
    names = {"pids": "processes", "memory": "memory"}
    limits = [f"{name} limited {'by a cgroup' if one in by_cgroup else 'without a cgroup'}" for one, name in names.items()]
    return f"bubblewrap {version}, {', '.join(limits)}"


async def probe(sandbox: Sandbox) -> Isolation:
    """Run a few commands that try what a hostile one would, and report what held. Raises `SandboxUnavailable`."""
    version = ".".join(str(part) for part in await sandbox.version())
    seen = await _seen(sandbox)
    return Isolation(version, (*_walls(seen), _owner(), await _processes(sandbox), await _memory(sandbox)))


async def _seen(sandbox: Sandbox) -> dict[str, Any]:
    done = await _try(sandbox, _LOOK, DEFAULT)
    if done.exit_code != 0:
        raise unavailable(done.output)
    seen: dict[str, Any] = json.loads(done.output)
    return seen


def _walls(seen: Mapping[str, Any]) -> tuple[Fact, ...]:
    outside = {name: os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES if os.path.exists(f"/proc/self/ns/{name}")}
    shared = [name for name, link in outside.items() if seen["namespaces"].get(name) == link]
    needed = sorted(set(shared) - {"cgroup"})  # limits hold even if the kernel has no such namespace
    only = ", ".join(seen["interfaces"])
    return (
        Fact("namespaces", not needed, f"shared with the machine: {', '.join(needed)}" if needed else "all are its own"),
        Fact("network", not seen["reached"] and only == "lo", f"interfaces inside: {only}; nothing outside was reached"),
        Fact("capabilities", seen["capabilities"] == 0 and seen["no_new_privileges"], "none, and none can be gained"),
        Fact("environment", seen["environ"] == 0, f"{seen['environ']} bytes of the worker's environment are visible"),
        Fact("kernel settings", not seen["settable"], f"writable: {seen['settable'] or 'none'}"),
        Fact("nested namespaces", not seen["nested"], "refused" if not seen["nested"] else "bubblewrap before 0.8 allows them"),
        Fact("system calls", seen["filtered"], "filtered" if seen["filtered"] else "no filter for this architecture"),
    )


def _owner() -> Fact:
    root = os.getuid() == 0
    how = "the worker is root: run it as a user of its own, so that a hole in the kernel is not root at once"
    return Fact("ordinary user", not root, how if root else f"the worker runs as user {os.getuid()}")


async def _processes(sandbox: Sandbox) -> Fact:
    done = await _try(sandbox, _FORK, replace(DEFAULT, processes=_PROCESSES))
    started = int(done.output.split()[-1]) if done.exit_code == 0 else 0
    by = "a cgroup" if "pids" in sandbox.limited_by() else "RLIMIT_NPROC, which does not bind root"
    held = 0 < started <= _PROCESSES
    return Fact("processes", held, f"with a limit of {_PROCESSES}, {started} could be started; limited by {by}")


async def _memory(sandbox: Sandbox) -> Fact:
    done = await _try(sandbox, _FILL, replace(DEFAULT, memory=192 * MIB))
    if "memory" in sandbox.limited_by():
        by = "a cgroup for all processes together, enforced by the kernel"
    elif done.stopped:
        by = "a watch on what all processes use together; it ends the command a moment after they have passed the limit"
    else:
        by = "address space per process, which stops the JVM and WebAssembly; many processes may use more"
    return Fact("memory", done.exit_code != 0, f"limited by {by}")


async def _try(sandbox: Sandbox, script: str, limits: ResourceLimits) -> Completed:
    with tempfile.TemporaryDirectory(prefix="baton-probe-") as folder:
        return await sandbox.run(
            ["python3", "-I", "-c", script], directory=Path(folder), writable=False, timeout=_TIMEOUT, limits=limits
        )


_LOOK = """
import ctypes, json, os, socket
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
def works(act):
    try:
        act()
    except OSError:
        return False
    return True
def connect():
    with socket.socket() as s:
        s.settimeout(1)
        s.connect(("192.0.2.1", 80))
def other_family():
    socket.socket(40, socket.SOCK_STREAM)
def nested():
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) != 0:
        raise OSError
def settable(path):
    return works(lambda: os.close(os.open(path, os.O_WRONLY)))
names = ["user", "pid", "net", "ipc", "uts", "mnt", "cgroup"]
print(json.dumps({
    "namespaces": {n: os.readlink(f"/proc/self/ns/{n}") for n in names if os.path.exists(f"/proc/self/ns/{n}")},
    "interfaces": [name for _, name in socket.if_nameindex()],
    "reached": works(connect),
    "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapBnd"], 16),
    "no_new_privileges": status["NoNewPrivs"].strip() == "1",
    "environ": len(open("/proc/1/environ", "rb").read()),
    "settable": [p for p in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/self/oom_score_adj")
                 if settable(p)],
    "filtered": status["Seccomp"].strip() == "2" and not works(other_family),
    "nested": works(nested),
}))
"""

_FORK = """
import os, time
started = 0
for _ in range(64):
    try:
        if os.fork() == 0:
            time.sleep(60)
    except OSError:
        break
    started += 1
print(started)
"""

_FILL = """
import time
held = []
for _ in range(64):
    held.append(bytearray(b"x" * (16 << 20)))
time.sleep(10)
"""
"""It keeps what it has for a while, so that whoever watches can see it."""
