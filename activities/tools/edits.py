"""Changing a workspace: write a file, or replace text in one. Each does everything or nothing."""

import asyncio
from pathlib import Path
from typing import Literal

from pydantic import Field

from activities.files import paths
from activities.tools.access import CHANGING, FILE_LIMIT, PATH_SHOWN, Tree, equal, existing, problems_named
from activities.tools.base import WRITES, Tool, ToolContext, ToolOutcome, ToolProblem
from activities.tools.near_misses import closest_line, find_alike
from activities.tools.patches import APPLY_PATCH
from contracts.base import Contract
from contracts.text import one_line, quoted

CONTENT_LIMIT = 1_000_000
"""Most characters of one argument."""

_PLACES_SHOWN = 20


class WriteFile(Contract):
    """The whole content of one file."""

    path: str
    content: str = Field(max_length=CONTENT_LIMIT)


class FileWritten(Contract):
    """What happened to the file. Sizes are in bytes."""

    path: str
    outcome: Literal["created", "overwritten", "unchanged"]
    size: int
    previous_size: int | None = Field(description="null: there was no such file")


class EditFile(Contract):
    """One exact replacement."""

    path: str
    old: str = Field(min_length=1, max_length=CONTENT_LIMIT, description="the text exactly as it stands in the file")
    new: str = Field(max_length=CONTENT_LIMIT, description="what takes its place; may be empty")
    all: bool | None = Field(default=None, description="true: replace every occurrence; null: there must be exactly one")


class FileEdited(Contract):
    """Where the new text is now, as line numbers; of many places the first twenty."""

    path: str
    replaced: int
    lines: tuple[int, ...]
    size: int


async def _write_file(context: ToolContext, asked: WriteFile) -> ToolOutcome:
    return await asyncio.to_thread(_write, context.root(), asked)


def _write(root: Path, asked: WriteFile) -> ToolOutcome:
    data = asked.content.encode()
    outcome: Literal["created", "overwritten", "unchanged"] = "created"
    with CHANGING, problems_named(Tree(root), asked.path):
        name = paths.validate(asked.path)
        found = existing(root, name)
        same = found is not None and found.st_size == len(data) and equal(root, name, data)
        if found is not None:
            outcome = "unchanged" if same else "overwritten"
        if not same:
            paths.make_parents(root, name)
            paths.write_file(root, name, data)
    previous = None if found is None else found.st_size
    return ToolOutcome(FileWritten(path=one_line(name, PATH_SHOWN), outcome=outcome, size=len(data), previous_size=previous))


async def _edit_file(context: ToolContext, asked: EditFile) -> ToolOutcome:
    return await asyncio.to_thread(_edit, context.root(), asked)


def _edit(root: Path, asked: EditFile) -> ToolOutcome:
    # As bytes, so that the rest of a file in another encoding stays as it is.
    old, new = asked.old.encode(), asked.new.encode()
    if old == new:
        raise ToolProblem("old and new are the same text; nothing to change")
    with CHANGING, problems_named(Tree(root), asked.path):
        name = paths.validate(asked.path)
        data = paths.read_file(root, name, FILE_LIMIT)
        count = _count(one_line(name, PATH_SHOWN), data, asked)
        # Computed before it is made: replacing a letter by a page everywhere could take all memory.
        size = len(data) + count * (len(new) - len(old))
        if size > FILE_LIMIT:
            raise ToolProblem(f"the file would grow to {size} bytes; at most {FILE_LIMIT} are allowed")
        paths.write_file(root, name, data.replace(old, new))
    result = FileEdited(path=one_line(name, PATH_SHOWN), replaced=count, lines=_places(data, old, new), size=size)
    return ToolOutcome(result)


def _count(name: str, data: bytes, asked: EditFile) -> int:
    """How many occurrences will be replaced. Raises `ToolProblem` if there are none, or more than was asked for."""
    old = asked.old.encode()
    first = data.find(old)
    if first < 0:
        raise ToolProblem(f"{name}: {_why_absent(data.decode(errors='replace'), asked)}; nothing was changed")
    if asked.all:
        return data.count(old)
    if data.find(old, first + 1) >= 0:
        starts = _starts(data, old)
        lines = ", ".join(str(data.count(b"\n", 0, at) + 1) for at in starts)
        many = f"more than {len(starts)}" if data.find(old, starts[-1] + 1) >= 0 else str(len(starts))
        raise ToolProblem(
            f"{name}: old occurs {many} times, at lines {lines}; include more of the text around it, so that it is found once, "
            "or set all to true; nothing was changed"
        )
    return 1


def _starts(data: bytes, old: bytes) -> list[int]:
    """Offsets at which the text occurs, overlapping ones included; the first twenty."""
    found: list[int] = []
    at = data.find(old)
    while at >= 0 and len(found) < _PLACES_SHOWN:
        found.append(at)
        at = data.find(old, at + 1)
    return found


def _why_absent(text: str, asked: EditFile) -> str:
    lines = text.split("\n")
    alike = find_alike(asked.old, text)
    seen = "" if alike is None else f"line {alike[1]} is {quoted(lines[alike[1] - 1], 300)}, which differs in {alike[0]}"
    at = text.find(asked.new) if asked.new.strip() else -1
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        # A short new text may occur anywhere, so a place that looks like the old one is worth naming as well.
        other = f"; {seen} from old" if alike is not None and alike[1] != line else ""
        return f"already applied: the new text is at line {line} and the old text is not in the file{other}"
    if alike is not None:
        return f"old is not in the file; {seen}"
    near = closest_line(asked.old, text)
    if near is None:
        return "old is not in the file, and no line is like it; read the file again and copy exactly"
    return (
        f"old is not in the file; closest is line {near}, {quoted(lines[near - 1], 300)}; read the file again and copy exactly"
    )


def _places(data: bytes, old: bytes, new: bytes) -> tuple[int, ...]:
    """Lines of the new file at which the replacements begin."""
    places: list[int] = []
    line, done = 1, 0
    while len(places) < _PLACES_SHOWN and (at := data.find(old, done)) >= 0:
        line += data.count(b"\n", done, at)
        places.append(line)
        line += new.count(b"\n")
        done = at + len(old)
    return tuple(places)


WRITE_FILE = Tool("write_file", "Create a file, or replace all of its content.", WriteFile, FileWritten, _write_file, WRITES)
EDIT_FILE = Tool(
    "edit_file",
    "Replace a text in a file by another. The old text must match exactly, blanks and line ends included.",
    EditFile,
    FileEdited,
    _edit_file,
    WRITES,
)
EDIT_TOOLS = (WRITE_FILE, EDIT_FILE, APPLY_PATCH)
