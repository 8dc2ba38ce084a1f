"""What errors mean that any program can have: what it calls does not answer, a setting is wrong, something is used up. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Meaning = Literal["used_up", "setting", "away", "other"]

WEIGHT: Mapping[Meaning, int] = {"used_up": 8, "setting": 6, "away": 4, "other": 1}
"""A service without file handles cannot reach others either: what explains more weighs more."""

_USED_UP = (
    (re.compile(r"too many open files|\bEMFILE\b|\bENFILE\b", re.IGNORECASE), "file handles"),
    (re.compile(r"no space left on device|\bENOSPC\b|disk (?:is )?full", re.IGNORECASE), "disk space"),
    (
        re.compile(
            r"out of memory|\bMemoryError\b|cannot allocate memory|\bENOMEM\b|oom-?kill|OutOfMemoryError", re.IGNORECASE
        ),
        "memory",
    ),
    (
        re.compile(
            r"(?:connection )?pool (?:is )?(?:exhausted|full)|too many (?:clients|connections)|QueuePool limit", re.IGNORECASE
        ),
        "connections",
    ),
    (
        re.compile(
            r"can't start new thread|resource temporarily unavailable|unable to create (?:new )?native thread", re.IGNORECASE
        ),
        "threads",
    ),
)
_AWAY = re.compile(
    r"connection refused|\bECONNREFUSED\b|connection reset|\bECONNRESET\b|no route to host|\bEHOSTUNREACH\b|host is unreachable"
    r"|name or service not known|\bENOTFOUND\b|getaddrinfo|temporary failure in name resolution|timed? ?out|\bETIMEDOUT\b"
    r"|connect(?:ion)? (?:failed|to \S+ failed)|could not connect|cannot reach|unreachable|bad gateway|service unavailable|upstream",
    re.IGNORECASE,
)
_SETTING = re.compile(
    r"invalid (?:value|setting|option|configuration|literal|port|url)|unknown (?:setting|option|configuration|parameter|database)"
    r"|(?:setting|option|variable|parameter|configuration)s? .{0,60}(?:missing|not set|invalid|wrong|unknown|must be|is no|out of range)"
    r"|missing (?:setting|option|configuration|required|environment)|is not set\b|no such setting|bad configuration|config(?:uration)? error"
    r"|authentication failed|access denied|permission denied|invalid (?:password|credentials|api key)|unauthori[sz]ed",
    re.IGNORECASE,
)
_NAMED = (
    re.compile(
        r"(?:setting|option|variable|parameter|environment variable|key)s?[ :]+['\"`]?([A-Za-z_][\w.-]{1,60})['\"`]?",
        re.IGNORECASE,
    ),
    re.compile(r"\b([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)\b"),
    re.compile(r"['\"`]([A-Za-z_][\w.-]{1,60})['\"`]"),
    re.compile(r"\b([a-z][\w.-]{1,60})\s?=\s?\S"),
)
_STOP = frozenset(
    {"is", "are", "was", "value", "not", "the", "must", "missing", "error", "failed", "named", "called", "of", "for", "in"}
)
_ADDRESS = re.compile(r"(?:https?://|@|\b)((?:[A-Za-z][\w-]*(?:\.[\w-]+)*|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\])):(\d{2,5})\b")
_PLACED = re.compile(r"^\w+\.(?:py|java|go|js|ts|rb|c|cc|cpp|rs)$")


@dataclass(frozen=True)
class Cause:
    """What an error means. `name` is what is used up, the setting, or HOST:PORT that does not answer; "" where none is named."""

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
