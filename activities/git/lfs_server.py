"""Downloads from the LFS server of a remote repository, and uploads to it, by git-lfs: only we decide which server that is."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
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
	locksverify = false
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
    program = _program(address)
    with _standing_in(git, address) as ours:
        names = b"".join(f"100644 blob {blob}\t{digest}\0".encode() for digest, blob in wanted.items())
        tree = ours.run("mktree", "-z", feed=names).output.decode().strip()
        when = datetime.fromtimestamp(0, UTC)
        commit = trees.commit(ours, tree, None, "wanted", author="Baton", email="baton@localhost", when=when)
        yield ours.directory / "lfs" / "objects", _said(ours, address, ("fetch", "origin", commit), program, largest)


def upload(git: Git, address: Address, files: Mapping[str, Path]) -> str:
    """Give the server this content, by digest, and return why it did not take it; "" if it has it. Safe to call twice.

    The server is the one of `download`. Raises `NoServer`.
    """
    program = _program(address)
    with _standing_in(git, address) as ours:
        for digest, file in files.items():
            place = ours.directory / "lfs" / "objects" / digest[:2] / digest[2:4]
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place / digest)
        largest = max(file.stat().st_size for file in files.values())
        return _said(ours, address, ("push", "--object-id", "origin", *files), program, largest)


def _program(address: Address) -> str:
    program = shutil.which("git-lfs")
    if program is None:
        raise NoServer("git-lfs is not installed on the worker; install it there to have the content fetched and uploaded")
    if address.transport not in ("https", "ssh"):
        raise NoServer("a git:// address has no LFS server; give the repository's https or ssh address")
    return program


@contextmanager
def _standing_in(git: Git, address: Address) -> Iterator[Git]:
    """A git directory that has no branch, index or files, so that there is no .lfsconfig to read either."""
    with obeying_attributes(git) as stand_in:
        with (stand_in.directory / "config").open("a", encoding="utf-8") as config:
            config.write(_config(address))
        (stand_in.directory / "lfs" / "objects").mkdir(parents=True)
        yield Git(stand_in.directory, git.operator)


def _said(git: Git, address: Address, arguments: Sequence[str], program: str, largest: int) -> str:
    """What git-lfs said, without secrets; "" if all went well. Raises `DiskUnavailable`."""
    path = os.pathsep.join((str(Path(shutil.which("git") or program).parent), str(Path(program).parent), os.defpath))
    try:
        done = git.run(
            *("lfs", *arguments),
            transport=address.transport,
            variables={"PATH": path},
            codes=range(256),
            largest=largest + _SLACK,
        )
    except GitProblem as error:
        return _clean(str(error), address)
    if done.code != 0 and disk.is_full(git.directory):
        raise disk.away(f"{git.directory} is full")
    return "" if done.code == 0 else _clean(done.said, address) or f"git-lfs ended with code {done.code} and said nothing"


def _config(address: Address) -> str:
    quoted = '"' + address.url.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f'{_SETTINGS}[remote "origin"]\n\turl = {quoted}\n'


def _clean(words: str, address: Address) -> str:
    return re.sub(r"://[^/@\s]*@", "://", words.replace(address.url, address.shown))
