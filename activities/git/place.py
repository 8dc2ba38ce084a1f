"""Where a repository on this machine lies. All of it must lie there: nothing elsewhere that it names is read or written."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from activities.git.command import Git, readable
from activities.git.errors import NoRepository, RepositoryRefused, RepositoryUnreachable

PARTS = ("objects", "refs", "packed-refs", "shallow")
"""The parts of a local repository that are used. Its configuration is only parsed; hooks and the rest are not touched."""

CONFIG_LIMIT = 1024 * 1024
"""Largest configuration file, in bytes, that is parsed."""

_SMALL = 4096
_HEAD = re.compile(r"^(ref: refs/heads/[^\x00-\x20~^:?*\[\\\x7f]+|[0-9a-f]{40}|[0-9a-f]{64})$")


@dataclass(frozen=True)
class Place:
    """A repository on this machine: where its HEAD is, where objects and refs are, whether it has a working folder."""

    own: Path
    common: Path
    bare: bool


def find(path: Path, git: Git) -> Place:
    """The repository of that folder. `path` must have no links in it.

    Raises `NoRepository` if there is none, and `RepositoryRefused` if it would lead out of its own folder: by a link, by
    borrowed objects, or by a `.git` file that names a repository which does not know this folder.
    """
    try:
        place = _found(path, git)
        _refuse_ways_out(place.common)
    except PermissionError as error:
        raise RepositoryUnreachable(f"{error.filename} may not be read by this user; give the worker access to it") from None
    return place


def settings(config: Path, git: Git) -> dict[str, str]:
    """The settings in a foreign configuration file. It is only parsed: nothing in it takes effect, no file is included."""
    if config.is_symlink() or not config.is_file() or config.stat().st_size > CONFIG_LIMIT:
        return {}
    listed = git.run("config", "--file", str(config), "--no-includes", "-z", "--list", codes=(0, 1, 128)).output
    lines = [item.partition("\n") for item in listed.decode(errors="replace").split("\0") if item]
    return {name.lower(): value for name, _, value in lines}


def is_branch(name: str) -> bool:
    """True if what a remote calls its main branch is the full name of a branch and nothing else."""
    return bool(_HEAD.match(f"ref: {name}"))


def head(own: Path) -> str:
    """HEAD's content as git writes it; the usual main branch if it holds nothing that git could have written."""
    file = own / "HEAD"
    text = f"ref: {os.readlink(file)}" if file.is_symlink() else (_beginning(file) or "").strip()
    return text if _HEAD.match(text) else "ref: refs/heads/main"


def worked_in(own: Path) -> Path:
    """The folder whose files belong to this HEAD: of a worktree as its own file says, else the one around `.git`."""
    said = _beginning(own / "gitdir")
    if said is not None and own.parent.name == "worktrees":
        return (own / said.strip()).parent
    return own.parent if own.name == ".git" else own


def _found(path: Path, git: Git) -> Place:
    dot = path / ".git"
    if dot.is_symlink():
        raise RepositoryRefused(f"{dot} is a link to another repository's files; give that repository")
    if dot.is_dir():
        return Place(dot, dot, bare=False)
    text = _beginning(dot) or ""
    if text.startswith("gitdir:"):
        return _named(path, (path / text.removeprefix("gitdir:").strip()).resolve(), git)
    if (path / "HEAD").exists() and (path / "objects").is_dir() and (path / "refs").is_dir():
        return Place(path, path, bare=path.name != ".git")
    raise NoRepository(f"there is no git repository at {path}; check the path, and that the worker may read it")


def _named(path: Path, own: Path, git: Git) -> Place:
    """The repository that a `.git` file names, if it names this folder in turn: as a worktree of it, or as a submodule's."""
    worktree, common = _beginning(own / "gitdir"), own.parent.parent
    if worktree is not None:
        said = (own / (_beginning(own / "commondir") or "").strip()).resolve()
        back = (own / worktree.strip()).resolve()
        if own.parent.name == "worktrees" and said == common and back == path / ".git":
            return Place(own, common, bare=False)
    elif (folder := settings(own / "config", git).get("core.worktree")) and (own / folder).resolve() == path:
        return Place(own, own, bare=False)
    raise RepositoryRefused(
        f"{path}/.git leads to {own}, which does not name {path} as a folder of its own; give the repository itself, or run "
        "`git worktree repair` there"
    )


def _refuse_ways_out(common: Path) -> None:
    for path in _odd(common):
        if path.is_symlink():
            raise RepositoryRefused(
                f"{path} is a link, and a repository is read only where it lies; put what it leads to in its place, or give "
                "the repository that it belongs to"
            )
        raise RepositoryRefused(f"{path} is a pipe, socket or device, which has no place in a repository; delete it")
    borrowed = common / "objects" / "info" / "alternates"
    if said := _beginning(borrowed):  # also if it holds only comments: it is not parsed
        raise RepositoryRefused(
            f"{common} borrows objects from {readable(said.encode())[:200]}, which is outside of it; run `git repack -a -d` "
            f"there and delete {borrowed}, or give the other repository"
        )


def _odd(common: Path) -> Iterator[Path]:
    """Everything that is neither a file nor a folder in the parts that are used. Links are not followed."""
    waiting, first = [common], True
    while waiting:
        with suppress(FileNotFoundError), os.scandir(waiting.pop()) as found:  # git may be tidying up meanwhile
            for entry in found:
                if first and entry.name not in PARTS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif not entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)
        first = False


def _beginning(file: Path) -> str | None:
    """The beginning of a regular file; None for anything else. Follows no link and waits for no pipe."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return opened.read(_SMALL).decode(errors="replace")
