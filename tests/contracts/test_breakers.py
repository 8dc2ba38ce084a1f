"""The table `[breakers]`: what cannot be meant is refused by name."""

from typing import Any

import pytest

from contracts.breakers import Breakers
from contracts.errors import ContractViolation

WRONG: list[tuple[dict[str, Any], str]] = [
    *(({name: "PT0S"}, f"{name}: Input should be greater than 0 seconds") for name in ("window", "cooldown", "longest")),
    *(({name: "-PT1S"}, f"{name}: Input should be greater than or equal to 0") for name in ("patience", "rate_patience")),
    *(
        ({name: "P367D"}, f"{name}: Input should be less than or equal to 366 days")
        for name in ("window", "cooldown", "longest", "patience", "rate_patience")
    ),
    ({"cooldown": "PT20M"}, r"longest \(0:15:00\) is shorter than cooldown \(0:20:00\).*set longest to at least cooldown"),
]


@pytest.mark.parametrize(("changes", "said"), WRONG, ids=[str(row[0]) for row in WRONG])
def test_a_time_that_cannot_be_meant_is_refused(changes: dict[str, Any], said: str) -> None:
    """Nothing, less than nothing, more than a year, and a wait that would shrink: the message names the key and the limit."""
    with pytest.raises(ContractViolation, match=said):
        Breakers.read_typed_by_people(changes)


def test_the_longest_times_are_taken() -> None:
    """A year is allowed, a cooldown as long as the longest wait is, and no patience at all."""
    year = {"window": "P366D", "cooldown": "P366D", "longest": "P366D", "patience": "PT0S", "rate_patience": "PT0S"}
    assert Breakers.read_typed_by_people(year).longest.days == 366
