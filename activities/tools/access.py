"""File access for tools: every refusal becomes a sentence that a model can act on."""

import difflib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from activities.files import paths
from activities.files.links import link_on
from activities.files.paths import PathRefused
from activities.running import disk
from activities.tools.base import ToolProblem
from contracts.text import one_line, quoted

FILE_LIMIT = 4 * 1024 * 1024
"""Largest file, in bytes, that tools read whole or change."""

PATH_SHOWN = 300
"""Most characters of a path in a result."""

# difflib compares with every name, and an error should come back at once.
_LOOKED_AT = 5_000

CHANGING = threading.Lock()
"""Held while a file is read and written back. Without it, of two concurrent edits the later would undo the other."""


@dataclass(frozen=True)
class Tree:
    """The files that a tool works on: a folder, the tool that lists it, and which files beneath it belong to it (None: all)."""

    root: Path
    lister: str = "list_files"
    only: Callable[[str], bool] | None = None

    def holds(self, path: str) -> bool:
        """Whether a file beneath the folder belongs to it."""
        return self.only is None or self.only(path)


@contextmanager
def problems_named(tree: Tree, path: str) -> Iterator[None]:
    """Turn a refused path and every file error into a `ToolProblem` that says what would work."""
    name = one_line(path, PATH_SHOWN)
    try:
        yield
    except PathRefused as error:
        raise ToolProblem(_met_link(tree, path) or one_line(str(error), 1000)) from None
    except FileNotFoundError:
        raise ToolProblem(f"there is no {name}; {_similar(tree, path)}") from None
    except IsADirectoryError:
        raise ToolProblem(f"{name} is a folder; {tree.lister} shows what is in it") from None
    except NotADirectoryError:
        raise ToolProblem(f"{name} is a file or lies below one; {tree.lister} shows what there is") from None
    except OSError as error:
        disk.refuse(error)  # the agent can do nothing about it, and should not pay a turn to hear of it
        raise ToolProblem(f"{name} cannot be used: {error.strerror}") from None


def _met_link(tree: Tree, path: str) -> str:
    """What the link is that the path meets, and what to name instead; "" if it meets none."""
    try:
        name = paths.validate(path)
    except PathRefused:
        return ""
    link = link_on(tree.root, name)
    if link is None:
        return ""
    said, rest = f"{one_line(link.path, PATH_SHOWN)} is a symbolic link to {quoted(link.target, 200)}", name[len(link.path) :]
    leads = {
        "outside": "which leads out of the workspace",
        "missing": "where nothing is",
        "loop": "which leads back to itself",
    }
    if link.leads in leads:
        where = f"{leads[link.leads]}; nothing is read or written through it"
    else:
        where = f"which leads to the {link.leads} {one_line(link.real or '.', PATH_SHOWN)}; links are never followed: name "
        where += one_line(f"{link.real}{rest}".lstrip("/") or ".", PATH_SHOWN)
    may = "" if rest or tree.lister != "list_files" else ". delete_file deletes the link, write_link leads it elsewhere"
    return f"{said}, {where}{may}"


def existing(root: Path, path: str) -> os.stat_result | None:
    """The file's status; None if there is no such file. Raises `IsADirectoryError` for a folder."""
    try:
        descriptor = paths.open_beneath(root, path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError
    return found


def equal(root: Path, path: str, data: bytes) -> bool:
    """True if the file holds exactly these bytes."""
    try:
        return paths.read_file(root, path, len(data)) == data
    except PathRefused:  # a file with a second name (hard link) is never read, only replaced
        return False


def git_part(path: str) -> bool:
    """True if the path names git's own files, which are not part of a workspace."""
    return any(paths.is_git_folder(part) for part in path.split("/"))


def _similar(tree: Tree, path: str) -> str:
    nothing = f"{tree.lister} shows what there is"
    try:
        found = paths.walk(tree.root, limit=_LOOKED_AT).entries
    except (OSError, PathRefused):
        return nothing
    known = [entry.path for entry in found if not git_part(entry.path) and tree.holds(entry.path)]
    name = path.rstrip("/").rpartition("/")[2].casefold()
    same_name = [one for one in known if one.rpartition("/")[2].casefold() == name]
    near = list(dict.fromkeys((same_name + difflib.get_close_matches(path, known, n=3))[:3]))
    if not near:
        return nothing
    return "similar: " + ", ".join(one_line(one, PATH_SHOWN) for one in near)
