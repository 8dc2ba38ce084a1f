"""Starts one bubblewrap, sets its limits before it runs anything, and leaves nothing of it behind."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from activities.sandbox import memory, seccomp
from activities.sandbox.layout import USER
from activities.sandbox.limits import Group, ResourceLimits, apply
from contracts.errors import Misconfigured

START_SECONDS = 30.0
"""How long bubblewrap may take to start its first process. Measured: about 10 ms."""

NAMESPACES = (
    *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--uid", str(USER), "--gid", str(USER), "--hostname", "sandbox", "--cap-drop", "ALL"),
    # A session of its own: else a command could type into the worker's terminal (TIOCSTI).
    *("--die-with-parent", "--new-session"),
)


OUTER = ("/bin/sh", "-c", 'read -r go || exit 125; exec /usr/bin/env -i "$@"', "sh")
"""Starts bubblewrap only once its process is in its cgroup, where a later worker finds and kills what this one left."""

INNER = ("/bin/sh", "-c", 'read -r go || exit 125; exec "$@" </dev/null', "sh")
"""Starts the command only when we say so. Bubblewrap goes on once its `--block-fd` is closed, and only then arranges that its
children die with it: without this gate a worker killed in these milliseconds would leave the command running."""


class SandboxUnavailable(Misconfigured):
    """Commands cannot be isolated on this machine, so none are run. `baton doctor` says what is missing."""


@dataclass
class Launched:
    """A running sandbox. `first` is a descriptor of the first process inside: when that ends, all others end with it.

    `watched` is where its memory has to be watched; None: a cgroup holds it, or each process has a limit of its own.
    """

    process: asyncio.subprocess.Process
    first: int
    watched: Path | None
    status: int
    group: Group

    def kill(self) -> None:
        """Kill everything inside at once. Safe to call twice."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.first, signal.SIGKILL)

    async def reap(self) -> int | None:
        """Kill what is left, wait until every process inside is gone, and delete the group. The output must be read to its end.

        Returns the command's code (128 + signal when it was killed inside); None when it never started or was ended by us.
        """
        self.kill()
        await readable(self.first)
        await self.process.wait()
        text = b"".join(iter(lambda: os.read(self.status, 4096), b""))
        for descriptor in (self.first, self.status):
            os.close(descriptor)
        # A killed process stays in its cgroup until the kernel has released it: moments later, or seconds on a busy machine.
        for _ in range(1000):
            if self.group.remove():
                break
            await asyncio.sleep(0.01)
        code = json.loads(text)["exit-code"] if text.strip() else None
        return None if code is None else int(code)


class Given:
    """Descriptors that bubblewrap inherits. Our copies are closed on leaving, once it has its own."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self.numbers:
            os.close(self.numbers.pop())

    def keep(self, descriptor: int) -> str:
        """Pass this descriptor on, and return its number for an option."""
        self.numbers.append(descriptor)
        return str(descriptor)

    def holding(self, data: bytes) -> str:
        """A descriptor from which these bytes can be read once."""
        descriptor = os.memfd_create("baton", os.MFD_CLOEXEC)
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return self.keep(descriptor)


async def launch(
    bubblewrap: Path, options: Sequence[str], argv: Sequence[str], given: Given, limits: ResourceLimits, group: Group
) -> Launched:
    """Start `argv` under bubblewrap, with the descriptors in `given` that the options name.

    Raises `SandboxUnavailable` if bubblewrap cannot make the sandbox; nothing was run then.
    """
    status, status_in = os.pipe()
    wait, go = os.pipe()
    gate, start = os.pipe()
    options = [*NAMESPACES, *options, "--json-status-fd", given.keep(status_in), "--block-fd", given.keep(wait)]
    if filtered := seccomp.program():
        options += ["--seccomp", given.holding(filtered)]
    process = None
    try:
        process = await _spawn(bubblewrap, options, argv, given, gate)
        group.add(process.pid)
        os.write(start, b"\n")
        first, watched = await _bind(process, status, limits, group)
    except BaseException as error:
        os.close(status)
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
        # Without its limits nothing may run: that would be as bad as no sandbox.
        if isinstance(error, OSError):
            raise SandboxUnavailable(f"the command's limits could not be set ({error}), so it is not run") from None
        raise
    else:
        with suppress(BrokenPipeError):  # it failed while setting up; its output says why
            os.write(go, b"x")
            os.write(start, b"\n")
        return Launched(process, first, watched, status, group)
    finally:
        # On failure, too: at the end of its input the gate exits without having run the command.
        for descriptor in (go, start):
            os.close(descriptor)


async def _spawn(
    bubblewrap: Path, options: Sequence[str], argv: Sequence[str], given: Given, gate: int
) -> asyncio.subprocess.Process:
    # Options go by a descriptor and the environment is empty: the command line and environment of bubblewrap can be read
    # by every process of this machine, and by the command itself (/proc/1).
    arguments = given.holding(b"".join(option.encode() + b"\0" for option in options))
    given.keep(gate)
    with given:
        try:
            return await asyncio.create_subprocess_exec(
                *(*OUTER, str(bubblewrap), "--args", arguments, "--", *INNER, *argv),
                env={},
                cwd="/",
                stdin=gate,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=tuple(given.numbers),
            )
        except OSError as error:
            raise SandboxUnavailable(
                f"bubblewrap at {bubblewrap} could not be started ({error}), so no command is run"
            ) from None


async def _bind(
    process: asyncio.subprocess.Process, status: int, limits: ResourceLimits, group: Group
) -> tuple[int, Path | None]:
    """Set the limits of the sandbox's first process, which is waiting. Raises `SandboxUnavailable`.

    Returns its descriptor, and where its memory has to be watched (None: nowhere).
    """
    line = b""
    try:
        async with asyncio.timeout(START_SECONDS):
            while not line.endswith(b"\n"):  # bubblewrap writes the line in pieces
                await readable(status)
                line += (piece := os.read(status, 4096))
                if not piece:
                    said, _ = await process.communicate()
                    raise unavailable(said)
    except TimeoutError:
        raise SandboxUnavailable(
            f"bubblewrap did not start within {START_SECONDS:.0f} s; see how busy this machine is"
        ) from None
    child = int(json.loads(line)["child-pid"])
    # A descriptor and not a process id, which another process may have by the time it is killed.
    first = os.pidfd_open(child)
    watched = None if "memory" in group.folders else memory.readable(child)
    held = {*group.folders, *(("memory",) if watched is not None else ())}
    try:
        apply(child, limits, held)
    except OSError as error:
        signal.pidfd_send_signal(first, signal.SIGKILL)
        os.close(first)
        raise SandboxUnavailable(f"the command's limits could not be set ({error}), so it is not run") from None
    return first, watched


def unavailable(output: bytes) -> SandboxUnavailable:
    """The error for a bubblewrap that could not set up its sandbox, with its own words and what usually helps."""
    said = " ".join(output.decode(errors="replace").split())[:300] or "it gave no reason"
    return SandboxUnavailable(
        f"bubblewrap could not make a sandbox ({said}), so no command is run. Allow unprivileged user namespaces on this "
        "machine (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0); in a container "
        "allow them in its seccomp profile. `baton doctor` tries again."
    )


async def readable(descriptor: int) -> None:
    """Wait until the descriptor is readable: it has data, is at its end, or, for a process, that has ended."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        # It may be called once more before the reader is removed, or after the waiting was cancelled.
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, wake)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
