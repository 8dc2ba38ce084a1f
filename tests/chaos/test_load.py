"""A load whose worker is killed twice: before its rows are committed, and right after. Each row is in the table once."""

import json
import re
from pathlib import Path

from contracts.load import LoadReport
from tests.activities.loads.places import MAPPING, TABLE, Place, csv, tables
from tests.chaos.scenario import scenario
from tests.chaos.test_review import KEYS
from tests.chaos.world import World
from tests.stack import result_of
from tests.workflows.test_load import POLICY

POINTS = ("load.before_commit", "load.before_completion")


async def test_a_load_survives_two_kills(outside: World, tmp_path: Path) -> None:
    """The report's counts are those of the target's own book, and the table has no row twice and none too few."""
    place = Place(tmp_path, f"sqlite:///{tmp_path}/books.db")
    (tmp_path / "books.db").touch()
    place.rows(f"create table orders ({TABLE})")
    place.file(csv("1,ann,5,", "2,bob,6,", "2,bob,6,", "3,cat,x,", *(f"{number},dan,1," for number in range(10, 40))))
    policy = tmp_path / "policy.toml"
    policy.write_text(re.sub(r'(adapter = "sql\.\w+"\ntier) = "confirm"', r'\1 = "auto"', POLICY.read_text()))
    async with scenario(outside, "load", person=False) as runs:
        for name in KEYS:
            del runs.fleet.variables[name]
        runs.fleet.variables |= {
            "BATON_POLICY": str(policy),
            "BATON_FOLDERS": json.dumps({"inbox": {"path": str(tmp_path / "inbox")}}),
            "BATON_TARGETS": json.dumps(tables(place.url, place.contract)),
        }
        asked = {"owner": "olga", "target": "books", "table": "orders", "folder": "inbox", "file": "orders.csv"}
        asked |= {"mapping": json.dumps(MAPPING)}
        run = await runs.client.start_workflow("Load", asked, id="load-1", task_queue="load", result_type=LoadReport)
        for point in POINTS:
            worker = await runs.fleet.start(point=point)
            await worker.ended
            assert (worker.acted, worker.killed) == (True, True), worker.log.read_text()
        await runs.fleet.start()
        report = await result_of(run)
        await runs.fleet.end()
    place.ledger.close()
    assert report.counts.said() == "read 34 = loaded 32 + quarantined 1 + duplicates 1"
    assert (report.state, len(place.rows())) == ("done", 32)
