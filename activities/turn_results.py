"""What a finished model call becomes: the coordinator's view of the turn, a handoff with its provenance, a feed line."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from activities.agents import Agent
from activities.replies import Judged, unsupported
from contracts.agents import Choice
from contracts.base import canonical, sha256
from contracts.conversation import ModelReply, ModelRequest
from contracts.handoff import Handoff, Producer
from contracts.ids import handoff_id
from contracts.runs import Note
from contracts.steps import CallModel, Turn, TurnCall
from ledger import artifacts, turns


@dataclass(frozen=True)
class Started:
    """What was read and held before a call."""

    prompt: ModelRequest
    choice: Choice
    reservation: str
    read: Mapping[str, bytes]
    taint: tuple[str, ...]


def turn_of(row: Row[Any]) -> Turn:
    """A stored turn as the coordinator sees it."""
    reply = turns.reply_of(row)
    plain = not row.problem and not row.handoff
    return Turn(
        id=row.id,
        calls=tuple(TurnCall(index=index, name=call.name) for index, call in enumerate(reply.calls)) if plain else (),
        handoff=Handoff[Any].model_validate_json(row.handoff) if row.handoff else None,
        problem=row.problem or None,
        usage=turns.usage_of(row),
        usd_micros=row.usd_micros,
        model=row.model_answered,
    )


def read_in_chain(
    connection: Connection,
    files: Path,
    results: Mapping[str, Sequence[Row[Any]]],
    request: CallModel,
    inputs: Sequence[Handoff[Any]],
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """What this conversation really read, and which untrusted sources flowed in."""
    digests = {request.task_digest}
    taint = {name for one in inputs for name in one.taint}
    for rows in results.values():
        for row in rows:
            shown = json.loads(row.artifacts)
            digests.update(shown)
            if shown:
                taint.add(f"tool:{row.name}")
    return {one: artifacts.get(connection, files, one) for one in sorted(digests)}, tuple(sorted(taint))


def handoff_of(request: CallModel, agent: Agent, started: Started, reply: ModelReply, judged: Judged) -> Handoff[Any]:
    answer = judged.answer
    assert answer is not None
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
        ),
        inputs=(*request.inputs, request.task_digest),
        taint=started.taint,
        claims=answer.claims,
        unsupported=unsupported(answer.claims, started.read),
        trace=request.run.trace,
        path=request.run.path,
    )


def body_digest(handoff: Handoff[Any]) -> str:
    return sha256(canonical(handoff.body))


def line_of(request: CallModel, judged: Judged, handoff: Handoff[Any] | None, started: Started) -> Note:
    if judged.problem is not None:
        did, following = "gave an unusable reply", "it is asked to repair it"
        why = judged.problem
    elif handoff is not None:
        did, following = f"answered: {handoff.outcome}, confidence {handoff.confidence} of 1000", "the coordinator routes it"
        why = handoff.reason or f"{len(handoff.claims)} claims, {len(handoff.unsupported)} without checked evidence"
    else:
        did, following = f"asked for {', '.join(call.name for call in judged.calls)}", "the tools run"
        why = f"turn {started.prompt.turn + 1}"
    return Note(
        key=f"turn:{request.key}",
        at=datetime.now(UTC),
        stage=request.run.path,
        actor=request.agent.label,
        did=did,
        why=why[:1000],
        next=following,
        importance="detail",
        inputs=(request.task_digest,),
        outputs=(handoff.id,) if handoff else (),
    )
