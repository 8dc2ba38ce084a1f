"""How much a sandboxed command may use, and what enforces it on this machine."""

import os
import re
import resource
import signal
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Literal

from contracts.check_limits import CheckLimits

MIB = 1024 * 1024
_DYING = timedelta(seconds=2)


@dataclass(frozen=True)
class ResourceLimits:
    """What one command may use. Sizes are in bytes.

    `memory` is what the whole command uses: held by a cgroup, else watched (`memory.py`). `processes` are counted by a cgroup,
    else by a limit that does not bind root. `cpu` is per process, `scratch` the size of /tmp and of /dev/shm, `output` what is
    kept of stdout and stderr. Below `disk_left` free bytes or `files_left` free inodes on the workspace's disk the command is
    stopped.
    """

    processes: int = 256
    memory: int = 2048 * MIB
    file_size: int = 512 * MIB
    cpu: timedelta = timedelta(minutes=10)
    scratch: int = 512 * MIB
    output: int = MIB // 4
    open_files: int = 1024
    disk_left: int = 512 * MIB
    files_left: int = 10_000


DEFAULT = ResourceLimits()


def resources_of(setting: CheckLimits) -> ResourceLimits:
    """The limits that a setting says; the others as they are."""
    return replace(
        DEFAULT,
        processes=setting.processes,
        memory=setting.memory_mib * MIB,
        file_size=setting.file_mib * MIB,
        cpu=setting.cpu,
        scratch=setting.tmp_mib * MIB,
    )


Controller = Literal["pids", "memory"]


@dataclass
class Group:
    """Cgroups of one command. Holds the folders that were made; empty if none could be."""

    folders: dict[Controller, Path] = field(default_factory=dict)

    def add(self, process: int) -> None:
        """Move a process that has not started anything yet into the group."""
        for folder in set(self.folders.values()):
            (folder / "cgroup.procs").write_text(str(process))

    def out_of_memory(self) -> bool:
        """True where the kernel has ended a process of the group, because it used more memory than it may."""
        folder = self.folders.get("memory")
        if folder is None:
            return False
        counted = ""
        for name in ("memory.events", "memory.oom_control"):  # version 2, version 1
            with suppress(OSError):
                counted += (folder / name).read_text()
        return re.search(r"^oom_kill [1-9]", counted, re.MULTILINE) is not None

    def remove(self) -> bool:
        """Delete the folders. False while a process is still in one. Safe to call twice."""
        try:
            for folder in set(self.folders.values()):
                if folder.exists():
                    folder.rmdir()
        except OSError:
            return False
        return True


class Cgroups:
    """Makes one cgroup per command below the worker's own, if this machine allows it."""

    def __init__(self) -> None:
        self._parents = _parents()
        self._numbers = count(1)
        self._sweep()

    def make(self, limits: ResourceLimits) -> Group:
        """A new group with these limits. Controllers that cannot be used here are left out."""
        group = Group()
        number = next(self._numbers)
        for controller, candidates in self._parents.items():
            for parent in candidates:
                folder = parent / f"baton-{os.getpid()}-{number}"
                if _set(folder, controller, limits):
                    group.folders[controller] = folder
                    # A parent that worked is kept; a controller that never worked is not tried again.
                    self._parents[controller] = [parent]
                    break
            else:
                self._parents[controller] = []
        return group

    def _sweep(self) -> None:
        """Kill and delete what killed workers left. (Bubblewrap dies with its worker, but not in its first milliseconds.)"""
        for parent in {parent for candidates in self._parents.values() for parent in candidates}:
            for folder in parent.glob("baton-*-*"):
                owner = folder.name.split("-")[1]
                if not Path("/proc", owner).exists():
                    _clear(folder)


def apply(process: int, limits: ResourceLimits, grouped: Container[str]) -> None:
    """Set the per-process limits of a waiting process, before it has run anything of the command.

    `grouped` names what is limited in another way already. Set from here, the limit on processes counts only those inside the
    sandbox; set outside, it would count all of the user's.
    """
    values = {
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_CPU: max(1, int(limits.cpu.total_seconds())),
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
    }
    if "pids" not in grouped:
        values[resource.RLIMIT_NPROC] = limits.processes
    if "memory" not in grouped:
        # Per process, because nothing here can count what they use together: better than no limit.
        values[resource.RLIMIT_AS] = limits.memory
    for kind, value in values.items():
        hard = resource.prlimit(process, kind)[1]
        # Nobody but root may raise a hard limit: setting a higher one would fail.
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.prlimit(process, kind, (bound, bound))


def _clear(folder: Path) -> None:
    """Kill what is in the cgroup and delete it. A killed process leaves its cgroup only once it has ended, moments later."""
    until = monotonic() + _DYING.total_seconds()
    while monotonic() < until and folder.exists():
        with suppress(OSError):
            for process in (folder / "cgroup.procs").read_text().split():
                os.kill(int(process), signal.SIGKILL)
            folder.rmdir()
            return
        sleep(0.01)


def _set(folder: Path, controller: Controller, limits: ResourceLimits) -> bool:
    files = {
        "pids": {"pids.max": limits.processes},
        # `oom.group`: the whole command is killed, not one process for which the others would wait.
        "memory": {"memory.max": limits.memory, "memory.swap.max": 0, "memory.oom.group": 1},
    }[controller]
    if controller == "memory" and (folder.parent / "memory.limit_in_bytes").exists():
        # Version 1 counts memory and swap together in `memsw`: the same value leaves no swap.
        files = {"memory.limit_in_bytes": limits.memory, "memory.memsw.limit_in_bytes": limits.memory}
    required = next(iter(files))
    made = not folder.exists()  # version 2: both controllers share one folder
    try:
        folder.mkdir(exist_ok=True)
        for name, value in files.items():
            if name == required or (folder / name).exists():
                (folder / name).write_text(str(value))
    except OSError:
        if made:
            Group({controller: folder}).remove()
        return False
    return True


def _parents() -> dict[Controller, list[Path]]:
    """For each controller the folders below which a group may be tried: the worker's own, then (version 2) the one above.

    Version 2 gives controllers only to groups without processes of their own, so a worker's neighbour is the usual place.
    """
    found: dict[Controller, list[Path]] = {"pids": [], "memory": []}
    try:
        own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        mounted = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    except OSError:
        return found
    for before, after in mounted:
        root, point = before.split()[3:5]
        kind, _, options = after.split()[:3]
        for _, names, path in own:
            for controller, candidates in found.items():
                folder = Path(point, os.path.relpath(path, root))
                if kind == "cgroup" and controller in names.split(",") and controller in options.split(","):
                    candidates.append(folder)
                if kind == "cgroup2" and not names and controller in _offered(folder):
                    candidates.append(folder)
                if kind == "cgroup2" and not names and folder != Path(point) and controller in _offered(folder.parent):
                    candidates.append(folder.parent)
    return found


def _offered(folder: Path) -> list[str]:
    try:
        return (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return []
