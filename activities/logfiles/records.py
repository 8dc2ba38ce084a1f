"""A log's lines as records: each with its time and level, what follows on further lines kept with it. Pure."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from activities.logfiles.stamps import instant, stamp_of
from contracts.diagnosis_parts import LEVELS, Level

RECORD_LINES = 500
"""Most lines of one record: a stack trace has no more, and a file without any sign of a beginning is no single record."""

_LEVEL = re.compile(
    r"(?<![\w/.=-])(TRACE|DEBUG|FINE|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|SEVERE|CRIT(?:ICAL)?|FATAL|PANIC|EMERG|ALERT"
    r"|trace|debug|info|notice|warn(?:ing)?|error|severe|crit(?:ical)?|fatal|panic|emerg|alert)(?=[\]:)|\s,>]|$)"
)
_KEYED = re.compile(r"\b(?:level|lvl|severity|loglevel)=\"?(\w+)", re.IGNORECASE)
_STATUS = re.compile(r"\"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) [^\"]*\" (\d{3})\b")
_FAILED = re.compile(
    r"^(?:Traceback \(most recent call last\)|(?:\w+\.)*\w*(?:Error|Exception)\b|panic:|Exception in thread|Caused by:)"
)
_GOES_ON = re.compile(
    r"^(?:\s|Caused by:|Suppressed:|\.{3} \d+ more|Traceback |During handling of|The above exception"
    r"|[\w.]*(?:Error|Exception|Exit|Interrupt)(?::|$))"
)
_AS: dict[str, Level] = {
    **dict.fromkeys(("trace", "debug", "fine"), "debug"),
    **dict.fromkeys(("info", "notice", "information"), "info"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    **dict.fromkeys(("err", "error", "severe", "alert"), "error"),
    **dict.fromkeys(("crit", "critical", "fatal", "panic", "emerg", "emergency"), "fatal"),
}
_TIME_KEYS, _LEVEL_KEYS = (
    ("time", "timestamp", "@timestamp", "ts", "t", "datetime", "date"),
    ("level", "severity", "lvl", "loglevel", "levelname"),
)
_SAID_KEYS = ("message", "msg", "event", "error", "err", "exception", "exc_info", "stack", "stacktrace")


@dataclass
class Record:
    """One entry of a log. `line` counts from 1; `said` is its text without stamp and level, `lines` all of it as it stands."""

    line: int
    at: datetime | None
    level: Level
    said: str
    lines: list[str] = field(default_factory=list)
    file: str = ""

    @property
    def bad(self) -> bool:
        """True from error on."""
        return LEVELS.index(self.level) >= LEVELS.index("error")


def records(lines: Iterable[str], now: datetime, first: int = 1, file: str = "") -> Iterator[Record]:
    """The records of a file's lines, in order. A stack trace, and an indented line, belong to the record before them."""
    current: Record | None = None
    dated = False
    for number, line in enumerate(lines, first):
        made = _begun(line, number, now)
        made.file = file
        dated = dated or made.at is not None
        if current is not None and _continues(made, line, dated=dated) and len(current.lines) < RECORD_LINES:
            _append(current, line)
            continue
        if current is not None:
            yield current
        current = made
    if current is not None:
        yield current


def _continues(made: Record, line: str, *, dated: bool) -> bool:
    if made.at is not None:
        return False
    # In a file whose records have stamps a line without one goes on; in another only what looks like it does.
    return dated or not line.strip() or _GOES_ON.match(line) is not None


def _append(record: Record, line: str) -> None:
    record.lines.append(line)
    failed = _FAILED.match(line)
    if failed is None:
        return
    if record.level in ("debug", "info", "warning"):
        record.level = "error"
    # The exception's own line says more than that there is a trace.
    if not line.startswith("Traceback"):
        record.said = f"{record.said} {line.strip()}".strip()[:2000]


def _begun(line: str, number: int, now: datetime) -> Record:
    if line.startswith("{") and (made := _json(line, number, now)) is not None:
        return made
    stamp = stamp_of(line, now)
    rest = line[stamp.end :] if stamp else line
    level, said = _level_of(rest)
    if (status := _STATUS.search(line)) is not None:
        level = "error" if status[1] >= "500" else level
        said = line[: stamp.end] + rest if stamp and stamp.end < 30 else line
    if level == "info" and _FAILED.match(line):
        level = "error"
    return Record(number, stamp.at if stamp else None, level, said.strip(" -:|\t")[:2000] or line[:2000], [line])


def _level_of(text: str) -> tuple[Level, str]:
    """The level that a line names, and what it says without it. info where it names none."""
    head = text[:120]
    keyed = _KEYED.search(text[:400])
    if keyed is not None and keyed[1].casefold() in _AS:
        return _AS[keyed[1].casefold()], text
    found = _LEVEL.search(head)
    # A word in small letters is prose, unless it stands first or is marked off.
    if found is None or (
        found[1].islower() and found.start() and text[found.end() : found.end() + 1] not in ("]", ":", ")", "|")
    ):
        return "info", text
    said = f"{text[: found.start()].strip(' [(<')} {text[found.end() :].lstrip(' ]):|>-')}".strip()
    return _AS[found[1].casefold()], said


def _json(line: str, number: int, now: datetime) -> Record | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    at = next((when for key in _TIME_KEYS if (when := instant(fields.get(key), now)) is not None), None)
    level: Level = next((_AS[name] for key in _LEVEL_KEYS if (name := str(fields.get(key, "")).casefold()) in _AS), "info")
    said = " ".join(str(fields[key]) for key in _SAID_KEYS if isinstance(fields.get(key), str) and fields[key])
    return Record(number, at, level, (said or line)[:2000], [line])
