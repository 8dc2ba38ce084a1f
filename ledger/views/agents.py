"""Agent versions: which have existed, and which choice of model answered them."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, select

from ledger.db import to_us
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
