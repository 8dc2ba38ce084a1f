"""Runs git so that only we decide what it does: no configuration, hooks, prompts or helpers of anybody else."""

import os
import re
import resource
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import IO

from activities.git.errors import GitProblem
from activities.running import disk
from contracts.errors import Misconfigured

LOCAL = timedelta(minutes=2)
"""Timeout of a command that does not use the network."""

REMOTE = timedelta(minutes=10)
"""Timeout of a fetch or push."""

ASKING = timedelta(minutes=1)
"""Timeout of asking a repository for its branches, with which every use of one begins. A host that is silent is known by it."""

OUTPUT_LIMIT = 256 * 1024 * 1024
"""Most bytes of a command's output, and of any file it writes unless the caller names another limit."""

_LIMITED = 'set -e; ulimit -c 0; ulimit -d "$1"; ulimit -f "$2"; shift 2; exec "$@"'
"""POSIX counts data in KiB and files in blocks of 512 bytes. If a limit cannot be set, nothing is run."""

MEMORY = 4 * 1024**3
"""Most bytes of memory for one git process: a few kilobytes of deltas can demand any amount."""

OLDEST = (2, 38)
"""From this version on merge-tree works without a working folder."""

PASSED_ON = frozenset(
    {
        *("SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "HOME", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("HTTPS_PROXY", "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
    }
)
"""Variables of the operator that a fetch or push may need; all others are left out."""

_SETTINGS = (
    *("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.untrackedCache=false", "core.fileMode=true"),
    "core.symlinks=true",  # a link is one everywhere: as a text file with its target it would be edited like one
    *("core.autocrlf=false", "core.attributesFile=/dev/null", "core.excludesFile=/dev/null", "core.quotePath=false"),
    # The names that other file systems take for .git are refused on Linux, too.
    *("core.protectHFS=true", "core.protectNTFS=true", "core.ignoreCase=false", "core.precomposeUnicode=false"),
    *("core.askPass=true", "credential.helper=", "credential.interactive=false", "protocol.allow=never"),
    *("safe.bareRepository=explicit", "submodule.recurse=false", "fetch.recurseSubmodules=false"),
    *("gc.auto=0", "maintenance.auto=false", "fetch.writeCommitGraph=false", "merge.directoryRenames=false"),
    "fetch.unpackLimit=1",  # so a fetch writes a single file, whose size can be limited
    *("commit.gpgSign=false", "push.gpgSign=false", "user.useConfigOnly=true"),
)

_ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "UTC",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "SSH_ASKPASS_REQUIRE": "never",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=20",
    "GIT_SSH_VARIANT": "ssh",
    "GIT_NO_LAZY_FETCH": "1",  # a local command never talks to a remote
    "GIT_NO_REPLACE_OBJECTS": "1",  # replace refs would show other content under an id
    "GIT_LITERAL_PATHSPECS": "1",  # a file may be called `:(top)x` or `*`
    "GIT_OPTIONAL_LOCKS": "0",
}


class AnswerTooLarge(GitProblem):
    """A git command wrote more than it may. The repository is too large to work with, or was made to do that."""


class GitTimedOut(GitProblem):
    """A git command took too long and was killed. See whether the repository answers and how large it is."""


@dataclass(frozen=True)
class Output:
    """What a command returned. `said` is the end of its error output, for people."""

    code: int
    output: bytes
    said: str


@dataclass(frozen=True)
class Git:
    """Git on one directory of ours. `operator` holds variables that remote commands may see."""

    directory: Path
    operator: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        *arguments: str,
        feed: bytes = b"",
        index: Path | None = None,
        work_tree: Path | None = None,
        transport: str = "",
        variables: Mapping[str, str] | None = None,
        codes: Sequence[int] = (0,),
        largest: int = 0,
    ) -> Output:
        """Run one command and return its answer. `transport` is the only protocol it may use; none means none.

        `largest` is the largest file that it may write, its output included; 0 means `OUTPUT_LIMIT`. Raises
        `GitTimedOut`, `AnswerTooLarge`, `DiskUnavailable`, and `GitProblem` with git's own words for an exit code that is not
        in `codes`.
        """
        settings = [*_SETTINGS, *([f"protocol.{transport}.allow=always"] if transport else [])]
        command = [_git(), *(part for setting in settings for part in ("-c", setting)), *arguments]
        environment = {**_ENVIRONMENT, "PATH": f"{Path(_git()).parent}:{os.defpath}", "GIT_DIR": str(self.directory)}
        environment |= {"GIT_ALLOW_PROTOCOL": transport} | dict(variables or {})
        environment |= {"GIT_INDEX_FILE": str(index)} if index else {}
        environment |= {"GIT_WORK_TREE": str(work_tree)} if work_tree else {}
        # Only for remote commands: a local one has no use for keys and agents.
        environment |= {name: value for name, value in self.operator.items() if transport and name in PASSED_ON}
        limit = (ASKING if arguments[0] == "ls-remote" else REMOTE) if transport else LOCAL
        answer = _run(command, environment, work_tree or self.directory, feed, limit, largest or OUTPUT_LIMIT)
        if answer.code not in codes:
            raise GitProblem(f"git {arguments[0]} failed with code {answer.code}: {answer.said or 'it gave no reason'}")
        return answer

    def line(self, *arguments: str, feed: bytes = b"", index: Path | None = None) -> str:
        """The single line that a command prints, such as an id."""
        return self.run(*arguments, feed=feed, index=index).output.decode().strip()


@cache
def check_version() -> tuple[int, ...]:
    """The installed version of git. Raises `Misconfigured` if there is none or it is too old."""
    said = _run([_git(), "--version"], {"LC_ALL": "C"}, Path("/"), b"", LOCAL).output.decode(errors="replace")
    found = re.search(r"(\d+)\.(\d+)", said)
    version = tuple(int(part) for part in found.groups()) if found else (0,)
    if version < OLDEST:
        raise Misconfigured(
            f"git 2.38 or newer is needed to merge work, and this machine has {said.strip()!r}; install a newer one"
        )
    return version


@cache
def _git() -> str:
    found = shutil.which("git")
    if found is None:
        raise Misconfigured("there is no git on PATH; install it, for example with `apt install git`")
    return found


def _run(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    feed: bytes,
    limit: timedelta,
    largest: int = OUTPUT_LIMIT,
) -> Output:
    """Run with files instead of pipes: no output can fill our memory, or block for want of a reader."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as said:
        given.write(feed)
        given.seek(0)
        process = subprocess.Popen(
            _bounded(command, largest),
            stdin=given,
            stdout=output,
            stderr=said,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        try:
            _wait(process, limit)
        finally:
            _end(process)
        if process.returncode == -signal.SIGXFSZ or output.seek(0, os.SEEK_END) > OUTPUT_LIMIT:
            raise AnswerTooLarge(f"git wrote more than {min(largest, OUTPUT_LIMIT)} bytes; this is too large to work with")
        output.seek(0)
        words = _last(said, 4000)
        if process.returncode != 0:
            _refuse_full(words)
        return Output(process.returncode, output.read(), readable(words))


def _refuse_full(said: bytes) -> None:
    """Raise `DiskUnavailable` if git failed because of this machine's disk, which says nothing about the repository."""
    why = disk.of_git(said)
    # Its words go to a file as well, which may be on the full disk.
    if not why and not said.strip() and disk.is_full(Path(tempfile.gettempdir())):
        why = f"{tempfile.gettempdir()} is full"
    if why:
        raise disk.away(f"git said: {why}")


def _bounded(command: Sequence[str], largest: int) -> list[str]:
    """The command with limits that apply from its start. Set from outside, limits come too late on a busy machine: by then git
    has started child processes, which keep the limits that they began with.
    """
    blocks, kib = -(-_lowered(resource.RLIMIT_FSIZE, largest) // 512), _lowered(resource.RLIMIT_DATA, MEMORY) // 1024
    return ["/bin/sh", "-c", _LIMITED, "sh", str(kib), str(blocks), *command]


def _lowered(kind: int, wanted: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _wait(process: "subprocess.Popen[bytes]", limit: timedelta) -> None:
    # Popen.wait with a timeout polls, up to 50 ms late each time; a process descriptor wakes us at once.
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()  # not select(), which cannot watch descriptors from 1024 on
        poll.register(descriptor, select.POLLIN)
        ready = poll.poll(limit.total_seconds() * 1000)
    finally:
        os.close(descriptor)
    if not ready:
        raise GitTimedOut(
            f"git did not finish within {limit.total_seconds():g} s and was killed; see whether the repository answers"
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the command's process group: transport helpers outlive a killed git."""
    with suppress(ProcessLookupError, PermissionError):  # gone, or (macOS) only zombies are left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last(file: IO[bytes], size: int) -> bytes:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - size))
    return file.read()


def readable(data: bytes) -> str:
    """Foreign text for people: one line, control characters visible, no escape sequences."""
    text = " ".join(data.decode(errors="replace").split())
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
