"""A run as it was known at one line of its feed: from the lines up to it alone, so that nothing of today slips in."""

from dataclasses import dataclass

from contracts.runs import FeedLine
from ledger import seals
from ledger.db import Connection
from ledger.feed import after
from ledger.views.feed import Filter, newest

UNKNOWN = "not known at that line"

MOST = 2000
"""Most lines that are read; of longer runs the newest up to the line."""


@dataclass(frozen=True)
class Then:
    """`spent` and `tokens` are those that lines up to then tell of. `previous` and `following` are numbers of the run's lines
    beside this one, None at an end. `made` are the ids that lines say were made."""

    seq: int
    lines: list[FeedLine]
    stage: str
    next: str
    spent: int
    tokens: int
    gates: tuple[str, ...]
    made: tuple[str, ...]
    previous: int | None
    following: int | None
    whole: bool

    @property
    def last(self) -> FeedLine | None:
        """The line itself; None before the run's first."""
        return self.lines[-1] if self.lines else None


def then(connection: Connection, trace: str, seq: int) -> Then:
    """The run as its lines up to this number tell it."""
    lines = newest(connection, Filter(trace=trace, until=seq), MOST, before=None, details=True)[::-1]
    more = after(connection, seq, trace=trace, limit=1)
    outputs = [one for line in lines for one in line.outputs]
    sealed = [found for one in outputs if (found := seals.read(one)) is not None]
    gates = dict.fromkeys(key.rpartition("/")[2] for kind, key, _ in sealed if kind == "gate")
    return Then(
        seq=seq,
        lines=lines,
        stage=next((one.stage for one in reversed(lines) if one.stage), ""),
        next=next((one.next for one in reversed(lines) if one.next), ""),
        spent=sum(one.usd_micros for one in lines),
        tokens=sum(one.tokens for one in lines),
        gates=tuple(gates),
        made=tuple(dict.fromkeys(one for one in outputs if not one.startswith(seals.PREFIX))),
        previous=next((one.seq for one in reversed(lines) if one.seq < seq), None),
        following=more[0].seq if more else None,
        whole=len(lines) < MOST,
    )
