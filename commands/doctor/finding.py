"""What a check of `baton doctor` is, and what it finds."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from config import Settings

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """What one check found. `mend` says what to do; empty when nothing has to be done."""

    name: str
    level: Level
    text: str
    mend: str = ""


Check = Callable[["Settings"], Finding | Sequence[Finding] | Awaitable[Finding | Sequence[Finding]]]
"""Looks at one thing, with the settings in force. What it raises is a finding, too."""
