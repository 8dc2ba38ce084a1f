"""What has changed from one revision of a subject to the next: two texts, or two patches file by file. Pure."""

import re
from collections.abc import Iterator, Sequence
from difflib import unified_diff

from contracts.diffs import NOTE, shown_lines
from contracts.exact import exact
from contracts.text import amount

LONGEST = 3000
"""Most lines of a text, or of one file's part of a patch, that are compared line by line."""

_NUMBERS = re.compile(r"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@")


def of_texts(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The lines that differ, with what stands around them: `-` is only in the earlier text, `+` only in the later one.

    Empty where both are the same. Texts of more than `LONGEST` lines are only counted, in a note.
    """
    if max(len(before), len(after)) > LONGEST:
        return [] if list(before) == list(after) else [_too_long(before, after)]
    # The first two lines would name files.
    return [_plain_place(line) for line in unified_diff(before, after, lineterm="")][2:]


def of_patches(before: bytes, after: bytes) -> list[str]:
    """What the later patch does otherwise, file by file: the first sign of a line is about the revisions, the second is the
    patch's own. Where a part of a file stands, and what files it was made from, is not compared.

    Empty where both do the same.
    """
    old, new = _files(before), _files(after)
    found = [line for path in dict.fromkeys([*old, *new]) for line in _of_file(path, old.get(path), new.get(path))]
    same = [path for path, lines in new.items() if old.get(path) == lines]
    return [*found, f"{NOTE}as before: {', '.join(same)}"] if found and same else found


def _of_file(path: str, old: list[str] | None, new: list[str] | None) -> Iterator[str]:
    if old == new:
        return
    told = "no longer changed" if new is None else "changed for the first time" if old is None else "changed otherwise"
    yield f"{NOTE}{path}: {told}"
    yield from of_texts(old or [], new or [])


def _files(patch: bytes) -> dict[str, list[str]]:
    """The lines of each file's part of a patch, without the numbers that say where they stand."""
    found: dict[str, list[str]] = {}
    path = ""
    for text, line in shown_lines(patch):
        path = exact(line.path) if line.path else path
        if line.kind != "about" or text.startswith(NOTE) or text.startswith("@@"):
            found.setdefault(path, []).append(_NUMBERS.sub("@@ @@", text) if line.kind == "about" else text)
        elif not text.startswith(("diff --git ", "index ", "--- ", "+++ ")):
            found.setdefault(path, []).append(text)  # modes, renames, new and removed files
    return found


def _plain_place(line: str) -> str:
    return "@@" if line.startswith("@@ -") else line


def _too_long(before: Sequence[str], after: Sequence[str]) -> str:
    return f"{NOTE}too long to be compared line by line: {amount(len(before), 'line')} before, {amount(len(after), 'line')} now"
