"""Numbers for percentiles, in memory that does not grow with how many there are."""

from collections.abc import Iterable, Mapping

DIGITS = 4
"""Significant digits kept of a number: percentiles are exact below 10,000, and to one part in two thousand above."""


class Sample:
    """Whole numbers, none below zero. Percentiles are by nearest rank: always a number of the sample, as rounded."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._counts: dict[int, int] = {}
        self.size = 0
        for one in numbers:
            self.add(one)

    def add(self, number: int) -> None:
        """Take one more number."""
        self.add_each({int(number): 1})  # PostgreSQL returns sums as decimals

    def add_each(self, counts: Mapping[int, int]) -> None:
        """Take these numbers, each so often."""
        for number, times in counts.items():
            kept = _rounded(number)
            self._counts[kept] = self._counts.get(kept, 0) + times
            self.size += times

    @property
    def counts(self) -> Mapping[int, int]:
        """How often there is each number, as rounded."""
        return self._counts

    def percentile(self, percent: int) -> int | None:
        """The smallest number that is at least as large as `percent` % of the sample; None if the sample is empty."""
        if not self.size:
            return None
        # Nearest rank: nothing is interpolated between two numbers of the sample.
        wanted, seen = max(1, -(-self.size * percent // 100)), 0
        for number in sorted(self._counts):
            seen += self._counts[number]
            if seen >= wanted:
                break
        return number


def _rounded(number: int) -> int:
    """Round to `DIGITS` significant digits, halves up."""
    if number < 10**DIGITS:
        return number
    unit = int(10 ** (len(str(number)) - DIGITS))
    return (number + unit // 2) // unit * unit
