"""What actions of each type have come to lately, and which version of the policy changed what they take."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, func, select

from ledger.db import from_us, to_us
from ledger.tables import action, policy_version

VERSIONS = 500
"""Most versions of the policy that are looked through, the newest first."""


@dataclass(frozen=True)
class Change:
    """The version of the policy that last changed something: how it came into force, why, by whom and when."""

    nth: int
    how: str
    why: str
    by: str
    at: datetime


def outcomes(connection: Connection, types: Collection[str], since: datetime) -> dict[str, dict[str, int]]:
    """How many actions of each type are in which state, of those that changed since then. Types without any are left out."""
    query = (
        select(action.c.type, action.c.state, func.count().label("times"))
        .where(action.c.type.in_(types), action.c.updated_at >= to_us(since))
        .group_by(action.c.type, action.c.state)
        .order_by(action.c.type, action.c.state)
    )
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.type, {})[row.state] = int(row.times)
    return found


def last_changes(connection: Connection, types: Collection[str]) -> dict[str, Change]:
    """The version that last changed what the policy says of each type of action: the one that brought it if none has since.

    Types that the policy in force does not declare are left out, and those last changed before `VERSIONS` versions.
    """
    query = select(policy_version).order_by(policy_version.c.nth.desc()).limit(VERSIONS)
    found: dict[str, Change] = {}
    later: Row[tuple[object, ...]] | None = None
    declared: dict[str, object] = {}
    for row in connection.execute(query):
        before = json.loads(row.body).get("actions", {})
        if later is not None:
            for name in types:
                if name in declared and name not in found and before.get(name) != declared[name]:
                    found[name] = _change(later)
        else:
            declared = {name: before[name] for name in types if name in before}
        if len(found) == len(declared):
            return found
        later = row
    if later is not None and later.nth == 1:
        found |= {name: _change(later) for name in declared if name not in found}
    return found


def _change(row: Row[tuple[object, ...]]) -> Change:
    return Change(row.nth, row.how, row.why, row.by, from_us(row.at))
