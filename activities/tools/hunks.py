"""Hunks of a unified diff, applied exactly to the bytes of a file. Pure: text and bytes in, bytes out.

A hunk is placed where its old lines match exactly, at the line that it names or else at the only place within `OFFSET` lines.
Nothing is ever placed by similarity, and nothing without a line to recognise the place by.
"""

from dataclasses import dataclass
from typing import Literal

from activities.tools.near_misses import difference
from contracts.errors import BatonError
from contracts.text import quoted

OFFSET = 100
"""How many lines from the place that it names a hunk may be found."""

_PROBLEMS = 19
_LOOKED_AT = 5_000

PatchKind = Literal["create", "modify", "delete"]


class PatchProblem(BatonError):
    """The patch does not apply. Read the files again and send one that does; nothing was changed."""


@dataclass(frozen=True)
class Hunk:
    """Old lines and new lines with their line ends; `context` of them are in both.

    `old_at` is the index in the old file that the header names.
    """

    number: int
    old_at: int
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]
    context: int


@dataclass(frozen=True)
class FilePatch:
    """What a patch does to one file."""

    path: str
    kind: PatchKind
    hunks: tuple[Hunk, ...]
    executable: bool = False


def apply_hunks(patch: FilePatch, data: bytes) -> bytes:
    """The file after the patch. Raises `PatchProblem`, naming the hunks that do not apply and what is there instead."""
    changed, problems = _applied(patch, data)
    if not problems:
        return changed
    # At the lines that it names and nowhere else: short new lines stand in many places of a file by chance.
    if not _applied(_reversed(patch), data, 0)[1]:
        # If a hunk only removes lines, its context alone proves little, so the mismatch is reported as well.
        if all(len(hunk.new) > hunk.context for hunk in patch.hunks):
            raise PatchProblem(f"{patch.path}: already applied: the file has what the patch makes; leave this file out")
        problems.append(f"{patch.path}: or already applied: the file has what the patch leaves")
    raise PatchProblem("\n".join(problems))


def _applied(patch: FilePatch, data: bytes, offset: int = OFFSET) -> tuple[bytes, list[str]]:
    lines = lines_of(data)
    made: list[bytes] = []
    problems: list[str] = []
    done = drift = 0
    for hunk in patch.hunks:
        at = _place(hunk, lines, done, hunk.old_at + drift, offset)
        problem = at if isinstance(at, str) else _open_end(hunk, at + len(hunk.old), lines)
        if isinstance(at, str) or problem:
            problems.append(f"{patch.path}, hunk {hunk.number}: {problem}")
            if len(problems) == _PROBLEMS:
                return data, [*problems, f"{patch.path}: what follows hunk {hunk.number} was not looked at, there may be more"]
            continue
        made += lines[done:at] + list(hunk.new)
        # By what this one was off, the next one most likely is off as well.
        done, drift = at + len(hunk.old), at - hunk.old_at
    return b"".join(made + lines[done:]), problems


def lines_of(data: bytes) -> list[bytes]:
    """Lines with their ends; only \\n ends a line."""
    pieces = data.split(b"\n")
    last = pieces.pop()
    return [piece + b"\n" for piece in pieces] + ([last] if last else [])


def _reversed(patch: FilePatch) -> FilePatch:
    drift, hunks = 0, []
    for hunk in patch.hunks:
        hunks.append(Hunk(hunk.number, hunk.old_at + drift, hunk.new, hunk.old, hunk.context))
        drift += len(hunk.new) - len(hunk.old)
    return FilePatch(patch.path, patch.kind, tuple(hunks))


def _place(hunk: Hunk, lines: list[bytes], earliest: int, expected: int, offset: int) -> int | str:
    """Index of the line where the hunk belongs, or, as text, why there is none."""
    if not hunk.old:
        if not lines:
            return 0
        return "it names no existing line; add context lines (starting with a space) around what it inserts"
    if earliest <= expected and _fits(hunk, lines, expected):
        return expected
    near = range(max(earliest, expected - offset), min(len(lines), expected + offset) + 1)
    places = [at for at in near if _fits(hunk, lines, at)]
    if len(places) == 1:
        return places[0]
    if places:
        shown = ", ".join(str(at + 1) for at in places[:10])
        return f"its old lines are not at line {expected + 1}, but at lines {shown}; correct the line number or add context"
    return _misfit(hunk, lines, earliest, expected)


def _fits(hunk: Hunk, lines: list[bytes], at: int) -> bool:
    return at >= 0 and lines[at : at + 1] == [hunk.old[0]] and tuple(lines[at : at + len(hunk.old)]) == hunk.old


def _misfit(hunk: Hunk, lines: list[bytes], earliest: int, expected: int) -> str:
    """Why the hunk does not apply: its lines are elsewhere, or the first line that differs and what is there instead."""
    around = range(max(0, expected - _LOOKED_AT), min(len(lines), expected + _LOOKED_AT))
    elsewhere = next((at for at in around if _fits(hunk, lines, at)), None)
    if elsewhere is not None:
        why = "before the end of the hunk above it" if elsewhere < earliest else f"more than {OFFSET} lines away"
        return f"its old lines are at line {elsewhere + 1}, {why}; put the hunks in order and correct the line numbers"
    expected = max(expected, 0)
    offset = next((i for i, line in enumerate(hunk.old) if lines[expected + i : expected + i + 1] != [line]), 0)
    wanted = hunk.old[offset].decode(errors="replace")
    if expected + offset >= len(lines):
        return f"line {expected + offset + 1} should be {quoted(wanted, 200)}, but the file ends after line {len(lines)}"
    stands = lines[expected + offset].decode(errors="replace")
    why = difference(wanted, stands)
    return f"line {expected + offset + 1} should be {quoted(wanted, 200)}, but is {quoted(stands, 200)}" + (
        f" (they differ in {why})" if why else ""
    )


def _open_end(hunk: Hunk, end: int, lines: list[bytes]) -> str:
    """The problem if the hunk's last new line has no line end although more of the file follows; "" if there is none."""
    if hunk.new and not hunk.new[-1].endswith(b"\n") and end < len(lines):
        return f"it ends with '\\ No newline at end of file', but line {end + 1} follows; remove that line"
    return ""
