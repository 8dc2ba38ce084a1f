"""`baton budget review`: whether the ceilings fit what is spent, with suggestions."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from commands.context import Json, open_ledger, settings
from commands.output import Out, clock, safe
from commands.periods import Since, Until, period, told

if TYPE_CHECKING:
    from ledger.figures.ceilings import Review

BACK = timedelta(days=90)
"""The period without --since."""


def add_to(app: typer.Typer) -> None:
    """Add this command to the group `baton budget`, which must exist."""
    group = next(one.typer_instance for one in app.registered_groups if one.name == "budget")
    assert group is not None, "a group that has a name is an app of its own"
    group.command("review")(review)


def review(since: Since = None, until: Until = None, as_json: Json = False) -> None:
    """Show for each ceiling of the last 90 days how often it was hit, who changed it and why, what was spent, if it fits."""
    out, found, now = Out(as_json=as_json), settings(), datetime.now(UTC)
    asked = period(since, until, now, BACK)
    with open_ledger(found) as ledger:
        from ledger.figures.ceilings import reviews

        reviewed = ledger.read_now(reviews, asked, found.ceilings, now)
    out.document(since=asked.since, until=asked.until, ceilings=[_fields(one) for one in reviewed])
    if not reviewed:
        out.note(f"nothing was spent against a ceiling from {told(asked, until)}")
        return
    out.table(_COLUMNS, [_row(one) for one in reviewed], words=("VERDICT",))
    for one in reviewed:
        _tell_changes(out, one)
    out.line(f"{told(asked, until)}; ended runs, whole days and whole months only")


_COLUMNS = ("CEILING OF", "IS", "COUNTED", "P50", "P95", "TRIPS", "CHANGED", "VERDICT", "SUGGESTED")


def _row(one: "Review") -> list[str]:
    p50, p95 = one.spent.percentile(50), one.spent.percentile(95)
    counts = [str(one.spent.size), _usd(p50), _usd(p95), str(one.trips), str(len(one.changes))]
    return [one.named.text, _usd(one.ceiling, "not set"), *counts, one.verdict, _usd(one.suggested)]


def _tell_changes(out: Out, one: "Review") -> None:
    from ledger.db import from_us

    for change in one.changes:
        moved = f"{_usd(change.before)} to {_usd(change.after)}"
        why = f": {safe(change.why, 200)}" if change.why else ""
        out.line(f"{clock(from_us(change.at))}  {safe(change.scope, 120)} from {moved} by {safe(change.by, 80)}{why}")


def _usd(micros: int | None, missing: str = "-") -> str:
    from contracts.money import usd

    return missing if micros is None else usd(micros)


def _fields(one: "Review") -> dict[str, Any]:
    from ledger.db import from_us

    named = {"of": one.named.text, "level": one.named.level, "project": one.named.project, "agent": one.named.agent}
    spent = {f"p{percent}": one.spent.percentile(percent) for percent in (50, 95)}
    waited = {f"p{percent}": one.waited.percentile(percent) for percent in (50, 95)}
    changes = [
        {"scope": row.scope, "before_micros": row.before, "after_micros": row.after, "by": row.by, "why": row.why}
        | {"channel": row.channel, "at": from_us(row.at)}
        for row in one.changes
    ]
    return named | {
        "ceiling_micros": one.ceiling,
        "counted": one.spent.size,
        "spent_micros": spent,
        "trips": one.trips,
        "tripped": len(one.tripped),
        "trips_ended": {how or "waiting": count for how, count in one.ended.items()},
        "waited_us": waited,
        "changes": changes,
        "verdict": one.verdict,
        "suggested_micros": one.suggested,
    }
