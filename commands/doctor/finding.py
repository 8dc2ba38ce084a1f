"""The types of a `baton doctor` check and of its findings."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from config import Settings

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """What one check found. `mend` says how to fix it; empty if there is nothing to do."""

    name: str
    level: Level
    text: str
    mend: str = ""


Check = Callable[["Settings"], Finding | Sequence[Finding] | Awaitable[Finding | Sequence[Finding]]]
"""Checks one thing with the settings in force. An exception it raises becomes a finding."""
