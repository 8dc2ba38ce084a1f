"""Model calls: one stored turn per key, answered by the first choice of the agent's route that can."""

from collections.abc import Awaitable, Mapping

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.agents.catalogue import Catalogue
from activities.providers.base import Provider
from activities.providers.progress import followed
from activities.running.clock import started_at
from activities.running.heartbeat import beating
from activities.runs.admission import Admission
from activities.runs.under_way import CallsUnderWay
from activities.turns import failures
from activities.turns.attempts import Attempts
from activities.turns.call import Call
from activities.turns.choices import Candidate
from activities.turns.growth import GrowthHeld, Watch
from activities.turns.health import Health
from activities.turns.people import People
from activities.turns.reservation import Reservations
from activities.turns.route import over_choices
from contracts.base import sha256
from contracts.breakers import Breakers
from contracts.growth import Growth
from contracts.ids import turn_key, w3c_span_id
from contracts.money import Ceilings
from contracts.turns import CallModel, Turn
from ledger import turns
from ledger.db import Ledger
from ledger.money.spend import CeilingReached


class Models:
    """The activity `call_model`, with what it needs: ledger, agents, providers and the ceilings."""

    def __init__(
        self,
        ledger: Ledger,
        catalogue: Catalogue,
        providers: Mapping[str, Provider],
        ceilings: Ceilings,
        admission: Admission,
        worker: str,
        growth: Growth | None = None,
        breakers: Breakers | None = None,
        vendors: Mapping[str, str] | None = None,
    ) -> None:
        """`worker` is the name that reservations are held under; `vendors` says whose prices count at each provider."""
        self._ledger = ledger
        self._catalogue = catalogue
        self._providers = providers
        self._admission = admission
        self._watch = Watch(ledger, growth or Growth())
        self._health = health = Health(ledger, breakers or Breakers())
        reservations = Reservations(ledger, catalogue.routes, providers, ceilings, health, worker, vendors)
        self._people = People(ledger, reservations)
        self.under_way = CallsUnderWay(ledger, worker)
        """What is to run beside the worker's tasks, so that people see how far its calls have got."""
        self._attempts = Attempts(ledger, providers, health, reservations, self.under_way)

    @activity.defn
    async def call_model(self, request: CallModel) -> Turn:
        """One model turn. Called again with the same key it returns the stored turn and pays nothing.

        Where the route leads to a person it returns the `work` that they are asked for at a gate; called with that gate as
        `work` and a key of its own, it stores what they handed in there as the turn.

        Raises `ApplicationError` with one of these types: `CeilingReached` if a ceiling refused the call, which was not made;
        `ModelsAway` if no model is available now; `GrowthHeld`; or a provider error's kind, retryable if a retry can help.
        """
        with followed() as progress:
            async with beating(progress.details):
                call = await self._call(request)
                if request.work:
                    return await self._ledger.tx(self._people.take, call)
                return await self._over_choices(call)

    async def _call(self, request: CallModel) -> Call:
        """Complete the request from the ledger: the agent, the models that may answer, and the turn's key."""
        ref, choices = request.agent, request.choices
        if ref is None:
            pinned = (await self._admission.of(request.run.trace)).agents[request.name]
            ref, choices = pinned.ref, pinned.choices
        run, digest = request.run, request.task_digest or sha256((request.task or "").encode())
        key = request.key or turn_key(run.trace, run.path, request.head, ref.digest, digest)
        # The span is named after the key, which is only known now; `Tracing` could not know it.
        structlog.contextvars.bind_contextvars(span_id=w3c_span_id(run.trace, run.path, key))
        request = request.model_copy(update={"key": key, "task_digest": digest, "agent": ref, "choices": choices})
        bounds = await self._watch.bounds(ref.digest)
        return Call(request, ref, self._catalogue.pinned(ref), _attempt_number(), bounds, started_at())

    async def _over_choices(self, call: Call) -> Turn:
        async def stored() -> bool:
            there = call.request.key in self._attempts.unstored
            return there or await self._ledger.read(turns.find, call.request.key) is not None

        def attempt(candidate: Candidate) -> Awaitable[Turn]:
            if candidate.choice.is_person:
                return self._asked(call, candidate)
            return self._attempts.make(call, candidate)

        try:
            return await over_choices(call.request, self._providers, self._health, attempt, stored)
        except ApplicationError as error:
            if error.type == CeilingReached.__name__:
                self._admission.refused()
            raise

    async def _asked(self, call: Call, candidate: Candidate) -> Turn:
        try:
            return await self._ledger.tx(self._people.ask, call, candidate)
        except GrowthHeld as error:
            raise failures.growth_held(error) from None


def _attempt_number() -> int:
    return activity.info().attempt if activity.in_activity() else 1
