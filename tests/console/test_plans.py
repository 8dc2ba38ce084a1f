"""How the database reads what a page shows: by its indexes, however much there is."""

import sqlite3
from typing import Any

import pytest
from sqlalchemy import event

from console.here import Here
from console.pages import actions, condemned, cost, provenance
from console.pages.asked import Asked, Read
from contracts.base import sha256
from ledger.db import Ledger
from tests.console.filled import CONDEMNED, SOURCE, waits
from tests.console.serving import nowhere, settings_of
from tests.ledger import samples

LARGE = frozenset(
    "reservation turn tool_result handoff edge action feed run scope artifact seen condemned".split()  # noqa: SIM905
)
"""Tables that grow with every run."""

READS: tuple[tuple[Read, dict[str, str], dict[str, str]], ...] = (
    *((cost.cost, {}, {"by": by}) for by in ("agent", "model", "pipeline", "project", "day")),
    (cost.cost, {}, {"run": "trace-1", "pipeline": "Delivery", "project": "default"}),
    (actions.actions, {}, {"settled": "1"}),
    (actions.actions, {}, {"run": "trace-1"}),
    (actions.action, {"key": samples.intent("unknown").key}, {}),
    (provenance.provenance, {}, {"id": "trace-1"}),
    (provenance.provenance, {}, {"id": sha256(SOURCE)}),
    (condemned.preview, {}, {"id": sha256(SOURCE)}),
    (condemned.every, {}, {}),
    (condemned.one, {"id": CONDEMNED}, {}),
)


@pytest.mark.parametrize(("read", "path", "query"), READS, ids=lambda one: getattr(one, "__name__", None) or str(one))
def test_no_page_goes_through_a_whole_table(ledger: Ledger, read: Read, path: dict[str, str], query: dict[str, str]) -> None:
    """Of those that grow with every run: SQLite says of each statement how it would go about it."""
    waits(ledger)
    asked: list[tuple[str, Any]] = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *found: asked.append((found[2], found[3])))
    ledger.read_now(read, Asked(path, query, Here(ledger, settings_of(ledger), nowhere)))
    statements = [one for one in asked if one[0].startswith("SELECT")]
    assert statements
    whole = []
    with sqlite3.connect(ledger.url.removeprefix("sqlite:///")) as plain:
        for statement, values in statements:
            steps = [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            # An index of a part of the rows, such as those that are held now, is short.
            scans = [step for step in steps if step.startswith("SCAN") and "ix_reservation_held" not in step]
            whole += [(statement, step) for step in scans if step.split()[1] in LARGE]
    assert whole == []
