"""What lies in a workspace's folder, before git stores it: entries that git would drop or obey are refused."""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from activities.files.paths import is_git_folder
from activities.git.command import Git
from activities.git.errors import TreeRefused
from activities.git.listing import MAX_FILES

_SUBMODULE = re.compile(rb"(?:\A|\0)160000 commit [0-9a-f]+\t([^\0]+)")


def check_folder(repository: Path, directory: Path, parent: str) -> None:
    """Raise `TreeRefused` for a nested repository, a pipe, an unreadable folder, or files in a submodule of `parent`.

    Looks at every name and opens no file: this runs after each edit, in folders of tens of thousands of files.
    `repository` is the mirror's own folder.
    """
    modules = _submodules(repository, parent)
    for number, (path, entry) in enumerate(_entries(directory)):
        if number == 2 * MAX_FILES:
            raise TreeRefused(f"the workspace has more than {2 * MAX_FILES} entries; delete what a command made there")
        if _may_be_git(entry.name) and is_git_folder(entry.name):
            raise TreeRefused(f"{path!r} is a repository of its own, which cannot be stored; delete it")
        if not (entry.is_symlink() or entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            raise TreeRefused(f"{path!r} is no file, folder or link that can be stored (other); delete it")
        if modules and path.startswith(modules):
            raise TreeRefused(f"{path!r} lies in a submodule, whose files belong to another repository; delete it")


@lru_cache(maxsize=1024)
def _submodules(repository: Path, tree: str) -> tuple[str, ...]:
    """Remembered: a tree never changes, and a step asks after each of its edits."""
    listed = Git(repository).run("ls-tree", "-r", "-z", "--full-tree", tree).output
    return tuple(f"{os.fsdecode(path)}/" for path in _SUBMODULE.findall(listed))


def _entries(directory: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything beneath the folder with its path, links not followed. Raises `TreeRefused` for an unreadable folder."""
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(directory / prefix) as found:
                for entry in found:
                    path = f"{prefix}{entry.name}"
                    yield path, entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{path}/")
        except OSError:
            raise TreeRefused(f"{prefix.rstrip('/')!r} is no folder that can be stored (unreadable); delete it") from None


def _may_be_git(name: str) -> bool:
    """Sorts out nearly all names at once: `is_git_folder` looks at each letter."""
    return not name.isascii() or not name.isprintable() or name[:4].casefold() in (".git", "git~")
