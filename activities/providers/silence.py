"""A wait for each of many pieces, watched by one timer: one for each piece costs about as much as reading it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self


class Silence:
    """A block that ends with `TimeoutError` once nothing has broken the silence for `longest` seconds. For one use."""

    def __init__(self, longest: float) -> None:
        """Seconds from the beginning of the block to the first break."""
        self.longest = longest
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._limit.__aenter__()
        self._since = self._loop.time()
        self._timer = self._loop.call_at(self._since + self.longest, self._look)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, traceback)

    def broken(self, longest: float) -> None:
        """Something has come just now, and may be followed by a silence of so many seconds."""
        self._since = self._loop.time()
        # The timer of before looks too late only for a shorter silence; else it finds that it has to look again.
        if longest < self.longest:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._since + longest, self._look)
        self.longest = longest

    def _look(self) -> None:
        ends = self._since + self.longest
        if self._loop.time() >= ends:
            self._limit.reschedule(ends)
        else:
            self._timer = self._loop.call_at(ends, self._look)


@contextlib.asynccontextmanager
async def within(seconds: float | None, late: type[Exception]) -> AsyncIterator[None]:
    """The block may take so long; None: as long as it wants. Raises `late`."""
    if seconds is None:
        yield
        return
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise late from None
        raise
