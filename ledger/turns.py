"""Conversations: a chain of turns, each with the results of its tool calls. A turn's id is its key."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, literal, select

from contracts.agents import AgentRef
from contracts.conversation import ModelReply, Usage
from contracts.errors import NotFound
from contracts.ids import w3c_span_id, w3c_trace_id
from ledger.db import insert_once, now_us
from ledger.statement import Statement
from ledger.tables import tool_result, turn


def _walk() -> Select[Any]:
    """A conversation from its last turn back to its first."""
    first = select(turn.c.id, turn.c.parent, literal(0).label("back")).where(turn.c.id == bindparam("head"))
    walk = first.cte("walk", recursive=True)
    step = select(turn.c.id, turn.c.parent, walk.c.back + 1).where(turn.c.id == walk.c.parent)
    whole = walk.union_all(step)
    return select(turn).join(whole, whole.c.id == turn.c.id).order_by(whole.c.back.desc())


_FIND = Statement(select(turn).where(turn.c.id == bindparam("wanted")))
_CHAIN = Statement(_walk())
# No `Statement`: an IN over a list is another text for every length of it.
_RESULTS = (
    select(tool_result)
    .where(tool_result.c.turn.in_(bindparam("of", expanding=True)))
    .order_by(tool_result.c.turn, tool_result.c.position)
)
_RESULT = Statement(
    select(tool_result).where(tool_result.c.turn == bindparam("of"), tool_result.c.position == bindparam("at_index"))
)


@dataclass(frozen=True)
class NewTurn:
    """A turn to store."""

    id: str
    parent: str
    trace: str
    path: str
    agent: str
    agent_digest: str
    task: str
    provider: str
    model_asked: str
    reply: ModelReply
    problem: str
    handoff: str
    usage: Usage
    usd_micros: int
    price_version: str
    latency_ms: int
    flagged: bool
    """The provider's usage was missing or impossible: tokens and cost are upper bounds and may really be far lower."""
    attempt: int
    cached: bool = False
    chosen: str = "first"


@dataclass(frozen=True)
class NewResult:
    """A tool call's result to store."""

    turn: str
    index: int
    name: str
    arguments_digest: str
    body: str
    failed: bool
    effect: str
    state_before: str
    state_after: str
    repeated: bool
    artifacts: Sequence[str]
    latency_ms: int


def insert(connection: Connection, new: NewTurn) -> bool:
    """Store a turn. False if its id is there already: that one stands, and this attempt's answer is dropped."""
    return insert_once(
        connection,
        turn,
        id=new.id,
        parent=new.parent,
        trace=new.trace,
        path=new.path,
        agent=new.agent,
        agent_digest=new.agent_digest,
        task=new.task,
        provider=new.provider,
        model_asked=new.model_asked,
        model_answered=new.reply.model,
        reply=new.reply.model_dump_json(),
        problem=new.problem,
        handoff=new.handoff,
        tokens_in=new.usage.input,
        tokens_out=new.usage.output,
        tokens_cache_read=new.usage.cache_read,
        tokens_cache_write=new.usage.cache_write,
        tokens_reasoning=new.usage.reasoning,
        usd_micros=new.usd_micros,
        price_version=new.price_version,
        latency_ms=new.latency_ms,
        flagged=new.flagged,
        attempt=new.attempt,
        cached=new.cached,
        chosen=new.chosen,
        trace_id=w3c_trace_id(new.trace),
        span_id=w3c_span_id(new.trace, new.path, new.id),
        at=now_us(),
    )


def find(connection: Connection, turn_id: str) -> Row[Any] | None:
    """The stored turn with this id, or None."""
    return _FIND.first(connection, wanted=turn_id)


def get(connection: Connection, turn_id: str) -> Row[Any]:
    """The stored turn with this id. Raises `NotFound`."""
    row = find(connection, turn_id)
    if row is None:
        raise _gone(turn_id)
    return row


def _gone(turn_id: str) -> NotFound:
    return NotFound(f"there is no turn {turn_id[:12]}… in the ledger; was it restored from an older backup?")


def chain(connection: Connection, head: str) -> list[Row[Any]]:
    """The conversation that ends with `head`, oldest turn first; empty for an empty head.

    Raises `NotFound` where a turn of it is not there: without it the rest would be another conversation, and a model asked
    for what it has answered before.
    """
    if not head:
        return []
    # One recursive statement, so that a conversation of a hundred turns does not take a hundred round trips.
    found = _CHAIN.all(connection, head=head)
    missing = found[0].parent if found else head
    if missing:
        raise _gone(missing)
    return found


def results(connection: Connection, turn_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """Tool results of some turns, by turn, in the order of the calls."""
    found: dict[str, list[Row[Any]]] = {one: [] for one in turn_ids}
    if not turn_ids:
        return found
    for row in connection.execute(_RESULTS, {"of": list(turn_ids)}):
        found[row.turn].append(row)
    return found


def find_result(connection: Connection, turn_id: str, index: int) -> Row[Any] | None:
    """The stored result of one tool call, or None."""
    return _RESULT.first(connection, of=turn_id, at_index=index)


def insert_result(connection: Connection, new: NewResult) -> bool:
    """Store a tool result. False if there is one already: that one stands."""
    return insert_once(
        connection,
        tool_result,
        turn=new.turn,
        position=new.index,
        name=new.name,
        arguments_digest=new.arguments_digest,
        body=new.body,
        failed=new.failed,
        effect=new.effect,
        state_before=new.state_before,
        state_after=new.state_after,
        repeated=new.repeated,
        artifacts=json.dumps(list(new.artifacts)),
        latency_ms=new.latency_ms,
        at=now_us(),
    )


def reply_of(row: Row[Any]) -> ModelReply:
    """The reply that a stored turn holds. Raises `NotFound` if it was removed, long after its run had ended."""
    if not row.reply:
        raise NotFound(f"the conversation with turn {row.id[:12]}… was removed: its run ended more than keep_days ago")
    return ModelReply.model_validate_json(row.reply)


def agent_of(row: Row[Any]) -> AgentRef:
    """The agent version that a stored turn belongs to."""
    name, _, version = row.agent.partition(" ")[0].partition("@")
    stamps = {stamp: row.agent.endswith(f"({stamp})") for stamp in ("scripted", "unmetered")}
    return AgentRef(name=name, version=version, digest=row.agent_digest, **stamps)


def usage_of(row: Row[Any]) -> Usage:
    """The tokens that a stored turn used."""
    return Usage(
        input=row.tokens_in,
        output=row.tokens_out,
        cache_read=row.tokens_cache_read,
        cache_write=row.tokens_cache_write,
        reasoning=row.tokens_reasoning,
    )
