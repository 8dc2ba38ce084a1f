"""The judge of a mapping: by what becomes of the rows, and where each column comes from."""

import json
from collections.abc import Mapping as Named
from pathlib import Path
from typing import Any

from activities.loads.mapped import problems
from activities.loads.values import convert
from contracts.load import MapTask
from contracts.tables import MappedColumn, Mapping
from tests.docs.pages import ROOT

FOLDER = ROOT / "evals" / "load"
CASES = sorted(FOLDER.glob("*.json"))


def case_of(path: Path) -> dict[str, Any]:
    """One case."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


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
