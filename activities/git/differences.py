"""What differs between two trees, for people and for machines."""

from dataclasses import dataclass
from typing import Literal

from activities.git.command import Git
from activities.git.remembered import Remembered

Status = Literal["added", "modified", "deleted", "type"]

_STATUS: dict[str, Status] = {"A": "added", "M": "modified", "D": "deleted", "T": "type"}
# Without renames: both names of a moved file must be among those that a step may write. Nothing that the repository's
# attributes name (drivers, text conversions) is run.
_COMPARE = ("--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=none", "--submodule=short")


@dataclass(frozen=True)
class TreeChange:
    """What happened to one file. Line counts are None for a binary file; `before` and `after` are git's mode and id."""

    path: str
    status: Status
    added: int | None
    removed: int | None
    before: tuple[str, str]
    after: tuple[str, str]


def diff(git: Git, old: str, new: str) -> bytes:
    """The patch from one tree to the other, binary files included; empty if they are equal."""
    # Whole ids: shortened ones may be ambiguous in the mirror in which the patch is applied.
    arguments = ("--patch", "--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/", "--diff-algorithm=histogram")
    return git.run("diff-tree", "-r", *_COMPARE, *arguments, old, new).output


def lines(git: Git, old: str, new: str, path: str) -> bytes:
    """The changed lines of one file, without any around them; empty for one that is not text or does not differ."""
    arguments = ("--patch", "--unified=0", "--diff-algorithm=histogram")
    return git.run("diff-tree", "-r", *_COMPARE, *arguments, old, new, "--", path).output


_changes: Remembered[TreeChange] = Remembered()


def changes(git: Git, old: str, new: str) -> tuple[TreeChange, ...]:
    """What differs between two trees, by path. Git is asked once per pair."""
    return tuple(_changes.of(git.directory, (old, new), lambda: _compared(git, old, new), lambda _: True))


def _compared(git: Git, old: str, new: str) -> list[TreeChange]:
    said = git.run("diff-tree", "-r", "-z", *_COMPARE, "--raw", "--numstat", old, new).output.split(b"\0")
    # First what happened, the path after it, for each file; then the counts of each file with its path.
    raw = 2 * sum(1 for part in said[::2] if part.startswith(b":"))
    lines = {path: (added, removed) for added, removed, path in (line.split(b"\t", 2) for line in said[raw:] if line)}
    found = []
    for head, path in zip(said[0:raw:2], said[1:raw:2], strict=True):
        added, removed = lines.get(path, (b"-", b"-"))
        was, now, was_id, now_id, how = head.decode().removeprefix(":").split(" ")
        counts = (_count(added), _count(removed))
        found.append(TreeChange(text_of(path), _STATUS[how[0]], *counts, before=(was, was_id), after=(now, now_id)))
    return found


def _count(field: bytes) -> int | None:
    return int(field) if field.isdigit() else None


def text_of(path: bytes) -> str:
    """A path for people and contracts: bytes that are not UTF-8 become \\xNN."""
    return path.decode(errors="backslashreplace")
