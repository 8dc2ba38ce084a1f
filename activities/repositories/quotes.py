"""Whether a finding's quote is there, and at which line. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from activities.files.encoding import encoding_of, shown
from contracts.findings import Finding
from contracts.text import visible

SHORTEST = 3
"""Fewest characters, without surrounding spaces, by which a quote can be located."""

_HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True)
class Texts:
    """A file as a finding may quote it: at the head, at the base (None: no such file), and its part of the diff."""

    head: str | None
    base: str | None
    hunks: tuple[tuple[int, str], ...] = ()
    """Lines of the diff with their sign, each with its line number in the head; for removed lines, in the base."""


def plain(raw: bytes | str) -> str:
    """Text as tools show it, the form in which quotes are compared: decoded, LF, invisible characters written out."""
    text = _text(raw) if isinstance(raw, bytes) else raw
    return visible(text.replace("\r\n", "\n"))


def _text(raw: bytes) -> str:
    encoding = encoding_of(raw)
    return raw.decode(errors="replace") if encoding is None else shown(encoding.decode(raw))


def hunks_of(diff: str, path: str) -> tuple[tuple[int, str], ...]:
    """The lines of one file in a whole diff. Names that git writes in quotes are not found."""
    head = f"diff --git a/{path} b/{path}\n"
    start = 0 if diff.startswith(head) else diff.find(f"\n{head}") + 1
    if start == 0 and not diff.startswith(head):
        return ()
    end = diff.find("\ndiff --git ", start + len(head))
    return tuple(_numbered(diff[start : len(diff) if end < 0 else end].split("\n")))


def _numbered(lines: list[str]) -> Iterator[tuple[int, str]]:
    old = new = 0
    for line in lines:
        hunk = _HUNK.match(line)
        if hunk:
            old, new = int(hunk[1]), int(hunk[2])
        elif new or old:
            if line[:1] in (" ", "+", "-"):
                yield (old if line[0] == "-" else new), line
            old += line[:1] in (" ", "-")
            new += line[:1] in (" ", "+")


def place_of(finding: Finding, texts: Texts) -> int | str:
    """The line of the quote, the nearest to the finding's if there are several; or, as text, why there is none."""
    quote = plain(finding.quote).strip("\n")
    if texts.head is None and texts.base is None:
        return "there is no such file at the head, and the diff does not touch it"
    if len(quote.strip()) < SHORTEST:
        return "the quote is too short to be located"
    # The head first: a quote that is also in the base is about what the change left there.
    found = _at(quote, texts.head) or _at(quote, texts.base) or _in_hunks(quote, texts.hunks)
    if not found:
        return "the quote is neither in the file nor in the diff"
    return min(found, key=lambda line: (abs(line - finding.line), line))


def _at(quote: str, text: str | None) -> list[int]:
    """The lines at which the quote begins."""
    found, at, line, after = [], (text or "").find(quote), 1, 0
    while text is not None and at >= 0:
        line, after = line + text.count("\n", after, at), at
        found.append(line)
        at = text.find(quote, at + 1)
    return found


def _in_hunks(quote: str, hunks: tuple[tuple[int, str], ...]) -> list[int]:
    """The same for a quote that was copied from the diff with its signs."""
    return [hunks[line - 1][0] for line in _at(quote, "\n".join(text for _, text in hunks))]
