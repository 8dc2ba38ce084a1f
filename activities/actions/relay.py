"""The relay: one worker at a time carries out the actions that were left to it, in order per target, with a back-off."""

import asyncio
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Row
from temporalio.exceptions import ApplicationError

from activities.actions import outbox
from activities.actions.sending import Sender
from activities.running.beside import again
from contracts.actions import Deliver
from contracts.condemned import HELD
from contracts.errors import BatonError, DiskUnavailable, LedgerUnavailable
from contracts.relay import Relaying
from contracts.text import one_line
from ledger import relay, upkeep
from ledger.db import Ledger

EVERY = timedelta(seconds=1)
"""How often it looks for what is due."""

GRACE = timedelta(seconds=10)
"""How long a relay that ends waits for what it is sending. The next one asks the target about what is left."""

SUSPECT = 2
"""After so many attempts in a row that nobody heard of again an action is tried alone: if it ends this worker each time, it is
not to take others with it, which would be counted as well."""

HELD_FOR = timedelta(minutes=1)
"""How often it is looked whether an action that came from something condemned may happen now. Who undoes that does not wait."""

OTHERS = frozenset({"Leased", "NotApproved"})
"""Errors that say that somebody else has the action, or has settled it."""


class Relay:
    """The rounds of one worker's relay. `worker` is the name under which it takes the lease."""

    def __init__(
        self,
        ledger: Ledger,
        sender: Sender,
        worker: str,
        limits: Relaying | None = None,
        *,
        every: timedelta = EVERY,
        lease: timedelta = upkeep.LEASE,
        grace: timedelta = GRACE,
    ) -> None:
        self._ledger = ledger
        self._sender = sender
        self._worker = worker
        self._limits = limits or Relaying()
        self._every = every
        self._lease = lease
        self._grace = grace
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._alone = False

    async def run(self) -> None:
        """Make rounds until cancelled, even if single ones fail. Then what is being sent has `grace` to end."""
        try:
            await again(self.round, self._every, unable="the relay could not look for actions", action="relay_failed")
        finally:
            await self.settle(self._grace)
            await self._ledger.tx(upkeep.give_up, self._worker, relay.PART)

    async def round(self) -> int:
        """Take over what runs have left behind, and begin to send what is due. Returns how many actions it began.

        0 where another relay leads. Safe to make in several workers at once: each action has a lease of its own.
        """
        if not await self._ledger.read(relay.anything):
            return 0
        if not await self._ledger.tx(upkeep.lead, self._worker, self._lease, relay.PART):
            return 0
        # One transaction each: many together would lock the rows of many runs, in an order that activities do not follow.
        for key in await self._ledger.read(relay.left_behind):
            await self._ledger.tx(outbox.sweep, key)
        begun = 0
        for row in await self._ledger.read(relay.due):
            if row.key in self._under_way:
                continue
            if not self._has_room(row):
                break  # also what comes after a suspect waits, or that would never be alone
            self._begin(row)
            begun += 1
        return begun

    async def settle(self, limit: timedelta | None = None) -> None:
        """Wait until nothing is being sent, or for so long; None: however long it takes."""
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=None if limit is None else limit.total_seconds())

    def _has_room(self, row: Row[Any]) -> bool:
        suspect = row.begun >= SUSPECT
        room = len(self._under_way) < (1 if suspect or self._alone else self._limits.together)
        if room:
            self._alone = suspect
        return room

    def _begin(self, row: Row[Any]) -> None:
        task = asyncio.create_task(self._carry_out(row), name=f"relay {row.key}")
        self._under_way[row.key] = task
        task.add_done_callback(lambda _: self._under_way.pop(row.key, None))

    async def _carry_out(self, row: Row[Any]) -> None:
        """One attempt, and what it came to. Never raises: nobody waits for it."""
        log = structlog.get_logger().bind(key=row.key, type=row.type, target=row.target)
        try:
            await self._attempt(row)
        except BatonError as error:
            # As it is: the lease of the attempt runs out, and the next one asks the target.
            log.warning("the outcome of an attempt is not on record", reason=str(error), action="relay_unrecorded")
        except Exception:
            log.exception("the outcome of an attempt is not on record", action="relay_unrecorded")

    async def _attempt(self, row: Row[Any]) -> None:
        ref = await self._ledger.read(relay.run_of, row.trace)
        try:
            await self._sender.send(Deliver(run=ref, key=row.key))
        except (LedgerUnavailable, DiskUnavailable):
            raise  # they say nothing about the target, and are no attempt
        except ApplicationError as error:
            await self._fell_short(row.key, error)
        except Exception as error:  # noqa: BLE001 (whatever a target may raise is counted, told, and tried again)
            problem = one_line(f"{type(error).__name__}: {error}", 1000)
            await self._ledger.tx(outbox.fell_short, row.key, problem, self._limits, for_good=False)

    async def _fell_short(self, key: str, error: ApplicationError) -> None:
        if error.type in OTHERS:
            return
        problem = one_line(error.message, 1000)
        if error.type == HELD:
            await self._ledger.tx(relay.postpone, key, HELD_FOR // timedelta(microseconds=1), problem)
            return
        if error.type == "TargetAway":
            wait = error.next_retry_delay or self._limits.first
            await self._ledger.tx(relay.postpone, key, wait // timedelta(microseconds=1), problem)
            return
        await self._ledger.tx(outbox.fell_short, key, problem, self._limits, for_good=error.non_retryable)
