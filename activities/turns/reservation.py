"""The transaction before a call: find a stored answer, else read the prompt and reserve money for it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row

from activities.agents.agent import Agent
from activities.agents.routes import Routes
from activities.money import prices
from activities.money.prices import Tariff
from activities.money.scopes import parts_of, shared_by
from activities.providers.base import Provider
from activities.running.commit import commit_riders
from activities.running.held import refuse_held
from activities.turns import billing, choices, compaction, reply_cache
from activities.turns.call import Call, Started
from activities.turns.choices import Candidate, NothingOlder, Unfit
from activities.turns.growth import GrowthHeld, StepSize, size_of
from activities.turns.health import Health
from activities.turns.partial import partial_of
from activities.turns.prompt import model_request
from activities.turns.provenance import read_in_chain
from activities.turns.rechecks import rechecks
from activities.turns.replies import judge
from activities.turns.storage import store_turn
from activities.turns.turn_view import turn_of
from contracts.agents import Choice
from contracts.base import Contract, sha256
from contracts.conversation import ModelReply, Usage
from contracts.errors import Misconfigured
from contracts.money import Ceilings
from contracts.outside import as_taint, sources_in, texts_in
from contracts.people import stored_answers
from contracts.rechecks import Rechecked
from contracts.turns import CallModel, Turn
from ledger import artifacts, beginnings, condemnations, handoffs, outside, turns, workers
from ledger.beginnings import Beginning
from ledger.db import Ledger, server_us
from ledger.money import rates, spend
from ledger.money.rates import Rate, Taken
from ledger.money.slices import Slice
from ledger.money.spend import About, Scope


@dataclass(frozen=True)
class Reservations:
    """Makes reservations for one worker. Whatever `reserve` raises rolls its transaction back."""

    ledger: Ledger
    routes: Routes
    providers: Mapping[str, Provider]
    ceilings: Ceilings
    health: Health
    worker: str
    vendors: Mapping[str, str] | None = None
    """Whose prices count at each provider."""

    def reserve(self, connection: Connection, call: Call, candidate: Candidate, identity: str) -> Started | Turn:
        """Reserve money for the call and read what it is built from; or return the turn, if the call was answered before.

        Raises `CeilingReached`, `GrowthHeld`, `Unfit`, `RateLimited`, `ProbeTaken` and `Misconfigured`; and for what came from
        something condemned an `ApplicationError` of type `Held`.
        """
        request = call.request
        begins = beginnings.look(connection, request.key, request.run.trace)
        # First: from here on no earlier attempt can answer before this transaction ends, so the lookup below is final. As a
        # rule there was none, and then there is no answer either.
        lost = spend.lose_earlier(connection, request.key) if begins.held else []
        found = self._found_or_held(connection, call, candidate, identity, begins)
        workers.tell_lost(connection, request.run, lost)
        return found

    def _found_or_held(
        self, connection: Connection, call: Call, candidate: Candidate, identity: str, begins: Beginning
    ) -> Started | Turn:
        stored = turns.find(connection, call.request.key) if begins.held or begins.stored else None
        if stored is not None:
            return self._stored_before(connection, call.request, stored)
        started = self.read(connection, call, candidate, identity, begins)
        # The cache comes before the money: a reused reply needs no room in any ceiling or rate limit.
        return self._from_cache(connection, call, started) or self._held(connection, call, started)

    def _stored_before(self, connection: Connection, request: CallModel, stored: Row[Any]) -> Turn:
        partial = partial_of(connection, self.ledger.files, request, stored)
        # The turn is stored, but the feed lines that ride on this request may not be.
        commit_riders(connection, request)
        return turn_of(stored).model_copy(update={"partial": partial})

    def read(
        self, connection: Connection, call: Call, candidate: Candidate, identity: str, begins: Beginning | None = None
    ) -> Started:
        """Everything the call is built from, by stored rows alone: another attempt, on any worker, builds the same prompt.

        Raises `GrowthHeld`, and for what came from something condemned an `ApplicationError` of type `Held`.
        """
        request, agent, choice = call.request, call.agent, candidate.choice
        begins = begins or beginnings.look(connection, request.key, request.run.trace)
        if begins.condemned:
            _refuse_condemned(connection, request)
        task, tainted_task = self._task(connection, request, agent, outside_seen=begins.outside)
        inputs = [handoffs.get(connection, one) for one in request.inputs]
        chain = turns.chain(connection, request.head)
        size = size_of(chain)
        _refuse_growth(call, size)
        results = turns.results(connection, [row.id for row in chain])
        made = _shortened(connection, call, candidate, chain, results)
        compaction.keep(connection, self.ledger.files, request.run, made)
        looked = rechecks(connection, inputs, agent)
        prompt = model_request(request, choice, agent, task, inputs, chain, results, made, looked.doubts)
        seen: tuple[str, ...] = ()
        if begins.outside or tainted_task:
            seen = outside.sources_at(connection, request.run.trace, request.run.path)
        read, tainted = read_in_chain(results, request, [*inputs, *looked.by], agent, seen)
        return Started(
            prompt=prompt,
            candidate=replace(candidate, shorter=made.refused),
            provider=choice.provider if choice.is_person else self.providers[choice.provider].name,
            tariff=prices.tariff(choice, self.routes.prices, self.vendors),
            most=Usage(input=prices.estimate(prompt.model_dump_json().encode()), output=prompt.max_output_tokens),
            reservation=identity,
            read=read,
            taint=tainted,
            rechecked=tuple(one.id for one in looked.by),
            size=size,
            cache=reply_cache.cache_digest(agent.file.cache, request.run.project, agent.digest, choice, prompt),
            replaced=made.told,
        )

    def answered_by(self, started: Started, reply: ModelReply) -> Tariff | None:
        """The tariff of the model that answered under another name; None for the one that was asked, and without a price."""
        choice = started.choice
        # What a person has written about a choice counts for whatever answers there.
        if choice.free or choice.price is not None or not started.tariff.version.startswith(prices.TABLE):
            return None
        if not billing.renamed(choice.model_name, reply.model):
            return None
        answered = choice.model_copy(update={"model": f"{choice.provider}:{reply.model}"})
        try:
            return prices.tariff(answered, self.routes.prices, self.vendors)
        except Misconfigured:
            return None

    def _task(self, connection: Connection, request: CallModel, agent: Agent, *, outside_seen: bool) -> tuple[Contract, bool]:
        """The task, stored if it comes with the request; and whether that was noted as text from outside."""
        files = self.ledger.files
        if request.answers:
            said = artifacts.put(connection, files, stored_answers(request.answers), "application/json")
            artifacts.note_seen(connection, request.run.trace, request.run.path, said.digest, "answers", untrusted=False)
        if request.task is None:
            return agent.takes.read(artifacts.get(connection, files, request.task_digest)), False
        task = agent.takes.read(request.task)
        kept = artifacts.put(connection, files, request.task.encode(), "application/json")
        at = (request.run.trace, request.run.path)
        # What another step has seen from outside is so here as well, whether or not the contract says it.
        copied: tuple[str, ...] = ()
        if outside_seen:
            copied = outside.sources_among(connection, at[0], outside.leaves(json.loads(request.task)))
        sources = as_taint((*sources_in(task), *copied))
        artifacts.note_seen(connection, *at, kept.digest, "task", untrusted=bool(sources), sources=sources)
        # What a reader is given is for readers alone: see `read_artifact`.
        for raw in (request.task, *(one.text for one in texts_in(task))) if agent.file.reader else ():
            alone = artifacts.put(connection, files, raw.encode()).digest
            artifacts.note_seen(connection, *at, alone, artifacts.FOR_READERS, untrusted=True, sources=sources)
        return task, bool(sources)

    def _from_cache(self, connection: Connection, call: Call, started: Started) -> Turn | None:
        """The turn from a cached reply, judged like a fresh one, at no cost. None if a model has to be asked."""
        found = reply_cache.look_up(connection, call.request.run.project, started.cache)
        # One that came from something condemned is not said again: a model is asked anew.
        if found is None or condemnations.holding(connection, call.request.run.trace, [found.turn]):
            return None
        # Judged for this call: a reply with tool calls was valid before, but is not once no more tools may be called.
        judged = judge(found.reply, call.agent, finish=call.request.finish is not None)
        if judged.problem is not None:
            return None
        return store_turn(connection, self.ledger.files, call, replace(started, origin=found.turn), found.reply, judged)

    def _held(self, connection: Connection, call: Call, started: Started) -> Started:
        """Reserve the most that the call can cost in every ceiling, and take its share of rate limits and its probes."""
        request, choice, most = call.request, started.choice, started.most
        amount = started.tariff.worst_case(most)
        _refuse_unfit(choice, most, amount)
        spend.reserve(
            connection,
            request.key,
            self._scopes(call),
            amount,
            price_version=started.tariff.version,
            worker=self.worker,
            identity=started.reservation,
            about=About(request.run.trace, request.run.path, request.run.project, call.ref.name, choice.model),
        )
        # A refusal from here on holds no money either: the error rolls the transaction back.
        taken = _within_rates(connection, choice, most)
        self.health.take_probes(connection, request, started.candidate.probes, started.prompt.timeout)
        return replace(started, taken=taken)

    def _scopes(self, call: Call) -> list[Scope | Slice]:
        # In this order in every call: two calls that locked the same rows in different orders would deadlock.
        run = call.request.run
        shared = shared_by(self.ceilings, project=run.project, agent=call.ref.name, now=call.at)
        return [*parts_of(self.ceilings, run, call.request.parts), *shared]


def _shortened(
    connection: Connection, call: Call, candidate: Candidate, chain: Sequence[Row[Any]], results: compaction.Results
) -> compaction.Shortened:
    """What the prompt leaves out: as little as the agent's target wants, or as much as can be where the choice wants less.

    A choice that found an earlier call of this step too large gets the later ones short at once; the ledger has it, so that all
    workers know it. Raises `NothingOlder` for a call that cannot be sent any shorter than it was.
    """
    if candidate.choice.is_person:
        return compaction.Shortened()  # who cannot call read_artifact is shown all of it
    agent, model = call.agent.file, candidate.choice.model
    made = compaction.shortened(chain, results, agent.limits.context_target)
    # Who cannot read them again would go on without what it knew.
    least = compaction.shortest(chain, results, made) if "read_artifact" in agent.tools else made
    refused = 0
    if least != made:
        refused = spend.errors_among(connection, [call.request.key, *(row.id for row in chain)], model, "too_large")
    # The refusal that made this a second try is one of them; with an older one the first try was as short as this.
    if candidate.shorter and (least == made or refused > 1):
        raise NothingOlder(f"{model} finds the call too large, and nothing of it can be left out")
    if not candidate.shorter and not refused:
        return made
    known = frozenset() if candidate.shorter else compaction.shortest(chain[:-1], results, made).hidden
    return replace(least, refused=True, known=known)


def _refuse_condemned(connection: Connection, request: CallModel) -> None:
    """Raise `Held` where anything that the prompt is made of came from something condemned. Nothing is paid for then."""
    run = request.run
    said = [sha256(stored_answers(request.answers))] if request.answers else []
    made_of = handoffs.own(connection, run.trace, [request.task_digest, *said])
    # The task of a step that a person let begin is what they decided on; it need not name it.
    rechecked = [one.id for made in request.inputs for one in handoffs.made_from(connection, made, Rechecked.contract)]
    things = [*([request.head] if request.head else []), *request.inputs, *rechecked, *made_of]
    things += handoffs.let_on_by(connection, run.trace)
    refuse_held(connection, run.trace, things)


def _refuse_growth(call: Call, size: StepSize) -> None:
    """Raise `GrowthHeld` for a step that a rule holds, unless a person let it go on or this is its last output."""
    held = call.bounds.held(size)
    if held and not call.request.beyond and call.request.finish is None:
        raise GrowthHeld(held)


def _refuse_unfit(choice: Choice, most: Usage, micros: int) -> None:
    reason = choices.unfit(choice, most.input, micros)
    if reason is not None:
        raise Unfit(reason)


def _within_rates(connection: Connection, choice: Choice, most: Usage) -> Taken | None:
    """What the call takes of the choice's rate limit; None if it has none. Raises `RateLimited`."""
    if choice.requests_per_minute is None and choice.tokens_per_minute is None:
        return None
    limit = Rate(choice.requests_per_minute, choice.tokens_per_minute)
    return rates.take(connection, f"model:{choice.model}", limit, most.input + most.output, server_us(connection))
