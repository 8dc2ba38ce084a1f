"""Whether there is money for one more run: no ceiling that it needs is used up, and the month stays below its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from activities.money.scopes import months_of, shared_scopes
from contracts.agents import AgentPin
from contracts.money import Ceilings, usd
from contracts.printed import command
from ledger.money import ceilings as in_ledger
from ledger.money.ceilings import Pace


@dataclass(frozen=True)
class Problem:
    """Why no run is admitted, or (`refuses` False) a warning that somebody should look at."""

    scope: str
    text: str
    refuses: bool = True


def problem(
    connection: Connection, ceilings: Ceilings, project: str, pins: Iterable[AgentPin], now: datetime
) -> Problem | None:
    """What speaks against one more run of this project with these agents, or None."""
    # A run that cannot spend money is admitted whatever the ceilings say.
    paid = [
        pin.name for pin in pins if any(not (one.free or one.is_person or one.provider == "scripted") for one in pin.choices)
    ]
    if not paid:
        return None
    scopes = shared_scopes(ceilings, [project], paid, now)
    # Used up, not just low: the cost of a first call is unknown before its prompt is built.
    found = in_ledger.exhausted(connection, [one.id for one in scopes])
    if found is not None:
        later = f", or wait until {found.resets_at:%Y-%m-%d %H:%M} UTC" if found.resets_at else ""
        raising = command("budget raise", found.scope, options="--to USD -m why")
        text = f"{found.numbers}; no new run is admitted. `{raising}`{later}"
        return Problem(found.scope, text)
    return _heading_past(connection, ceilings, project, now)


def _heading_past(connection: Connection, ceilings: Ceilings, project: str, now: datetime) -> Problem | None:
    if ceilings.projection == "off":
        return None
    for month in months_of(ceilings, project, now):
        pace = in_ledger.month_at_its_pace(connection, now, ceilings.projection_after, month.id)
        if pace is not None and pace.projected > pace.ceiling:
            return _too_fast(month.id, pace, refuses=ceilings.projection == "refuse")
    return None


def _too_fast(scope: str, pace: Pace, *, refuses: bool) -> Problem:
    text = f"{scope}: the ceiling is {usd(pace.ceiling)}, and at its present pace the month will cost {usd(pace.projected)}"
    if refuses:
        way_out = f'`{command("budget raise", scope, options="--to USD -m why")}`, or [ceilings] projection = "alert"'
        text = f"{text}; no new run is admitted. {way_out}"
    return Problem(scope, text, refuses)
