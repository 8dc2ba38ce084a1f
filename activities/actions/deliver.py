"""Carrying out approved actions: claim with a fenced lease, find or send, store the receipt."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from sqlalchemy import Connection, Row
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.actions import lines
from activities.actions.allowed import over_rate, tier_now
from activities.running.cancelled import to_its_end
from activities.running.commit import commit_alone, commit_riders
from activities.running.failpoints import reach
from activities.running.heartbeat import beating, committed
from contracts.actions import SETTLED, ActionState, Deliver, How, Receipt, Resolve
from contracts.base import sha256
from contracts.errors import BatonError, LedgerUnavailable, Misconfigured, Refused
from contracts.gates import Intent, Perform
from ledger import actions, artifacts, gates, runs
from ledger.actions import Lease
from ledger.db import Ledger, from_us, now_us
from ledger.views.runs import names_of

LEASE = timedelta(seconds=15)
"""How long an attempt has the action to itself without renewing. It renews while it works, so this is how long others wait
for one that was killed."""
LEASE_US = LEASE // timedelta(microseconds=1)

BEGUN = frozenset({"sending", "unknown"})
"""States of an action that was begun and not settled: it may have happened."""


class Adapter(Protocol):
    """One kind of target. Both methods are synchronous and run in a thread."""

    @property
    def permanent(self) -> tuple[type[BatonError], ...]:
        """Errors after which the same action can never succeed."""
        ...

    def find(self, arguments: bytes) -> str | None:
        """Ask the target now; return its id for the effect if it is there already, else None."""
        ...

    def send(self, arguments: bytes, when: datetime) -> str:
        """Cause the effect and return the target's id for it. `when` is the intent's time, the same for every attempt."""
        ...


class Actions:
    """The activities `perform`, `deliver` and `resolve`."""

    def __init__(self, ledger: Ledger, adapters: Mapping[str, Adapter], worker: str) -> None:
        """`adapters` by action type; `worker` is the name of a lease's holder."""
        self._ledger = ledger
        self._adapters = adapters
        self._worker = worker

    @activity.defn
    async def perform(self, request: Perform) -> Receipt:
        """Write an intent that the run's policy allows without a person, and carry it out as `deliver` does.

        Called again, also after a reset, it returns the stored receipt. The same event with other arguments is `rejected`, with
        the reason. Raises a non-retryable `ApplicationError` if the tier that the run pinned is not auto.
        """
        refused = await committed(self._ledger.tx(self._allow, request))
        if refused is not None:
            return refused
        return await self.deliver(Deliver(run=request.run, key=request.intent.key))

    def _allow(self, connection: Connection, request: Perform) -> Receipt | None:
        """Approve the intent as policy allows. Returns None, or the receipt of a refusal."""
        intent, trace = request.intent, request.run.trace
        # From the ledger, not from the workflow or today's file: a policy that was loosened since does not apply to this run.
        pins = runs.find_pins(connection, trace)
        if pins is None or tier_now(request, pins) != "auto":
            raise ApplicationError(
                f"{intent.summary}: this run's policy does not allow {intent.type} without a person; nothing was done",
                type="NotAllowed",
                non_retryable=True,
            )
        self._keep(connection, request)
        row = actions.find(connection, intent.key)
        # What this run has settled stays settled: a retry must not repeat what has failed for good.
        fresh = row is None or not row.receipt or (row.trace, row.arguments_digest) != (trace, intent.arguments_digest)
        if fresh and (over := over_rate(connection, request, pins)) is not None:
            commit_riders(connection, request, [lines.over_rate(intent, trace, over)])
            return over
        try:
            if fresh:
                actions.propose(connection, intent, trace=trace, gate="", state="approved")
        except Refused as error:
            commit_riders(connection, request, [lines.not_allowed(intent, trace, str(error))])
            return Receipt(key=intent.key, type=intent.type, state="rejected", summary=intent.summary, problem=str(error))
        commit_riders(connection, request, [lines.allowed(intent, trace, pins.policy_digest)])
        return None

    def _keep(self, connection: Connection, request: Perform) -> None:
        intent, data = request.intent, request.arguments.encode()
        if not data:
            return
        if sha256(data) != intent.arguments:
            raise ApplicationError(
                f"{intent.summary}: these are not the arguments that the intent names", type="NotAllowed", non_retryable=True
            )
        kept = artifacts.put(connection, self._ledger.files, data, "application/json")
        artifacts.note_seen(connection, request.run.trace, request.run.path, kept.digest, intent.type, untrusted=True)

    @activity.defn
    async def deliver(self, request: Deliver) -> Receipt:
        """Carry out one approved intent. Called again by the same run it returns the stored receipt.

        If another run has done it before, the target is asked whether it still has it: a receipt says what was, not what is.
        If it has not, it is done again, on this run's approval.
        If the outcome of an earlier attempt is unknown, the target is asked before anything is sent, and the outcome stays
        unknown until the target answers: only then can the action be settled as failed. If cancelled while sending, it first
        waits for the outcome and stores it: releasing the lease earlier would invite a second sender.
        """
        async with beating():
            # In a transaction of its own: the next attempt has to see that this one began, even if it dies before sending.
            row, lease = await self._ledger.tx(actions.claim, request.key, self._worker, LEASE_US)
            if lease is None and row.state == "delivered" and row.trace != request.run.trace:
                if (there := await self._done_before(request, row)) is not None:
                    return there
                row, lease = await self._ledger.tx(actions.claim, request.key, self._worker, LEASE_US)
            if lease is None:
                receipt = _already(row)
                await commit_alone(self._ledger, request)  # nothing else commits this run's own feed lines
                return receipt
            async with self._held(lease):
                # A cancellation waits for the outcome: after a send without a receipt the target would have to be asked.
                return await to_its_end(self._carry_out(request, row, lease))

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
        except adapter.permanent as error:
            return await self._ledger.tx(_tell_before, request, row, _receipt(row, "failed", problem=str(error)))
        if found is not None:
            return await self._ledger.tx(_tell_before, request, row, _receipt(row, "delivered", reference=found, how="found"))
        await self._ledger.tx(_anew, request, row)
        return None

    def _adapter(self, row: Row[Any]) -> Adapter:
        adapter = self._adapters.get(row.type)
        if adapter is None:
            raise Misconfigured(f"this worker has no adapter for {row.type}; policy declares it, the worker must register it")
        return adapter

    async def _carry_out(self, request: Deliver, row: Row[Any], lease: Lease) -> Receipt:
        adapter = self._adapter(row)
        arguments = await self._ledger.read(artifacts.get, self._ledger.files, row.arguments)
        try:
            reference, how = await asyncio.to_thread(self._find_or_send, adapter, arguments, row)
            reach("action.before_receipt")
            receipt = _receipt(row, "delivered", reference=reference, how=how)
        # All other errors leave the action `sending`: Temporal retries, and the next attempt asks the target first.
        except adapter.permanent as error:
            receipt = _receipt(row, "failed", problem=str(error))
        settled = await self._ledger.tx(_settle, request, lease, receipt)
        reach("action.before_completion")
        return settled

    def _find_or_send(self, adapter: Adapter, arguments: bytes, row: Row[Any]) -> tuple[str, Literal["found", "sent"]]:
        """The target's id for the effect, and whether it was there already."""
        found = self._find(adapter, arguments, row)
        if found is not None:
            return found, "found"
        reach("action.before_send")
        try:
            # With the time of the intent, not of this attempt: every attempt must cause the same effect, for the next to find.
            return adapter.send(arguments, from_us(row.at)), "sent"
        except adapter.permanent:
            # An attempt that had lost its lease may have been faster: the target then refuses what it already has.
            found = self._find(adapter, arguments, row)
            if found is None:
                raise
            return found, "found"

    def _find(self, adapter: Adapter, arguments: bytes, row: Row[Any]) -> str | None:
        """Ask the target. If that fails after an earlier attempt began, the outcome is unknown, and the error is retried."""
        try:
            return adapter.find(arguments)
        except adapter.permanent as error:
            if row.state not in BEGUN:
                raise
            raise ApplicationError(
                f"{row.summary}: an earlier attempt may have done it, and the target cannot be asked: {error}",
                type="OutcomeUnknown",
            ) from None

    @activity.defn
    async def resolve(self, request: Resolve) -> Receipt:
        """Settle an unknown outcome with what a person found out. Safe to call twice."""
        return await committed(self._ledger.tx(_resolve, request))


def _already(row: Row[Any]) -> Receipt:
    if row.state in SETTLED and row.receipt:
        return Receipt.model_validate_json(row.receipt)
    if row.state in BEGUN:
        # Retry just after the lease expires: before that it could only be found held.
        wait = timedelta(microseconds=max(row.lease_until - now_us(), 0)) + timedelta(seconds=1)
        raise ApplicationError(
            f"{row.summary}: another worker is carrying it out", type="Leased", next_retry_delay=min(wait, LEASE)
        )
    raise ApplicationError(
        f"{row.summary}: it is {row.state}, and only approved actions are carried out", type="NotApproved", non_retryable=True
    )


def _receipt(row: Row[Any], state: ActionState, how: How = "", reference: str = "", problem: str = "") -> Receipt:
    return Receipt(
        key=row.key,
        type=row.type,
        state=state,
        summary=row.summary,
        reference=reference,
        how=how,
        at=datetime.now(UTC),
        problem=problem,
    )


def _tell_before(connection: Connection, request: Deliver, row: Row[Any], receipt: Receipt) -> Receipt:
    """Tell this run what became of an action of another one. The row stays that run's."""
    if receipt.state == "delivered":
        names = names_of(connection, [row.trace])
        receipt = receipt.model_copy(update={"done_by": names.get(row.trace, row.trace)})
    commit_riders(connection, request, [lines.done_before(receipt, request.run.trace)])
    return receipt


def _anew(connection: Connection, request: Deliver, row: Row[Any]) -> None:
    """Let this run do again what the target has lost. Only with its own approval, or where its policy asks nobody."""
    trace = request.run.trace
    approved = gates.approved(connection, trace, row.key)
    if approved is None:
        pins = runs.find_pins(connection, trace)
        # It was judged just now, before the intent was written: it is `auto` with these facts, or `perform` had refused it.
        if pins is None or (pins.actions or {}).get(row.type) != "auto":
            raise ApplicationError(
                f"{row.summary}: another run has done it, the target has it no longer, and this run has no approval for it",
                type="NotApproved",
                non_retryable=True,
            )
        fields = ("key", "type", "arguments", "arguments_digest", "summary", "order")
        approved = "", Intent(**{name: getattr(row, name) for name in fields})
    gate, intent = approved
    actions.again(connection, row, intent, trace=trace, gate=gate)


def _settle(connection: Connection, request: Deliver, lease: Lease, receipt: Receipt) -> Receipt:
    if not actions.settle(connection, lease, receipt):
        # A newer lease took over meanwhile: what its holder wrote counts.
        found = _already(actions.get(connection, lease.key))
        commit_riders(connection, request)
        return found
    gate = actions.get(connection, lease.key).gate
    commit_riders(connection, request, [lines.settled(receipt, lease.fence, gate)])
    return receipt


def _resolve(connection: Connection, request: Resolve) -> Receipt:
    row = actions.get(connection, request.key)
    receipt = _receipt(
        row,
        "delivered" if request.happened else "failed",
        how="person",
        problem="" if request.happened else "a person found nothing",
    )
    if not actions.resolve(connection, request.key, receipt):
        receipt = _already(actions.get(connection, request.key))
    commit_riders(connection, request)
    return receipt
