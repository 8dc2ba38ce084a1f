"""A stored turn as the coordinator sees it: small, because it enters workflow history."""

from typing import Any

from sqlalchemy import Row

from contracts.conversation import ModelReply, Usage
from contracts.handoff import Handoff
from contracts.turns import Answered, Turn, TurnCall
from ledger import turns
from ledger.turns import NewTurn


def turn_of(row: Row[Any]) -> Turn:
    """A stored turn as the coordinator sees it."""
    handoff = Handoff[Any].model_validate_json(row.handoff) if row.handoff else None
    made = _turn(turns.reply_of(row), row.problem, handoff, turns.usage_of(row), row.usd_micros)
    return made.model_copy(update={"cached": bool(row.cached)})


def turn_made(new: NewTurn, handoff: Handoff[Any] | None) -> Turn:
    """A turn that has just been stored, as the coordinator sees it: the same as `turn_of` its row."""
    # The row has one number for everything written to a cache; its price is in the cost already.
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
        person=handoff.producer.person,
    )
