"""Model calls: one stored turn per key, money reserved before and settled after, whatever happens in between."""

import time
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.agents.catalogue import Catalogue
from activities.money import prices
from activities.money.scopes import parts_of, refusal, shared_by
from activities.providers.base import Provider, ProviderError
from activities.running.commit import commit_riders
from activities.running.failpoints import reach
from activities.running.heartbeat import beating
from activities.running.shield import kept
from activities.runs.admission import Admission, admitted_line, for_history
from activities.turns import compaction, reply_cache
from activities.turns.choices import Candidate
from activities.turns.growth import GrowthHeld, Watch, size_of
from activities.turns.health import Health
from activities.turns.partial import partial_of
from activities.turns.prompt import model_request
from activities.turns.replies import KEPT, Judged, bounded, judge
from activities.turns.results import Call, Started, read_in_chain, turn_of
from activities.turns.route import admit, close_attempt, fits, over_choices, report
from activities.turns.storage import store_turn
from contracts.base import sha256
from contracts.breakers import Breakers
from contracts.conversation import ModelReply, Usage
from contracts.errors import Misconfigured
from contracts.growth import Growth
from contracts.ids import turn_key, w3c_span_id
from contracts.money import Ceilings
from contracts.pins import Began
from contracts.turns import CallModel, Turn
from ledger import artifacts, feed, handoffs, turns
from ledger.db import Ledger
from ledger.money import ceilings, spend
from ledger.money.slices import Slice
from ledger.money.spend import About, CeilingReached, Scope

CLOSING = timedelta(seconds=10)
"""How long an attempt that failed waits for a ledger that is away, to give back what it held."""


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
    ) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._providers = providers
        self._ceilings = ceilings
        self._admission = admission
        self._worker = worker
        self._watch = Watch(ledger, growth or Growth())
        self._health = Health(ledger, breakers or Breakers())

    @activity.defn
    async def call_model(self, request: CallModel) -> Turn:
        """One model turn. Called again with the same key it gives back the stored turn and pays nothing.

        Raises `ApplicationError`: type `CeilingReached` when the call was refused by a ceiling (and not made), or a
        provider error's kind, retryable where trying again can help.
        """
        async with beating():
            return await self._over_choices(await self._call(request))

    async def _call(self, request: CallModel) -> Call:
        """The request with what it leaves to the ledger: the agent, the models that may answer, and the turn's key."""
        begin, began = request.begin, None
        ref, choices = request.agent, request.choices
        if ref is None:
            began = await (self._admission.of(request.run.trace) if begin is None else self._admission.pins(begin))
            ref, choices = began.agents[request.name].ref, began.agents[request.name].choices
        run, digest = request.run, request.task_digest or sha256((request.task or "").encode())
        key = request.key or turn_key(run.trace, run.path, request.head, ref.digest, digest)
        structlog.contextvars.bind_contextvars(span_id=w3c_span_id(run.trace, run.path, key))
        request = request.model_copy(update={"key": key, "task_digest": digest, "agent": ref, "choices": choices})
        agent, began = self._catalogue.pinned(ref), began if begin is not None else None
        return Call(request, ref, agent, began, _attempt_number(), await self._watch.bounds(ref.digest))

    async def _over_choices(self, call: Call) -> Turn:
        async def stored() -> bool:
            return await self._ledger.read(turns.find, call.request.key) is not None

        def attempt(candidate: Candidate) -> Awaitable[Turn]:
            return self._attempt(call, candidate)

        return await over_choices(call.request, self._providers, self._health, attempt, stored)

    async def _attempt(self, call: Call, candidate: Candidate) -> Turn:
        # Made here: a cancellation can arrive while the reservation commits, and it must be closed all the same.
        reservation = spend.new_id()
        unanswered = "released"
        try:
            started = await self._begin(call, candidate, reservation)
            if call.began is not None:
                self._admission.remember(call.request.run.trace, call.began)
            if isinstance(started, Turn):
                return started
            unanswered = "lost"  # the provider may do the work from here on, whether or not anybody reads it
            reach("model.before_call")
            began = time.monotonic()
            reply = await self._providers[candidate.choice.provider].complete(started.prompt)
            latency_ms = int((time.monotonic() - began) * 1000)
            reach("model.before_settle")
            turn = await kept(lambda: self._ledger.tx(self._finish, call, started, reply, latency_ms))
            self._health.answered_by(candidate)
            reach("model.before_completion")
            return turn
        except ProviderError as error:
            await self._close(call, candidate, reservation, "lost" if error.maybe_charged else "released", error)
            raise
        except BaseException:
            # Also what nobody foresaw: no later attempt may come to close it. What `_finish` has settled stays settled.
            await self._close(call, candidate, reservation, unanswered)
            raise

    async def _close(
        self, call: Call, candidate: Candidate, reservation: str, how: str, error: ProviderError | None = None
    ) -> None:
        """Give back what was held, or leave it charged, and count the failure. What stays held the next attempt charges."""
        request, health = call.request, self._health
        await kept(lambda: self._ledger.tx(close_attempt, health, request, candidate, reservation, how, error), at_most=CLOSING)
        health.outdated()

    async def _begin(self, call: Call, candidate: Candidate, reservation: str) -> Started | Turn:
        try:
            return await self._ledger.tx(self._reserve, call, candidate, reservation)
        except CeilingReached as error:
            # Its transaction left nothing, not even the first row of a new period, and who raises the ceiling needs one.
            await self._ledger.tx(ceilings.ensure, error.refused.scope, error.refused.ceiling)
            raise refusal(error, call.ref.name, candidate.choice.model) from None
        except GrowthHeld as error:
            raise ApplicationError(
                str(error), type="GrowthHeld", non_retryable=True, category=ApplicationErrorCategory.BENIGN
            ) from None
        except Misconfigured as error:
            raise _permanent("misconfigured", str(error)) from None

    def _reserve(self, connection: Connection, call: Call, candidate: Candidate, reservation: str) -> Started | Turn:
        """Hold money for the call and read what it is made of; the stored turn where the call was made before."""
        request, agent, choice = call.request, call.agent, candidate.choice
        spend.lose_earlier(connection, request.key)
        began = self._let_in(connection, call)
        if began is not None and began.duplicate_of is not None:
            return Turn(usage=Usage(), began=began)
        stored = turns.find(connection, request.key)
        if stored is not None:
            partial = partial_of(connection, self._ledger.files, request, stored)
            commit_riders(connection, request)
            return turn_of(stored).model_copy(update={"began": began, "partial": partial})
        task = agent.takes.read(self._task(connection, request))
        inputs = [handoffs.get(connection, one) for one in request.inputs]
        chain = turns.chain(connection, request.head)
        size = size_of(chain)
        held = call.bounds.held(size)
        if held and not request.beyond and request.finish is None:
            raise GrowthHeld(held)
        results = turns.results(connection, [row.id for row in chain])
        made = compaction.shortened(chain, results, agent.file.limits.context_target)
        compaction.keep(connection, self._ledger.files, request.run, made)
        prompt = model_request(request, choice, agent, task, inputs, chain, results, made)
        read, tainted = read_in_chain(results, request, inputs)
        cache = reply_cache.cache_digest(agent.file.cache, request.run.project, agent.digest, choice, prompt)
        provider = self._providers[choice.provider].name
        tariff = prices.tariff(choice, self._catalogue.routes.prices)
        most = Usage(input=prices.estimate(prompt.model_dump_json().encode()), output=prompt.max_output_tokens)
        started = Started(
            prompt, candidate, provider, tariff, most, reservation, read, tainted, began, size, cache, len(made.fresh)
        )
        answered = self._from_cache(connection, call, started)
        if answered is not None:
            return answered
        fits(candidate, most, tariff.worst_case(most))
        spend.reserve(
            connection,
            request.key,
            self._scopes(call),
            tariff.worst_case(most),
            price_version=tariff.version,
            worker=self._worker,
            identity=reservation,
            about=About(request.run.trace, request.run.path, request.run.project, call.ref.name, choice.model),
        )
        taken = admit(connection, self._health, request, candidate, most, prompt.timeout)
        return replace(started, taken=taken)

    def _from_cache(self, connection: Connection, call: Call, started: Started) -> Turn | None:
        """The turn that a kept reply makes, judged like one that was asked for, at no cost. None where a model is asked."""
        found = reply_cache.look_up(connection, call.request.run.project, started.cache)
        if found is None:
            return None
        judged = judge(found.reply, call.agent, finish=call.request.finish is not None)
        if judged.problem is not None:
            return None
        return store_turn(connection, self._ledger.files, call, replace(started, origin=found.turn), found.reply, judged)

    def _let_in(self, connection: Connection, call: Call) -> Began | None:
        """Let the run in before its first call, so that its row and its ceiling are there. None where it is in."""
        if call.began is None or call.request.begin is None:
            return None
        begin = call.request.begin.model_copy(update={"run": call.request.run.model_copy(update={"path": ""})})
        began = self._admission.begin(connection, begin, call.began)
        if began.duplicate_of is None:
            feed.append(connection, begin.run, [admitted_line(begin, began)])
        return for_history(began)

    def _task(self, connection: Connection, request: CallModel) -> bytes:
        files = self._ledger.files
        if request.task is None:
            return artifacts.get(connection, files, request.task_digest)
        kept = artifacts.put(connection, files, request.task.encode(), "application/json")
        artifacts.note_seen(connection, request.run.trace, request.run.path, kept.digest, "task", untrusted=False)
        return request.task.encode()

    def _scopes(self, call: Call) -> list[Scope | Slice]:
        run = call.request.run
        shared = shared_by(self._ceilings, project=run.project, agent=call.ref.name, now=datetime.now(UTC))
        return [*parts_of(self._ceilings, run, call.request.parts), *shared]

    def _finish(self, connection: Connection, call: Call, started: Started, reply: ModelReply, latency_ms: int) -> Turn:
        request, agent = call.request, call.agent
        reply, whole = bounded(reply)
        if whole:
            artifacts.put(connection, self._ledger.files, whole, "application/json")
            judged = Judged(problem=f"it had {len(whole)} bytes and may have {KEPT}; answer shorter, or in smaller steps")
        else:
            judged = judge(reply, agent, finish=request.finish is not None)
        cost = prices.charge(started.tariff, started.most, reply.usage)
        if cost is None:
            reply = reply.model_copy(update={"usage": None})
        charged = spend.settle(connection, started.reservation, cost)
        told = report(connection, self._health, request, started.candidate, started.taken, judged, reply)
        return store_turn(connection, self._ledger.files, call, started, reply, judged, charged, latency_ms, told)


def _attempt_number() -> int:
    return activity.info().attempt if activity.in_activity() else 1


def _permanent(kind: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=kind, non_retryable=True)
