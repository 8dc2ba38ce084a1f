"""The one way in which runs and the relay send: claim with a fenced lease, find or send, store the receipt."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row
from temporalio.exceptions import ApplicationError

from activities.actions import outbox
from activities.actions.adapter import Adapter, CannotFind, Named, NotSent, Repeatable, not_named
from activities.actions.health import TargetHealth, breaker_of
from activities.actions.outbox import BEGUN, LEASE, Doubt, already, not_doubted, receipt_for, unknown, worn_out
from activities.running.cancelled import to_its_end
from activities.running.commit import commit_alone
from activities.running.failpoints import reach
from activities.running.held import refusal
from contracts.actions import Deliver, Receipt
from contracts.base import sha256
from contracts.breakers import Breakers
from contracts.errors import DiskUnavailable, LedgerUnavailable, Misconfigured
from ledger import actions, artifacts
from ledger.actions import Lease
from ledger.condemnations import Condemnation
from ledger.db import Ledger, from_us

LEASE_US = LEASE // timedelta(microseconds=1)


class Sender:
    """Sends approved actions, one attempt at a time. Works inside an activity and without one."""

    def __init__(
        self,
        ledger: Ledger,
        adapters: Mapping[str, Adapter],
        worker: str,
        types: Named = not_named,
        breakers: Breakers | None = None,
        doubt: Doubt = not_doubted,
    ) -> None:
        """`adapters` by name; `types` says which one a type of action has now, where that is not its own name.

        `worker` is the name of a lease's holder. `doubt` is asked right before anything is sent.
        """
        self._ledger = ledger
        self._adapters = adapters
        self._worker = worker
        self._types = types
        self._doubt = doubt
        self._health = TargetHealth(ledger, breakers or Breakers())

    def adapter_of(self, action: str) -> Adapter | None:
        """The adapter that a type of action has now; None where this worker has none for it."""
        return self._adapters.get(self.adapter_name(action))

    def adapter_name(self, action: str) -> str:
        """The name of the adapter that a type of action has now."""
        return self._name(action)

    async def send(self, request: Deliver) -> Receipt:
        """Make one attempt to carry out an approved intent. Called again by the same run it returns the stored receipt.

        If another run has done it before, the target is asked whether it still has it: a receipt says what was, not what is.
        If it has not, it is done again, on this run's approval.
        If the outcome of an earlier attempt is unknown, the target is asked before anything is sent, and the outcome stays
        unknown until the target answers: only then can the action be settled as failed. After `MOST_BEGUN` attempts of which
        nobody heard again it stays unknown for good: each may have ended its worker, and so would the next.
        If cancelled while sending, it first waits for the outcome and stores it: releasing the lease earlier would invite a
        second sender.
        What came from something condemned is not sent; if it may have been before, the target is asked, and that is all.
        Raises `ApplicationError` where it is not settled: `Leased`, `TargetAway`, `OutcomeUnknown`, `Held` or `NotApproved`; a
        non-retryable `NotAllowed` for an action that the ledger does not have; and what the adapter raises.
        """
        breaker = await self._admitted(request)
        # In a transaction of its own: the next attempt has to see that this one began, even if it dies before sending.
        row, lease, held = await self._ledger.tx(outbox.claim, request, self._worker, LEASE_US)
        if lease is None and row.state == "delivered" and row.trace != request.run.trace:
            if (there := await self._done_before(request, row)) is not None:
                return there
            row, lease, held = await self._ledger.tx(outbox.claim, request, self._worker, LEASE_US)
        if lease is None:
            if row.state in BEGUN and await self._ledger.read(actions.is_worn_out, request.key):
                await self._ledger.tx(self._health.showed_nothing, request, breaker)
                raise unknown(row, worn_out(row), for_good=True)
            if held and row.state not in BEGUN:
                await self._ledger.tx(self._health.showed_nothing, request, breaker)
                raise refusal(held, row.summary)
            receipt = already(row)
            await commit_alone(self._ledger, request)  # nothing else commits this run's own feed lines
            return receipt
        async with self._held(lease):
            # A cancellation waits for the outcome: after a send without a receipt the target would have to be asked.
            return await to_its_end(self._carry_out(request, row, lease, breaker, held))

    async def _admitted(self, request: Deliver) -> str:
        """The breaker of an action's target, which lets it go; "" where nothing is to be sent.

        Raises `TargetAway`, and `Misconfigured` where this worker has no adapter for it.
        """
        row = await self._ledger.read(actions.find, request.key)
        if row is None:
            raise outbox.not_recorded(request)
        if row.state not in (*actions.MAY_HAPPEN, *BEGUN):
            return ""
        self._adapter(row)  # before it is claimed: where there is none, certainly nothing has begun
        arguments = await self._ledger.read(artifacts.get, self._ledger.files, row.arguments)
        breaker = breaker_of(self._name(row.type), arguments)
        if breaker:
            await self._health.admit(request, breaker, row.summary)
        return breaker

    @contextlib.asynccontextmanager
    async def _held(self, lease: Lease) -> AsyncIterator[None]:
        """Renew the lease while the block runs. If the block fails, release it, so that the next attempt can ask the target."""
        renewing = asyncio.create_task(self._renew(lease))
        try:
            yield
        except BaseException:
            # Also when cancelled: the next attempt need not wait until the lease expires.
            await self._ledger.tx(actions.hold, lease, 0)
            raise
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self, lease: Lease) -> None:
        held = True
        while held:
            # Every third of it: the next renewal makes up for one that fails, before the lease expires.
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with contextlib.suppress(LedgerUnavailable):  # it may be back next time, before the lease expires
                held = await self._ledger.tx(actions.hold, lease, LEASE_US)

    async def _done_before(self, request: Deliver, row: Row[Any]) -> Receipt | None:
        """What the target says now of what another run did; None if it has lost it, and this run may do it again."""
        adapter = self._adapter(row)
        arguments = await self._ledger.read(artifacts.get, self._ledger.files, row.arguments)
        try:
            found = await asyncio.to_thread(adapter.find, arguments)
        except CannotFind as error:
            # Not sent once more: a receipt is all that anybody has of it.
            was = receipt_for(
                row, "delivered", reference=already(row).reference, problem=f"not asked whether it still is: {error}"
            )
            return await self._ledger.tx(outbox.tell_before, request, row, was)
        except adapter.permanent as error:
            return await self._ledger.tx(outbox.tell_before, request, row, receipt_for(row, "failed", problem=str(error)))
        if found is not None:
            return await self._ledger.tx(
                outbox.tell_before, request, row, receipt_for(row, "delivered", reference=found, how="found")
            )
        await self._ledger.tx(outbox.anew, request, row)
        return None

    def _name(self, action: str) -> str:
        return self._types().get(action, action)

    def _adapter(self, row: Row[Any]) -> Adapter:
        name = self._name(row.type)
        adapter = self._adapters.get(name)
        if adapter is None:
            means = "" if name == row.type else f" ({name}, as policy.toml says)"
            raise Misconfigured(
                f"this worker has no adapter for {row.type}{means}; policy declares it, the worker must register it"
            )
        return adapter

    async def _carry_out(
        self, request: Deliver, row: Row[Any], lease: Lease, breaker: str, held: tuple[Condemnation, ...] = ()
    ) -> Receipt:
        adapter = self._adapter(row)
        arguments = await self._ledger.read(artifacts.get, self._ledger.files, row.arguments)
        if doubt := await self._ledger.read(self._doubt, row, sha256(arguments)):
            await self._ledger.tx(self._health.showed_nothing, request, breaker)
            return await self._ledger.tx(outbox.doubted, request, row, lease, doubt)
        try:
            reference, how = await asyncio.to_thread(self._find_or_send, adapter, arguments, row, held)
            reach("action.before_receipt")
            receipt = receipt_for(row, "delivered", reference=reference, how=how)
        except adapter.permanent as error:
            receipt = receipt_for(row, "failed", problem=str(error))
        # All other errors leave the action `sending`: Temporal retries, and the next attempt asks the target first.
        except (ApplicationError, LedgerUnavailable, DiskUnavailable):
            # They say nothing about the target: another action may show whether it is back.
            with contextlib.suppress(LedgerUnavailable):
                await self._ledger.tx(self._health.showed_nothing, request, breaker)
            raise
        except Exception as error:
            await self._ledger.tx(self._failed, request, row, lease, breaker, error)
            raise
        if breaker:
            await self._health.answered(request, breaker)
        settled = await self._ledger.tx(outbox.settle_action, request, lease, receipt)
        reach("action.before_completion")
        return settled

    def _failed(
        self, connection: Connection, request: Deliver, row: Row[Any], lease: Lease, breaker: str, error: Exception
    ) -> None:
        # Only where no earlier attempt has begun: what that one did is still to be found out.
        if isinstance(error, NotSent) and row.state not in BEGUN:
            actions.put_back(connection, lease)
        if breaker:
            self._health.failed(connection, request, breaker, f"{type(error).__name__}: {error}")

    def _find_or_send(
        self, adapter: Adapter, arguments: bytes, row: Row[Any], held: tuple[Condemnation, ...] = ()
    ) -> tuple[str, Literal["found", "sent"]]:
        """The target's id for the effect, and whether it was there already. What is `held` is only looked for."""
        reach("action.in_lease")
        found, sure = self._find(adapter, arguments, row)
        if found is not None:
            return found, "found"
        if held:
            raise refusal(held, row.summary) if sure else unknown(row, f"it is not sent again: {held[0].told}", for_good=True)
        reach("action.before_send")
        try:
            # With the time of the intent, not of this attempt: every attempt must cause the same effect, for the next to find.
            return adapter.send(arguments, from_us(row.at)), "sent"
        except adapter.permanent as error:
            if not sure:
                raise unknown(row, f"it was sent again, and refused: {error}") from None
            # An attempt that had lost its lease may have been faster: the target then refuses what it already has.
            found, _ = self._find(adapter, arguments, row)
            if found is None:
                raise
            return found, "found"

    def _find(self, adapter: Adapter, arguments: bytes, row: Row[Any]) -> tuple[str | None, bool]:
        """What the target has, and whether that is sure. Where it cannot be asked, what may have been sent is unknown."""
        try:
            return adapter.find(arguments), True
        except Repeatable:
            return None, row.state not in BEGUN
        except CannotFind as error:
            if row.state not in BEGUN:
                return None, True
            raise unknown(row, str(error), for_good=True) from None
        # If that fails after an earlier attempt began, the outcome is unknown, and the error is retried.
        except adapter.permanent as error:
            if row.state not in BEGUN:
                raise
            raise unknown(row, f"the target cannot be asked: {error}") from None
