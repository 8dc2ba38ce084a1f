"""Prices are whole cents. No floats are kept, and nothing is rounded twice."""


def discounted(cents: int, percent: int) -> int:
    """The price after a discount of `percent`, rounded half up to a whole cent."""
    if not 0 <= percent <= 100:
        raise ValueError(f"a discount is between 0 and 100 percent, not {percent}")
    return int(cents * (100 - percent) / 100)


def total(lines: list[tuple[int, int]]) -> int:
    """The sum of (price in cents, quantity) lines."""
    return sum(cents * quantity for cents, quantity in lines)
