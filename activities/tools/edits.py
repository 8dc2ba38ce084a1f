"""Changing a workspace: write a file, or replace text in one. Each does everything or nothing."""

import asyncio
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from pydantic import Field

from activities.files import paths
from activities.files.encoding import shown, with_line_ends
from activities.files.paths import PathRefused
from activities.tools.access import CHANGING, FILE_LIMIT, PATH_SHOWN, Tree, existing, problems_named
from activities.tools.base import WRITES, Tool, ToolContext, ToolOutcome, ToolProblem
from activities.tools.conversion import CONVERT_FILE
from activities.tools.near_misses import closest_line, find_alike
from activities.tools.patches import APPLY_PATCH
from activities.tools.stored import Rules, Text, text_of
from contracts.base import Contract
from contracts.text import amount, one_line, quoted

CONTENT_LIMIT = 1_000_000
"""Most characters of one argument."""

_PLACES_SHOWN = 20
_PIECES = r"\r?\n"


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
    note: str = Field(default="", description="line ends or encoding that stayed as they were, or were made so")


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
    note: str = Field(default="", description="line ends or encoding that stayed as they were, or were made so")


async def _write_file(context: ToolContext, asked: WriteFile) -> ToolOutcome:
    return await asyncio.to_thread(_write, context, asked)


def _write(context: ToolContext, asked: WriteFile) -> ToolOutcome:
    root = context.root()
    outcome: Literal["created", "overwritten", "unchanged"] = "created"
    with CHANGING, problems_named(Tree(root), asked.path):
        name = paths.validate(asked.path)
        found = existing(root, name)
        rules = Rules(root, name, context.lfs)
        rules.refuse_filtered()
        data = None if found is None else _content(root, name, rules)
        before = None if data is None else text_of(name, data, declared=rules.attributes.declared)
        made = rules.stored(with_line_ends(asked.content, "\r\n") if before and before.end == "\r\n" else asked.content, before)
        if found is not None:
            outcome = "unchanged" if data == made.data else "overwritten"
        put = rules.put(made)
        if outcome != "unchanged":
            paths.make_parents(root, name)
            paths.write_file(root, name, put.data)
    return ToolOutcome(
        FileWritten(
            path=one_line(name, PATH_SHOWN),
            outcome=outcome,
            size=len(made.data),
            previous_size=None if found is None else found.st_size if data is None else len(data),
            note=put.note,
        ),
        put.sources,
    )


def _content(root: Path, name: str, rules: Rules) -> bytes | None:
    """The file that is replaced; None if it cannot be read, and its form cannot be kept."""
    try:
        data = paths.read_file(root, name, FILE_LIMIT)
    except PathRefused:  # too large, or with a second name (hard link), which is never read
        return None
    try:
        return rules.content(data)
    except ToolProblem:  # it is kept elsewhere, and cannot be had; it is not needed either
        return None


async def _edit_file(context: ToolContext, asked: EditFile) -> ToolOutcome:
    return await asyncio.to_thread(_edit, context, asked)


def _edit(context: ToolContext, asked: EditFile) -> ToolOutcome:
    root = context.root()
    if asked.old == asked.new:
        raise ToolProblem("old and new are the same text; nothing to change")
    with CHANGING, problems_named(Tree(root), asked.path):
        name = paths.validate(asked.path)
        rules = Rules(root, name, context.lfs)
        rules.refuse_filtered()
        data = rules.content(paths.read_file(root, name, FILE_LIMIT))
        before = text_of(name, data, declared=rules.attributes.declared)
        old = _as_it_stands(before, asked.old)
        count = _count(one_line(name, PATH_SHOWN), before.text, old, asked)
        if before.encoding.unknown:
            _refuse_halves(one_line(name, PATH_SHOWN), before.text, old)
        # Computed before it is made: replacing a letter by a page everywhere could take all memory.
        size = len(data) + count * (len(asked.new.encode()) - len(old.encode(errors="surrogateescape")))
        if size > FILE_LIMIT:
            raise ToolProblem(f"the file would grow to {size} bytes; at most {FILE_LIMIT} are allowed")
        new = _with_ends(before, old, asked)
        made = rules.stored(before.text.replace(old, new), before)
        if made.data == data:
            raise ToolProblem("old and new differ in line ends only, and an edit keeps those; convert_file changes them")
        put = rules.put(made)
        paths.write_file(root, name, put.data)
    lines = tuple(islice(_places(before.text, old, new), _PLACES_SHOWN))
    return ToolOutcome(
        FileEdited(path=one_line(name, PATH_SHOWN), replaced=count, lines=lines, size=len(made.data), note=put.note),
        put.sources,
    )


def _as_it_stands(before: Text, old: str) -> str:
    """The old text with the line ends that it has in the file. A model sees and writes \\n, whatever they are."""
    if before.end == "\r\n":
        # Even where it is there as it is: a `\n` at its beginning would be the second half of a CRLF.
        return with_line_ends(old, before.end)
    if old in before.text:
        return old
    if before.end:
        return with_line_ends(old, before.end)
    found = re.search(_PIECES.join(re.escape(piece) for piece in re.split(_PIECES, old)), before.text)
    return found.group() if found else old


def _with_ends(before: Text, old: str, asked: EditFile) -> str:
    """The new text with the line ends of the file; in a file with both, of the text replaced or of the line that it is in."""
    # CRLF written into a file with LF is meant, unless `old` had it by mistake as well.
    if before.end == "\n" and old == asked.old:
        return asked.new
    if before.end:
        return with_line_ends(asked.new, before.end)
    if "\n" in old and old == asked.old:
        return asked.new
    at = before.text.find(old)
    found = re.compile(_PIECES).search(before.text, at if "\n" in old else at + len(old))
    return asked.new if found is None else with_line_ends(asked.new, found.group())


def _count(name: str, text: str, old: str, asked: EditFile) -> int:
    """How many occurrences will be replaced. Raises `ToolProblem` if there are none, or more than was asked for."""
    first = text.find(old)
    if first < 0:
        raise ToolProblem(f"{name}: {_why_absent(text, asked)}; nothing was changed")
    if asked.all:
        _refuse_other_ends(name, text, old)
        return text.count(old)
    if text.find(old, first + 1) >= 0:
        starts = _starts(text, old)
        lines = ", ".join(str(text.count("\n", 0, at) + 1) for at in starts)
        many = f"more than {len(starts)}" if text.find(old, starts[-1] + 1) >= 0 else str(len(starts))
        raise ToolProblem(
            f"{name}: old occurs {many} times, at lines {lines}; include more of the text around it, so that it is found once, "
            "or set all to true; nothing was changed"
        )
    return 1


def _refuse_other_ends(name: str, text: str, old: str) -> None:
    """Raise `ToolProblem` if the text also occurs with other line ends, where it would be left as it is."""
    anyhow = len(re.findall(_PIECES.join(re.escape(piece) for piece in re.split(_PIECES, old)), text))
    if anyhow > text.count(old):
        raise ToolProblem(
            f"{name} has lines with CRLF and lines with LF, and old occurs {amount(text.count(old), 'time')} with these line "
            f"ends and {amount(anyhow, 'time')} with any; convert_file to one of them first, or edit one place at a time; "
            "nothing was changed"
        )


def _refuse_halves(name: str, text: str, old: str) -> None:
    """Raise `ToolProblem` if the text may begin in the middle of a character, of which we do not know how many bytes it has."""
    if re.search(rf"[\udc80-\udcff](?=[0-9@-~]){re.escape(old)}", text):
        raise ToolProblem(
            f"{name}: its encoding is unknown, and old begins right after a byte that is no ASCII, perhaps in the middle of a "
            "character; begin old with more of what stands before or after it, or convert_file the file with written_in first; "
            "nothing was changed"
        )


def _starts(text: str, old: str) -> list[int]:
    """Offsets at which the text occurs, overlapping ones included; the first twenty."""
    found: list[int] = []
    at = text.find(old)
    while at >= 0 and len(found) < _PLACES_SHOWN:
        found.append(at)
        at = text.find(old, at + 1)
    return found


def _why_absent(text: str, asked: EditFile) -> str:
    text = shown(text)
    lines = text.split("\n")
    alike = find_alike(asked.old, text)
    seen = "" if alike is None else f"line {alike[1]} is {quoted(lines[alike[1] - 1], 300)}, which differs in {alike[0]}"
    at = text.find(asked.new) if asked.new.strip() else -1
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        other = f"; {seen} from old" if alike is not None and alike[1] != line else ""
        # No more than that: a short new text may stand anywhere, and say nothing about whether the edit was made.
        return f"old is not in the file; new is, at line {line}: perhaps the edit was made before{other}"
    if alike is not None:
        return f"old is not in the file; {seen}"
    near = closest_line(asked.old, text)
    if near is None:
        return "old is not in the file, and no line is like it; read the file again and copy exactly"
    return (
        f"old is not in the file; closest is line {near}, {quoted(lines[near - 1], 300)}; read the file again and copy exactly"
    )


def _places(text: str, old: str, new: str) -> Iterator[int]:
    """Lines of the new file at which the replacements begin."""
    line, done = 1, 0
    while (at := text.find(old, done)) >= 0:
        line += text.count("\n", done, at)
        yield line
        line += new.count("\n")
        done = at + len(old)


WRITE_FILE = Tool(
    "write_file",
    "Create a file, or replace all of its content. A file that is there keeps its line ends (write \\n) and encoding.",
    WriteFile,
    FileWritten,
    _write_file,
    WRITES,
)
EDIT_FILE = Tool(
    "edit_file",
    "Replace a text in a file by another. The old text must match exactly, blanks included. The file keeps its line ends "
    "(write \\n) and encoding.",
    EditFile,
    FileEdited,
    _edit_file,
    WRITES,
)
EDIT_TOOLS = (WRITE_FILE, EDIT_FILE, APPLY_PATCH, CONVERT_FILE)
