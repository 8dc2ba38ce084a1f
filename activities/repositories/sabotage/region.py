"""Changed lines that are made to fail together, and the fault that is put there. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from activities.repositories.judging import Lines, ranges

RAISED = "changed lines made to fail, to see whether a test notices"

LINES = 2000
"""Changed lines of one file that are looked at."""


@dataclass(frozen=True)
class Fault:
    """A statement that raises an error which says `token`. Not `live`, it is the same statement and never comes to raise.

    A copy with the fault that is not live shows what the statement does to a check that never runs it: a compiler or a style
    check may refuse the file.
    """

    token: str
    live: bool = True

    @property
    def halves(self) -> tuple[str, str]:
        """The message in two parts: whole it is only in what a program prints that came there, not in a quoted source line."""
        middle = len(self.token) // 2
        return f"{RAISED}: {self.token[:middle]}", self.token[middle:]


@dataclass(frozen=True)
class Region:
    """Changed lines that stand together in one branch of a function, or in none (`where` empty).

    Not `breakable`: they do something, and no statement that raises can stand there.
    """

    path: str
    numbers: tuple[int, ...]
    where: str = ""
    breakable: bool = True

    @property
    def lines(self) -> str:
        """As a person writes them."""
        return ranges(self.numbers)


def changed_lines(lines: Lines) -> list[int]:
    """The first changed lines. What was only taken out counts at the line before it."""
    return sorted({number for number, _ in lines.added} | {max(1, gap) for gap in lines.gaps})[:LINES]


def unreadable(path: str, lines: Lines) -> tuple[Region, ...]:
    """All changed lines of a file that cannot be read, as one region that is not breakable; none where nothing changed."""
    changed = changed_lines(lines)
    return (Region(path, tuple(changed), breakable=False),) if changed else ()


@dataclass(frozen=True)
class Place:
    """A changed line that does something: its function, its branch of that, and whether it can be made to raise."""

    number: int
    where: str
    branch: int
    breakable: bool = True


def grouped(path: str, found: Iterable[Place], changed: Sequence[int]) -> tuple[Region, ...]:
    """Regions of what was changed in one go: each branch of a function is one, for a test may reach only one of them."""
    run = {number: number - at for at, number in enumerate(changed)}
    made: dict[tuple[int, str, int, bool], list[int]] = {}
    for one in found:
        # Lines of one run have no unchanged line between them; comments and empty lines of an addition do not part it.
        made.setdefault((run[one.number], one.where, one.branch, one.breakable), []).append(one.number)
    return tuple(Region(path, tuple(numbers), where, breakable) for (_, where, _, breakable), numbers in made.items())
