"""What is new, as server-sent events: a reader that comes back says which line it has seen last, and misses none.

Who reads a run's page is told on the same stream how that run stands, whenever that changes.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from activities.running.beside import again
from console.running import Standing, as_event, standing_of
from ledger import feed
from ledger.db import Connection, Ledger
from ledger.views.feed import head
from ledger.views.progress import Moment, moments

EVERY = timedelta(seconds=1)
"""Between two looks at the ledger, however many read along."""

STREAMS = 200
"""Most streams at once."""

LONGEST = 300.0
"""Seconds after which a stream ends. The browser comes back, and is asked then whether it is still signed in."""

KEEP_ALIVE = 15.0
"""Seconds after which a stream says something although nothing is new: what is in between would close it."""


AGAIN_MS = 1000
"""Milliseconds after which the browser comes back."""


@dataclass(frozen=True)
class _Said:
    """What was last found of a run that somebody watches. `nth` differs from what was found before."""

    moment: Moment
    standing: Standing
    nth: int


class Live:
    """One look at the ledger for all who read along."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._newest = 0
        self._changed = asyncio.Condition()
        self._watched: Counter[str] = Counter()
        self._said: dict[str, _Said] = {}
        self._nth = 0
        self.open = 0

    async def watch(self) -> None:
        """Look again and again, for as long as the console runs."""
        # A ledger that is away is told by the pages; the streams go on once it is back.
        await again(self._look, EVERY, unable="the console could not look for new lines", action="console_watch")

    async def _look(self) -> None:
        newest, found = await self._ledger.read(_glance, tuple(self._watched))
        other = {trace: one for trace, one in found.items() if trace not in self._said or self._said[trace].moment != one}
        anew = [trace for trace in other if trace not in self._said or self._said[trace].moment.shape != other[trace].shape]
        standings = await self._ledger.read(_standings, anew) if anew else {}
        if newest == self._newest and not other:
            return
        async with self._changed:
            self._newest = newest
            for trace, one in other.items():
                before = standings[trace] if trace in standings else self._said[trace].standing
                self._nth += 1
                self._said[trace] = _Said(one, before.with_progress(one.far), self._nth)
            self._changed.notify_all()

    async def lines(self, after: int, run: str = "") -> AsyncIterator[str]:
        """The lines after this number as events, each with its number as id; a comment where nothing is new for long.

        With `run` also events `running` without an id: how the run with this trace stands, at first and whenever that changes.
        """
        told, first = 0, True
        ends = time.monotonic() + LONGEST
        with self._reading(run):
            yield f"retry: {AGAIN_MS}\n\n"
            while time.monotonic() < ends:
                for line in await self._ledger.read(feed.after, after) if first or self._newest > after else ():
                    after = line.seq
                    data = {"seq": line.seq, "trace": line.trace, "importance": line.importance}
                    yield f"id: {line.seq}\ndata: {json.dumps(data)}\n\n"
                first = False
                if self._nth_of(run) not in (0, told):
                    told = self._nth_of(run)
                    yield f"event: running\ndata: {json.dumps(as_event(self._said[run].standing))}\n\n"
                if not await self._newer(after, run, told):
                    yield ": still here\n\n"

    @contextlib.contextmanager
    def _reading(self, run: str) -> Iterator[None]:
        self.open += 1
        self._watched.update([run] if run else [])
        try:
            yield
        finally:
            self.open -= 1
            if run:
                self._watched -= Counter([run])  # forgets those that nobody watches
                if run not in self._watched:
                    self._said.pop(run, None)

    def _nth_of(self, run: str) -> int:
        return self._said[run].nth if run in self._said else 0

    async def _newer(self, after: int, run: str, told: int) -> bool:
        """Wait until there is a line after this one, or the run stands otherwise. False if that took `KEEP_ALIVE`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEP_ALIVE), self._changed:
                await self._changed.wait_for(lambda: self._newest > after or self._nth_of(run) not in (0, told))
                return True
        return False


def _glance(connection: Connection, traces: Sequence[str]) -> tuple[int, dict[str, Moment]]:
    """The newest line's number, and what is under way of these runs; how long a call is silent is left to who looks on."""
    found = moments(connection, traces) if traces else {}
    still = {
        trace: Moment(one.shape, {call: replace(far, silent_s=0) for call, far in one.far.items()})
        for trace, one in found.items()
    }
    return head(connection), still


def _standings(connection: Connection, traces: Sequence[str]) -> dict[str, Standing]:
    return {trace: standing_of(connection, trace) for trace in traces}
