"""Words about one place, an item of a plan or a line of a change: how people type them, and how agents get them. Pure."""

import re
from collections.abc import Iterable
from itertools import pairwise

from pydantic import Field

from contracts.base import Contract, is_empty

_PLACE = r"item (?P<item>[a-z][a-z0-9-]{0,39})|(?P<file>[^\s:].*?):(?P<side>-?)(?P<line>[1-9]\d{0,8})"
_REMARK = re.compile(rf"at (?:{_PLACE}): *(?P<text>.*)", re.DOTALL)
_BEGINS = re.compile(rf"^at (?:{_PLACE}):", re.MULTILINE)


class Remark(Contract):
    """What somebody says about one place of what they were shown."""

    item: str = Field(default="", exclude_if=is_empty, description="id of the plan's item it is about; empty: a line")
    file: str = Field(default="", exclude_if=is_empty, description="the file whose line it is about")
    line: int = Field(default=0, exclude_if=is_empty, description="number of the line in that file, as the change leaves it")
    removed: bool = Field(
        default=False, exclude_if=is_empty, description="the change removes this line, which is counted in the file before it"
    )
    text: str

    @property
    def place(self) -> str:
        """The place as people type it."""
        return item_place(self.item) if self.item else line_place(self.file, self.line, removed=self.removed)


def item_place(item: str) -> str:
    """How an item of a plan is named as a place."""
    return f"item {item}"


def line_place(file: str, line: int, *, removed: bool = False) -> str:
    """How a line is named as a place: `FILE:LINE`; with a minus before the number for a line that is removed."""
    return f"{file}:{'-' if removed else ''}{line}"


def noted(words: str, remarks: Iterable[tuple[str, str]]) -> str:
    """One note of words about the whole and of words about places, each behind its place."""
    return "\n".join([*([words] if words else []), *(f"at {place}: {text}" for place, text in remarks)])


def words_in(note: str) -> str:
    """What a note says about the whole: what stands before its first remark."""
    first = _BEGINS.search(note)
    return (note if first is None else note[: first.start()]).strip()


def remarks_in(note: str) -> tuple[Remark, ...]:
    """The remarks in a note, in their order; none for a note that names no place.

    One begins with a line `at item ID: …` or `at FILE:LINE: …` and goes on to the next one, or to the end.
    """
    begins = [found.start() for found in _BEGINS.finditer(note)]
    parts = [note[start:end] for start, end in pairwise([*begins, len(note)])]
    return tuple(_remark(found) for part in parts if (found := _REMARK.match(part)))


def _remark(found: re.Match[str]) -> Remark:
    text = found["text"].strip()
    if found["item"]:
        return Remark(item=found["item"], text=text)
    return Remark(file=found["file"], line=int(found["line"]), removed=bool(found["side"]), text=text)
