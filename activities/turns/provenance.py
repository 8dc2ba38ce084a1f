"""Where a handoff comes from: what its conversation really read, untrusted sources that flowed in, and who answered."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from activities.agents.agent import Agent
from activities.turns.call import Started
from contracts.base import canonical, sha256
from contracts.conversation import ModelReply
from contracts.handoff import Answer, Handoff, Producer
from contracts.ids import handoff_id
from contracts.outside import as_taint
from contracts.people import stored_answers
from contracts.text import one_line
from contracts.turns import CallModel

REASON = 200
"""Most characters of the reason that a reader gives."""


def read_in_chain(
    results: Mapping[str, Sequence[Row[Any]]],
    request: CallModel,
    inputs: Sequence[Handoff[Any]],
    agent: Agent,
    seen: Sequence[str] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The digests of what this conversation really read, and which untrusted sources flowed in.

    These are the sources of its inputs, of its task and of what tools showed (`seen`), and those of every tool result: one
    without bytes that evidence could quote, such as a list of names or a failure, holds words from outside as well.
    """
    digests = {request.task_digest}
    if request.answers:
        digests.add(sha256(stored_answers(request.answers)))
    taint = {name for one in inputs for name in one.taint} | set(seen)
    sources = {tool.name: tool.source for tool in agent.tools}
    for rows in results.values():
        for row in rows:
            shown = json.loads(row.artifacts)
            digests.update(shown)
            taint.add(sources.get(row.name, ""))
            if shown:
                taint.add(f"tool:{row.name}")
    return tuple(sorted(digests)), as_taint(taint)


def handoff_of(
    request: CallModel, agent: Agent, started: Started, reply: ModelReply, answer: Answer[Any], doubtful: tuple[int, ...]
) -> Handoff[Any]:
    """Turn an agent's answer into a handoff; `doubtful` are the positions of claims without checked evidence."""
    if agent.file.reader:
        # Its body's fields are bounded, and are all that others see: a quote, or a long reason, would carry the text on.
        answer, doubtful = answer.model_copy(update={"claims": (), "reason": one_line(answer.reason, REASON)}), ()
    body = None if answer.body is None else answer.body.model_dump(mode="json")
    # From the body: equal answers in one step are one handoff, however often they are made.
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
            reader=agent.file.reader,
            person=started.person,
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
    """The digest of a handoff's body, under which a gate names it."""
    return sha256(canonical(handoff.body))
