"""Tickets without a key whose worker is killed twice: each is answered once, as if nothing had been."""

import json
from pathlib import Path

from contracts.support import SupportReport
from tests.activities.actions.servers import mail
from tests.activities.support.places import Shop, ticket
from tests.chaos.scenario import scenario
from tests.chaos.test_review import KEYS
from tests.chaos.world import World
from tests.stack import until

POINTS = (("support.opened", 1), ("support.looked_up", 2))
"""Where its workers die: a case is open, a case has its issue, and Temporal knows of neither. The third finishes."""

POLICY = Path(__file__).parents[2] / "policy.toml"
ALONE = 'adapter = "email.send"\ntier = "auto"\ntier_when_tainted = "auto"'


async def test_tickets_survive_two_kills_and_are_answered_once(outside: World, tmp_path: Path) -> None:
    """Policy lets answers go to addresses that the database has: two customers have one mail each, the third joined."""
    shop = Shop(tmp_path, f"sqlite:///{tmp_path}/shop.db")
    shop.file(
        ticket("T-1", "ann@shop.test", "Where is my invoice for AB-1001?"),
        ticket("T-2", "bob@shop.test", "Where is my invoice for CD-2001?"),
        ticket("T-3", "ann@shop.test", "Where is my invoice for AB-1001?", follows="T-1"),
    )
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.read_text().replace('adapter = "email.send"\ntier = "confirm"', ALONE))
    asked = {"owner": "olga", "desk": "shop", "folder": "inbox", "file": "tickets.jsonl"}
    with mail() as server:
        async with scenario(outside, "support", person=False) as runs:
            for name in KEYS:
                del runs.fleet.variables[name]
            runs.fleet.variables["BATON_POLICY"] = str(policy)
            for table, entries in shop.settings(server.port).items():
                for name, entry in entries.items():
                    runs.fleet.variables[f"BATON_{table.upper()}__{name.upper()}"] = json.dumps(entry)
            run = await runs.client.start_workflow("Support", asked, id="support-1", task_queue="support")
            for point, hits in POINTS:
                worker = await runs.fleet.start(point=point, hits=hits)
                await worker.ended
                assert (worker.acted, worker.killed) == (True, True), worker.log.read_text()
            await runs.fleet.start()

            async def ended() -> bool | None:
                status = (await run.describe()).status
                return None if status is None or status.name == "RUNNING" else True

            await until(ended, "the run has ended")
            report = SupportReport.model_validate(await run.result())
            await runs.fleet.end()
    assert (report.state, report.reason) == ("done", "")
    assert report.endings == {"replied": 2, "joined": 1}
    assert sorted(to for _, to, _ in server.box) == [("ann@shop.test",), ("bob@shop.test",)]
    assert report.categories[0].alone == 1000
