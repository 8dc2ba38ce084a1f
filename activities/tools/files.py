"""Reading a workspace: its files and their content."""

import asyncio
import os
import stat
from typing import Literal

from pydantic import Field

from activities.files import paths
from activities.files.encoding import UTF8, shown
from activities.git.attributes import is_lfs_pointer
from activities.tools.access import FILE_LIMIT, PATH_SHOWN, Tree, git_part, problems_named
from activities.tools.base import READS, Content, Source, Tool, ToolContext, ToolOutcome, ToolProblem
from activities.tools.search import SEARCH
from activities.tools.stored import Rules, Text, read_text
from contracts.base import Contract
from contracts.globs import at_any_depth, fits
from contracts.text import amount, one_line, visible, weight

TEXT_LIMIT = 30_000
"""Most characters of a file in one result, counted as they appear in the result's JSON."""

_ENTRIES_WEIGHT = 26_000

Kind = Literal["file", "folder", "link", "other"]


class ListFiles(Contract):
    """Which folder, and which files in it."""

    path: str | None = Field(default=None, description="folder; null: the top of the workspace")
    pattern: str | None = Field(
        default=None,
        max_length=300,
        description="null: what lies directly in the folder. Else files beneath it at any depth whose path in it fits: "
        "* stays in a folder, ** crosses folders, *.py without a slash fits at any depth",
    )
    limit: int | None = Field(default=None, ge=1, le=500, description="entries to show; null: 200")


class FileEntry(Contract):
    """One entry. The path is relative to the workspace."""

    path: str
    kind: Kind
    size: int | None = Field(description="bytes; null for what is not a file")


class FileList(Contract):
    """Entries sorted by path."""

    entries: tuple[FileEntry, ...]
    left_out: int = Field(description="entries that fit as well and are not shown")
    note: str


class ReadFile(Contract):
    """Which lines of which file."""

    path: str
    first_line: int | None = Field(default=None, ge=1, description="null: 1")
    lines: int | None = Field(default=None, ge=1, le=5000, description="how many lines; null: 400")


class FileText(Contract):
    """Lines of a file, without numbers. Line ends are shown as \\n whatever they are; `note` says what they are."""

    path: str
    text: str
    first_line: int
    last_line: int
    total_lines: int
    next_line: int | None = Field(description="first_line of the call that goes on from here; null: this was the end")
    note: str


async def _list_files(context: ToolContext, asked: ListFiles) -> ToolOutcome:
    return await asyncio.to_thread(listed, Tree(context.root()), asked)


def listed(tree: Tree, asked: ListFiles) -> ToolOutcome:
    """What there is in a folder, or beneath it. Raises `ToolProblem`."""
    path = "" if asked.path in (None, "", ".", "./") else str(asked.path)
    limit, note = asked.limit or 200, ""
    with problems_named(tree, path):
        if asked.pattern is None:
            entries, count = _directly_in(tree, path, limit)
        else:
            entries, count, note = _beneath(tree, path, asked.pattern, limit)
    shown = _bounded(entries)
    left_out = count - len(shown)
    if left_out:
        note = f"{left_out} more; name a folder in path, or a pattern. {note}".rstrip()
    return ToolOutcome(FileList(entries=shown, left_out=left_out, note=note))


def _directly_in(tree: Tree, path: str, limit: int) -> tuple[list[FileEntry], int]:
    """The first entries of one folder in order, and how many it has. Its subfolders are not walked."""
    prefix = paths.validate(path) + "/" if path else ""
    flags = os.O_RDONLY | os.O_DIRECTORY
    folder = paths.open_beneath(tree.root, path, flags) if path else os.open(tree.root, flags | os.O_CLOEXEC)
    try:
        names = sorted(
            name for name in os.listdir(folder) if not paths.is_git_folder(name) and _is_in(tree, folder, prefix, name)
        )
        return [_entry(folder, name, prefix) for name in names[:limit]], len(names)
    finally:
        os.close(folder)


def _is_in(tree: Tree, folder: int, prefix: str, name: str) -> bool:
    """Whether the tree holds this file. A folder may have some of its files beneath it."""
    try:
        return tree.holds(prefix + name) or stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:  # it was there a moment ago
        return False


def _entry(folder: int, name: str, prefix: str) -> FileEntry:
    path = one_line(prefix + name, PATH_SHOWN)
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return FileEntry(path=path, kind="other", size=None)
    kinds: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    kind = kinds.get(stat.S_IFMT(found.st_mode), "other")
    return FileEntry(path=path, kind=kind, size=found.st_size if kind == "file" else None)


def _beneath(tree: Tree, path: str, pattern: str, limit: int) -> tuple[list[FileEntry], int, str]:
    """The first files beneath the folder that match, how many match, and a note if not everything was searched."""
    listing, pattern = paths.walk(tree.root, path), at_any_depth(pattern)
    start = len(paths.validate(path)) + 1 if path else 0
    kinds: dict[str, Kind] = {"file": "file", "symlink": "link"}
    files = (one for one in listing.entries if one.kind != "directory" and not git_part(one.path) and tree.holds(one.path))
    fitting = [one for one in files if fits(one.path[start:], pattern)]
    entries = [
        FileEntry(
            path=one_line(one.path, PATH_SHOWN),
            kind=kinds.get(one.kind, "other"),
            size=one.size if one.kind == "file" else None,
        )
        for one in fitting[:limit]
    ]
    looked = f"Only the first {len(listing.entries)} entries were looked at; name a folder in path."
    return entries, len(fitting), looked if listing.truncated else ""


def _bounded(entries: list[FileEntry]) -> tuple[FileEntry, ...]:
    total = 0
    for index, entry in enumerate(entries):
        total += weight(entry.path) + 60
        if total > _ENTRIES_WEIGHT:
            return tuple(entries[:index])
    return tuple(entries)


async def _read_file(context: ToolContext, asked: ReadFile) -> ToolOutcome:
    return await asyncio.to_thread(lines_of, Tree(context.root()), asked, context.lfs)


def lines_of(tree: Tree, asked: ReadFile, lfs: Content | None = None) -> ToolOutcome:
    """Lines of one file; with `lfs` of the content that a pointer stands for, where that is here. Raises `ToolProblem`."""
    with problems_named(tree, asked.path):
        if not tree.holds(paths.validate(asked.path)):
            # As if it were not there: what lies beside the declared files is not told.
            raise FileNotFoundError
        data = paths.read_file(tree.root, asked.path, FILE_LIMIT)
    name = one_line(paths.validate(asked.path), PATH_SHOWN)
    why = ""
    if is_lfs_pointer(data):
        data, why = _pointed_to(tree, paths.validate(asked.path), data, lfs)
    read = read_text(tree.root, paths.validate(asked.path), data, "read")
    lines = _lines(shown(read.text))
    first = asked.first_line or 1
    if first > max(len(lines), 1):
        raise ToolProblem(f"{name} has {amount(len(lines), 'line')}; first_line {first} is past its end")
    fitting, cut = _fitting(lines[first - 1 : first - 1 + (asked.lines or 400)])
    last = first + len(fitting) - 1
    result = FileText(
        path=name,
        text="".join(fitting),
        first_line=first,
        last_line=last,
        total_lines=len(lines),
        next_line=last + 1 if last < len(lines) else None,
        note="; ".join(one for one in (why, _note(data, read, "".join(lines[first - 1 : last]), cut)) if one),
    )
    # All of the file, although few lines are shown: evidence may quote any of it. Text as UTF-8, in which it is quoted.
    return ToolOutcome(result, (Source(name, _as_quoted(data, read)),))


def _pointed_to(tree: Tree, path: str, pointer: bytes, lfs: Content | None) -> tuple[bytes, str]:
    """What a pointer of Git LFS stands for, and that it does; the pointer itself where that cannot be had."""
    absent = "a pointer of Git LFS: the content that it stands for is not here"
    if lfs is None:
        return pointer, absent
    rules = Rules(tree.root, path, lfs)
    try:
        data = rules.content(pointer)
    except ToolProblem as error:
        return pointer, f"{absent} ({error})"
    closed = f", which cannot be written: {why}" if (why := rules.closed()) else ""
    return (pointer, absent) if data == pointer else (data, f"kept with Git LFS: this is its content{closed}")


def _as_quoted(data: bytes, read: Text) -> bytes:
    return data if read.encoding == UTF8 or read.encoding.unknown else read.text.encode()


def _lines(text: str) -> list[str]:
    """Lines as all tools count them: ended by \\n, which stays; a \\r before it is removed."""
    pieces = text.split("\n")
    last = pieces.pop()
    return [piece.removesuffix("\r") + "\n" for piece in pieces] + ([last] if last else [])


def _fitting(lines: list[str]) -> tuple[list[str], str]:
    """As many lines as fit, made visible, and a remark if even the first one was too long and had to be cut."""
    fitting: list[str] = []
    room = TEXT_LIMIT
    for line in lines:
        seen = visible(line[: TEXT_LIMIT + 1])
        room -= weight(seen)
        if room < 0 or len(line) > TEXT_LIMIT:
            break
        fitting.append(seen)
    if fitting or not lines:
        return fitting, ""
    part = visible(lines[0][: TEXT_LIMIT // 6])[: TEXT_LIMIT // 2]
    return [part], f"the line shown is cut: it has {len(lines[0])} characters; search finds what comes after"


def _note(data: bytes, read: Text, text: str, cut: str) -> str:
    """What the shown text does not reveal about the bytes."""
    remarks = [cut] if cut else []
    if "\r\n" in read.text:
        remarks.append(
            "line ends are \\r\\n (CRLF), which edits keep: write \\n" if read.end else "line ends are mixed: \\r\\n and \\n"
        )
    if not data:
        remarks.append("the file is empty")
    elif not read.text.endswith("\n"):
        remarks.append("the last line has no line end")
    if visible(text) != text:
        remarks.append("invisible characters are shown as \\uXXXX")
    if read.encoding.unknown:
        remarks.append(
            "the encoding is unknown: neither the file nor .gitattributes name it; bytes that are no ASCII are shown as "
            "\ufffd, edits keep them, and only ASCII can be written"
        )
    elif read.encoding != UTF8:
        guess = ", a guess: nothing in the file names it" if read.encoding.guessed else ""
        remarks.append(f"the encoding is {read.encoding.name}{guess}; edits keep it")
    elif "\ufffd" in shown(read.text) and "\ufffd" not in read.text:
        remarks.append("some bytes are not UTF-8; they are shown as \ufffd, and edits keep them")
    return "; ".join(remarks)


LIST_FILES = Tool(
    "list_files",
    "List a folder of the workspace, or the files beneath it that fit a pattern, with kind and size.",
    ListFiles,
    FileList,
    _list_files,
    READS,
)
READ_FILE = Tool(
    "read_file",
    f"Read lines of a text file of the workspace, at most {TEXT_LIMIT} characters at a time.",
    ReadFile,
    FileText,
    _read_file,
    READS,
)

READ_TOOLS = (LIST_FILES, READ_FILE, SEARCH)
