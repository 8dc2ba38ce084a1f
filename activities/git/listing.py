"""What a tree names, and whether a workspace can hold it. A hostile tree can name anything, any number of times."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from activities.git.blobs import blobs
from activities.git.command import AnswerTooLarge, Git, readable
from activities.git.errors import TreeRefused
from activities.git.remembered import Remembered

MAX_FILES = 100_000
"""Most files in a workspace."""

MAX_BYTES = 4 * 1024**3
"""Most bytes of all files of a workspace together."""

MAX_PATH = 1024
"""Most bytes of one path. Tools accept no longer ones, and the system not much longer ones."""

MAX_TARGET = 4095
"""Most bytes of a symbolic link's target. Linux makes no longer ones."""

_LINK = "120000"
_WITHOUT_SIZE = ("040000", "160000")
"""Modes of folders and submodules."""
_LISTED = 128 * 1024 * 1024
"""Most bytes of a listing, enough for `MAX_FILES`: a few kilobytes of objects can name more files than any disk holds."""


@dataclass(frozen=True)
class TreeEntry:
    """One line of a listing. `size` is None for folders and submodules."""

    mode: str
    object_id: str
    path: bytes
    size: int | None

    @property
    def key(self) -> bytes:
        """What git sorts by."""
        return self.path + b"/" if self.mode == "040000" else self.path


_known: Remembered[TreeEntry] = Remembered()


def entries(git: Git, tree: str) -> list[TreeEntry]:
    """All folders, files, links and submodules of the tree, unchecked. Raises `TreeRefused` if there are far too many.

    Git is asked once per tree, and again while a file's content is missing: its size is not known then.
    """
    return _known.of(git.directory, (tree,), lambda: _entries(git, tree), _is_whole)


def _is_whole(found: list[TreeEntry]) -> bool:
    return all(entry.size is not None or entry.mode in _WITHOUT_SIZE for entry in found)


def _entries(git: Git, tree: str) -> list[TreeEntry]:
    try:
        listed = git.run("ls-tree", "-r", "-t", "-z", "--long", "--full-tree", tree, largest=_LISTED).output
    except AnswerTooLarge:
        raise TreeRefused(
            f"the tree names far more than {MAX_FILES} files, which no workspace holds; is it an attack?"
        ) from None
    found = []
    for line in listed.split(b"\0"):
        if line:
            about, path = line.split(b"\t", 1)
            mode, _, object_id, size = about.decode().split()
            found.append(TreeEntry(mode, object_id, path, int(size) if size.isdigit() else None))
    return found


def check_tree(git: Git, tree: str) -> list[TreeEntry]:
    """The tree's entries. Raises `TreeRefused` if it is too large for a workspace, or cannot come from a working folder."""
    found = entries(git, tree)
    sizes = [entry.size for entry in found if entry.size is not None]
    if len(sizes) > MAX_FILES or sum(sizes) > MAX_BYTES:
        raise TreeRefused(
            f"the tree has {len(sizes)} files and {sum(sizes)} bytes; a workspace holds at most {MAX_FILES} files and "
            f"{MAX_BYTES} bytes. Work on a smaller repository"
        )
    long = next((entry.path for entry in found if len(entry.path) > MAX_PATH), None)
    if long is not None:
        raise TreeRefused(
            f"the tree has a path of {len(long)} bytes ({readable(long[:80])}...); at most {MAX_PATH} can be used"
        )
    _refuse_disorder(found)
    _refuse_links(found)
    return found


def check_kinds(git: Git, found: list[TreeEntry]) -> None:
    """Raise `TreeRefused` if an entry is listed as a file but is none: otherwise only writing the tree would show it."""
    files = [entry for entry in found if entry.size is not None]
    asked = "".join(f"{entry.object_id}\n" for entry in files).encode()
    # All in one process: one process each would take minutes for a large tree.
    kinds = git.run("cat-file", "--batch-check=%(objecttype)", feed=asked).output.decode().splitlines()
    wrong = next((entry.path for entry, kind in zip(files, kinds, strict=True) if kind != "blob"), None)
    if wrong is not None:
        raise TreeRefused(f"{readable(wrong)[:200]!r} is listed as a file but is none; commit the files anew with git")
    _refuse_cut_links(git, [entry for entry in files if entry.mode == _LINK])


def _refuse_disorder(found: list[TreeEntry]) -> None:
    """Raise `TreeRefused` for entries on whose meaning git's own commands do not agree: doubled, unordered or with slashes."""
    folders = {b"", *(entry.path for entry in found if entry.mode == "040000")}
    names: set[bytes] = set()
    last = b""
    for entry in found:
        if entry.key <= last or entry.path in names or entry.path.rpartition(b"/")[0] not in folders:
            raise TreeRefused(
                f"{readable(entry.path)[:200]!r} is in the tree twice, out of order, or with a slash in its own name, which "
                "git does not write; commit the files anew with git"
            )
        names.add(entry.path)
        last = entry.key


def _refuse_links(found: list[TreeEntry]) -> None:
    for entry in found:
        if entry.mode == _LINK and not 0 < (entry.size or 0) <= MAX_TARGET:
            what = f"of {entry.size} bytes, more than the {MAX_TARGET} that a link can have" if entry.size else "that is empty"
            raise TreeRefused(
                f"{readable(entry.path)[:200]!r} is a symbolic link with a target {what}, so it cannot be checked out; "
                "delete it, or commit a link that can be made"
            )


def _refuse_cut_links(git: Git, links: list[TreeEntry]) -> None:
    """Raise `TreeRefused` for a target with a NUL: the system would make a link to what comes before it."""
    paths = {entry.object_id: entry.path for entry in links}
    for identity, _, target in blobs(git, list(paths), MAX_TARGET, MAX_TARGET * max(len(paths), 1)):
        if target is not None and b"\0" in target:
            raise TreeRefused(
                f"{readable(paths[identity])[:200]!r} is a symbolic link whose target has a NUL in it, so it cannot be checked "
                "out; delete it, or commit a link that can be made"
            )


def naming(git: Git, tree: str, names: Sequence[str]) -> tuple[str, ...]:
    """The paths of files of text that hold one of the names. None are given: none."""
    if not names:
        return ()
    wanted = [part for name in names for part in ("-e", name)]
    # 1 is git's exit code where nothing holds any of them.
    found = git.run("grep", "-l", "-I", "-z", "--fixed-strings", *wanted, tree, codes=(0, 1)).output
    return tuple(os.fsdecode(one.removeprefix(f"{tree}:".encode())) for one in found.split(b"\0") if one)
