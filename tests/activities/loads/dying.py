"""A worker that dies while it loads: `python -m tests.activities.loads.dying FOLDER URL POINT KEY PLAN`."""

import sys
from pathlib import Path

from activities.loads import records
from activities.running import failpoints
from contracts.load import LoadBatch
from tests.activities.loads.places import Place
from tests.ledger.samples import ref

BATCH = 10
"""Rows of one batch, so that a small file has several."""


def main(folder: Path, url: str, point: str, key: str, plan: str) -> None:
    """Load batch after batch; the second one is where the point kills."""
    records.ROWS = BATCH
    place = Place(folder, url)
    failpoints.arm(f"{point} kill 2 {folder / 'marker'}")
    for number in range(3):
        place.do(place.loads.load_batch, LoadBatch(run=ref(), key=key, plan=plan, number=number))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
