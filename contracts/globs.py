"""Globs: which paths one fits, and whether any path fits two. Neither ever costs more than one's length times the other's.

The one language for patterns of files, in plans and in tools:

- `*` is any number of characters of one name, `?` is one of them; neither is ever a slash. Both take a dot at the beginning.
- `**` as a whole name is any number of folders, none too: `a/**/b` fits `a/b`. At the end it is everything below: `a/**`.
- `/` at the end is everything below that folder, too.
- Every other character is itself, brackets too, because files are really called `[id].tsx`. Upper and lower case differ.
- Paths are relative to one folder. Letters with accents are the same however they are composed (see `fits`).
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")

RUN, CROSSING = "*", "**"


def fits(path: str, pattern: str) -> bool:
    """Whether the pattern names the path."""
    return shape(_composed(pattern)).fullmatch(_composed(path)) is not None


def at_any_depth(pattern: str) -> str:
    """What tools and settings take a pattern for: one without a slash, such as `*.py`, names files at any depth.

    In a plan it names those at the top: what may be written is named in full.
    """
    pattern = pattern.removeprefix("./")
    return pattern if "/" in pattern else f"{CROSSING}/{pattern}"


def _composed(text: str) -> str:
    # macOS may hand out decomposed names, models write composed ones; nearly all paths are ASCII and need neither.
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@lru_cache(maxsize=1024)
def shape(name: str) -> re.Pattern[str]:
    """The expression for exactly the paths of a file, folder or glob; its name and the paths composed (NFC)."""
    pieces: list[list[str]] = [[]]
    for part in _parts(name):
        if part == CROSSING:
            pieces.append([])
        else:
            pieces[-1].append(_spread([_literal(piece) for piece in part.split(RUN)], "[^/]"))
    *folders, last = pieces
    return re.compile(_spread([*("".join(f"{one}/" for one in piece) for piece in folders), "/".join(last)], "(?:[^/]+/)"))


def meet(one: str, other: str) -> bool:
    """True if some path matches both globs.

    Also True where the only such paths are ones that no file can have, such as `..` for `.?` and `?.`.
    """
    first, second = _parts(one), _parts(other)
    if CROSSING in first and CROSSING in second:
        return _ends_agree(first, second, CROSSING, _parts_meet)
    return _fits(first, second) if CROSSING in first else _fits(second, first)


def _parts(name: str) -> tuple[str, ...]:
    """The glob as names to match one by one. A folder, like `x/**`, wants at least one more name below it."""
    parts = tuple(name.split("/"))
    if parts[-1] not in ("", CROSSING):
        return parts
    return (*parts[:-1], CROSSING, RUN)


def _literal(piece: str) -> str:
    return "".join("[^/]" if one == "?" else re.escape(one) for one in piece)


def _spread(pieces: list[str], between: str) -> str:
    """The pieces in order, with any number of `between` in each gap.

    Each piece keeps its first match (`?>`, an atomic group): a later one would only leave less room for the pieces that
    follow, and with backtracking the search would try every combination.
    """
    head, *others = pieces
    if not others:
        return head
    *middle, tail = others
    return head + "".join(f"(?>{between}*?{piece})" for piece in middle) + f"{between}*{tail}"


@lru_cache(maxsize=16384)
def _parts_meet(one: str, other: str) -> bool:
    """True if some name matches both parts."""
    if RUN in one and RUN in other:
        return _ends_agree(one, other, RUN, lambda a, b: a in ("?", b) or b == "?")
    glob, fixed = (one, other) if RUN in one else (other, one)
    return _part_shape(glob).fullmatch(fixed) is not None


@lru_cache(maxsize=1024)
def _part_shape(glob: str) -> re.Pattern[str]:
    """The expression for the star-free parts that can meet this one: a `?` in them can be any of its characters."""
    pieces = ["".join("." if one == "?" else f"[{re.escape(one)}?]" for one in piece) for piece in glob.split(RUN)]
    return re.compile(_spread(pieces, "."))


def _ends_agree(one: Sequence[T], other: Sequence[T], run: T, alike: Callable[[T, T], bool]) -> bool:
    """True if something matches both patterns, each of which holds a `run`: any number of anything.

    Only what comes before their first run and after their last has to agree: the middle of each fits into the other's run.
    """
    heads = zip(one[: one.index(run)], other[: other.index(run)], strict=False)
    tails = zip(_tail(one, run), _tail(other, run), strict=False)
    return all(alike(a, b) for a, b in heads) and all(alike(a, b) for a, b in tails)


def _tail(pattern: Sequence[T], run: T) -> Sequence[T]:
    """What comes after the last run, in reverse."""
    backwards = pattern[::-1]
    return backwards[: backwards.index(run)]


def _fits(glob: Sequence[str], fixed: Sequence[str]) -> bool:
    """True if some path matches both; the second has no `**`."""
    at = piece = 0
    resume: tuple[int, int] | None = None
    while at < len(fixed):
        if piece < len(glob) and glob[piece] == CROSSING:
            resume = (at, piece)
            piece += 1
        elif piece < len(glob) and _parts_meet(glob[piece], fixed[at]):
            at, piece = at + 1, piece + 1
        elif resume is not None:
            # The last `**` takes one more folder; earlier ones need no backtracking.
            resume = (resume[0] + 1, resume[1])
            at, piece = resume[0], resume[1] + 1
        else:
            return False
    return piece == len(glob)  # a glob never ends in `**`: `_parts` put a name after it
