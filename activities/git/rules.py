"""What a tree's `.gitignore` and `.gitattributes` files say of its paths. Git is asked, in a folder with only those files."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from activities.git.attributes import PLAIN, Attributes, attributes_of
from activities.git.command import Git
from activities.git.listing import TreeEntry, entries

_LARGEST = 1024 * 1024
"""Bytes of one file of rules that is read."""

_MOST = 10_000
_unfiltered: set[tuple[str, str]] = set()
"""Trees in which no file passes through a filter, with their mirrors: most are asked for at every step of a delivery."""


@dataclass(frozen=True)
class Added:
    """Paths as git has them: those that are new, those of them that are ignored, and all files of the new tree."""

    new: tuple[bytes, ...]
    ignored: tuple[bytes, ...]
    tree: tuple[bytes, ...]


def added(git: Git, old: str, new: str) -> Added:
    """What a tree has that another has not. Where nothing is new the tree is not looked through, and `tree` is empty."""
    options = ("-r", "-z", "--no-renames", "--diff-filter=A", "--name-only")
    names = [name for name in git.run("diff-tree", *options, old, new).output.split(b"\0") if name]
    if not names:
        return Added((), (), ())
    files, wanted = _files(git, new), set(names)
    found = _ignored(git, _named(files, b".gitignore"), [one for one in files if one.path in wanted])
    return Added(tuple(names), tuple(one for one in found if one in wanted), tuple(one.path for one in files))


def attributes_in(git: Git, tree: str, paths: Sequence[str] | None) -> dict[str, Attributes]:
    """The attributes that the tree gives to these paths. None: to all files that pass through a filter."""
    if paths is None:
        return _filtered_once(git, tree)
    files = _named(_files(git, tree), b".gitattributes") if paths else []
    if not files:
        return dict.fromkeys(paths, PLAIN)
    with _spread(git, files) as (folder, _):
        return attributes_of(folder, paths)


def _filtered_once(git: Git, tree: str) -> dict[str, Attributes]:
    # What a tree's id says of it never changes. A tree that has filters is asked again: what it says can be long.
    key = (str(git.directory), tree)
    if key in _unfiltered:
        return {}
    found = _filtered(git, tree)
    if not found:
        if len(_unfiltered) >= _MOST:
            _unfiltered.clear()
        _unfiltered.add(key)
    return found


def _filtered(git: Git, tree: str) -> dict[str, Attributes]:
    there = _files(git, tree)
    files = _named(there, b".gitattributes")
    if not files:
        return {}
    with _spread(git, files) as (folder, _):
        # Most repositories name none: then no path is looked at.
        if not any(b"filter" in one.read_bytes() for one in folder.rglob(".gitattributes")):
            return {}
        found = attributes_of(folder, [os.fsdecode(one.path) for one in there])
    return {path: of for path, of in found.items() if of.filter}


def _files(git: Git, tree: str) -> list[TreeEntry]:
    return [entry for entry in entries(git, tree) if entry.size is not None]


def _named(files: Sequence[TreeEntry], name: bytes) -> list[TreeEntry]:
    """Those of this name that git reads: none that is a link."""
    found = [one for one in files if one.path.rpartition(b"/")[2] == name and one.mode != "120000"]
    return [one for one in found if (one.size or 0) <= _LARGEST]


def _ignored(git: Git, ignores: Sequence[TreeEntry], files: Sequence[TreeEntry]) -> tuple[bytes, ...]:
    if not ignores:
        return ()
    with _spread(git, ignores, files) as (folder, index):
        options = ("-z", "--cached", "--ignored", "--exclude-per-directory=.gitignore")
        listed = git.run("ls-files", *options, index=index, work_tree=folder).output
    return tuple(name for name in listed.split(b"\0") if name)


@contextmanager
def _spread(git: Git, rules: Sequence[TreeEntry], files: Sequence[TreeEntry] = ()) -> Iterator[tuple[Path, Path]]:
    """A folder with the files of rules, and an index that has these and the others. Deleted on leaving."""
    both = {one.path: one for one in (*rules, *files)}
    with tempfile.TemporaryDirectory(prefix="index-", dir=git.directory) as made:
        folder, index = Path(made) / "files", Path(made) / "index"
        folder.mkdir()
        fed = b"".join(b"%b %b\t%b\0" % (one.mode.encode(), one.object_id.encode(), one.path) for one in both.values())
        git.run("update-index", "-z", "--add", "--index-info", feed=fed, index=index)
        names = b"".join(one.path + b"\0" for one in rules)
        git.run("checkout-index", "-z", "--stdin", "--force", "--quiet", feed=names, index=index, work_tree=folder)
        yield folder, index
