"""What the readers of streamed replies share: looking into values of any form, and the error for half a stream. Pure."""

from typing import Any

from contracts.errors import BatonError


class Unfinished(BatonError):
    """The stream ends in the middle."""

    def __init__(self) -> None:
        super().__init__("is a stream that ends in the middle")


def as_dict(value: Any) -> dict[str, Any]:
    """The value, or an empty object if it is none."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value, or an empty list if it is none."""
    return value if isinstance(value, list) else []


def as_number(value: Any) -> int | None:
    """The value as a place in a list, also if it is written as a text; None if it is no such number."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
