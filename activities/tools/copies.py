"""Tools that read the copies of a service's logs: records by time and level, lines, the end, and the time line."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import Field

from activities.logfiles.records import Record, records
from activities.tools.base import Need, Source, Tool, ToolContext, ToolOutcome, ToolProblem
from activities.tools.matcher import Matcher, PatternRefused, PatternTooSlow
from contracts.base import Contract
from contracts.diagnosis_parts import LEVELS, CopiedFile, Level, Snapshot
from contracts.step_resources import Logs
from contracts.text import one_line, weight
from ledger import artifacts

ROWS_WEIGHT = 26_000
LINE_SHOWN = 600
SEARCH_SECONDS = 5.0

_FILE = Field(default=None, description="name of one file, as the task has it; null: all log files")
_SINCE = Field(default=None, description="from when on; null: from the beginning")
_UNTIL = Field(default=None, description="until when; null: to the end")


class FindRecords(Contract):
    """Which records of the logs."""

    pattern: str | None = Field(default=None, max_length=300, description="text that a record holds; null: any")
    regex: bool | None = Field(default=None, description="true: the pattern is a Python regular expression; null: false")
    level: Level | None = Field(default=None, description="this level and above; null: all")
    since: datetime | None = _SINCE
    until: datetime | None = _UNTIL
    file: str | None = _FILE
    context: int | None = Field(default=None, ge=0, le=10, description="lines to show around each match; null: 0")
    limit: int | None = Field(default=None, ge=1, le=300, description="records to show; null: 50")


class RecordsFound(Contract):
    """Rows `file:line:text` for matches, `file-line-text` for lines around them."""

    rows: tuple[str, ...]
    matches: int
    note: str


class ReadCopy(Contract):
    """Which lines of which file: a log, or a configuration file."""

    file: str
    first_line: int | None = Field(default=None, ge=1, description="null: the first that was kept")
    lines: int | None = Field(default=None, ge=1, le=1000, description="how many; null: 200")


class TailCopy(Contract):
    """How much of the end of which file."""

    file: str
    lines: int | None = Field(default=None, ge=1, le=1000, description="how many; null: 100")


class CopyLines(Contract):
    """Rows `file:line:text`, and the numbers of the lines that there are."""

    rows: tuple[str, ...]
    first_kept: int
    last_kept: int
    note: str


class TimeLine(Contract):
    """Over which time, in how many parts."""

    since: datetime | None = _SINCE
    until: datetime | None = _UNTIL
    parts: int | None = Field(default=None, ge=2, le=60, description="null: 20")


class TimeParts(Contract):
    """Rows `from: records, warnings, errors`, one for each part of the time."""

    rows: tuple[str, ...]
    note: str


async def _snapshot(context: ToolContext) -> Snapshot:
    use = context.chosen(Logs, None)
    if not use.snapshot or context.ledger is None:
        raise ToolProblem("these logs are no copies; list_logs, read_log and search_logs read them")
    return Snapshot.read(await context.ledger.read(artifacts.get, context.ledger.files, use.snapshot))


async def _text(context: ToolContext, file: CopiedFile) -> tuple[str, Source]:
    assert context.ledger is not None  # `_snapshot` has seen to it
    data = await context.ledger.read(artifacts.get, context.ledger.files, file.artifact)
    return data.decode(), Source(file.name, data, sources=("log",))


def _named(snapshot: Snapshot, name: str) -> CopiedFile:
    for file in snapshot.files:
        if file.name == name:
            return file
    there = ", ".join(file.name for file in snapshot.files[:20])
    raise ToolProblem(f"there is no file {one_line(name, 200)}; there are {there}")


async def _find_records(context: ToolContext, asked: FindRecords) -> ToolOutcome:
    snapshot = await _snapshot(context)
    files = [_named(snapshot, asked.file)] if asked.file else [one for one in snapshot.files if one.kind == "log"]
    rows, sources, matches, notes, room = list[str](), list[Source](), 0, list[str](), asked.limit or 50
    for file in files:
        text, source = await _text(context, file)
        try:
            found = await asyncio.to_thread(_found, asked, file, text)
        except PatternRefused as error:
            raise ToolProblem(f"the pattern is no regular expression: {error}") from None
        except PatternTooSlow:
            notes.append(f"{file.name}: the pattern took too long; write a simpler one, or regex: null")
            continue
        matches += len(found)
        rows += _rows(file, text.split("\n"), found[:room], asked.context or 0)
        room = max(room - len(found), 0)
        sources += [source] if found else []
    shown, cut = _bounded(rows)
    if cut or matches > (asked.limit or 50):
        notes.append("there are more; narrow the time, the level or the pattern")
    return ToolOutcome(RecordsFound(rows=shown, matches=matches, note="; ".join(notes)), tuple(sources))


def _found(asked: FindRecords, file: CopiedFile, text: str) -> list[Record]:
    """The records that are meant. The expression is matched in a process of its own, by lines."""
    numbers: set[int] | None = None
    lines = text.split("\n")
    if asked.pattern is not None and asked.regex:
        with Matcher(asked.pattern) as matcher:
            numbers = {file.first_line + line for line, _ in matcher.lines(text, 100_000, SEARCH_SECONDS)}
    # Only its own hour counts: what is shown says its times, so no line has to be dated again.
    now = file.ends or datetime.now(UTC)
    return [one for one in records(lines, now, file.first_line, file.name) if _meant(asked, one, numbers)]


def _meant(asked: FindRecords, one: Record, numbers: set[int] | None) -> bool:
    if asked.level is not None and LEVELS.index(one.level) < LEVELS.index(asked.level):
        return False
    if (asked.since or asked.until) and (one.at is None or not _within(one.at, asked.since, asked.until)):
        return False
    if numbers is not None:
        return not numbers.isdisjoint(range(one.line, one.line + len(one.lines)))
    return asked.pattern is None or any(asked.pattern in line for line in one.lines)


def _within(at: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or at >= _utc(since)) and (until is None or at < _utc(until))


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _rows(file: CopiedFile, lines: list[str], found: list[Record], context: int) -> Iterator[str]:
    last = 0
    for one in found:
        own = range(one.line, one.line + len(one.lines))
        for number in range(max(own.start - context, file.first_line, last + 1), own.stop + context):
            at = number - file.first_line
            if at < len(lines):
                yield _row(file, number, lines[at], ":" if number in own else "-")
                last = number


def _row(file: CopiedFile, number: int, line: str, sign: Literal[":", "-"] = ":") -> str:
    return f"{file.name}{sign}{number}{sign}{one_line(line, LINE_SHOWN)}"


def _bounded(rows: list[str]) -> tuple[tuple[str, ...], bool]:
    room = ROWS_WEIGHT
    for at, row in enumerate(rows):
        room -= weight(row) + 4
        if room < 0:
            return tuple(rows[:at]), True
    return tuple(rows), False


async def _read_copy(context: ToolContext, asked: ReadCopy) -> ToolOutcome:
    def wanted(file: CopiedFile) -> int:
        return max(asked.first_line or file.first_line, file.first_line)

    return await _lines(context, asked.file, wanted, asked.lines or 200)


async def _tail_copy(context: ToolContext, asked: TailCopy) -> ToolOutcome:
    def wanted(file: CopiedFile) -> int:
        return max(file.first_line + file.lines - (asked.lines or 100), file.first_line)

    return await _lines(context, asked.file, wanted, asked.lines or 100)


async def _lines(context: ToolContext, name: str, wanted: Callable[[CopiedFile], int], most: int) -> ToolOutcome:
    file = _named(await _snapshot(context), name)
    text, source = await _text(context, file)
    lines, start = text.split("\n"), wanted(file)
    at = start - file.first_line
    rows = [_row(file, number, line) for number, line in enumerate(lines[at : at + most], start)]
    shown, cut = _bounded(rows)
    note = f"{len(rows) - len(shown)} lines did not fit; go on from line {start + len(shown)}" if cut else file.note
    last = file.first_line + file.lines - 1
    return ToolOutcome(CopyLines(rows=shown, first_kept=file.first_line, last_kept=last, note=note), (source,))


async def _time_line(context: ToolContext, asked: TimeLine) -> ToolOutcome:
    snapshot = await _snapshot(context)
    whole, sources = list[Record](), list[Source]()
    for file in (one for one in snapshot.files if one.kind == "log"):
        text, source = await _text(context, file)
        now = file.ends or datetime.now(UTC)
        found = await asyncio.to_thread(lambda: list(records(text.split("\n"), now, file.first_line, file.name)))  # noqa: B023 (awaited here)
        whole += [one for one in found if one.at is not None and _within(one.at, asked.since, asked.until)]
        sources.append(source)
    if not whole:
        return ToolOutcome(TimeParts(rows=(), note="no record in this time has a time stamp"))
    return ToolOutcome(TimeParts(rows=tuple(_parts(whole, asked.parts or 20)), note=""), tuple(sources))


def _parts(whole: list[Record], number: int) -> Iterator[str]:
    times = [one.at for one in whole if one.at is not None]
    start, width = min(times), (max(times) - min(times)) / number or timedelta(seconds=1)
    counts = [[0, 0, 0] for _ in range(number)]
    for one in whole:
        if one.at is not None:
            part = counts[min(int((one.at - start) / width), number - 1)]
            part[0] += 1
            part[1] += one.level == "warning"
            part[2] += one.bad
    for at, (all_, warnings, errors) in enumerate(counts):
        yield f"{start + at * width:%Y-%m-%d %H:%M:%S}: {all_} records, {warnings} warnings, {errors} errors"


_LOGS = Need("logs")

COPY_TOOLS = (
    Tool(
        "find_records",
        "Find records of the logs by time, level and text. A record is a line with what belongs to it, such as a stack trace.",
        FindRecords,
        RecordsFound,
        _find_records,
        _LOGS,
    ),
    Tool("read_copy", "Read lines of one log or configuration file, by number.", ReadCopy, CopyLines, _read_copy, _LOGS),
    Tool("tail_copy", "Read the last lines of one log file.", TailCopy, CopyLines, _tail_copy, _LOGS),
    Tool(
        "time_line",
        "Count records, warnings and errors over time, in parts of equal length.",
        TimeLine,
        TimeParts,
        _time_line,
        _LOGS,
    ),
)
