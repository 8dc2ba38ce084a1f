"""Changed lines of POSIX shell and bash made to fail: the fault stands before a command and ends the shell. Pure."""

import re
from collections.abc import Iterator

from activities.repositories.judging import Lines
from activities.repositories.sabotage.region import Fault, Place, Region, changed_lines, grouped, unreadable
from activities.repositories.sabotage.shell_reading import Line, Reading, Unreadable

ENDS = (".sh", ".bash")
"""Ends of names of shell scripts."""

CODE = 97
"""The exit code of the fault."""

_NOTHING = re.compile(r"(fi|done|esac|\}|\)|\{|\(|then|else|do|;;|;&|in)?\s*;*\s*(;;|;&)?\s*\Z")
_CLOSES = re.compile(r"(fi|done|esac|\}|\))(?![\w-])")
_ARM = re.compile(r"(then|else|do|elif)(?=\s)")
_FUNCTION = re.compile(r"(function\s+[^\s(){}]+\s*(\(\))?|[^\s(){}]+\s*\(\))\s*(\{(?=\s|\Z))?")
_PATTERN = re.compile(r"\(?[^()]*\)")


def regions(path: str, text: str, lines: Lines) -> tuple[Region, ...]:
    """As `sabotage.regions` says it. The lines of a file that cannot be read are one region that is not breakable."""
    try:
        reading = Reading(text)
    except Unreadable:
        return unreadable(path, lines)
    changed = changed_lines(lines)
    return grouped(path, _doing(reading, changed), changed)


def sabotaged(text: str, region: Region, fault: Fault) -> str:
    """The script with the fault before the command of every line of the region."""
    reading = Reading(text)
    places = {place for number in region.numbers if (place := _place(reading, number)) is not None}
    parts = text.split("\n")
    for number, column in places:
        line = parts[number - 1]
        # On a line of its own: behind some words no semicolon may stand.
        parts[number - 1] = f"{line[:column]} {_statement(fault)}\n{line[column:]}"
    return "\n".join(parts)


def _statement(fault: Fault) -> str:
    first, second = fault.halves
    return f"if [ {int(fault.live)} = 1 ]; then printf '%s%s\\n' '{first}' '{second}' >&2; exit {CODE}; fi"


def _doing(reading: Reading, changed: list[int]) -> Iterator[Place]:
    for number in changed:
        if number > len(reading.lines):
            continue
        at = _start(reading, number)
        line = reading.lines[at - 1]
        code = line.code.strip()
        if not code or (_NOTHING.match(code) and (not line.pattern or code.startswith("esac"))):
            continue
        place = _place(reading, number)
        yield Place(number, _name(code) or line.where, _branch(line, code, at), place is not None)


def _branch(line: Line, code: str, at: int) -> int:
    """The branch that the fault stands in. The condition of an `elif` is one of its own: it runs where its body may not."""
    if code.startswith("elif"):
        return -at
    return line.after if line.pattern or _ARM.match(code) else line.branch


def _start(reading: Reading, number: int) -> int:
    """The line on which the command begins that this line belongs to."""
    while number > 1 and reading.lines[number - 1].inside:
        number -= 1
    return number


def _name(code: str) -> str:
    found = _FUNCTION.match(code)
    return found[0].removeprefix("function").strip().rstrip("{").strip().removesuffix("()").strip() if found else ""


def _place(reading: Reading, number: int) -> tuple[int, int] | None:
    """Line and column at which the fault may stand; None where there is none, as before what only closes a block."""
    at = _start(reading, number)
    line = reading.lines[at - 1]
    code, shift = line.code.strip(), len(line.code) - len(line.code.lstrip())
    if line.pattern and not code.startswith("esac"):
        found = _PATTERN.match(code)
        return None if found is None else (at, shift + found.end())
    arm, function = _ARM.match(code), _FUNCTION.match(code)
    if arm is not None:
        return at, shift + arm.end()
    if function is not None:
        if function[3]:
            return at, shift + function.end()
        below = reading.lines[at].code if at < len(reading.lines) else ""
        return (at + 1, below.index("{") + 1) if below.strip().startswith("{") else None
    return None if _CLOSES.match(code) else (at, shift)
