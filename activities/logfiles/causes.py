"""What errors mean that any program can have: what it calls does not answer, a setting is wrong, something is used up. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Meaning = Literal["used_up", "setting", "away", "other"]

WEIGHT: Mapping[Meaning, int] = {"used_up": 8, "setting": 6, "away": 4, "other": 1}
"""A service without file handles cannot reach others either: what explains more weighs more."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_USED_UP = (
    (_any(r"too many open files", r"\bEMFILE\b", r"\bENFILE\b"), "file handles"),
    (_any(r"no space left on device", r"\bENOSPC\b", r"disk (?:is )?full"), "disk space"),
    (
        _any(r"out of memory", r"\bMemoryError\b", r"cannot allocate memory", r"\bENOMEM\b", r"oom-?kill", r"OutOfMemoryError"),
        "memory",
    ),
    (_any(r"pool (?:is )?(?:exhausted|full)", r"too many (?:clients|connections)", r"QueuePool limit"), "connections"),
    (
        _any(r"can't start new thread", r"resource temporarily unavailable", r"unable to create (?:new )?native thread"),
        "threads",
    ),
)
_AWAY = _any(
    *(r"connection refused", r"\bECONNREFUSED\b", r"connection reset", r"\bECONNRESET\b", r"no route to host"),
    *(r"\bEHOSTUNREACH\b", r"host is unreachable", r"name or service not known", r"\bENOTFOUND\b", r"getaddrinfo"),
    *(r"temporary failure in name resolution", r"timed? ?out", r"\bETIMEDOUT\b", r"connect(?:ion)? (?:failed|to \S+ failed)"),
    *(r"could not connect", r"cannot reach", r"unreachable", r"bad gateway", r"service unavailable", r"upstream"),
)
_SETTING = _any(
    r"invalid (?:value|setting|option|configuration|literal|port|url)",
    r"unknown (?:setting|option|configuration|parameter|database)",
    r"(?:setting|option|variable|parameter)s? .{0,60}(?:missing|not set|invalid|wrong|unknown|must be|is no|out of range)",
    r"missing (?:setting|option|configuration|required|environment)",
    *(r"is not set\b", r"no such setting", r"bad configuration", r"config(?:uration)? error", r"authentication failed"),
    *(r"access denied", r"permission denied", r"invalid (?:password|credentials|api key)", r"unauthori[sz]ed"),
)
_NAMED = (
    re.compile(r"(?:setting|option|variable|parameter|key)s?[ :]+['\"`]?([A-Za-z_][\w.-]{1,60})['\"`]?", re.IGNORECASE),
    re.compile(r"\b([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)\b"),
    re.compile(r"['\"`]([A-Za-z_][\w.-]{1,60})['\"`]"),
    re.compile(r"\b([a-z][\w.-]{1,60})\s?=\s?\S"),
)
_STOP = frozenset(
    {"is", "are", "was", "value", "not", "the", "must", "missing", "error", "failed", "named", "called", "of", "for", "in"}
)
_ADDRESS = re.compile(
    r"(?:https?://|@|(?<![\w.-]))((?:[A-Za-z][\w-]*(?:\.[\w-]+)*|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\])):(\d{2,5})\b"
)
_PLACED = re.compile(r"^\w+\.(?:py|java|go|js|ts|rb|c|cc|cpp|rs)$")


@dataclass(frozen=True)
class Cause:
    """What an error means. `name`: what is used up, the setting, or HOST:PORT that does not answer; "" where none is named."""

    meaning: Meaning
    name: str = ""


def cause_of(text: str) -> Cause:
    """What the text of an error means, by patterns alone."""
    for pattern, what in _USED_UP:
        if pattern.search(text):
            return Cause("used_up", what)
    if _SETTING.search(text):
        return Cause("setting", _setting(text))
    if _AWAY.search(text):
        found = addresses(text)
        return Cause("away", found[-1] if found else "")
    return Cause("other")


def addresses(text: str) -> tuple[str, ...]:
    """Every HOST:PORT that stands in a text. A source file with a line number is none."""
    return tuple(f"{host}:{port}" for host, port in _ADDRESS.findall(text) if not _PLACED.match(host) and 0 < int(port) < 65536)


def _setting(text: str) -> str:
    for pattern in _NAMED:
        for found in pattern.findall(text):
            if found.casefold() not in _STOP:
                return str(found)
    return ""
