"""The activities of actions: what policy lets happen, what was approved, and what a person says of an unknown outcome."""

import asyncio
import json
from typing import cast

from sqlalchemy import Connection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.actions import lines, outbox
from activities.actions.adapter import Checks
from activities.actions.allowed import by_text_from_outside, over_rate, refused_by_policy, tainted_more, tier_now
from activities.actions.handing import Handing
from activities.actions.sending import Sender
from activities.running.commit import commit_riders
from activities.running.heartbeat import beating, committed
from contracts.actions import Deliver, Receipt, Resolve
from contracts.base import sha256
from contracts.errors import Refused
from contracts.intents import Perform
from contracts.pins import Began
from contracts.sinks import sinks_of
from ledger import actions, artifacts, lineage, outside, runs
from ledger.db import Ledger
from ledger.outside import Origin


class Actions:
    """The activities `perform`, `deliver` and `resolve`."""

    def __init__(self, ledger: Ledger, sender: Sender, *, sends: bool = True) -> None:
        """With `sends` False nothing is sent here: whatever may happen is left to the relay, and waited for."""
        self._ledger = ledger
        self._sender = sender
        self._sends = sends
        self._handing = Handing(ledger)

    @activity.defn
    async def perform(self, request: Perform) -> Receipt:
        """Write an intent that the run's policy allows without a person, and carry it out as `deliver` does.

        Called again, also after a reset, it returns the stored receipt. The same event with other arguments is `rejected`, with
        the reason. Raises a non-retryable `ApplicationError` if the tier that the run pinned is not auto.
        """
        async with beating():
            await asyncio.to_thread(self._check, request)
        # Not in the transaction, which others wait for: it may search much text.
        found = await self._ledger.read(self._from_outside, request)
        refused = await committed(self._ledger.tx(self._allow, request, found))
        if refused is not None:
            return refused
        return await self.deliver(Deliver(run=request.run, key=request.intent.key, hand_over=request.hand_over))

    def _check(self, request: Perform) -> None:
        """Raise a non-retryable `ApplicationError` for a target, or anything at it, that this worker does not declare."""
        adapter = self._sender.adapter_of(request.intent.type)
        if adapter is None or not hasattr(adapter, "check") or not request.arguments:
            return
        try:
            cast("Checks", adapter).check(request.arguments.encode())
        except adapter.permanent as error:
            text = f"{request.intent.summary}: {error}; nothing was done"
            raise ApplicationError(text, type="NotAllowed", non_retryable=True) from None

    def _from_outside(self, connection: Connection, request: Perform) -> tuple[Origin, ...]:
        """The arguments that decide something and stand only in text from outside."""
        if not request.arguments or not (request.facts.taint or outside.sources_of(connection, request.run.trace)):
            return ()
        adapter = self._sender.adapter_name(request.intent.type)
        sinks = sinks_of(adapter, json.loads(request.arguments), request.intent.fixed)
        return outside.only_outside(connection, self._ledger.files, request.run.trace, sinks)

    def _allow(self, connection: Connection, request: Perform, found: tuple[Origin, ...]) -> Receipt | None:
        """Approve the intent as policy allows. Returns None, or the receipt of a refusal, or of one that a person is asked."""
        intent, trace = request.intent, request.run.trace
        # From the ledger, not from the workflow or today's file: a policy that was loosened since does not apply to this run.
        pins = runs.find_pins(connection, trace)
        if pins is None or tier_now(request, pins) != "auto":
            raise refused_by_policy(request)
        self._keep(connection, request)
        row = actions.find(connection, intent.key)
        # What this run has settled stays settled: a retry must not repeat what has failed for good.
        fresh = row is None or not row.receipt or (row.trace, row.arguments_digest) != (trace, intent.arguments_digest)
        if fresh and (why := self._asks(connection, request, pins, found)):
            asked = Receipt(key=intent.key, type=intent.type, state="proposed", summary=intent.summary, problem=why)
            commit_riders(connection, request, [lines.from_outside(intent, trace, why)])
            return asked
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

    def _asks(self, connection: Connection, request: Perform, pins: Began, found: tuple[Origin, ...]) -> str:
        """Why text from outside has a person asked; "" if nobody is."""
        more = tainted_more(request, pins, outside.sources_of(connection, request.run.trace))
        # A run that began before such gates were pinned has none to open.
        return more or (by_text_from_outside(found) if "action" in pins.gates else "")

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
        lineage.of_arguments(connection, request.run.trace, kept.digest, request.arguments)

    @activity.defn
    async def deliver(self, request: Deliver) -> Receipt:
        """Carry out one approved intent, as `Sender.send` does. Called again by the same run it returns the stored receipt.

        With `hand_over` it is left to the relay, and the receipt says how it is by now: as a rule `approved`. Where this worker
        sends nothing it is left to the relay as well, and its receipt is waited for.
        """
        async with beating():
            if request.hand_over:
                return await self._handing.hand_over(request)
            if not self._sends:
                return await self._handing.wait(request)
            return await self._sender.send(request)

    @activity.defn
    async def resolve(self, request: Resolve) -> Receipt:
        """Settle an unknown outcome with what a person found out. Safe to call twice."""
        return await committed(self._ledger.tx(outbox.resolve, request))
