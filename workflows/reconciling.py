"""Reconciling: how two sides differ, and each correction of a table as an action by its tier."""

from typing import Any

from activities.loads.comparisons import Comparisons
from activities.loads.loads import Loads
from contracts.load import CompareSides, Examined, ReconcileTable
from contracts.load_input import LoadInput
from contracts.reconcile import Reconciled
from contracts.tables import Mapping
from contracts.text import amount
from workflows.kit.kit import Kit
from workflows.kit.options import WORK
from workflows.kit.patience import patiently
from workflows.kit.perform import perform

AWAY = "the two sides cannot be compared now"


async def compare(kit: Kit, asked: LoadInput) -> dict[str, Any]:
    """Compare two files, or two tables of one target; perform what is proposed, and return the report's fields."""
    kit.enter("reconcile", "both sides are compared by queries")
    request = CompareSides(run=kit.ref, asked=asked)
    found = await patiently(kit, AWAY, lambda: kit.do(Comparisons.compare_sides, request, "load: compare both sides", **WORK))
    known = await _corrected(kit, asked, found)
    into = asked.against or asked.at[1]
    checked = f"{known['checked']}; columns of one side alone: {found.alone}" if found.alone else known["checked"]
    return known | {"file": asked.reconcile or asked.reconcile_table, "into": into, "rows": found.compared, "checked": checked}


async def reconcile(kit: Kit, asked: LoadInput, seen: Examined, mapping: Mapping) -> dict[str, Any]:
    """Find the differences, perform what is proposed for them, and return the report's fields."""
    kit.enter("reconcile", "file and table are compared by queries on the target")
    request = ReconcileTable(run=kit.ref, examined=seen, asked=asked, mapping=mapping)
    found = await patiently(kit, AWAY, lambda: kit.do(Loads.reconcile_table, request, "load: compare file and table", **WORK))
    return await _corrected(kit, asked, found)


async def _corrected(kit: Kit, asked: LoadInput, found: Reconciled) -> dict[str, Any]:
    total = len(found.differences) + found.more
    compared = f"{amount(found.compared, 'row')} compared, {found.bad} not, as they break a rule"
    kit.note(f"found {amount(total, 'difference')}", compared, "the report has them")
    # What a correction writes stands in the file, which somebody delivered.
    kit.grounds.read(("file",))
    wanted = found.corrections if asked.correct else ()
    receipts = [await perform(kit, one.intent, one.arguments, known=one.facts) for one in wanted]
    return {
        "mode": "reconcile",
        "differences": found.differences,
        "more": found.more,
        "found": found.artifact,
        "corrections": tuple(receipts),
        "checked": compared,
    }
