"""What means that this machine's disk cannot be written, and what only looks like it."""

import contextlib
import errno
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from activities.git.command import Git
from activities.repositories import check_run, preparing
from activities.repositories.declared import Declared
from activities.running import disk
from activities.sandbox import Completed, Sandbox
from activities.sandbox.ending import FULL
from contracts.errors import DiskUnavailable

SAID_FULL = [
    b"fatal: sha1 file '/state/mirrors/x.git/index.lock' write error. Out of diskspace\n",
    b"error: file write error: No space left on device\nfatal: unable to write loose object file\n",
    b"fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output\n",
    b"remote: Counting objects: 3, done.\nfatal: cannot create directory at 'a': Disk quota exceeded\n",
    b"error: unable to write file shop/pricing.py\n",
    b"fatal: unable to write new index file\n",
    b"fatal: Unable to create '/state/index.lock': Read-only file system\n",
    b"error: copy-fd: read returned: Input/output error\n",
]

SAID_ELSE = [
    b"remote: fatal: write error: No space left on device\nerror: failed to push some refs to 'origin'\n",
    b"fatal: write error: Broken pipe\n",
    b"error: patch failed: No space left on device:3\nerror: No space left on device: patch does not apply\n",
    b"error: pathspec 'x: Disk quota exceeded' did not match any file(s) known to git\n",
    b"fatal: unable to access 'https://example.com/': The requested URL returned error: 503\n",
    b"error: unable to create file a: Permission denied\n",
    b"",
]


@pytest.mark.parametrize("said", SAID_FULL)
def test_gits_words_for_a_full_disk_are_known(said: bytes) -> None:
    """Each with the line that says it, without control characters."""
    found = disk.of_git(said)
    assert found
    assert found in said.decode()


@pytest.mark.parametrize("said", SAID_ELSE)
def test_other_words_of_git_are_not_taken_for_it(said: bytes) -> None:
    """The other side's disk, files with such names, and failures of another kind stay what they are."""
    assert disk.of_git(said) == ""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_the_systems_codes_are_known(code: int) -> None:
    """With file, machine and what to do; other codes are not taken for it."""
    found = disk.unavailable(OSError(code, os.strerror(code), "/state/x"))
    assert found is not None
    assert os.strerror(code) in str(found)
    assert "/state/x; make room there" in str(found)
    assert disk.unavailable(OSError(errno.EACCES, "no", "/state/x")) is None
    assert disk.unavailable(ValueError("No space left on device")) is None


@pytest.mark.parametrize(
    "said",
    ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "npm ERR! code ENOSPC"],
)
def test_an_installer_on_a_full_disk_leaves_nothing(tmp_path: Path, said: str) -> None:
    """What an installer says of the disk is waited for, and what it has half made is gone."""
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin" / "npm"
    npm.write_text(f"#!/bin/sh\necho '{said}'\nexit 1\n")
    npm.chmod(0o755)
    wanted = Declared(npm=("left-pad@1.3.0",), sources=("package.json",))
    with pytest.raises(DiskUnavailable, match="make room there"):
        preparing.prepare(wanted, tmp_path / "made", {"PATH": f"{tmp_path / 'bin'}:{os.defpath}"})
    assert not (tmp_path / "made").exists()


def test_git_that_writes_where_no_room_is_says_so(tmp_path: Path) -> None:
    """The real program, on a device that is always full."""
    git = Git(tmp_path / "x.git")
    git.directory.mkdir()
    git.run("init", "--bare", "--quiet", "--template=")
    tree = git.line("hash-object", "-w", "-t", "tree", "--stdin")
    with pytest.raises(DiskUnavailable, match="No space left on device"):
        git.run("archive", "--output=/dev/full", tree, codes=range(256))


async def test_a_check_is_not_judged_by_a_disk_without_room(tmp_path: Path) -> None:
    """Too little room before it begins, or taken by others while it ran: no result; what it has filled itself is one."""

    class Stopped(Sandbox):
        lacking, size = "", 0

        def short_of_disk(self, directory: Path) -> str:
            return self.lacking

        async def run(self, argv: object, *, directory: Path, **_: object) -> Completed:  # type: ignore[override]
            with (directory / "large").open("wb") as file:
                file.truncate(self.size)
            return Completed(None, b"", False, False, timedelta(0), FULL)

    sandbox, opened = Stopped(Path("bwrap")), Opened(tmp_path)

    async def ran() -> str:
        return (await check_run.run_check(sandbox, opened, None, "", "true")).stopped  # type: ignore[arg-type]

    with pytest.raises(DiskUnavailable, match="wrote little itself"):
        await ran()
    sandbox.size = check_run.ITS_OWN
    assert await ran() == FULL
    sandbox.lacking = "only 3 MiB are free"
    with pytest.raises(DiskUnavailable, match="only 3 MiB are free"):
        await ran()


class Opened:
    """Workspaces whose scratch folder is this one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def scratch(self, _mirror: object, _tree: str) -> Iterator[Path]:
        """The folder."""
        yield self._folder
