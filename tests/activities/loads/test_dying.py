"""A worker that is killed in the middle of a load: the next one goes on, and each row is in the table once."""

import signal
import subprocess

import pytest

from activities.loads import records
from commands.server import ROOT
from tests import forks
from tests.activities.loads.dying import BATCH
from tests.activities.loads.places import Place, csv


@pytest.mark.parametrize(("point", "there"), [("load.before_commit", 10), ("load.before_completion", 19)])
def test_a_kill_in_the_middle_loads_each_row_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, point: str, there: int
) -> None:
    """Killed before the second batch is committed it is loaded again; killed after, it is found in the target's book."""
    monkeypatch.setattr(records, "ROWS", BATCH)
    place.file(csv(*(f"{number},ann,{number},{'2026-02-30' if number == 15 else ''}" for number in range(30))))
    planned = place.planned()
    assert planned.intent is not None
    place.approved(planned)
    command = [*forks.program("tests.activities.loads.dying"), str(place.folder), place.url, point]
    died = subprocess.run([*command, planned.intent.key, planned.plan], cwd=ROOT, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert len(place.rows()) == there
    for number in range(3):
        place.batch(planned, number)
    counted = place.count(planned)
    assert counted.problem == ""
    assert counted.counts.said() == "read 30 = loaded 29 + quarantined 1 + duplicates 0"
    assert len(place.rows()) == 29
