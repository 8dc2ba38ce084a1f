"""The model calls of one worker that are under way: every so often it writes down how far they have got, all at once."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from activities.providers.progress import Progress
from activities.running.beside import again
from contracts.errors import LedgerUnavailable
from contracts.text import one_line
from ledger import progress
from ledger.db import Ledger
from ledger.progress import SoFar

EVERY = timedelta(seconds=2)
"""Between two looks at the calls."""

SHORT = 2.0
"""Seconds. Of a call that is over by then nothing is written: most are."""

AT_ONCE = 200
"""Most calls of one worker that are written down, the oldest."""


@dataclass(frozen=True)
class _Call:
    progress: Progress
    began: float


class CallsUnderWay:
    """For one worker. A call that is not in it, or not on record yet, is made all the same: it is for people who look on."""

    def __init__(self, ledger: Ledger, worker: str) -> None:
        """`worker` is the name that reservations are held under."""
        self._ledger, self._worker = ledger, worker
        self._calls: dict[str, _Call] = {}
        self._written: dict[str, SoFar] = {}
        """What is on record, without the silence, which is another one at every look."""

    @contextlib.contextmanager
    def following(self, reservation: str, call: Progress) -> Iterator[None]:
        """The block is the call that is made under this reservation."""
        self._calls[reservation] = _Call(call, time.monotonic())
        try:
            yield
        finally:
            del self._calls[reservation]

    async def run(self) -> None:
        """Write down how far the calls have got until cancelled; then forget them."""
        try:
            await again(self.note, EVERY, unable="how far calls have got could not be written down", action="progress_failed")
        finally:
            self._calls = {}
            with contextlib.suppress(LedgerUnavailable):
                await self.note()

    async def note(self) -> None:
        """Write down what has changed since the last time, in one transaction; none where nothing has."""
        now = time.monotonic()
        # One that waits for its turn has not been sent: no model is silent there.
        sent = [(id, call) for id, call in self._calls.items() if not call.progress.waits_for]
        long = [(id, call) for id, call in sent if now - call.began >= SHORT][:AT_ONCE]
        found = {id: _so_far(id, call.progress, now) for id, call in long}
        fresh = [one for id, one in found.items() if _still(one) != self._written.get(id)]
        over = [id for id in self._written if id not in found]
        if not fresh and not over:
            return
        await self._ledger.tx(progress.note, self._worker, fresh, over)
        self._written = {id: _still(one) for id, one in found.items()}


def _so_far(reservation: str, call: Progress, now: float) -> SoFar:
    tool, silent = one_line(call.tool, progress.TOOL), timedelta(seconds=max(now - call.heard, 0.0))
    return SoFar(reservation, call.characters, call.tokens, call.estimated, tool, silent)


def _still(one: SoFar) -> SoFar:
    return replace(one, silent=timedelta())
