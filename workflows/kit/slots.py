"""The slots of a fan-out. A child that waits for a person gives its slot back, so that the next one begins meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts.handoff import Handoff
from workflows.kit.changes import SLOTS_BACK
from workflows.kit.kit import Kit

T = TypeVar("T")

WAITING_LIMIT = 200
"""Most children of one fan-out that wait for people before no further one begins: each is memory and history of the parent."""

EVENTS_LIMIT, BYTES_LIMIT = 10_000, 10 * 1024 * 1024
"""How long a history gets while some children wait and others begin. A child can take 20 events and 10 KB, and a server that
is set up as it ships warns from here on."""


class Slots:
    """At most `limit` children work at a time. Those at a gate, at a ceiling or held by a pause do not count.

    Whoever is answered goes on at once, so for a while more than `limit` may work: never more than `limit` and `WAITING_LIMIT`.
    `tasks` are the children that have not ended, by name, for those that come after them.
    """

    def __init__(self, kit: Kit, limit: int, *, given_back: bool = True, shared: bool = False) -> None:
        """`shared`: by several calls of `fan_out`. Without `given_back` a child keeps its slot to its end."""
        self._shared = shared
        self.tasks: dict[str, asyncio.Task[Handoff[Any]]] = {}
        self._kit = kit
        self._limit = limit
        self._open: set[str] = set()
        self._kept = None if given_back and kit.knows(SLOTS_BACK) else asyncio.Semaphore(limit)
        # Whoever is first in line looks for room, and nobody else: a condition is evaluated with every event.
        self._line = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def taken(self, path: str) -> AsyncIterator[None]:
        """Wait in line for a slot, and have it while the block runs."""
        if self._kept is not None:
            async with self._kept:
                yield
            return
        async with self._line:
            await workflow.wait_condition(self._room)
            self._open.add(path)
        try:
            yield
        finally:
            self._open.discard(path)

    def before(self, names: Sequence[str]) -> dict[str, asyncio.Task[Handoff[Any]]]:
        """Those of these children that have not ended: whoever comes after them waits for them.

        Raises `KeyError` for one that there is not, unless the slots are shared: then it was another call's, and has ended.
        """
        return {name: self.tasks[name] for name in names if not self._shared or name in self.tasks}

    @property
    def none_open(self) -> bool:
        """True if no child has a slot or waits for one."""
        return not self._open and not self._line.locked()

    async def free(self) -> None:
        """Wait until another group of children may begin: a slot is free and nobody is in line for it.

        Once the history is long it waits until nobody works any more, so that the run can continue as new if nobody waits for
        a person either. It waits for those as well once the history is as long as it may get.
        """
        await workflow.wait_condition(self._next_may_begin)

    def _next_may_begin(self) -> bool:
        if self._line.locked() or not self._room():
            return False
        info = workflow.info()
        if not info.is_continue_as_new_suggested() or not self._open:
            return True
        short = info.get_current_history_length() < EVENTS_LIMIT and info.get_current_history_size() < BYTES_LIMIT
        return short and len(self._waiting()) == len(self._open)

    def _room(self) -> bool:
        waiting = len(self._waiting())
        return len(self._open) - waiting < self._limit and waiting < WAITING_LIMIT

    def _waiting(self) -> set[str]:
        """The children below which somebody waits for a person."""
        found: set[str] = set()
        for path in (*self._kit.family.for_people(), *self._kit.parking.refused):
            parts = path.split("/")
            found.update("/".join(parts[:number]) for number in range(1, len(parts) + 1))
        return found & self._open


async def overlapping(
    kit: Kit, slots: Slots, groups: int, begin: Callable[[int], Awaitable[Coroutine[Any, Any, T]]]
) -> list[T]:
    """Run groups of children, each begun as soon as `slots` has room for more, and return what they end with, in order.

    `begin` prepares the group of this number, from 0, and gives back what runs it: a `fan_out` with these slots. In between
    the run continues as new where its history is long and no child is left. Cancelling it cancels all and waits for them.
    """
    running: list[asyncio.Task[T]] = []
    try:
        for number in range(groups):
            await slots.free()
            await _failed(running)
            if slots.none_open:
                await asyncio.gather(*running)
                await kit.chain.safe_point()
            running.append(asyncio.create_task(await begin(number)))
        return list(await asyncio.gather(*running))
    except (asyncio.CancelledError, FailureError):
        # Not GeneratorExit: it means eviction from the worker's cache, after which nothing may be awaited.
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        raise


async def _failed(running: list[asyncio.Task[T]]) -> None:
    """Raise what a group that has ended has failed with."""
    for task in running:
        if task.done():
            await task
