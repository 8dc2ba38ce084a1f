"""The steps of a run on one line of time. Widths are thousandths of it, for the bars; the words beside them say the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledger.views.steps import Step

WHOLE = 1000
"""Width of the whole time."""


@dataclass(frozen=True)
class Bar:
    """A step, or a wait for a person, from `left` on for `width`; each is at least wide enough to be seen. `depth`: of whose
    child it is."""

    label: str
    kind: Literal["work", "wait"]
    depth: int
    began: datetime
    ended: datetime | None
    seconds: int
    left: int
    width: int
    step: Step


def bars(steps: Sequence[Step], until: datetime) -> list[Bar]:
    """The steps up to `until`, the first one at the left. What is open goes on until then."""
    if not steps:
        return []
    first = min(one.began for one in steps)
    last = max([until, *(one.ended or until for one in steps)])
    whole = max((last - first).total_seconds(), 0.001)
    return [_bar(one, first, one.ended or last, whole) for one in steps]


def _bar(one: Step, first: datetime, ended: datetime, whole: float) -> Bar:
    left = min(int((one.began - first).total_seconds() / whole * WHOLE), WHOLE - 4)
    seconds = max((ended - one.began).total_seconds(), 0)
    width = min(max(int(seconds / whole * WHOLE), 4), WHOLE - left)
    name = f"{one.gate}: waits for a person" if one.gate else one.path
    kind: Literal["work", "wait"] = "wait" if one.gate else "work"
    return Bar(name, kind, one.path.count("/"), one.began, one.ended, int(seconds), left, width, one)
