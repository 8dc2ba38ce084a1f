"""`baton verify --figures`: whether the figures that are kept of runs equal their rows, and those that do not made anew."""

from typing import TYPE_CHECKING, NoReturn

import typer

from commands.context import open_ledger, settings
from commands.errors import Code
from commands.output import Out, safe
from contracts.text import amount

if TYPE_CHECKING:
    from ledger.db import Ledger
    from ledger.folding import Compared

SHOWN = 20
"""Most runs that are named."""


def check(out: Out, *, rebuild: bool) -> NoReturn:
    """Compare what is kept of every run with its rows, and keep anew what differs if asked. Exits with 0 where all is right."""
    with open_ledger(settings()) as ledger:
        parts = list(_parts(ledger))
        wrong = [trace for part in parts for trace in part.wrong]
        kept = _kept_anew(ledger, wrong) if rebuild else 0
        left = [trace for part in _parts(ledger) for trace in part.wrong] if rebuild else wrong
        from ledger.views.runs import names_of

        names = ledger.read_now(names_of, wrong[:SHOWN])
    right, marked = sum(part.right for part in parts), sum(part.marked for part in parts)
    out.document(right=right, changed=marked, wrong=wrong, kept_anew=kept, left=left)
    out.line(f"the figures of {amount(right, 'run')} are as the rows have them")
    if marked:
        out.line(f"{amount(marked, 'run')} changed since, and {'is' if marked == 1 else 'are'} read from the rows")
    for trace in wrong[:SHOWN]:
        out.line(f"  {safe(names.get(trace, trace), 80)}: what is kept is not what its rows say")
    if len(wrong) > SHOWN:
        out.line(f"  and {len(wrong) - SHOWN} more; --json names all")
    if rebuild:
        out.line(f"kept anew: {amount(kept, 'run')}")
    if left:
        out.note("`baton verify --figures --rebuild` makes them anew from the rows" if not rebuild else "run it again")
    raise typer.Exit(Code.FAILED if left else Code.DONE)


def _parts(ledger: "Ledger") -> "list[Compared]":
    """Every run, some at a time: a single reading of everything would hold its snapshot for as long as it takes."""
    from ledger import folding

    parts: list[Compared] = []
    last = ""
    while True:
        one = ledger.read_now(folding.compare, last)
        if not one.last:
            return parts
        parts.append(one)
        last = one.last


def _kept_anew(ledger: "Ledger", wrong: list[str]) -> int:
    """Keep these, and all that have changed. Returns how many that were."""
    from ledger import folding

    kept = 0
    for at in range(0, len(wrong), folding.AT_ONCE):
        kept += ledger.tx_now(folding.fold, wrong[at : at + folding.AT_ONCE])
    last = ""
    while some := ledger.read_now(folding.changed, last):
        kept += ledger.tx_now(folding.fold, some)
        last = some[-1]
    return kept
