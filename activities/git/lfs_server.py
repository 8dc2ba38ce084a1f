"""Downloads from the LFS server of a remote repository, by git-lfs, so that only we decide which server that is."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from activities.git import trees
from activities.git.attributes import obeying_attributes
from activities.git.command import Git
from activities.git.errors import GitProblem
from activities.git.source import Address
from activities.running import disk

_SLACK = 1024 * 1024
"""Bytes that a file of git-lfs may have beyond the largest one that is wanted: it writes logs as well."""

_SETTINGS = """
[lfs]
	basictransfersonly = true
	activitytimeout = 60
[lfs "transfer"]
	maxretries = 2
[lfs "ssh"]
	autoMultiplex = false
"""
"""No transfer programs but its own; nothing of ssh outlives the command."""


class NoServer(Exception):
    """Nothing can be asked from here. The text says why."""


@contextmanager
def download(git: Git, address: Address, wanted: Mapping[str, str], largest: int) -> Iterator[tuple[Path, str]]:
    """Ask for this content: its digests, each with the blob of its pointer. `largest` is the most bytes of one file.

    Yields the folder in which git-lfs keeps what it brought, and its words; nothing in it has been verified by us. The server
    is the one that belongs to the address, reached with the operator's credentials as git has them. Raises `NoServer`.
    """
    program = shutil.which("git-lfs")
    if program is None:
        raise NoServer("git-lfs is not installed on the worker; install it there to have the content fetched")
    if address.transport not in ("https", "ssh"):
        raise NoServer("a git:// address has no LFS server; give the repository's https or ssh address")
    # A git directory that has no branch, index or files, so that there is no .lfsconfig to read either.
    with obeying_attributes(git) as stand_in:
        with (stand_in.directory / "config").open("a", encoding="utf-8") as config:
            config.write(_config(address))
        ours = Git(stand_in.directory, git.operator)
        names = b"".join(f"100644 blob {blob}\t{digest}\0".encode() for digest, blob in wanted.items())
        tree = ours.run("mktree", "-z", feed=names).output.decode().strip()
        when = datetime.fromtimestamp(0, UTC)
        commit = trees.commit(ours, tree, None, "wanted", author="Baton", email="baton@localhost", when=when)
        (stand_in.directory / "lfs" / "objects").mkdir(parents=True)
        yield stand_in.directory / "lfs" / "objects", _fetched(ours, address, commit, program, largest)


def _fetched(git: Git, address: Address, commit: str, program: str, largest: int) -> str:
    """What git-lfs said, without secrets; "" if all went well. Raises `DiskUnavailable`."""
    path = os.pathsep.join((str(Path(shutil.which("git") or program).parent), str(Path(program).parent), os.defpath))
    try:
        done = git.run(
            *("lfs", "fetch", "origin", commit),
            transport=address.transport,
            variables={"PATH": path},
            codes=range(256),
            largest=largest + _SLACK,
        )
    except GitProblem as error:
        return _clean(str(error), address)
    if done.code != 0 and disk.is_full(git.directory):
        raise disk.away(f"{git.directory} is full")
    return "" if done.code == 0 else _clean(done.said, address)


def _config(address: Address) -> str:
    quoted = '"' + address.url.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f'{_SETTINGS}[remote "origin"]\n\turl = {quoted}\n'


def _clean(words: str, address: Address) -> str:
    return re.sub(r"://[^/@\s]*@", "://", words.replace(address.url, address.shown))
