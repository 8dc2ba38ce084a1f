"""What is under way of a run, in sentences: for its page, and for whoever has that page open while it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from commands import running
from console.rendering import words
from contracts.money import usd
from contracts.text import amount
from ledger import runs
from ledger.db import Connection
from ledger.views import steps
from ledger.views.feed import Filter, newest
from ledger.views.progress import Progress
from ledger.views.runs import as_view
from ledger.views.steps import UnderWay


@dataclass(frozen=True)
class Going:
    """One thing that is under way: what is said before and after how long it has taken. `call` names it.

    `heard_at`: when the last byte of a reply came; None where that is not known. `quiet` says since when there was no word, ""
    while there is.
    """

    call: str
    before: str
    since: datetime
    after: str
    heard_at: datetime | None
    lost: bool
    quiet: str


@dataclass(frozen=True)
class Standing:
    """A run at this moment: how it stands, in one sentence, and what is under way."""

    said: str
    under_way: tuple[UnderWay, ...]

    def with_progress(self, far: Mapping[str, Progress]) -> "Standing":
        """The same, with the calls as far as they have got."""
        return replace(self, under_way=tuple(replace(one, progress=far.get(one.call)) for one in self.under_way))

    @property
    def going(self) -> tuple[Going, ...]:
        """What is under way, each thing in words, of which nothing is markup or hidden."""
        return tuple(_going(one) for one in self.under_way)


def standing_of(connection: Connection, trace: str) -> Standing:
    """How a run stands. Raises `NotFound`."""
    row, used = as_view(runs.find(connection, trace)), runs.totals(connection, trace)
    calls, tokens = amount(used["calls"], "model call"), amount(used["tokens"], "token")
    said = f"{row.state}{f', {row.stage}' if row.stage else ''}; so far {calls}, {tokens}, {usd(used['usd_micros'])}"
    for line in newest(connection, Filter(trace), 1, before=None, details=True):
        said += f". Last: {words(line.actor, 80)}: {words(line.did, 200)}"
    return Standing(said, tuple(steps.under_way(connection, trace)))


def _going(one: UnderWay) -> Going:
    far = one.progress
    return Going(
        call=one.call or f"{one.path}/{one.tool}",
        before=f"{running.does(one)}, for ",
        since=one.since,
        after=f"; {running.so_far(one)}",
        heard_at=far.heard_at if far else None,
        lost=far is not None and far.lost,
        quiet=far.quiet if far else "",
    )


def as_event(found: Standing) -> dict[str, Any]:
    """What a page that is open is told."""
    return {
        "said": found.said,
        "going": [
            {
                "before": one.before,
                "since": one.since.isoformat(),
                "after": one.after,
                "heard": "" if one.heard_at is None else one.heard_at.isoformat(),
                "lost": one.lost,
            }
            for one in found.going
        ],
    }
