"""How what a condemnation reaches is printed, and its JSON."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from commands.output import Out, clock, safe
from contracts.printed import command, quoted
from contracts.text import amount

if TYPE_CHECKING:
    from ledger.views.condemned import Executed, Reach, Standing

SHOWN = 20
"""Most of a kind that are printed; `--json` has all."""


def tell(out: Out, one: "Standing") -> None:
    """Print a condemnation: who, why, and what it reaches."""
    it = one.condemnation
    out.line(f"{it.id}: {safe(it.what)}", "bold")
    out.line(f"  {one.state}: condemned by {safe(it.by)}, {clock(it.at)}: {safe(it.why, 600)}")
    if it.undone_at is not None:
        out.line(f"  undone by {safe(it.undone_by)}, {clock(it.undone_at)}: {safe(it.undone_why, 600)}")
        return
    tell_reach(out, one.reach, it.id)


def tell_reach(out: Out, reach: "Reach", id: str = "") -> None:
    """Print what a condemnation reaches: what it holds, and what has happened. `id` "": it was not made yet."""
    if not reach.impact.complete:
        out.line("  there is more than was looked at: what stands here is not all", "bold")
    counted = ", ".join(amount(number, kind) for kind, number in sorted(reach.impact.things.items()))
    out.line(f"  reaches  {amount(len(reach.impact.runs), 'run')}; {counted}")
    for run in reach.runs[:SHOWN]:
        out.line(f"  holds    run {safe(run.workflow_id)} ({run.state})")
    for gate in reach.gates[:SHOWN]:
        out.line(f"  holds    {command('show', gate.run, options=f'--gate {quoted(gate.gate)}')}")
    for effect in reach.pending[:SHOWN]:
        out.line(f"  holds    {effect.key[:12]} {effect.state}: {safe(effect.summary)} (run {safe(effect.run)})")
    for one in reach.executed[:SHOWN]:
        _tell_executed(out, one, id)
    more = sum(max(len(some) - SHOWN, 0) for some in (reach.runs, reach.gates, reach.pending, reach.executed))
    if more:
        out.note(f"{more} more; --json has all")


def _tell_executed(out: Out, one: "Executed", id: str) -> None:
    effect, remedy = one.effect, one.remedy
    reference = f"  {safe(effect.reference, 80)}" if effect.reference else ""
    state = effect.state if one.certain else f"{effect.state}, may have happened"
    out.line(f"  executed {effect.key[:12]} {state}: {safe(effect.summary)} (run {safe(effect.run)}){reference}")
    if remedy is not None:
        out.line(f"           {remedy.how} by {safe(remedy.by)}: {safe(remedy.note, 400)} {safe(remedy.reference)}".rstrip())
    elif one.went_on:
        out.line("           a person let it happen although it was held")
    elif not one.certain:
        out.line(f"           nobody knows yet: {command('actions show', effect.key[:12])}")
    else:
        out.line(f"           {_taken_back(one)}")
        if (back := one.compensation) is not None and back.waits:
            out.line(f"           {command('act', options=f'--type {quoted(back.type)} --proposed {back.key}')}")
            out.line(f"           {command('actions decline', back.key[:12], options='-m …')}")
        elif id and one.open:
            out.line(f"           {command('condemned settle', id, effect.key[:12], options='--done -m …')}   or --declined")


def _taken_back(one: "Executed") -> str:
    back = one.compensation
    if back is not None:
        said = "was taken back by" if back.is_done else "is being taken back by"
        run = f" (run {safe(back.run)})" if back.run else ""
        return f"{'' if back.waits else f'{said} '}{back.key[:12]} {back.state}: {safe(back.summary)}{run}"
    if not one.taken_back_by:
        return "policy has nothing that takes it back"
    return f"taken back by: {command('act', options=f'--type {quoted(one.taken_back_by)} --undo {one.effect.key}')}"


def fields(one: "Standing") -> dict[str, Any]:
    """A condemnation as JSON has it."""
    return {**asdict(one.condemnation), "state": one.state, "reach": reach_fields(one.reach)}


def reach_fields(reach: "Reach") -> dict[str, Any]:
    """What it reaches, as JSON has it."""
    return {
        "things": dict(reach.impact.things),
        "complete": reach.impact.complete,
        "runs": [{"run": one.workflow_id, "state": one.state} for one in reach.runs],
        "gates": [{"run": one.run, "gate": one.gate} for one in reach.gates],
        "pending": [asdict(one) for one in reach.pending],
        "executed": [asdict(one) | {"open": one.open} for one in reach.executed],
    }
