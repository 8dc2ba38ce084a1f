"""Condemnations that wait for a person: `baton doctor` and the list of actions say so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from commands.output import clock, safe
from contracts.text import amount

if TYPE_CHECKING:
    from ledger.db import Ledger
    from ledger.views.condemned import Standing


def unsettled(ledger: "Ledger") -> "list[Standing]":
    """Condemnations that hold something, or leave an action to settle; oldest first."""
    from ledger.views.condemned import standings

    # Which type takes back which does not matter here.
    return ledger.read_now(standings, {})


def line(one: "Standing") -> str:
    """What it holds, and what is left to settle, since when."""
    it, reach = one.condemnation, one.reach
    counts = ((len(reach.runs), "open run"), (len(reach.gates), "gate"), (len(reach.pending), "action"))
    held = ", ".join(amount(count, what) for count, what in counts if count)
    taken_back = sum(each.compensation is not None and each.compensation.is_done for each in reach.left)
    left = f"{amount(len(reach.left), 'executed action')} left to settle" + (
        f", of which {taken_back} {'was' if taken_back == 1 else 'were'} taken back" if taken_back else ""
    )
    parts = [*([f"holds {held}"] if held else []), *([left] if reach.left else [])]
    return f"{safe(it.what, 300)}, condemned by {safe(it.by)} since {clock(it.at)} ({it.id}): {'; '.join(parts)}"


def fields(some: "Sequence[Standing]") -> list[dict[str, object]]:
    """As JSON has them."""
    return [
        {
            "id": one.condemnation.id,
            "what": one.condemnation.what,
            "by": one.condemnation.by,
            "at": one.condemnation.at,
            "runs": len(one.reach.runs),
            "gates": len(one.reach.gates),
            "pending": len(one.reach.pending),
            "left": len(one.reach.left),
        }
        for one in some
    ]
