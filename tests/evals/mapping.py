"""The judge of a mapping: by what becomes of the rows, and where each column comes from."""

import contextlib
import csv
import json
from collections.abc import AsyncIterator
from collections.abc import Mapping as Named
from pathlib import Path
from typing import Any

from temporalio.client import Client

from activities.loads.mapped import problems
from activities.loads.values import convert
from contracts.load import MapTask
from contracts.tables import MappedColumn, Mapping
from ledger import handoffs
from tests.activities.loads.places import Place, tables
from tests.docs.pages import ROOT
from tests.stack import Stack, stack
from tests.workflows.test_load import ASKED, started

FOLDER = ROOT / "evals" / "load"
CASES = sorted(FOLDER.glob("*.json"))

COLUMNS: dict[str, tuple[str, dict[str, Any]]] = {
    "integer": ("bigint", {"type": "integer"}),
    "text": ("text", {"type": "string"}),
    "decimal": ("numeric(12,2)", {"type": "number", "multipleOf": 0.01}),
    "date": ("date", {"type": "string", "format": "date"}),
    "datetime": ("timestamp", {"type": "string", "format": "date-time"}),
}
"""What a column of each type is in the database and in the table's contract."""


def judged(case: Named[str, Any], mapping: Mapping | None) -> str:
    """Why the answer is wrong; "" where it is right. None: the agent asked in place of answering."""
    if case["ask"] or mapping is None:
        return "" if case["ask"] and mapping is None else "it should have asked" if case["ask"] else "it asked without need"
    task = MapTask.model_validate(case["task"])
    if wrong := problems(mapping, task.columns, task.header):
        return "; ".join(wrong)
    sources = {one.to: one.source for one in mapping.columns}
    expected = {one["to"]: one["source"] for one in case["expected"]}
    if sources != expected:
        return f"columns come from {sources}, and not from {expected}"
    columns = {one.name: one for one in task.columns}
    for one in mapping.columns:
        values, broken = convert(columns[one.to], one, _cells(case, task, one))
        if broken:
            return f"{one.to}: {broken[0].why}"
        if one.to in case["values"] and values[0] != case["values"][one.to]:
            return f"{one.to}: {values[0]}, and not {case['values'][one.to]}"
    return ""


def _cells(case: Named[str, Any], task: MapTask, one: MappedColumn) -> list[str | None]:
    assert one.source is not None
    return [row[task.header.index(one.source)] for row in case["rows"]]


async def proposed(client: Client, folder: Path, case: Named[str, Any], script: Path | None = None) -> Mapping | None:
    """What the mapper of a real load proposes for the case; None if it asks. The run is left at its gate."""
    async with _place(client, folder, case["task"], script) as (running, place):
        with (place.folder / "inbox" / ASKED["file"]).open("w", newline="") as file:
            csv.writer(file).writerows([case["task"]["header"], *case["rows"]])
        view = await running.next_gate(await started(running, f"load-{folder.name}", ASKED | {"ceiling_usd": "2"}))
        if view.kind != "plan":
            return None
        rows = await running.ledger.read(handoffs.of_trace, view.trace)
        made = [await running.ledger.read(handoffs.get, row.id) for row in rows]
        return Mapping.model_validate([one for one in made if one.contract_name == Mapping.contract][-1].body)


@contextlib.asynccontextmanager
async def _place(
    client: Client, folder: Path, task: Named[str, Any], script: Path | None
) -> AsyncIterator[tuple[Stack, Place]]:
    folder.mkdir()
    place = Place(folder, f"sqlite:///{folder}/books.db")
    names = {one["name"]: COLUMNS[one["type"]] for one in task["columns"]}
    required = [one["name"] for one in task["columns"] if one["required"]]
    properties = {name: kind for name, (_, kind) in names.items()}
    place.contract.write_text(json.dumps({"type": "object", "properties": properties, "required": required}))
    (folder / "books.db").touch()
    place.rows(f"create table orders ({', '.join(f'{name} {kind}' for name, (kind, _) in names.items())}, primary key (id))")
    declared = tables(place.url, place.contract)
    del declared["books"]["tables"]["orders"]["corrections"]
    settings = {"folders": {"inbox": {"path": str(folder / "inbox")}}, "targets": declared}
    try:
        async with stack(client, folder / "state", script, **settings) as running:
            yield running, place
    finally:
        place.ledger.close()
