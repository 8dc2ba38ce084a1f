"""A delivery with its ledger on PostgreSQL."""

from pathlib import Path

from temporalio.client import Client

from commands.demo import SAMPLE
from ledger import feed, runs
from tests.stack import git, sample, stack


async def test_a_delivery_on_postgresql(client: Client, tmp_path: Path, postgres_url: str) -> None:
    """The same run, the same record: nothing of the delivery knows which database it is."""
    origin = sample(tmp_path / "sample")
    settings = {"ledger_url": postgres_url}
    async with stack(client, tmp_path / "state", SAMPLE / "script.yaml", **settings) as running:
        run = await running.deliver(origin, branch="pg")
        await running.approve(run, "plan")
        await running.approve(run, "change")
        report = await run.result()
        row = await running.ledger.read(runs.find, run.id)
        lines = await running.ledger.read(feed.after, 0)
    assert (report.state, row.state, report.tests.verdict if report.tests else "") == ("done", "done", "passed")
    assert git(origin, "rev-parse", "pg^{tree}") == report.tree
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
