"""The steps of a run: when each began and ended, what it used and cost, and what is under way at this moment."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from contracts.conversation import ModelReply
from ledger.db import from_us
from ledger.tables import feed, gate, handoff, reservation, run, tool_result, turn
from ledger.views.progress import Progress, progress_of

RETRY = "retry"
"""Stage of the feed lines about an activity that goes on failing."""

SURE = 500
"""Most handoffs of which it is read how sure their makers were."""


@dataclass(frozen=True)
class Step:
    """One step, or a wait at a gate. `ended` is None while that is open. Tokens are input and output."""

    path: str
    began: datetime
    ended: datetime | None
    calls: int = 0
    tokens: int = 0
    usd_micros: int = 0
    gate: str = ""


@dataclass(frozen=True)
class UnderWay:
    """A model call, or tools, at this moment. `tool` is the one that has no result yet, "" while a model is asked.

    `attempts` is how often this call was made, `held` what it may cost at most. `calls` and `tokens` are those of the step's
    finished calls: what the running one takes is known when it ends. `progress` is how far it has got, None while that is not
    known, and `call` the reservation that it is made under; of a tool "" and None.
    """

    path: str
    agent: str
    model: str
    since: datetime
    tool: str
    attempts: int
    held: int
    calls: int
    tokens: int
    call: str = ""
    progress: Progress | None = None


@dataclass(frozen=True)
class Used:
    """A tool that the run's agents have called."""

    name: str
    count: int
    failed: int
    latency_ms: int


@dataclass(frozen=True)
class Cost:
    """What an agent has cost with one model. Tokens are input and output."""

    agent: str
    model: str
    calls: int
    tokens: int
    usd_micros: int


_TOKENS = func.sum(turn.c.tokens_in + turn.c.tokens_out)


def steps_of(connection: Connection, trace: str) -> list[Step]:
    """Every step that has left a line on the feed or a model's turn, and every gate, in the order in which they began."""
    said = select(feed.c.path, func.min(feed.c.at), func.max(feed.c.at)).where(feed.c.trace == trace, feed.c.path != "")
    spans: dict[str, list[int]] = {
        path: [began, ended] for path, began, ended in connection.execute(said.group_by(feed.c.path))
    }
    query = select(
        turn.c.path,
        func.min(turn.c.at - turn.c.latency_ms * 1000),
        func.max(turn.c.at),
        func.count(),
        _TOKENS,
        func.sum(turn.c.usd_micros),
    ).where(turn.c.trace == trace)
    used: dict[str, tuple[int, int, int]] = {}
    for path, began, ended, calls, tokens, usd in connection.execute(query.group_by(turn.c.path)):
        span = spans.setdefault(path, [began, ended])
        spans[path] = [min(span[0], int(began)), max(span[1], int(ended))]
        used[path] = (int(calls), int(tokens), int(usd))
    found = [Step(path, from_us(began), from_us(ended), *used.get(path, ())) for path, (began, ended) in spans.items()]
    waits = select(gate.c.path, gate.c.gate, gate.c.opened_at, gate.c.closed_at).where(gate.c.trace == trace)
    for row in connection.execute(waits):
        closed = None if row.closed_at is None else from_us(row.closed_at)
        found.append(Step(row.path, from_us(row.opened_at), closed, gate=row.gate))
    return sorted(found, key=lambda one: (one.began, one.path, one.gate))


def under_way(connection: Connection, trace: str) -> list[UnderWay]:
    """The model calls for which money is held now, oldest first, then the tools whose results are awaited."""
    held = select(reservation).where(reservation.c.trace == trace, reservation.c.state == "held").order_by(reservation.c.at)
    sums = {row.path: row for row in connection.execute(_sums(trace))}
    found, rows = [], connection.execute(held).all()
    far = progress_of(connection, [row.id for row in rows])
    for row in rows:
        tries = select(func.count()).where(reservation.c.call_key == row.call_key)
        attempts = int(connection.execute(tries).scalar_one())
        done = sums.get(row.path)
        fixed = (row.path, row.agent, row.model, from_us(row.at), "", attempts, int(row.amount))
        so_far = (0, 0) if done is None else (int(done.calls), int(done.tokens))
        found.append(UnderWay(*fixed, *so_far, call=row.id, progress=far.get(row.id)))
    return [*found, *_tools_under_way(connection, trace, {one.path for one in found}, sums)]


def _sums(trace: str) -> Any:
    query = select(turn.c.path, func.count().label("calls"), _TOKENS.label("tokens"), func.max(turn.c.at).label("newest"))
    return query.where(turn.c.trace == trace).group_by(turn.c.path)


def _tools_under_way(connection: Connection, trace: str, asked: set[str], sums: dict[str, Any]) -> Iterable[UnderWay]:
    ended = connection.execute(select(run.c.ended_at).where(run.c.trace == trace)).scalar()
    for path, done in sums.items() if ended is None else ():
        if path in asked:
            continue
        newest = select(turn).where(turn.c.trace == trace, turn.c.path == path, turn.c.at == done.newest)
        row = connection.execute(newest.limit(1)).first()
        # A reply that retention has removed is of a run that is long over.
        calls = ModelReply.model_validate_json(row.reply).calls if row is not None and row.reply and not row.handoff else ()
        results = select(func.count(), func.max(tool_result.c.at)).where(tool_result.c.turn == (row.id if row else ""))
        count, last = connection.execute(results).one()
        if row is not None and count < len(calls):
            since = from_us(max(int(row.at), int(last or 0)))
            asked_of = f"{row.provider}:{row.model_answered}"
            yield UnderWay(path, row.agent, asked_of, since, calls[count].name, 1, 0, int(done.calls), int(done.tokens))


def tools_of(connection: Connection, trace: str) -> list[Used]:
    """The tools that were called, most often first."""
    failed = func.sum(tool_result.c.failed.cast(tool_result.c.position.type))
    query = (
        select(tool_result.c.name, func.count(), failed, func.sum(tool_result.c.latency_ms))
        .join(turn, turn.c.id == tool_result.c.turn)
        .where(turn.c.trace == trace)
        .group_by(tool_result.c.name)
        .order_by(func.count().desc(), tool_result.c.name)
    )
    return [Used(name, int(count), int(bad or 0), int(ms or 0)) for name, count, bad, ms in connection.execute(query)]


def costs_of(connection: Connection, trace: str) -> list[Cost]:
    """What each agent has cost with each model, the dearest first."""
    usd = func.sum(turn.c.usd_micros)
    query = (
        select(turn.c.agent, turn.c.provider, turn.c.model_answered, func.count(), _TOKENS, usd)
        .where(turn.c.trace == trace)
        .group_by(turn.c.agent, turn.c.provider, turn.c.model_answered)
        .order_by(usd.desc(), turn.c.agent)
    )
    rows = connection.execute(query)
    return [
        Cost(agent, f"{provider}:{model}", int(calls), int(tokens), int(cost))
        for agent, provider, model, calls, tokens, cost in rows
    ]


def confidence_of(connection: Connection, trace: str) -> dict[str, int]:
    """How sure each handoff's maker was, per mille, by the handoff's id: of the newest `SURE`, without those whose bodies were
    removed."""
    query = select(handoff.c.id, handoff.c.body).where(handoff.c.trace == trace).order_by(handoff.c.at.desc())
    rows = connection.execute(query.limit(SURE))
    return {row.id: int(json.loads(row.body).get("confidence", 1000)) for row in rows if row.body}


def retries_of(connection: Connection, trace: str) -> list[str]:
    """What is being tried again now: the newest line of each step, where that says so."""
    newest = select(func.max(feed.c.seq)).where(feed.c.trace == trace).group_by(feed.c.path)
    query = (
        select(feed.c.path, feed.c.did, feed.c.why).where(feed.c.seq.in_(newest), feed.c.stage == RETRY).order_by(feed.c.seq)
    )
    told = [(row.path, f"{row.did}: {row.why}" if row.why else row.did) for row in connection.execute(query)]
    return [f"{path}: {what}" if path else what for path, what in told]


def run_id_of(connection: Connection, trace: str) -> str:
    """The run id under which Temporal has the run now; another one than the trace after a reset."""
    kept = connection.execute(select(run.c.run_ids).where(run.c.trace == trace)).scalar()
    return next(reversed(json.loads(kept or "[]")), "") or trace
