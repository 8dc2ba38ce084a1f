"""Search: the lines of files that contain a text or match a regular expression."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from activities.files import paths
from activities.files.encoding import shown
from activities.files.paths import Entry, PathRefused
from activities.tools.access import PATH_SHOWN, Tree, git_part, problems_named
from activities.tools.base import READS, Source, Tool, ToolContext, ToolOutcome, ToolProblem
from activities.tools.matcher import STEP_SECONDS, Found, Matcher, PatternRefused, PatternTooSlow
from activities.tools.stored import read_text
from contracts.base import Contract
from contracts.text import one_line, weight

SEARCH_SECONDS = 10.0
"""How long one search may take. After that it returns what it has and says so."""

SEARCH_FILE_LIMIT = 16 * 1024 * 1024
"""Largest file, in bytes, that is searched."""

LINE_SHOWN = 200
"""Most characters of a line in a row; of a longer line the part around the match."""

_ROWS_WEIGHT = 26_000
_SKIPPED_SHOWN = 10

Find = Callable[[str, int], Found]


class Search(Contract):
    """What to look for and where."""

    pattern: str = Field(min_length=1, max_length=500, description="text to find, exactly as it stands, within one line")
    path: str | None = Field(default=None, description="file or folder to search; null: the whole workspace")
    regex: bool | None = Field(default=None, description="true: the pattern is a Python regular expression; null: false")
    limit: int | None = Field(default=None, ge=1, le=500, description="matching lines to show; null: 100")
    context: int | None = Field(default=None, ge=0, le=5, description="lines to show around each match; null: 0")


class SearchResult(Contract):
    """Rows `file:line:text` for matches, `file-line-text` for lines around them, in order of path and line."""

    rows: tuple[str, ...]
    matches: int
    files_searched: int
    complete: bool = Field(description="false: there may be more matches; the note says why")
    note: str
    skipped: int = Field(description="files that were not searched")
    skipped_because: tuple[str, ...] = Field(description="the first of them, each with the reason")


@dataclass
class _Hunt:
    """One search under way."""

    root: Path
    limit: int
    context: int
    ends: float
    rows: list[str] = field(default_factory=list)
    verbatim: list[str] = field(default_factory=list)
    weight: int = 0
    matches: int = 0
    searched: int = 0
    skipped: list[str] = field(default_factory=list)
    stopped: str = ""


async def _search(context: ToolContext, asked: Search) -> ToolOutcome:
    return await asyncio.to_thread(found_in, Tree(context.root()), asked)


def found_in(tree: Tree, asked: Search) -> ToolOutcome:
    """The lines of a tree's files that match. Raises `ToolProblem`."""
    if "\n" in asked.pattern:
        raise ToolProblem("the pattern spans lines; search looks at one line at a time, so search for one of them")
    path = "" if asked.path in (None, "", ".", "./") else str(asked.path)
    entries, truncated = _entries(tree, path)
    hunt = _Hunt(tree.root, asked.limit or 100, asked.context or 0, time.monotonic() + SEARCH_SECONDS)
    with _finder(asked.pattern, regex=bool(asked.regex)) as find:
        for entry in entries:
            if not hunt.stopped:
                _look_into(hunt, entry, find)
    if truncated and not hunt.stopped:
        hunt.stopped = f"only the first {len(entries)} entries were searched; name a folder in path"
    return _outcome(hunt, asked.pattern)


def _entries(tree: Tree, path: str) -> tuple[list[Entry], bool]:
    """What to search: the folder's entries, or the one file."""
    with problems_named(tree, path):
        try:
            listing = paths.walk(tree.root, path)
        except NotADirectoryError:
            if not tree.holds(paths.validate(path)):
                raise FileNotFoundError from None
            return [Entry(paths.validate(path), "file")], False
    # Folders appear through their files; only what cannot be opened at all is reported.
    wanted = [one for one in listing.entries if one.kind != "directory" and not git_part(one.path) and tree.holds(one.path)]
    return wanted, listing.truncated


@contextmanager
def _finder(pattern: str, *, regex: bool) -> Iterator[Find]:
    if not regex:
        yield lambda text, room: _plain(pattern, text, room)
        return
    try:
        with Matcher(pattern) as matcher:
            yield matcher.lines
    except PatternRefused as error:
        why = one_line(str(error), 300)
        raise ToolProblem(
            f"not a regular expression: {why}; correct it, or set regex to false to find the text literally"
        ) from None


def _plain(pattern: str, text: str, room: int) -> Found:
    found: Found = []
    if pattern not in text:
        return found
    for index, line in enumerate(text.split("\n")):
        column = line.find(pattern)
        if column >= 0:
            found.append((index, column))
            if len(found) == room:
                break
    return found


def _look_into(hunt: _Hunt, entry: Entry, find: Find) -> None:
    """Search one file and add its rows; record why it was skipped, or why the whole search has to stop."""
    name = one_line(entry.path, PATH_SHOWN)
    if time.monotonic() > hunt.ends:
        hunt.stopped = f"stopped at {name} after {SEARCH_SECONDS:.0f} seconds; name a folder in path"
        return
    text = _text(hunt.root, entry)
    if isinstance(text, _Skipped):
        hunt.skipped.append(f"{name}: {text.why}")
        return
    try:
        # One more than there is room for shows whether the limit left anything out.
        found = find(text, hunt.limit - hunt.matches + 1)
    except PatternTooSlow:
        raise ToolProblem(
            f"the regular expression took more than {STEP_SECONDS:.0f} seconds or too much memory in {name}; avoid repetition "
            "inside repetition, such as (a+)+, or set regex to false, or name other files in path"
        ) from None
    hunt.searched += 1
    _add(hunt, name, text, found)


@dataclass(frozen=True)
class _Skipped:
    why: str


def _text(root: Path, entry: Entry) -> str | _Skipped:
    if entry.kind != "file":
        return _Skipped("a link, not followed" if entry.kind == "symlink" else entry.kind)
    try:
        data = paths.read_file(root, entry.path, SEARCH_FILE_LIMIT)
    except PathRefused as error:
        return _Skipped(one_line(error.why, LINE_SHOWN))
    except OSError as error:
        return _Skipped(error.strerror or "cannot be read")
    try:
        return shown(read_text(root, entry.path, data, "searched").text)
    except ToolProblem:
        return _Skipped("binary")


def _add(hunt: _Hunt, name: str, text: str, found: Found) -> None:
    """Add rows for these matches and the lines around them, each line once, until a limit is reached."""
    lines = text.split("\n") if found else []
    if lines and not lines[-1]:
        lines.pop()
    columns, shown = dict(found), -1
    for index, _ in found:
        if hunt.matches == hunt.limit:
            hunt.stopped = f"stopped at the limit of {hunt.limit} matches; narrow the pattern or the path"
            return
        for at in range(max(index - hunt.context, shown + 1), min(index + hunt.context + 1, len(lines))):
            mark = ":" if at in columns else "-"
            excerpt = _excerpt(lines[at].removesuffix("\r"), columns.get(at, 0))
            row = f"{name}{mark}{at + 1}{mark}{one_line(excerpt, LINE_SHOWN)}"
            if hunt.weight + weight(row) + 4 > _ROWS_WEIGHT:
                hunt.stopped = "stopped because the rows fill the result; narrow the pattern or the path"
                return
            hunt.weight += weight(row) + 4
            hunt.rows.append(row)
            hunt.verbatim.append(f"{name}{mark}{at + 1}{mark}{excerpt}")
            hunt.matches += at in columns
            shown = at


def _excerpt(line: str, column: int) -> str:
    """The line, or the part around the column if it is long."""
    if len(line) <= LINE_SHOWN:
        return line
    start = min(max(0, column - LINE_SHOWN // 4), len(line) - LINE_SHOWN + 2)
    end = start + LINE_SHOWN - 2
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")


def _outcome(hunt: _Hunt, pattern: str) -> ToolOutcome:
    result = SearchResult(
        rows=tuple(hunt.rows),
        matches=hunt.matches,
        files_searched=hunt.searched,
        complete=not hunt.stopped,
        note=hunt.stopped,
        skipped=len(hunt.skipped),
        skipped_because=tuple(hunt.skipped[:_SKIPPED_SHOWN]),
    )
    if not hunt.rows:
        return ToolOutcome(result)
    # For claims to quote: the same lines with their real characters.
    data = "\n".join(hunt.verbatim).encode() + b"\n"
    return ToolOutcome(result, (Source(f"search {one_line(pattern, 80)}", data),))


SEARCH = Tool(
    "search",
    "Find lines that hold a text (or match a regular expression) in the workspace's files. Rows are file:line:text. "
    "Links and binary files are skipped and named.",
    Search,
    SearchResult,
    _search,
    READS,
)
