"""Correct the charge of a call that was lost with its worker."""

import re
from dataclasses import dataclass
from decimal import Decimal

from commands.errors import Usage
from contracts.money import micros, usd
from contracts.runs import WHEN_WRITTEN, Note, RunRef
from ledger import feed
from ledger.db import Connection
from ledger.money import spend
from ledger.views.money import lost_attempts


@dataclass(frozen=True)
class Corrected:
    """A lost attempt's charge before and after in micro-dollars, and how many attempts of the call are still to correct."""

    key: str
    before: int
    after: int
    more: int


def reconciled(connection: Connection, key: str, cost: str, by: str, why: str) -> Corrected:
    """Correct the charge of the oldest lost attempt of this call. Raises `NotFound` or `Usage`."""
    if not re.fullmatch(r"\$?\d{1,9}(\.\d{1,6})?", cost.strip()):
        raise Usage(f"--cost {cost[:40]!r} is not an amount in US dollars; write a number such as 0.0125, or 0")
    attempts = lost_attempts(connection, key)
    oldest, wanted = attempts[0], micros(Decimal(cost.strip().removeprefix("$")))
    now = spend.settle(connection, oldest.id, wanted)
    note = Note(
        key=f"reconciled/{oldest.id}",
        at=WHEN_WRITTEN,
        stage="money",
        actor=by,
        channel="cli",
        did=f"corrected a lost call's charge from {usd(oldest.charged)} to {usd(now)}",
        why=why,
        importance="detail",
    )
    ref = RunRef(trace=oldest.trace or "budget", path=oldest.path, project=oldest.project or "default")
    feed.append(connection, ref, [note])
    return Corrected(oldest.key, oldest.charged, now, len(attempts) - 1)
