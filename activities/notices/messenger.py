"""The messenger: of each channel one worker at a time makes its messages and sends them, with a back-off.

It is the relay's neighbour: the same loop, lease and limits, and the adapters of actions send. Whatever a channel does, no run
waits for it: a run writes a row, and this loop does the rest.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row

from activities.actions.adapter import Adapter
from activities.gates.policy import Policy
from activities.notices import audience, lines, wording
from activities.notices.letters import letter
from activities.notices.wording import Links
from activities.running.beside import again
from activities.running.failpoints import reach
from contracts.channels import Channel, ChannelKind
from contracts.errors import BatonError, LedgerUnavailable
from contracts.relay import Relaying
from contracts.text import one_line
from ledger import channels, feed, upkeep
from ledger.db import Ledger, from_us, server_us

EVERY = timedelta(seconds=1)
"""How often it looks for what is due."""

LEASE = timedelta(seconds=30)
"""A message whose sender has not renewed its lease for so long is sent again, under the same key."""

GRACE = timedelta(seconds=10)
"""How long a messenger that ends waits for what it is sending."""

Clock = Callable[[Connection], int]
"""This instant in microseconds, by the clock that all workers share."""


@dataclass(frozen=True)
class Pace:
    """How often it looks, for how long it leads a channel and has a message at a time, and how long it waits at its end."""

    every: timedelta = EVERY
    lead: timedelta = upkeep.LEASE
    lease: timedelta = LEASE
    grace: timedelta = GRACE


class Messenger:
    """The rounds of one worker's messenger. `worker` is the name under which it takes leases."""

    def __init__(
        self,
        ledger: Ledger,
        declared: Mapping[str, Channel],
        senders: Mapping[ChannelKind, Adapter],
        policy: Callable[[], Policy],
        worker: str,
        limits: Relaying | None = None,
        *,
        ui: str = "",
        pace: Pace | None = None,
        clock: Clock = server_us,
    ) -> None:
        """`declared` are the channels by name; `ui` is the address of Temporal's Web UI for links, "" for none."""
        self._ledger = ledger
        self._declared = declared
        self._senders = senders
        self._policy = policy
        self._worker = worker
        self._limits = limits or Relaying()
        self._links = Links(ui)
        self._pace = pace or Pace()
        self._clock = clock
        self._registered = False
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._fences: dict[str, int] = {}

    async def run(self, namespace: str = "default") -> None:
        """Make rounds until cancelled, even if single ones fail. Then what is being sent has its grace to end.

        `namespace` is Temporal's, for links to runs.
        """
        self._links = Links(self._links.base, namespace)
        try:
            await again(self.round, self._pace.every, unable="channels could not be looked after", action="messenger_failed")
        finally:
            await self.settle(self._pace.grace)
            for name in self._declared:
                await self._ledger.tx(upkeep.give_up, self._worker, channels.PART + name)

    async def round(self) -> int:
        """Address what is new, make the messages that are due, and begin to send. Returns how many it began to send.

        0 where another worker leads. Safe to make in several workers at once: each message has a lease of its own.
        """
        if not self._registered:
            await self._ledger.tx(self._register)
            self._registered = True
        await self._keep()
        begun = 0
        for name in await self._ledger.read(self._busy):
            begun += await self._look_after(name)
        return begun

    async def _look_after(self, name: str) -> int:
        """One channel's part of a round. What goes wrong with it, the others need not suffer from."""
        log = structlog.get_logger().bind(channel=name)
        try:
            if not await self._ledger.tx(upkeep.lead, self._worker, self._pace.lead, channels.PART + name):
                return 0
            await self._ledger.tx(self._prepare, name)
            return await self._begin(name)
        except LedgerUnavailable:
            raise
        except Exception:
            log.exception("a channel could not be looked after", action="channel_failed")
            return 0

    async def settle(self, limit: timedelta | None = None) -> None:
        """Wait until nothing is being sent, or for so long; None: however long it takes."""
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=None if limit is None else limit.total_seconds())

    def _register(self, connection: Connection) -> None:
        for name, one in self._declared.items():
            channels.register(connection, name, one.kind, one.target, self._clock(connection))

    def _busy(self, connection: Connection) -> list[str]:
        return channels.busy(connection, self._declared.keys(), self._clock(connection))

    def _prepare(self, connection: Connection, name: str) -> None:
        """Address the channel's new notices, and make its next message if one is due."""
        channel, policy, now = self._declared[name], self._policy(), self._clock(connection)
        at = from_us(now)
        channels.address(connection, name, lambda row: audience.when(channel, policy, row, at))
        for asked in channels.unwritten(connection, name):
            channels.write_test(connection, asked.id, letter(name, channel, asked.id, from_us(asked.at), ()))
        rows = channels.take(connection, name, now)
        if rows:
            all_of_them = [wording.shown(row, self._links) for row in rows]
            made = letter(name, channel, channels.name_of(name, rows), at, all_of_them)
            next_at = now + channel.apart // timedelta(microseconds=1)
            channels.write(connection, name, channel.target, rows, made, now, next_at)

    async def _begin(self, name: str) -> int:
        begun = 0
        for row in await self._ledger.read(self._due, name):
            if row.id not in self._under_way:
                task = asyncio.create_task(self._carry_out(name, row.id), name=f"message {row.id}")
                self._under_way[row.id] = task
                task.add_done_callback(partial(self._ended, row.id))
                begun += 1
        return begun

    def _due(self, connection: Connection, name: str) -> list[Row[Any]]:
        return channels.due(connection, name, self._clock(connection))

    def _ended(self, id: str, _: "asyncio.Task[None]") -> None:
        self._under_way.pop(id, None)
        self._fences.pop(id, None)

    async def _keep(self) -> None:
        """Renew the leases of what is being sent: mail may take longer than one."""
        for id, fence in tuple(self._fences.items()):
            await self._ledger.tx(self._renew, id, fence)

    def _renew(self, connection: Connection, id: str, fence: int) -> None:
        channels.renew(connection, id, fence, self._until(connection))

    def _until(self, connection: Connection) -> int:
        return self._clock(connection) + self._pace.lease // timedelta(microseconds=1)

    async def _carry_out(self, name: str, id: str) -> None:
        """One attempt, and what it came to. Never raises: nobody waits for it."""
        log = structlog.get_logger().bind(channel=name, message=id)
        try:
            row = await self._ledger.tx(self._claim, id)
            if row is not None:
                self._fences[id] = row.fence
                await self._attempt(self._senders[self._declared[name].kind], row)
        except BatonError as error:
            # As it is: the lease of the attempt runs out, and the next one sends it again under the same key.
            log.warning("the outcome of a message is not on record", reason=str(error), action="message_unrecorded")
        except Exception:
            log.exception("the outcome of a message is not on record", action="message_unrecorded")

    def _claim(self, connection: Connection, id: str) -> Row[Any] | None:
        return channels.claim(connection, id, self._worker, self._clock(connection), self._until(connection))

    async def _attempt(self, sender: Adapter, row: Row[Any]) -> None:
        reach("message.before_send")
        try:
            reference = await asyncio.to_thread(sender.send, row.arguments.encode(), from_us(row.at))
        except sender.permanent as error:
            await self._ledger.tx(self._failed, row, str(error), for_good=True)
        except BatonError as error:
            await self._ledger.tx(self._failed, row, str(error), for_good=False)
        except Exception as error:  # noqa: BLE001 (whatever a target may raise is counted, told, and tried again)
            await self._ledger.tx(self._failed, row, f"{type(error).__name__}: {error}", for_good=False)
        else:
            reach("message.before_record")
            await self._ledger.tx(self._sent, row, reference)
            reach("message.after_record")

    def _sent(self, connection: Connection, row: Row[Any], reference: str) -> None:
        channels.sent(connection, row, one_line(reference, 200), self._clock(connection))

    def _failed(self, connection: Connection, row: Row[Any], problem: str, *, for_good: bool) -> None:
        now = self._clock(connection)
        found = channels.failed(connection, row, one_line(problem, 1000), self._limits, now, for_good=for_good)
        if found is not None and found.state == "dead":
            feed.append(connection, lines.ITSELF, [lines.given_up(found)])
