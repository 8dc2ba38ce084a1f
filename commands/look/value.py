"""How the value of finished cases reads, in a table and as JSON."""

from typing import Any

from contracts.money import usd
from contracts.value import MinutesBefore, minutes_of
from ledger.figures.value import MINUTE_US, AtGates, Value
from ledger.views.details import Details

columns = ("PIPELINE", "PROJECT", "ENDED", "DONE", "COST PER CASE", "WAITED", "DECIDED IN, P50/P95", "SAVED")


def row(pipeline: str, project: str, one: Value) -> list[str]:
    """The cells of one pipeline in one project."""
    cost = "-" if one.per_case is None else usd(one.per_case) + ("+?" if one.unmetered else "")
    decided = ", ".join(
        f"{kind} {_minutes(took.percentile(50))}/{_minutes(took.percentile(95))}"
        for kind, took in sorted(one.decisions.items())
    )
    saved = "-" if one.saved is None else f"{one.saved[0]} to {one.saved[1]} min"
    counts = (str(one.ended), str(one.finished))
    return [pipeline, project or "-", *counts, cost, f"{one.waited_minutes} min", decided or "-", saved]


def decided_after(people: AtGates) -> str:
    """How long each gate of a run waited for whoever decided; "" where nobody has."""
    each = ", ".join(f"{gate} after {_minutes(took)}" for gate, took in people.each)
    return f"decided {each}; nobody knows how much of that they worked" if each else ""


def saved(view: Details, declared: MinutesBefore) -> str:
    """The minutes that a finished run has saved, as two bounds; "" where nobody has declared what a case took before."""
    before = minutes_of(declared, view.run.pipeline, view.run.project)
    if before is None or view.run.state != "done":
        return ""
    least, most = view.people.saved(before)
    return f"{least} to {most} min of the {before} min that a case took before"


def fields(pipeline: str, project: str, one: Value) -> dict[str, Any]:
    """The fields for `--json`; seconds and minutes say so in their names."""
    decisions = {
        kind: {"count": took.size, **{f"p{nth}_s": (took.percentile(nth) or 0) // 1_000_000 for nth in (50, 95)}}
        for kind, took in sorted(one.decisions.items())
    }
    least, most = one.saved or (None, None)
    return {
        "pipeline": pipeline,
        "project": project,
        "ended": one.ended,
        "finished": one.finished,
        "spent_micros": one.spent,
        "cost_per_case_micros": one.per_case,
        "unmetered_runs": one.unmetered,
        "waited_minutes": one.waited_minutes,
        "decisions": decisions,
        "minutes_before": one.before,
        "saved_at_least_minutes": least,
        "saved_at_most_minutes": most,
    }


def _minutes(microseconds: int | None) -> str:
    return "-" if microseconds is None else f"{microseconds / MINUTE_US:.1f} min"
