"""Whole deliveries with every reply over HTTP, through the real SDK clients against a loopback server."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from temporalio.client import Client

from commands.demo import SAMPLE
from ledger.tables import turn
from tests.stack import git, sample, stack
from tests.wire.server import WireServer


@pytest.mark.parametrize(
    ("provider", "model"), [("anthropic", "anthropic:claude-sonnet-5-5"), ("openai", "openai:gpt-6.1-terra")]
)
async def test_a_delivery_over_the_wire(client: Client, tmp_path: Path, provider: str, model: str) -> None:
    """The sample is delivered with a real client of each kind: tools, structured output, usage and cost included."""
    origin = sample(tmp_path / "sample")
    async with WireServer(script=SAMPLE / "script.yaml") as server:
        url = server.openai_url if provider == "openai" else server.url
        settings = {f"{provider}_base_url": url, f"{provider}_api_key": SecretStr("test-key"), "model": model}
        async with stack(client, tmp_path / "state", **settings) as running:
            run = await running.deliver(origin, branch="wire")
            await running.approve(run, "plan")
            await running.approve(run, "change")
            report = await run.result()
            rows = running.ledger.read_now(lambda connection: connection.execute(select(turn)).all())
        asked = len(server.requests)
    assert (report.state, report.scripted) == ("done", False)
    assert git(origin, "rev-parse", "wire^{tree}") == report.tree
    assert asked == len(rows) > 10
    assert all(row.provider == provider and row.tokens_in > 0 and row.usd_micros > 0 for row in rows)
    assert report.usd_micros == sum(row.usd_micros for row in rows)
