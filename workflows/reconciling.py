"""Reconciling: how a file and a table differ, and each correction as an action by its tier."""

from typing import Any

from activities.loads.loads import Loads
from contracts.load import Examined, LoadInput, ReconcileTable
from contracts.tables import Mapping
from contracts.text import amount
from workflows.kit.kit import Kit
from workflows.kit.options import WORK
from workflows.kit.perform import perform


async def reconcile(kit: Kit, asked: LoadInput, seen: Examined, mapping: Mapping) -> dict[str, Any]:
    """Find the differences, perform what is proposed for them, and return the report's fields."""
    kit.enter("reconcile", "file and table are compared by queries on the target")
    request = ReconcileTable(run=kit.ref, examined=seen, asked=asked, mapping=mapping)
    found = await kit.do(Loads.reconcile_table, request, "load: compare file and table", **WORK)
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
