"""One attempt of a call at one choice: money is held, the provider asked, the reply settled, whatever happens in between."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from activities.money.scopes import refusal
from activities.providers.base import Provider, ProviderError
from activities.running.failpoints import reach
from activities.running.shield import kept
from activities.turns import failures, settlement
from activities.turns.call import Call, Started
from activities.turns.choices import Candidate
from activities.turns.growth import GrowthHeld
from activities.turns.health import Health
from activities.turns.reservation import Reservations
from contracts.errors import Misconfigured
from contracts.turns import Turn
from ledger.db import Ledger
from ledger.money import ceilings, spend
from ledger.money.spend import CeilingReached

CLOSING = timedelta(seconds=10)
"""How long an attempt that failed waits for a ledger that is away, to give back what it held."""


@dataclass(frozen=True)
class Attempts:
    """Makes attempts for one worker."""

    ledger: Ledger
    providers: Mapping[str, Provider]
    health: Health
    reservations: Reservations

    async def make(self, call: Call, candidate: Candidate) -> Turn:
        """The turn that the choice answers with, or that was stored before.

        Raises `ProviderError`, and `Unfit`, `RateLimited` and `ProbeTaken` where the choice was not asked: the next one may
        do. `ApplicationError` where none does.
        """
        # Made here: a cancellation can arrive while the reservation commits, and it must be closed all the same.
        reservation = spend.new_id()
        unanswered = "released"
        try:
            started = await self._begin(call, candidate, reservation)
            if isinstance(started, Turn):
                return started
            unanswered = "lost"  # the provider may do the work from here on, whether or not anybody reads it
            return await self._ask(call, started)
        except ProviderError as error:
            await self._close(call, candidate, reservation, "lost" if error.maybe_charged else "released", error)
            raise
        except BaseException:
            # Also what nobody foresaw: no later attempt may come to close it. What was settled stays settled.
            await self._close(call, candidate, reservation, unanswered)
            raise

    async def _ask(self, call: Call, started: Started) -> Turn:
        reach("model.before_call")
        began = time.monotonic()
        # No retry around it: Temporal's own begins a new attempt, with a new reservation.
        reply = await self.providers[started.choice.provider].complete(started.prompt)
        latency_ms = int((time.monotonic() - began) * 1000)
        reach("model.before_settle")
        # The reply is paid for: a ledger that is away now is waited for, else the next attempt would pay once more.
        turn = await kept(
            lambda: self.ledger.tx(settlement.settle, self.ledger.files, self.health, call, started, reply, latency_ms)
        )
        self.health.answered_by(started.candidate)
        reach("model.before_completion")
        return turn

    async def _begin(self, call: Call, candidate: Candidate, reservation: str) -> Started | Turn:
        try:
            started = await self.ledger.tx(self.reservations.reserve, call, candidate, reservation)
        except CeilingReached as error:
            # Its transaction left nothing, not even the first row of a new period, and who raises the ceiling needs one.
            await self.ledger.tx(ceilings.ensure, error.refused.scope, error.refused.ceiling)
            raise refusal(error, call.ref.name, candidate.choice.model) from None
        except GrowthHeld as error:
            raise failures.growth_held(error) from None
        except Misconfigured as error:
            raise failures.permanent("misconfigured", str(error)) from None
        return started

    async def _close(
        self, call: Call, candidate: Candidate, reservation: str, how: str, error: ProviderError | None = None
    ) -> None:
        """Give back what was held, or leave it charged, and count the failure. What stays held the next attempt charges."""
        close = settlement.close
        await kept(
            lambda: self.ledger.tx(close, self.health, call.request, candidate, reservation, how, error), at_most=CLOSING
        )
        self.health.outdated()
