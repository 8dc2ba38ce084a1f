"""The state of models: breakers with failures, and what this minute has used of each model's rate limit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row

from ledger import breakers
from ledger.db import from_us, to_us
from ledger.money import rates


@dataclass(frozen=True)
class BreakerView:
    """A breaker with failures since the last success. `state` is the ledger's; `until` is when its open time ends."""

    name: str
    state: Literal["closed", "open", "half_open"]
    opened_at: datetime
    until: datetime
    probe_until: datetime
    failures: int
    why: str

    @property
    def is_closed(self) -> bool:
        """True while calls are made: there are failures, but it has not opened."""
        return self.state == "closed"

    @property
    def shown(self) -> str:
        """Its state for people: ok, failing (calls are made all the same), unavailable, or being probed."""
        return {"open": "unavailable", "half_open": "being probed"}.get(self.state, "failing" if self.failures else "ok")

    @property
    def changes_at(self) -> datetime | None:
        """When the next probe may be made, or the present one times out; None while it is closed."""
        if self.is_closed:
            return None
        return self.until if self.state == "open" else self.probe_until


@dataclass(frozen=True)
class Minute:
    """Requests and tokens of one model in this minute."""

    requests: int
    tokens: int


def noteworthy(connection: Connection) -> list[BreakerView]:
    """Every breaker that is open, half open, or has failures, by name."""
    return [_breaker(row) for row in sorted(breakers.noteworthy(connection), key=lambda row: str(row.name))]


def this_minute(connection: Connection, now: datetime) -> dict[str, Minute]:
    """What this minute has used, by model; models without a limit are not counted."""
    used = rates.in_use(connection, to_us(now))
    return {name: Minute(int(row.requests), int(row.tokens)) for name, row in used.items()}


def _breaker(row: Row[Any]) -> BreakerView:
    instants = (from_us(row.opened_at), from_us(row.until), from_us(row.probe_until))
    return BreakerView(row.name, row.state, *instants, failures=int(row.failures), why=row.reason)
