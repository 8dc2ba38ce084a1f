"""Looks at the ledger's money all the time, from outside of every worker, and notes what must never be seen."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, text

from contracts.errors import LedgerUnavailable
from ledger.db import Ledger

EVERY = 0.05
"""Seconds between two looks."""

# One statement sees one moment.
_NOW = text("""
    SELECT 'scope' AS kind, id AS name, ceiling, spent, held FROM scope
    UNION ALL
    SELECT 'calls', scopes, 0, CAST(SUM(settled) AS BIGINT),
           CAST(SUM(CASE WHEN state = 'held' THEN amount ELSE 0 END) AS BIGINT)
    FROM reservation GROUP BY scopes
""")


@dataclass
class Sampler:
    """`problems` counts each wrong thing that was seen; `fullest` is how full each kind of scope was, at most."""

    ledger: Ledger
    samples: int = 0
    missed: int = 0
    """Looks that found the database away."""
    problems: Counter[str] = field(default_factory=Counter)
    fullest: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.samples} looks at the ledger, {self.missed} found it away"

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                self.look(await self.ledger.read(_read))
            except LedgerUnavailable:
                self.missed += 1
            await asyncio.sleep(EVERY)

    def look(self, rows: list[Row[Any]]) -> None:
        """Compare the ceilings with their own sums, and with the sums of the calls that count against them."""
        self.samples += 1
        spent: Counter[str] = Counter()
        held: Counter[str] = Counter()
        for row in rows:
            if row.kind == "calls":
                scopes = json.loads(row.name)
                spent.update(dict.fromkeys(scopes, row.spent))
                held.update(dict.fromkeys(scopes, row.held))
        for row in rows:
            if row.kind == "scope":
                self._check(row, spent[row.name], held[row.name])

    def _check(self, row: Row[Any], spent: int, held: int) -> None:
        kind = row.name.partition(":")[0]
        self.fullest[kind] = max(self.fullest.get(kind, 0.0), (row.spent + row.held) / row.ceiling)
        if row.spent + row.held > row.ceiling:
            self.problems[f"above: {kind} has spent and held more than its ceiling"] += 1
        if spent + held > row.ceiling:
            self.problems[f"above: the calls of {kind} cost and hold more than its ceiling"] += 1
        if (spent, held) != (row.spent, row.held):
            self.problems[f"unequal: {kind} has other sums than its calls"] += 1


def _read(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(_NOW).all())
