"""Trees without a working repository: written to a folder, read back, compared, patched and merged."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from activities.git.attributes import obeying_attributes
from activities.git.command import Git
from activities.git.differences import text_of
from activities.git.errors import GitProblem, PatchUnusable, TreeRefused
from activities.git.folders import check_folder
from activities.git.listing import MAX_BYTES, check_kinds, check_tree, entries

_MACHINE = {"GIT_AUTHOR_NAME": "Baton", "GIT_AUTHOR_EMAIL": "baton@localhost", "GIT_AUTHOR_DATE": "@0 +0000"}


@dataclass(frozen=True)
class Applied:
    """The result of a patch or merge: `tree` if it applied, else None and the paths in conflict."""

    tree: str | None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """Where the index of a checkout is kept, with what the system knows of each file, and the tree that it is to hold.

    Of files that differ in that tree nothing is known.
    """

    path: Path
    tree: str


def checkout(git: Git, tree: str, directory: Path, keep: Kept | None = None, *, converted: bool = False) -> None:
    """Make the folder hold exactly the tree's files; `converted`: as its `.gitattributes` say, else as they are stored.

    Raises `TreeRefused` for a tree that is too large or has a .git entry.
    """
    check_tree(git, tree)
    empty_folder(directory)
    writing = obeying_attributes(git) if converted else nullcontext(git)
    with _index(git, tree, keep.path if keep else None) as index, writing as writer:
        options = ("--all", "--force", "--quiet", *(("--index",) if keep else ()))
        codes = range(256)
        done = writer.run("checkout-index", *options, index=index, work_tree=directory, largest=MAX_BYTES, codes=codes)
        if keep and done.code == 0:
            if keep.tree != tree:
                # Merged, not read anew: what is known of files that both trees have stays.
                git.run("read-tree", "-m", "--", keep.tree, index=index, work_tree=directory)
            index.replace(keep.path)
    if "unable to read sha1 file" in done.said:
        raise TreeRefused(f"the files of {tree[:12]} cannot be used: {done.said[:300]}")
    if done.code != 0:
        raise GitProblem(f"the files of {tree[:12]} could not be written: {done.said[:300]}")


def check(git: Git, tree: str) -> None:
    """Raise `TreeRefused` if `checkout` would, without writing any file."""
    check_kinds(git, check_tree(git, tree))
    with _index(git, tree):
        pass


def snapshot(git: Git, directory: Path, parent: str, kept: Path | None = None) -> str:
    """Store the folder's files and return their tree. Raises `TreeRefused` for entries that git would drop or obey.

    With the index of `parent` that was kept at the folder's checkout only files that have changed since are read. It is a
    cache and no more: without it, or with one that cannot be read, the tree is the same.
    """
    check_folder(git.directory, directory, parent)
    if kept is not None and kept.exists():
        try:
            with _copied(kept) as index:
                return _added(git, directory, index)
        except GitProblem:
            kept.unlink(missing_ok=True)  # whatever is wrong with it, the files themselves say what they are
    with _index(git, parent) as index:
        return _added(git, directory, index)


def _added(git: Git, directory: Path, index: Path) -> str:
    # Forced: ignored files are part of the work, too, and an ignore rule could hide them.
    git.run("add", "--all", "--force", "--", ".", index=index, work_tree=directory, largest=MAX_BYTES)
    return git.line("write-tree", index=index)


def paths(git: Git, tree: str) -> tuple[str, ...]:
    """The paths of all files of the tree, links included."""
    return tuple(text_of(entry.path) for entry in entries(git, tree) if entry.size is not None)


def content(git: Git, tree: str, path: str) -> bytes | None:
    """The file's content as stored; None if the tree has no plain file with exactly this path."""
    # 128 is git's exit code for a path that leads out of the tree.
    listed = git.run("ls-tree", "-z", "--full-tree", tree, "--", path, codes=(0, 128)).output
    for about, _, name in (line.partition(b"\t") for line in listed.split(b"\0")):
        mode, _, identity = about.decode().partition(" blob ")
        if name == os.fsencode(path) and mode in ("100644", "100755"):
            return git.run("cat-file", "blob", identity).output
    return None


def apply(git: Git, tree: str, patch: bytes) -> Applied:
    """The tree with the patch applied, three-way if lines moved. Raises `PatchUnusable` for what is no patch."""
    if not patch.strip():
        return Applied(git.line("rev-parse", "--verify", "--end-of-options", f"{tree}^{{tree}}"))
    named = git.run("apply", "--numstat", "-z", "-", feed=patch, codes=(0, 1, 128))
    if named.code != 0:
        raise PatchUnusable(f"this is no patch that git can read ({named.said}); make it with `git diff`")
    touched = [line.split(b"\t", 2)[2] for line in named.output.split(b"\0") if line]
    with _index(git, tree) as index:
        options = ("--cached", "--3way", "--whitespace=nowarn")
        # Into an index of its own and no folder: two that run side by side cannot interfere.
        done = git.run("apply", *options, "-", feed=patch, index=index, codes=(0, 1, 128), largest=MAX_BYTES)
        if done.code == 0:
            return Applied(git.line("write-tree", index=index))
        unmerged = git.run("ls-files", "--unmerged", "-z", index=index).output.split(b"\0")
    clashing = {line.split(b"\t", 1)[1] for line in unmerged if line} | _blamed(done.said, touched)
    return Applied(None, tuple(sorted(text_of(path) for path in clashing or touched)))


def restore(git: Git, tree: str, paths: Sequence[str], source: str) -> str:
    """The tree with these paths as `source` has them."""
    wanted = {os.fsencode(path) for path in paths}
    lines = {
        line.split(b"\t", 1)[1]: line
        for line in git.run("ls-tree", "-r", "-z", "--full-tree", source).output.split(b"\0")
        if line
    }
    # Mode 0 with an all-zero id tells git to remove the path from the index.
    gone = f"0 {'0' * len(tree)}\t".encode()
    fed = b"".join(lines.get(path, gone + path) + b"\0" for path in sorted(wanted))
    with _index(git, tree) as index:
        git.run("update-index", "-z", "--index-info", feed=fed, index=index)
        return git.line("write-tree", index=index)


def merge(git: Git, base: str, ours: str, theirs: str) -> Applied:
    """Both changes since `base` combined. The three may be trees or commits; their own history does not matter."""
    # Commits made just for this: merge-tree looks for a merge base and finds exactly this one.
    root = _bare_commit(git, base)
    left, right = _bare_commit(git, ours, root), _bare_commit(git, theirs, root)
    options = ("--write-tree", "-z", "--name-only", "--no-messages")
    done = git.run("merge-tree", *options, left, right, codes=(0, 1), largest=MAX_BYTES)
    tree, *names = done.output.split(b"\0")
    if done.code == 0:
        return Applied(tree.decode().strip())
    return Applied(None, tuple(sorted({text_of(name) for name in names if name})))


def commit(git: Git, tree: str, parent: str | None, message: str, *, author: str, email: str, when: datetime) -> str:
    """A commit of the tree. The same arguments give the same id, on any machine."""
    if not (author.strip() and re.fullmatch(r"[^<>\s]+", email)) or re.search(r"[<>\n\0]", author) or "\0" in message:
        raise ValueError(f"a commit needs an author's name and address without <, > or line breaks, not {author!r} {email!r}")
    date = f"@{int(when.astimezone(UTC).timestamp())} +0000"
    people = {"GIT_AUTHOR_NAME": author, "GIT_AUTHOR_EMAIL": email, "GIT_AUTHOR_DATE": date}
    people |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in people.items()}
    parents = ("-p", parent) if parent else ()
    return git.run("commit-tree", tree, *parents, "-F", "-", feed=message.encode(), variables=people).output.decode().strip()


def empty_folder(directory: Path) -> None:
    """Make an empty folder there, replacing whatever was there."""
    delete_folder(directory)
    directory.mkdir(parents=True, mode=0o755)


def delete_folder(directory: Path) -> None:
    """Delete what is there, with everything beneath. Links are removed, not followed. Safe to call twice."""
    if directory.is_symlink() or directory.is_file():
        directory.unlink()
    elif directory.exists():
        waiting = [directory]
        while waiting:
            waiting += _emptied(waiting.pop(), directory)
        directory.rmdir()


def _emptied(folder: Path, top: Path) -> list[Path]:
    """Delete the folder's files, then, beneath `top`, the folder itself. Its subfolders are moved to `top` and returned.

    This keeps paths short: commands can nest folders far deeper than any path may be. Their permissions are restored first:
    otherwise an ordinary user could not delete them.
    """
    moved = []
    os.chmod(folder, 0o700)
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            os.chmod(entry.path, 0o700)
            moved.append(Path(entry.path).rename(top / f"deleted-{token_hex(8)}") if folder != top else Path(entry.path))
        else:
            os.unlink(entry.path)
    if folder != top:
        folder.rmdir()
    return moved


@contextmanager
def _copied(kept: Path) -> Iterator[Path]:
    """A copy of the index: two snapshots at the same time change none that the other reads."""
    index = kept.with_name(f"{kept.name}-{token_hex(8)}")
    try:
        # With its time: git reads every file again that is not older than its index.
        shutil.copy2(kept, index)
        yield index
    finally:
        index.unlink(missing_ok=True)


@contextmanager
def _index(git: Git, tree: str, beside: Path | None = None) -> Iterator[Path]:
    """An index of its own that holds the tree: nothing that runs beside it can touch it. `beside`: near this file."""
    near = beside or git.directory / "index"
    index = near.with_name(f"{near.name}-{token_hex(8)}")
    try:
        done = git.run("read-tree", "--", tree, index=index, codes=(0, 128))
        if done.code != 0:
            raise TreeRefused(f"the files of {tree[:12]} cannot be used: {done.said}")
        yield index
    finally:
        index.unlink(missing_ok=True)


def _blamed(said: str, touched: list[bytes]) -> set[bytes]:
    """The touched paths that git's error messages name."""
    return {path for path in touched if re.search(rf"error: (patch failed: )?{re.escape(text_of(path))}[: ]", said)}


def _bare_commit(git: Git, tree: str, parent: str | None = None) -> str:
    fixed = _MACHINE | {name.replace("AUTHOR", "COMMITTER"): value for name, value in _MACHINE.items()}
    wanted = git.line("rev-parse", "--verify", "--end-of-options", f"{tree}^{{tree}}")
    parents = ("-p", parent) if parent else ()
    return git.run("commit-tree", wanted, *parents, feed=b"merge\n", variables=fixed).output.decode().strip()
