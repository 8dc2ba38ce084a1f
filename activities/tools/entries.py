"""Files as entries of a workspace: deleted, moved, made executable, or links. They may be binary."""

import asyncio
import os
import posixpath
import stat
from pathlib import Path

from pydantic import Field

from activities.files import entries, paths
from activities.git.attributes import Attributes, attributes_of
from activities.tools.access import CHANGING, PATH_SHOWN, Tree, problems_named
from activities.tools.base import WRITES, Tool, ToolContext, ToolOutcome, ToolProblem
from contracts.base import Contract
from contracts.text import one_line, quoted

_TARGET = 1024


class DeleteFile(Contract):
    """Which file."""

    path: str


class MoveFile(Contract):
    """From where to where."""

    path: str
    to: str = Field(description="the new path, where nothing may be yet")


class SetExecutable(Contract):
    """Whether the file may be run as a program."""

    path: str
    executable: bool


class WriteLink(Contract):
    """A symbolic link and where it leads."""

    path: str
    target: str = Field(
        min_length=1,
        max_length=_TARGET,
        description="an existing file or folder of the workspace, relative to the link's folder",
    )


class EntryChanged(Contract):
    """What was done to the entry at this path."""

    path: str
    done: str


def _changed(path: str, done: str) -> ToolOutcome:
    return ToolOutcome(EntryChanged(path=one_line(path, PATH_SHOWN), done=one_line(done, 2 * PATH_SHOWN)))


async def _delete_file(context: ToolContext, asked: DeleteFile) -> ToolOutcome:
    return await asyncio.to_thread(_delete, context.root(), asked)


def _delete(root: Path, asked: DeleteFile) -> ToolOutcome:
    with CHANGING, problems_named(Tree(root), asked.path):
        name = paths.validate(asked.path)
        link = entries.kind_of(root, name) == "link"
        entries.remove(root, name)
    return _changed(name, "deleted: it was a link, and what it leads to is still there" if link else "deleted")


async def _move_file(context: ToolContext, asked: MoveFile) -> ToolOutcome:
    return await asyncio.to_thread(_move, context.root(), asked)


def _move(root: Path, asked: MoveFile) -> ToolOutcome:
    with CHANGING:
        with problems_named(Tree(root), asked.to):
            to = paths.validate(asked.to)
        with problems_named(Tree(root), asked.path):
            name = paths.validate(asked.path)
            _refuse_other_storage(root, name, to)
            kind = entries.kind_of(root, name)
            if kind is None:
                raise FileNotFoundError
            if kind == "folder":
                raise IsADirectoryError
            if kind == "link" and posixpath.dirname(name) != posixpath.dirname(to):
                raise ToolProblem(
                    f"{one_line(name, PATH_SHOWN)} is a symbolic link, and its target is relative to its folder: it would lead "
                    "elsewhere from another one; write_link makes one there, delete_file deletes this one"
                )
        with problems_named(Tree(root), asked.to):
            if entries.kind_of(root, to) is not None:
                raise ToolProblem(f"{one_line(to, PATH_SHOWN)} is there already; delete_file it first, or choose another path")
            paths.make_parents(root, to)
            entries.rename(root, name, to)
    return _changed(to, f"moved from {name}")


def _refuse_other_storage(root: Path, name: str, to: str) -> None:
    """Raise `ToolProblem` if git would store the same content in another way under the new path."""
    found = attributes_of(root, (name, to))
    if _storage(found[name]) != _storage(found[to]):
        raise ToolProblem(
            f"{one_line(name, PATH_SHOWN)} is stored by git {_said(found[name])}, and {one_line(to, PATH_SHOWN)} "
            f"{_said(found[to])} (.gitattributes), so moving would leave the wrong content; choose a path that is stored in "
            "the same way, or change .gitattributes first"
        )


def _storage(found: Attributes) -> tuple[str, str]:
    return found.filter, found.encoding.casefold()


def _said(found: Attributes) -> str:
    said = {"filter": found.filter, "working-tree-encoding": found.encoding}
    return ", ".join(f"with {name}={one_line(value, 60)}" for name, value in said.items() if value) or "as it is"


async def _set_executable(context: ToolContext, asked: SetExecutable) -> ToolOutcome:
    return await asyncio.to_thread(_executable, context.root(), asked)


def _executable(root: Path, asked: SetExecutable) -> ToolOutcome:
    with CHANGING, problems_named(Tree(root), asked.path):
        name = paths.validate(asked.path)
        descriptor = paths.open_beneath(root, name, os.O_RDONLY)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError
            if found.st_nlink > 1:
                raise ToolProblem(f"{one_line(name, PATH_SHOWN)} has a second name (hard link) that may lie outside")
            os.fchmod(descriptor, 0o755 if asked.executable else 0o644)
        finally:
            os.close(descriptor)
    was = bool(found.st_mode & stat.S_IXUSR)
    mode = "executable" if asked.executable else "not executable"
    return _changed(name, f"already {mode}" if was == asked.executable else f"{mode} now")


async def _write_link(context: ToolContext, asked: WriteLink) -> ToolOutcome:
    return await asyncio.to_thread(_link, context.root(), asked)


def _link(root: Path, asked: WriteLink) -> ToolOutcome:
    with CHANGING:
        with problems_named(Tree(root), asked.path):
            name = paths.validate(asked.path)
            if posixpath.basename(name).casefold().startswith(".git"):
                raise ToolProblem(f"git does not read {one_line(name, PATH_SHOWN)} where it is a link; write a file instead")
            kind = entries.kind_of(root, name)
            if kind not in (None, "link"):
                raise ToolProblem(
                    f"{one_line(name, PATH_SHOWN)} is a {kind}; a link takes no other entry's place: delete_file first"
                )
        _check_target(root, name, asked.target)
        with problems_named(Tree(root), asked.path):
            paths.make_parents(root, name)
            entries.link(root, name, asked.target)
    return _changed(name, f"a symbolic link to {asked.target}")


def _check_target(root: Path, name: str, target: str) -> None:
    """Raise `ToolProblem` unless the target is a file or folder of the workspace that is reached without another link."""
    shown = quoted(target, 200)
    if target.startswith("/"):
        raise ToolProblem(f"{shown} is absolute, which is another file on another machine; write it from the link's folder")
    parts = [part for part in target.split("/") if part not in ("", ".")]
    if ".." in parts[parts.count("..") :]:
        # The kernel goes step by step: `a/../b` is another file where `a` is a link.
        raise ToolProblem(f"{shown} goes down and up again; write the shortest way from the link's folder")
    meant = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if meant in (".", "..") or meant.startswith("../"):
        raise ToolProblem(f"{shown} leads to the top of the workspace or out of it; a link leads to a file or folder in it")
    if meant == name:
        raise ToolProblem(f"{shown} is the link itself; a link leads to another file or folder")
    with problems_named(Tree(root), meant):
        os.close(paths.open_beneath(root, meant, os.O_RDONLY))


DELETE_FILE = Tool(
    "delete_file", "Delete a file, text or binary, or a symbolic link.", DeleteFile, EntryChanged, _delete_file, WRITES
)
MOVE_FILE = Tool(
    "move_file",
    "Move or rename a file, text or binary, with its content and mode. Both paths count as changed.",
    MoveFile,
    EntryChanged,
    _move_file,
    WRITES,
)
SET_EXECUTABLE = Tool(
    "set_executable",
    "Make a file executable, or not executable.",
    SetExecutable,
    EntryChanged,
    _set_executable,
    WRITES,
)
WRITE_LINK = Tool(
    "write_link",
    "Create a symbolic link, or lead one elsewhere. Links are never written through.",
    WriteLink,
    EntryChanged,
    _write_link,
    WRITES,
)

ENTRY_TOOLS = (DELETE_FILE, MOVE_FILE, SET_EXECUTABLE, WRITE_LINK)
