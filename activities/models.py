"""Model calls: one stored turn per key, money reserved before and settled after, whatever happens in between."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities import prices
from activities.agents import Agent, Catalogue
from activities.beating import beating
from activities.commit import commit_riders
from activities.policy import Policy
from activities.prompting import answer_name, messages, system_text, task_text
from activities.providers.base import Provider, ProviderError
from activities.replies import judge, unsupported
from activities.turn_results import Started, body_digest, handoff_of, line_of, read_in_chain, turn_made, turn_of
from contracts.agents import Choice
from contracts.base import canonical
from contracts.conversation import ModelReply, ModelRequest, Usage
from contracts.errors import Misconfigured
from contracts.handoff import Answer, Handoff
from contracts.steps import CallModel, Turn
from ledger import artifacts, handoffs, spend, turns
from ledger.db import Ledger
from ledger.spend import CeilingReached, Scope
from ledger.turns import NewTurn

CALL_MARGIN = timedelta(seconds=20)
"""Time an attempt has beyond the model call itself, for the ledger."""


class Models:
    """The activity `call_model`, with what it needs: ledger, agents, providers and the ceilings."""

    def __init__(
        self, ledger: Ledger, catalogue: Catalogue, providers: Mapping[str, Provider], policy: Policy, worker: str
    ) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._providers = providers
        self._policy = policy
        self._worker = worker

    @activity.defn
    async def call_model(self, request: CallModel) -> Turn:
        """One model turn. Called again with the same key it gives back the stored turn and pays nothing.

        Raises `ApplicationError`: type `CeilingReached` when the call was refused by a ceiling (and not made), or a
        provider error's kind, retryable where trying again can help.
        """
        agent = self._catalogue.pinned(request.agent)
        async with beating():
            return await self._over_choices(request, agent)

    async def _over_choices(self, request: CallModel, agent: Agent) -> Turn:
        usable = [choice for choice in request.choices if choice.provider in self._providers]
        if not usable:
            wanted = ", ".join(choice.model for choice in request.choices)
            raise _permanent("no_model", f"this worker can reach none of {wanted}; set a key, see `baton doctor`")
        for choice in usable[:-1]:
            try:
                return await self._attempt(request, agent, choice)
            except ProviderError as error:
                if error.verdict != "next_choice":
                    raise _as_failure(error) from None
                activity.logger.warning("%s failed, trying the next choice: %s", choice.model, error)
        try:
            return await self._attempt(request, agent, usable[-1])
        except ProviderError as error:
            raise _as_failure(error) from None

    async def _attempt(self, request: CallModel, agent: Agent, choice: Choice) -> Turn:
        # Made here: a cancellation can arrive while the reservation commits, and it must be closed all the same.
        reservation = spend.new_id()
        unanswered = "released"
        try:
            started = await self._begin(request, agent, choice, reservation)
            if isinstance(started, Turn):
                return started
            unanswered = "lost"  # the provider may do the work from here on, whether or not anybody reads it
            began = time.monotonic()
            reply = await self._providers[choice.provider].complete(started.prompt)
            latency_ms = int((time.monotonic() - began) * 1000)
            return await self._ledger.tx(self._finish, request, agent, started, reply, latency_ms)
        except ProviderError as error:
            await self._ledger.tx(spend.close, reservation, "lost" if error.maybe_charged else "released")
            raise
        except BaseException:
            # Also what nobody foresaw: no later attempt may come to close it. What `_finish` has settled stays settled.
            await self._ledger.tx(spend.close, reservation, unanswered)
            raise

    async def _begin(self, request: CallModel, agent: Agent, choice: Choice, reservation: str) -> Started | Turn:
        try:
            return await self._ledger.tx(self._reserve, request, agent, choice, reservation)
        except CeilingReached as error:
            raise ApplicationError(
                str(error), error.scope_id, type="CeilingReached", non_retryable=True, category=ApplicationErrorCategory.BENIGN
            ) from None
        except Misconfigured as error:
            raise _permanent("misconfigured", str(error)) from None

    def _reserve(
        self, connection: Connection, request: CallModel, agent: Agent, choice: Choice, reservation: str
    ) -> Started | Turn:
        """Hold money for the call and read what it is made of; the stored turn where the call was made before."""
        stored = turns.find(connection, request.key)
        if stored is not None:
            return turn_of(stored)
        task = agent.takes.read(self._task(connection, request))
        inputs = [handoffs.get(connection, one) for one in request.inputs]
        chain = turns.chain(connection, request.head)
        results = turns.results(connection, [row.id for row in chain])
        prompt = ModelRequest(
            key=request.key,
            model=choice.model_name,
            agent=agent.file.name,
            occurrence=request.occurrence,
            turn=len(chain),
            system=system_text(agent, task),
            messages=messages(task_text(agent, task, inputs), chain, results, request.finish),
            tools=() if request.finish else agent.tool_specs,
            answer_name=answer_name(agent),
            answer_schema=agent.answer_schema,
            max_output_tokens=agent.file.limits.output_tokens,
            timeout=agent.file.limits.call,
        )
        amount = prices.worst_case(choice, len(prompt.model_dump_json().encode()), prompt.max_output_tokens)
        spend.reserve(
            connection,
            request.key,
            self._scopes(request),
            amount,
            price_version=prices.price_version(choice),
            worker=self._worker,
            identity=reservation,
        )
        read, tainted = read_in_chain(results, request, inputs)
        return Started(prompt, choice, reservation, read, tainted)

    def _task(self, connection: Connection, request: CallModel) -> bytes:
        files = self._ledger.files
        if request.task is None:
            return artifacts.get(connection, files, request.task_digest)
        kept = artifacts.put(connection, files, request.task.encode(), "application/json")
        artifacts.note_seen(connection, request.run.trace, request.run.path, kept.digest, "task", untrusted=False)
        return request.task.encode()

    def _scopes(self, request: CallModel) -> list[Scope]:
        now, ceilings = datetime.now(UTC), self._policy.ceilings
        return [
            Scope(f"run:{request.run.trace}", int(ceilings.run_usd * 1_000_000)),
            Scope(f"agent:{request.agent.name}:{now:%Y-%m-%d}", int(ceilings.agent_day_usd * 1_000_000)),
            Scope(f"month:{now:%Y-%m}", int(ceilings.month_usd * 1_000_000)),
        ]

    def _finish(
        self, connection: Connection, request: CallModel, agent: Agent, started: Started, reply: ModelReply, latency_ms: int
    ) -> Turn:
        judged = judge(reply, agent, finish=request.finish is not None)
        usage = reply.usage or Usage()
        wanted = None if reply.usage is None else prices.cost(started.choice, reply.usage)
        charged = spend.settle(connection, started.reservation, wanted)
        handoff = None if judged.answer is None else self._handoff(connection, request, agent, started, reply, judged.answer)
        new = NewTurn(
            id=request.key,
            parent=request.head,
            trace=request.run.trace,
            path=request.run.path,
            agent=request.agent.label,
            agent_digest=agent.digest,
            task=request.task_digest,
            provider=self._providers[started.choice.provider].name,
            model_asked=started.choice.model,
            reply=reply,
            problem=judged.problem or "",
            handoff=handoff.model_dump_json() if handoff else "",
            usage=usage,
            usd_micros=charged,
            price_version=prices.price_version(started.choice),
            latency_ms=latency_ms,
            flagged=reply.usage is None,
            attempt=activity.info().attempt if activity.in_activity() else 1,
        )
        if not turns.insert(connection, new):
            # Another attempt of this call was faster: its answer stands, this one was paid for and is dropped.
            return turn_of(turns.get(connection, request.key))
        if handoff is not None:
            handoffs.put(connection, handoff, body_digest(handoff), canonical(handoff.model_dump(mode="json")))
            handoffs.link(connection, handoff.id, "generated", [request.key])
        handoffs.link(connection, request.key, "used", [one for one in (request.head, request.task_digest) if one])
        own = line_of(request, judged, handoff, started)
        commit_riders(connection, request, [own], tokens=usage.input + usage.output, usd_micros=charged)
        return turn_made(new, handoff)

    def _handoff(
        self,
        connection: Connection,
        request: CallModel,
        agent: Agent,
        started: Started,
        reply: ModelReply,
        answer: Answer[Any],
    ) -> Handoff[Any]:
        read = {}
        if answer.claims:
            read = {one: artifacts.get(connection, self._ledger.files, one) for one in started.read}
        return handoff_of(request, agent, started, reply, answer, unsupported(answer.claims, read))


def _as_failure(error: ProviderError) -> ApplicationError:
    return ApplicationError(
        str(error),
        type=error.kind,
        non_retryable=error.verdict != "retry",
        next_retry_delay=error.retry_after,
    )


def _permanent(kind: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=kind, non_retryable=True)
