"""Whole deliveries with every reply over HTTP, through the real SDK clients against a loopback server."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from temporalio.client import Client

from commands.demo.demo import SAMPLE
from ledger.tables import turn
from tests import depth
from tests.stack import QUICK, git, sample, stack
from tests.wire.book import Book, BookPrice, by_key, read_book
from tests.wire.server import WireServer

PRICES = {
    "claude-sonnet-5-5": BookPrice(input=2_000_000, output=10_000_000),
    "gpt-6.1-terra": BookPrice(input=1_000_000, output=5_000_000),
}
"""Micro-dollars per million tokens, copied by hand: what the provider would write on its bill."""

CLIENTS = [
    ("anthropic", "anthropic:claude-sonnet-5-5", "auto"),
    ("openai", "openai:gpt-6.1-terra", "responses"),
    *depth.soak(("openai", "openai:gpt-6.1-terra", "chat")),
]
"""Most vendors of `test_vendors.py` speak Chat Completions."""


@pytest.mark.parametrize(("provider", "model", "api"), CLIENTS)
async def test_a_delivery_over_the_wire(client: Client, tmp_path: Path, provider: str, model: str, api: str) -> None:
    """The sample is delivered in each format: tools, structured output, usage, and the cost that the provider counts, too."""
    origin = sample(tmp_path / "sample")
    async with WireServer(script=SAMPLE / "script.yaml", book=Book(tmp_path / "book", PRICES)) as server:
        url = server.openai_url if provider == "openai" else server.url
        settings: dict[str, Any] = {f"{provider}_base_url": url, f"{provider}_api_key": SecretStr("test-key")}
        settings |= {"model": model, "openai_api": api, "providers": {provider: {"vendor": provider}}}
        async with stack(client, tmp_path / "state", check=QUICK, **settings) as running:
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
    assert by_key(read_book(tmp_path / "book")) == {row.id: [row.usd_micros] for row in rows}
    assert report.usd_micros == sum(row.usd_micros for row in rows)


@depth.deep(
    "tests/acceptance/test_vendors.py::test_a_delivery_at_a_vendor",
    "tests/wire/test_capabilities.py::test_a_server_of_ones_own_gets_the_tools_first_and_the_schema_for_the_last_turn",
)
async def test_a_delivery_at_a_server_that_calls_no_tool_beside_a_schema(client: Client, tmp_path: Path) -> None:
    """An endpoint of one's own, a table and nothing else: no request has both, and the files are read before the plan."""
    origin = sample(tmp_path / "sample")
    async with WireServer(script=SAMPLE / "script.yaml") as server:
        table = {"speaks": "chat", "base_url": server.openai_url, "free": True, "concurrency": 2}
        async with stack(client, tmp_path / "state", model="own:local", providers={"own": table}) as running:
            run = await running.deliver(origin, branch="own")
            await running.approve(run, "plan")
            await running.approve(run, "change")
            report = await run.result()
        bodies = [seen.body for seen in server.requests]
    assert (report.state, report.usd_micros) == ("done", 0)
    assert git(origin, "rev-parse", "own^{tree}") == report.tree
    assert any(message["role"] == "tool" for body in bodies for message in body["messages"])
    assert all("response_format" not in body for body in bodies if "tools" in body)
    assert all("JSON Schema" in body["messages"][0]["content"] for body in bodies if "tools" in body)
