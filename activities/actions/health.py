"""Circuit breakers of targets, shared by all workers: what fails again and again is left alone for a while, visibly.

The breaker of a target is called `target:` and its adapter and name. While it is open its actions wait; they do not fail.
"""

import json
from datetime import timedelta

from sqlalchemy import Connection
from temporalio.exceptions import ApplicationError

from activities.actions import lines
from contracts.actions import Deliver
from contracts.breakers import Breakers
from ledger import breakers, feed
from ledger.breakers import Failure, Thresholds
from ledger.db import Ledger, server_us

PROBE = timedelta(minutes=15)
"""How long an action may take that shows whether its target is back, before another one may show it."""

LONG = 3
"""After so many openings in a row the feed says so once more."""


class TargetHealth:
    """The breakers of targets, as the actions of one worker meet them."""

    def __init__(self, ledger: Ledger, settings: Breakers) -> None:
        self._ledger = ledger
        own = settings
        self._limits = Thresholds(own.failures, own.window, own.cooldown, own.longest)

    async def admit(self, request: Deliver, name: str, summary: str) -> None:
        """Let the action go to its target, perhaps as the probe. Raises `TargetAway` while it must wait.

        That is an `ApplicationError` that names the breaker and when the action is tried again.
        """
        row = await self._ledger.read(breakers.get, name)
        if row is None or row.state == "closed":
            return
        if left := await self._ledger.tx(self._wait, request, name, summary):
            wait = timedelta(microseconds=left) + timedelta(seconds=1)
            raise ApplicationError(
                f"{summary}: waits, because the circuit breaker of {name} is open: {row.reason}",
                type="TargetAway",
                next_retry_delay=wait,
            )

    def _wait(self, connection: Connection, request: Deliver, name: str, summary: str) -> int:
        """0 if the action may go, else for how many microseconds it waits; the feed says so once per outage and run."""
        # By the database's clock, which is one for all workers.
        now, row = server_us(connection), breakers.get(connection, name)
        if row is None or row.state == "closed":
            return 0
        if breakers.take_probe(connection, name, request.key, now, now + PROBE // timedelta(microseconds=1)):
            return 0
        until = int(row.until if row.state == "open" else min(row.probe_until, now + 5_000_000))
        feed.append(connection, request.run, [lines.waits(summary, name, row.opened_at, row.reason, request)])
        return max(until - now, 1)

    def failed(self, connection: Connection, request: Deliver, name: str, reason: str) -> None:
        """Count an attempt that failed."""
        probe = request.key
        opening = breakers.failed(connection, name, Failure(reason, probe=probe), self._limits, server_us(connection))
        if opening is not None and opening.times in (1, LONG):
            feed.append(connection, request.run, [lines.opened(opening, reason)])

    def showed_nothing(self, connection: Connection, request: Deliver, name: str) -> None:
        """Give back the probe, if this action has it."""
        breakers.give_back(connection, name, request.key, server_us(connection))

    async def answered(self, request: Deliver, name: str) -> None:
        """The target has answered, whatever it said."""
        row = await self._ledger.read(breakers.get, name)
        if row is not None and (row.failures or row.state != "closed"):
            await self._ledger.tx(self._closed, request, name, row.state, row.opened_at)

    def _closed(self, connection: Connection, request: Deliver, name: str, state: str, opened_at: int) -> None:
        if breakers.succeeded(connection, name, request.key, server_us(connection)) and state != "closed":
            feed.append(connection, request.run, [lines.closed(name, opened_at)])


def breaker_of(adapter: str, arguments: bytes) -> str:
    """The name of the breaker of an action's target; "" for one that has no target outside."""
    try:
        found = json.loads(arguments)
    except ValueError:
        return ""
    where = found.get("target") or found.get("repository") if isinstance(found, dict) else None
    return f"target:{adapter}:{where}" if isinstance(where, str) and where else ""
