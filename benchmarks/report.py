"""Medians with their spread, tables, and a JSON file for later comparison."""

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Say = Callable[[str], None]


def spread(values: Iterable[float], digits: int = 2) -> str:
    """`median (min-max)`, or just the value if all are equal."""
    known = sorted(values)
    middle, low, high = (f"{value:,.{digits}f}" for value in (statistics.median(known), known[0], known[-1]))
    return middle if low == high else f"{middle} ({low}-{high})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours divided by theirs, round by round, so that only simultaneous measurements are compared."""
    return [one / other for one, other in zip(ours, theirs, strict=True) if other]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def write(folder: Path, name: str, results: dict[str, Any]) -> Path:
    """Write the results to `folder`/NAME.json and return its path. Replaces an earlier file."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.json"
    target.write_text(json.dumps({"benchmark": name, "at": datetime.now(UTC).isoformat()} | results, indent=1) + "\n")
    return target
