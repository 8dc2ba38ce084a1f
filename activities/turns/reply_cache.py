"""Replies reused for identical calls: for agents that opt in, within one project, for as long as their file says."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from activities.turns.call import Call, Started
from contracts.agents import Choice
from contracts.base import digest_of
from contracts.conversation import ModelReply, ModelRequest, Usage
from ledger import reply_cache as stored
from ledger.db import server_us
from ledger.reply_cache import NewReply

_APART = {"key", "occurrence", "turn", "timeout"}
"""Fields about the run and the timeout: they do not change what a good answer is. Everything else in a request counts,
fields that are added later included."""


@dataclass(frozen=True)
class KeptReply:
    """A stored reply, and the turn that paid for it."""

    reply: ModelReply
    turn: str


def cache_digest(lifetime: timedelta | None, project: str, agent_digest: str, choice: Choice, prompt: ModelRequest) -> str:
    """What determines the answer, as one digest: project, agent version, model, and the whole rendered request.

    "" where the agent does not opt in.
    """
    if lifetime is None:
        return ""
    return digest_of("cached-reply", project, agent_digest, choice.model, prompt.model_dump_json(exclude=_APART))


def look_up(connection: Connection, project: str, digest: str) -> KeptReply | None:
    """The reply to reuse, with zero usage. None if there is none, or it has expired."""
    row = stored.find(connection, project, digest, server_us(connection)) if digest else None
    if row is None:
        return None
    reply = ModelReply.model_validate_json(row.reply).model_copy(update={"usage": Usage(), "request_id": None, "stated": None})
    return KeptReply(reply, row.turn)


def keep(connection: Connection, call: Call, started: Started, reply: ModelReply) -> None:
    """Store a reply that was judged valid, and delete expired ones. Does nothing if the agent does not opt in."""
    agent, lifetime = call.agent, call.agent.file.cache
    if lifetime is None:
        return
    now = server_us(connection)
    stored.drop_expired(connection, now)
    new = NewReply(
        digest=started.cache,
        project=call.request.run.project,
        agent=f"{agent.file.name}@{agent.version}",
        provider=started.provider,
        model_asked=started.choice.model,
        reply=reply.model_dump_json(),
        turn=call.request.key,
        at=now,
        expires_at=now + lifetime // timedelta(microseconds=1),
    )
    stored.keep(connection, new)
