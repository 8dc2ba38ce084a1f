"""A reply becomes a stored turn, once: with its handoff, where it came from, and its feed line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from activities.running.commit import commit_riders
from activities.turns import lines, reply_cache
from activities.turns.call import Call, Started
from activities.turns.partial import keep_partial
from activities.turns.provenance import body_digest, handoff_of
from activities.turns.replies import Judgement, unsupported
from activities.turns.turn_view import turn_made, turn_of
from contracts.base import canonical, sha256
from contracts.conversation import ModelReply
from contracts.handoff import Answer, Handoff
from contracts.people import stored_answers
from contracts.runs import Note
from contracts.turns import CallModel, Turn
from ledger import artifacts, handoffs, turns
from ledger.turns import NewTurn


def store_turn(
    connection: Connection,
    files: Path,
    call: Call,
    started: Started,
    reply: ModelReply,
    judged: Judgement,
    charged: int = 0,
    latency_ms: int = 0,
    told: Sequence[Note] = (),
) -> Turn:
    """Store the turn, or return the one that another attempt of the call has stored: that one stands.

    `told` are feed lines that come before the turn's own.
    """
    request, usage = call.request, reply.usage or started.most
    handoff = None if judged.answer is None else _handoff(connection, files, call, started, reply, judged.answer)
    new = _new(call, started, reply, judged, handoff, charged, latency_ms)
    # Another attempt of the same call was faster: its turn stands, and this reply is dropped although it is paid for.
    if not turns.insert(connection, new):
        return turn_of(turns.get(connection, request.key))
    edges = _edges(request, started)
    if handoff is not None:
        # Only with its turn: a dropped reply leaves no handoff.
        edges += handoffs.edges(handoff.id, "generated", [request.key])
        handoffs.put(connection, handoff, body_digest(handoff), canonical(handoff.model_dump(mode="json")), edges)
    else:
        handoffs.record(connection, edges)
    # Not one that came from the cache: stored again with every hit, it would never expire.
    if started.cache and judged.problem is None and not started.origin:
        reply_cache.keep(connection, call, started, reply)
    partial = keep_partial(connection, files, request, reply, judged.problem)
    alerts = call.bounds.alerts(request.run, call.ref.label, started.size, usage)
    line = lines.turn(request, judged, handoff, started.prompt.turn + 1, started.origin)
    own = [*told, *_shortened(call, started), *alerts, line]
    commit_riders(connection, request, own, tokens=usage.input + usage.output, usd_micros=charged)
    return turn_made(new, handoff).model_copy(update={"partial": partial})


def _edges(request: CallModel, started: Started) -> list[dict[str, str]]:
    """What the turn was made from."""
    said = sha256(stored_answers(request.answers)) if request.answers else ""
    given = () if request.head else (*request.inputs, *started.rechecked)
    used = [one for one in (request.head, request.task_digest, said, *given) if one]
    derived = [started.origin] if started.origin else []
    return [*handoffs.edges(request.key, "used", used), *handoffs.edges(request.key, "derived", derived)]


def _shortened(call: Call, started: Started) -> list[Note]:
    """The feed line about a prompt that was shortened, if it was."""
    why = f"a call's context was above limits.context_target ({call.agent.file.limits.context_target} tokens)"
    if started.candidate.shorter:
        why = f"{started.choice.model} found the call too large"
    return [lines.shortened(call.request, call.ref.label, started.replaced, why)] if started.replaced else []


def _new(
    call: Call,
    started: Started,
    reply: ModelReply,
    judged: Judgement,
    handoff: Handoff[Any] | None,
    charged: int,
    latency_ms: int,
) -> NewTurn:
    request = call.request
    return NewTurn(
        id=request.key,
        parent=request.head,
        trace=request.run.trace,
        path=request.run.path,
        agent=call.ref.label,
        agent_digest=call.agent.digest,
        task=request.task_digest,
        provider=started.provider,
        model_asked=started.choice.model,
        reply=reply,
        problem=judged.problem or "",
        handoff=handoff.model_dump_json() if handoff else "",
        usage=reply.usage or started.most,
        usd_micros=charged,
        price_version=started.tariff.version,
        latency_ms=latency_ms,
        flagged=reply.usage is None,
        attempt=call.attempt,
        cached=bool(started.origin),
        chosen=started.candidate.chosen,
    )


def _handoff(
    connection: Connection, files: Path, call: Call, started: Started, reply: ModelReply, answer: Answer[Any]
) -> Handoff[Any]:
    read = {}
    if answer.claims:
        # Not the task: what somebody asked for shows nothing about the world, and it may be an agent's own words.
        sources = [one for one in started.read if one != call.request.task_digest]
        read = {one: artifacts.get(connection, files, one) for one in sources}
    return handoff_of(call.request, call.agent, started, reply, answer, unsupported(answer.claims, read))
