"""Explains why a text is not found in a file: in what it differs, and what comes closest."""

import difflib
import unicodedata
from collections.abc import Callable

from contracts.text import visible

COMPARED = 1_000_000
"""How many characters of a file, from its beginning, are searched for an explanation."""

_COMPARED_LINES = 5_000
_COMPARED_CHARACTERS = 200


def _ends(line: str) -> str:
    return line.removesuffix("\r")


def _blanks(line: str) -> str:
    return " ".join(line.split())


# From the smallest difference to the largest: the first that explains it is named. None changes the number of lines.
_DIFFERENCES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("bytes that are not UTF-8; they are only shown as \ufffd", str),
    ("line ends (\\r\\n and \\n)", _ends),
    ("invisible characters; they are only shown as \\uXXXX", lambda line: visible(_ends(line))),
    ("how accents are composed", lambda line: unicodedata.normalize("NFC", _ends(line))),
    ("white space", _blanks),
    ("upper and lower case", lambda line: _ends(line).casefold()),
    ("white space and case", lambda line: _blanks(line).casefold()),
)


def difference(wanted: str, stands: str) -> str:
    """In what two texts differ, if it is one thing that is easily overlooked; else an empty string."""
    if wanted.removesuffix("\n") == stands.removesuffix("\n"):
        return "the line end at the end of the file; '\\ No newline at end of file' stands for its absence"
    return next((name for name, change in _DIFFERENCES if _each(change, wanted) == _each(change, stands)), "")


def find_alike(wanted: str, text: str) -> tuple[str, int] | None:
    """The easily overlooked difference that hides `wanted` in the text, with its line from 1; None if there is none such."""
    text = text[:COMPARED]
    for name, change in _DIFFERENCES:
        needle, hay = _each(change, wanted), _each(change, text)
        at = hay.find(needle) if needle.strip() else -1
        if at >= 0:
            return name, hay.count("\n", 0, at) + 1
    return None


def closest_line(wanted: str, text: str) -> int | None:
    """The line (from 1) most similar to the first non-blank line of `wanted`; None if none is similar."""
    line = next((line.strip() for line in wanted.split("\n") if line.strip()), "")[:_COMPARED_CHARACTERS]
    lines = [one.strip()[:_COMPARED_CHARACTERS] for one in text[:COMPARED].split("\n")]
    different = list(dict.fromkeys(lines))[:_COMPARED_LINES]
    near = difflib.get_close_matches(line, different, n=1) if line else []
    return lines.index(near[0]) + 1 if near else None


def _each(change: Callable[[str], str], text: str) -> str:
    return "\n".join(change(line) for line in text.split("\n"))
