"""What is new, as server-sent events: a reader that comes back says which line it has seen last, and misses none."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta

from activities.running.beside import again
from ledger import feed
from ledger.db import Ledger
from ledger.views.feed import head

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


class Live:
    """One look at the ledger for all who read along."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._newest = 0
        self._changed = asyncio.Condition()
        self.open = 0

    async def watch(self) -> None:
        """Look again and again, for as long as the console runs."""
        # A ledger that is away is told by the pages; the streams go on once it is back.
        await again(self._look, EVERY, unable="the console could not look for new lines", action="console_watch")

    async def _look(self) -> None:
        newest = await self._ledger.read(head)
        if newest != self._newest:
            async with self._changed:
                self._newest = newest
                self._changed.notify_all()

    async def lines(self, after: int) -> AsyncIterator[str]:
        """The lines after this number as events, each with its number as id; a comment where nothing is new for long."""
        self.open += 1
        ends = time.monotonic() + LONGEST
        try:
            yield f"retry: {AGAIN_MS}\n\n"
            while time.monotonic() < ends:
                for line in await self._ledger.read(feed.after, after):
                    after = line.seq
                    data = {"seq": line.seq, "trace": line.trace, "importance": line.importance}
                    yield f"id: {line.seq}\ndata: {json.dumps(data)}\n\n"
                if not await self._newer(after):
                    yield ": still here\n\n"
        finally:
            self.open -= 1

    async def _newer(self, after: int) -> bool:
        """Wait until there is a line after this one. False where none came for `KEEP_ALIVE`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEP_ALIVE), self._changed:
                await self._changed.wait_for(lambda: self._newest > after)
                return True
        return False
