"""Agent versions: which have existed, which choice of model answered them, and what they have done lately."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from ledger.db import from_us, to_us
from ledger.tables import agent_version, turn


@dataclass(frozen=True)
class Answers:
    """How an agent version (with "(scripted)" where it was) was answered.

    `answers` counts all; `stepped_up` those by a better choice than the first, by reason; `outage` those by a later choice
    because the ones before it were unavailable.
    """

    agent: str
    answers: int = 0
    stepped_up: dict[str, int] = field(default_factory=dict)
    outage: int = 0


@dataclass(frozen=True)
class Version:
    """An agent version that runs have had, since `known_at`, and its turns in a period.

    `failed` counts turns that ended with a problem, `last_at` is when the last one was (None: none in the period), and
    `usd_micros` what they cost, without what outside programs did.
    """

    name: str
    version: str
    digest: str
    known_at: datetime
    turns: int = 0
    failed: int = 0
    tokens: int = 0
    usd_micros: int = 0
    last_at: datetime | None = None


def was_there(connection: Connection, name: str) -> bool:
    """True if any run has ever had an agent of this name."""
    return connection.execute(select(agent_version.c.name).where(agent_version.c.name == name)).first() is not None


def answers(connection: Connection, since: datetime) -> list[Answers]:
    """How each agent version was answered since then, by name."""
    query = (
        select(turn.c.agent, turn.c.chosen, func.count().label("times"))
        .where(turn.c.at >= to_us(since))
        .group_by(turn.c.agent, turn.c.chosen)
    )
    found: dict[str, Counter[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.agent, Counter())[row.chosen] += row.times
    return [_answers(agent, found[agent]) for agent in sorted(found)]


def _answers(agent: str, chosen: Counter[str]) -> Answers:
    stepped_up = {why: times for why, times in chosen.items() if why not in ("first", "outage")}
    return Answers(agent, chosen.total(), stepped_up, chosen["outage"])


def versions(connection: Connection, since: datetime) -> list[Version]:
    """Every agent version that a run has had, by name and then the newest first, with its turns since then."""
    query = (
        select(
            turn.c.agent_digest,
            func.count().label("turns"),
            func.sum(case((turn.c.problem != "", 1), else_=0)).label("failed"),
            func.sum(turn.c.tokens_in + turn.c.tokens_out).label("tokens"),
            func.sum(turn.c.usd_micros).label("usd_micros"),
            func.max(turn.c.at).label("last_at"),
        )
        .where(turn.c.at >= to_us(since))
        .group_by(turn.c.agent_digest)
    )
    used = {row.agent_digest: row for row in connection.execute(query)}
    known = connection.execute(select(agent_version).order_by(agent_version.c.name, agent_version.c.at.desc()))
    return [_version(row, used.get(row.digest)) for row in known]


def _version(row: Row[Any], used: Row[Any] | None) -> Version:
    about = (row.name, row.version, row.digest, from_us(row.at))
    if used is None:
        return Version(*about)
    figures = (int(used.turns), int(used.failed), int(used.tokens), int(used.usd_micros))
    return Version(*about, *figures, last_at=from_us(used.last_at))
