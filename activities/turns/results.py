"""What a finished model call becomes: the coordinator's view of the turn, a handoff with its provenance, a feed line."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from activities.agents.agent import Agent
from activities.turns.choices import Candidate
from activities.turns.growth import Bounds, Size
from activities.turns.prices import Tariff
from activities.turns.replies import Judged
from contracts.agents import AgentRef, Choice
from contracts.base import canonical, sha256
from contracts.conversation import ModelReply, ModelRequest, Usage
from contracts.handoff import Answer, Handoff, Producer
from contracts.ids import handoff_id
from contracts.people import stored_answers
from contracts.runs import Note
from contracts.turns import Answered, CallModel, Turn, TurnCall
from ledger import turns
from ledger.money.rates import Taken
from ledger.turns import NewTurn


@dataclass(frozen=True)
class Call:
    """A request with nothing left open, and its agent."""

    request: CallModel
    ref: AgentRef
    agent: Agent
    attempt: int
    bounds: Bounds


@dataclass(frozen=True)
class Started:
    """What was read and held before a call."""

    prompt: ModelRequest
    candidate: Candidate
    provider: str
    tariff: Tariff
    """By what the call is charged, also where the price changes while it runs."""
    most: Usage
    """The most that it can use, for which money is reserved."""
    reservation: str
    read: tuple[str, ...]
    taint: tuple[str, ...]
    size: Size
    """Of the step before this call."""
    cache: str = ""
    """Under which digest a reply may be kept; "" where the agent does not opt in."""
    replaced: int = 0
    """How many older tool results the prompt shows as references for the first time."""
    origin: str = ""
    """The turn in which the reply was paid for, where it was kept and nothing is asked."""
    taken: Taken | None = None
    """What was counted of a limit per minute; None where there is none."""

    @property
    def choice(self) -> Choice:
        """The choice that answers."""
        return self.candidate.choice


def turn_of(row: Row[Any]) -> Turn:
    """A stored turn as the coordinator sees it."""
    handoff = Handoff[Any].model_validate_json(row.handoff) if row.handoff else None
    made = _turn(turns.reply_of(row), row.problem, handoff, turns.usage_of(row), row.usd_micros)
    return made.model_copy(update={"cached": bool(row.cached)})


def turn_made(new: NewTurn, handoff: Handoff[Any] | None) -> Turn:
    """A turn that has just been stored, as the coordinator sees it: the same as `turn_of` its row."""
    # The row keeps one number for all that was written into a cache; its price is in the cost already.
    usage = new.usage.model_copy(update={"cache_write_1h": 0}) if new.usage.cache_write_1h else new.usage
    made = _turn(new.reply, new.problem, handoff, usage, new.usd_micros)
    return made.model_copy(update={"cached": new.cached})


def _turn(reply: ModelReply, problem: str, handoff: Handoff[Any] | None, usage: Usage, cost: int) -> Turn:
    plain = not problem and handoff is None
    return Turn(
        calls=tuple(TurnCall(index=index, name=call.name) for index, call in enumerate(reply.calls)) if plain else (),
        answered=None if handoff is None else _answered(handoff),
        problem=problem or None,
        usage=usage,
        usd_micros=cost,
    )


def _answered(handoff: Handoff[Any]) -> Answered:
    return Answered(
        id=handoff.id,
        outcome=handoff.outcome,
        body=handoff.body,
        reason=handoff.reason,
        confidence=handoff.confidence,
        questions=handoff.questions,
        claims=handoff.claims,
        unsupported=handoff.unsupported,
        taint=handoff.taint,
        model=handoff.producer.model,
        cached=handoff.producer.cached,
    )


def read_in_chain(
    results: Mapping[str, Sequence[Row[Any]]], request: CallModel, inputs: Sequence[Handoff[Any]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The digests of what this conversation really read, and which untrusted sources flowed in."""
    digests = {request.task_digest}
    if request.answers:
        digests.add(sha256(stored_answers(request.answers)))
    taint = {name for one in inputs for name in one.taint}
    for rows in results.values():
        for row in rows:
            shown = json.loads(row.artifacts)
            digests.update(shown)
            if shown:
                taint.add(f"tool:{row.name}")
    return tuple(sorted(digests)), tuple(sorted(taint))


def handoff_of(
    request: CallModel, agent: Agent, started: Started, reply: ModelReply, answer: Answer[Any], doubtful: tuple[int, ...]
) -> Handoff[Any]:
    """The handoff that an agent's answer becomes; `doubtful` are the positions of claims without checked evidence."""
    body = None if answer.body is None else answer.body.model_dump(mode="json")
    digest = sha256(canonical(body))
    return Handoff[Any](
        id=handoff_id(request.run.trace, request.run.path, digest),
        contract_name=agent.file.returns,
        outcome=answer.outcome,
        body=body,
        reason=answer.reason,
        confidence=answer.confidence,
        questions=answer.questions,
        producer=Producer(
            agent=agent.file.name,
            version=agent.version,
            digest=agent.digest,
            model=f"{started.choice.provider}:{reply.model}",
            prompt=request.task_digest,
            cached=bool(started.origin),
        ),
        inputs=(*request.inputs, request.task_digest),
        taint=started.taint,
        claims=answer.claims,
        unsupported=doubtful,
        trace=request.run.trace,
        path=request.run.path,
        degraded=request.degraded,
    )


def body_digest(handoff: Handoff[Any]) -> str:
    return sha256(canonical(handoff.body))


def shortened_line(call: Call, started: Started) -> list[Note]:
    """That the prompt was made shorter, where it was."""
    if not started.replaced:
        return []
    target = call.agent.file.limits.context_target
    return [
        Note(
            key=f"shortened:{call.request.key}",
            at=datetime.now(UTC),
            stage=call.request.run.path,
            actor=call.ref.label,
            did=f"replaced {started.replaced} older tool results by references",
            why=f"a call's context was above the {target} tokens of limits.context_target",
            next="read_artifact shows the agent each of them again",
            importance="detail",
        )
    ]


def line_of(request: CallModel, judged: Judged, handoff: Handoff[Any] | None, started: Started) -> Note:
    if judged.problem is not None:
        did, following = "gave an unusable reply", "it is asked to repair it"
        if request.finish is not None:
            following = "the step ends as unsure, and what it had said and changed is kept"
        why = judged.problem
    elif handoff is not None:
        did, following = f"answered: {handoff.outcome}, confidence {handoff.confidence} of 1000", "the coordinator routes it"
        why = handoff.reason or f"{len(handoff.claims)} claims, {len(handoff.unsupported)} without checked evidence"
    else:
        did, following = f"asked for {', '.join(call.name for call in judged.calls)}", "the tools run"
        why = f"turn {started.prompt.turn + 1}"
    if started.origin:
        why = f"{why}; from the cache at no cost: an equal call was paid for in turn {started.origin[:12]}"
    return Note(
        key=f"turn:{request.key}",
        at=datetime.now(UTC),
        stage=request.run.path,
        actor=request.agent.label if request.agent is not None else request.name,
        did=did,
        why=why[:1000],
        next=following,
        importance="detail",
        inputs=(request.task_digest,),
        outputs=(handoff.id,) if handoff else (),
    )
