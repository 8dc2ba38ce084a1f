"""A worker that dies while it loads: `forks.program("tests.activities.loads.dying")` starts it."""

from collections.abc import Sequence
from pathlib import Path

from activities.loads import records
from activities.running import failpoints
from contracts.load import LoadBatch
from tests.activities.loads.places import Place
from tests.ledger.samples import ref

BATCH = 10
"""Rows of one batch, so that a small file has several."""


def main(arguments: Sequence[str]) -> None:
    """Load batch after batch; the second one is where the point kills. Its arguments: FOLDER URL POINT KEY PLAN."""
    folder, url, point, key, plan = arguments
    records.ROWS = BATCH
    place = Place(Path(folder), url)
    failpoints.arm(f"{point} kill 2 {Path(folder) / 'marker'}")
    for number in range(3):
        place.do(place.loads.load_batch, LoadBatch(run=ref(), key=key, plan=plan, number=number))
