"""How large an agent's calls and steps usually are, from its stored turns."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import median_low

from sqlalchemy import Connection, select

from ledger.tables import turn

LOOKED_AT = 2000
"""Newest turns of all agents that are searched for one agent's, so that the read stays bounded."""

LAST = 50
"""Most calls, and most steps, in a median."""

CALLS, STEPS = 10, 5
"""Fewest calls and fewest steps for a median."""


@dataclass(frozen=True)
class Usual:
    """Medians of an agent version; None without enough history."""

    context: int | None = None
    tokens: int | None = None


def usual(connection: Connection, agent_digest: str) -> Usual:
    """The median context of the agent version's last calls, and the median tokens of its last steps."""
    columns = (turn.c.at, turn.c.agent_digest, turn.c.trace, turn.c.path, turn.c.tokens_in, turn.c.tokens_out)
    recent = select(*columns).order_by(turn.c.at.desc()).limit(LOOKED_AT).subquery()
    # Uses the index on time: a lookup by agent would need an index of its own.
    wanted = select(recent).where(recent.c.agent_digest == agent_digest, recent.c.tokens_in > 0)
    # Ordered once more: a database need not keep the order of a subquery.
    rows = connection.execute(wanted.order_by(recent.c.at.desc())).all()
    steps: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        steps[row.trace, row.path] += row.tokens_in + row.tokens_out
    contexts, sums = [row.tokens_in for row in rows][:LAST], list(steps.values())[:LAST]
    return Usual(
        context=median_low(contexts) if len(contexts) >= CALLS else None,
        tokens=median_low(sums) if len(sums) >= STEPS else None,
    )
