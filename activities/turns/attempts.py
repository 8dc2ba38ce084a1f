"""One attempt of a call at one choice: reserve money, ask the provider, settle the reply, whatever happens in between."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from activities.money.scopes import refusal
from activities.providers.base import Provider, ProviderError
from activities.providers.progress import current
from activities.running.failpoints import reach
from activities.running.shield import kept
from activities.runs.under_way import CallsUnderWay
from activities.turns import billing, failures, partial, settlement
from activities.turns.call import Call, Started
from activities.turns.choices import Candidate
from activities.turns.growth import GrowthHeld
from activities.turns.health import Health
from activities.turns.reservation import Reservations
from contracts.conversation import ModelReply
from contracts.errors import LedgerUnavailable, Misconfigured, NotFound
from contracts.turns import Turn
from ledger.db import Ledger
from ledger.money import ceilings, spend
from ledger.money.spend import CeilingReached
from ledger.outages import FAILED_COMMIT, told

CLOSING = timedelta(seconds=10)
"""How long a failed attempt waits for an unavailable ledger, to release what it held."""

FOR_GOOD = 4
"""After so many failures with the same words the model is taken to refuse the call, see `Health.repeated`."""


REMEMBERED = 64
"""Most paid replies that this worker keeps for a later attempt, the newest."""


@dataclass(frozen=True)
class Unstored:
    """A reply that is paid for, while the ledger does not take it."""

    started: Started
    reply: ModelReply
    latency_ms: int


@dataclass(frozen=True)
class Attempts:
    """Makes attempts for one worker. `unstored` are paid replies that wait for the ledger, also between attempts, by key."""

    ledger: Ledger
    providers: Mapping[str, Provider]
    health: Health
    reservations: Reservations
    under_way: CallsUnderWay
    unstored: dict[str, Unstored] = field(default_factory=dict)

    async def make(self, call: Call, candidate: Candidate) -> Turn:
        """The turn that the choice answers with, or that was stored before.

        Raises `ProviderError`; `Unfit`, `RateLimited` or `ProbeTaken` if the choice was not asked and the next one may be; and
        `ApplicationError` if no choice can help.
        """
        if (paid := self.unstored.get(call.request.key)) is not None:
            return await self._store(call, paid)
        # Made here: a cancellation can arrive while the reservation commits, and it must be closed all the same.
        reservation = spend.new_id()
        unanswered = "released"
        started: Started | Turn | None = None
        got: list[Unstored] = []
        try:
            started = await self._begin(call, candidate, reservation)
            if isinstance(started, Turn):
                return started
            unanswered = "lost"  # the provider may do the work from here on, whether or not anybody reads it
            return await self._ask(call, started, got)
        except ProviderError as error:
            times = await self._failed(call, candidate, reservation, error, started)
            if times >= FOR_GOOD:
                raise error.for_good(times) from None
            raise
        except BaseException:
            # Unexpected errors, too: there may be no later attempt to close it. What was settled stays settled.
            how = "released" if current().waits_for else unanswered
            cost = _known(started, got) if how == "lost" else None
            await self._close(call, candidate, reservation, how, cost=cost)
            raise

    async def _failed(
        self, call: Call, candidate: Candidate, reservation: str, error: ProviderError, started: Started | Turn | None
    ) -> int:
        """Charge nothing, all that was held, or what the refused reply says it has used; see `_close`."""
        cost = billing.charged(started, error.usage, error.stated) if isinstance(started, Started) else None
        if cost is None and error.maybe_charged:
            cost = _known(started, [])
        how = "lost" if error.maybe_charged or cost is not None else "released"
        times = await self._close(call, candidate, reservation, how, error, cost)
        if isinstance(started, Started) and (written := current().text.strip()):
            keep, files = partial.keep_broken, self.ledger.files
            await kept(lambda: self.ledger.tx(keep, files, call.request, started.choice.model, written), at_most=CLOSING)
        return times

    async def _ask(self, call: Call, started: Started, got: list[Unstored]) -> Turn:
        """The turn; what was paid for it is in `got` as soon as it is there, whatever happens to it."""
        reach("model.before_call")
        current().begin(started.choice.model)
        began = time.monotonic()
        # No retry here: Temporal's retry is a new attempt with a new reservation.
        with self.under_way.following(started.reservation, current()):
            reply = await self.providers[started.choice.provider].complete(started.prompt)
        latency_ms = int((time.monotonic() - began - current().waited) * 1000)
        answered = replace(started, answered_by=self.reservations.answered_by(started, reply))
        reach("model.before_settle")
        got.append(Unstored(answered, reply, latency_ms))
        turn = await self._store(call, got[0])
        reach("model.before_completion")
        return turn

    async def _store(self, call: Call, paid: Unstored) -> Turn:
        """Settle a reply that is paid for: wait for an unavailable ledger, or the next attempt would pay again."""
        key, started = call.request.key, paid.started
        self._remember(key, paid)
        files, reply, latency_ms = self.ledger.files, paid.reply, paid.latency_ms
        try:
            turn = await kept(lambda: self.ledger.tx(settlement.settle, files, self.health, call, started, reply, latency_ms))
        except LedgerUnavailable:
            raise  # an outage that is longer than the call's own time: the next attempt on this worker has the reply
        except NotFound:
            # The ledger is an older one than the call was made by: the next attempt makes it anew.
            self.unstored.pop(key, None)
            raise
        except FAILED_COMMIT as error:
            self.unstored.pop(key, None)
            # No outage, and not over in all that time: another attempt would pay for a reply that is not stored either.
            raise failures.not_stored(started.choice.model, told(error)) from None
        self.unstored.pop(key, None)
        self.health.answered_by(started.candidate)
        return turn

    def _remember(self, key: str, paid: Unstored) -> None:
        self.unstored.setdefault(key, paid)
        while len(self.unstored) > REMEMBERED:
            self.unstored.pop(next(iter(self.unstored)))

    async def _begin(self, call: Call, candidate: Candidate, reservation: str) -> Started | Turn:
        try:
            started = await self.ledger.tx(self.reservations.reserve, call, candidate, reservation)
        except CeilingReached as error:
            # The rollback also undid the first row of a new period, and raising the ceiling needs that row.
            await self.ledger.tx(ceilings.ensure, error.refused.scope, error.refused.ceiling)
            raise refusal(error, call.ref.name, candidate.choice.model) from None
        except GrowthHeld as error:
            raise failures.growth_held(error) from None
        except Misconfigured as error:
            raise failures.permanent("misconfigured", str(error)) from None
        return started

    async def _close(
        self,
        call: Call,
        candidate: Candidate,
        reservation: str,
        how: str,
        error: ProviderError | None = None,
        cost: int | None = None,
    ) -> int:
        """Release what was held, or charge it, and count the failure. The next attempt charges what still stays held.

        Returns how often the model has failed this call with the same words.
        """
        close = settlement.close
        times = await kept(
            lambda: self.ledger.tx(close, self.health, call.request, candidate, reservation, how, error, cost), at_most=CLOSING
        )
        self.health.outdated()
        return times


def _known(started: Started | Turn | None, got: list[Unstored]) -> int | None:
    """What a call that ended without a turn is charged: its reply's cost, or the most by what had been counted; None: all."""
    if got:
        return billing.billed(got[0].started, got[0].reply).cost
    if not isinstance(started, Started):
        return None
    counted = current().stream_usage
    return billing.at_most(started, counted.usage, whole=counted.whole)
