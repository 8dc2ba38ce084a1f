"""Numbers of which percentiles are wanted, in memory that does not grow with how many there are."""

from collections.abc import Iterable

DIGITS = 4
"""Significant digits that are kept of a number: a percentile is exact to one part in two thousand, and below 10,000 exact."""


class Sample:
    """Whole numbers, none below zero. Percentiles are by nearest rank: always a number that was really there, as rounded."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._counts: dict[int, int] = {}
        self.size = 0
        for one in numbers:
            self.add(one)

    def add(self, number: int) -> None:
        """Take one more number."""
        kept = _rounded(int(number))  # PostgreSQL's sums come as decimals
        self._counts[kept] = self._counts.get(kept, 0) + 1
        self.size += 1

    def percentile(self, percent: int) -> int | None:
        """The smallest number that is not below `percent` of 100 of all; None where there is none."""
        if not self.size:
            return None
        # Nearest rank: no number is made up between two that were there.
        wanted, seen = max(1, -(-self.size * percent // 100)), 0
        for number in sorted(self._counts):
            seen += self._counts[number]
            if seen >= wanted:
                break
        return number


def _rounded(number: int) -> int:
    """To so many digits, halves up."""
    if number < 10**DIGITS:
        return number
    unit = int(10 ** (len(str(number)) - DIGITS))
    return (number + unit // 2) // unit * unit
