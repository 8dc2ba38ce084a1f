"""What a call is charged: the provider's own count where it can be, and the whole reservation where it cannot."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.agents.catalogue import Catalogue, load_catalogue
from activities.agents.routes import Routes
from activities.gates.policy import load_policy
from activities.providers.base import Provider
from activities.runs.admission import Admission
from activities.tools.registry import TOOLS
from activities.turns.models import Models
from contracts.agents import Choice, DatedPrice
from contracts.base import sha256
from contracts.conversation import ModelReply, ModelRequest, Usage
from contracts.ids import turn_key
from contracts.money import Ceilings
from contracts.runs import RunRef
from contracts.turns import CallModel, Turn
from ledger import tables
from ledger.db import Ledger
from tests.activities import agentfiles
from tests.activities.turns.test_models import DONE
from tests.wire.samples import MADE, connect
from tests.wire.server import Play, WireServer

ROUTES = """
[classes]
worker = [{ model = "corner:test" }]

[prices."corner:test"]
date = 2026-11-01
input = 1_000_000
output = 2_000_000
cache_read = 100_000
cache_write = 1_250_000
"""

DEARER = DatedPrice(date=date(2026, 12, 1), input=9_000_000, output=9_000_000)
USED = Usage(input=1_000, output=100, cache_read=600, cache_write=200, reasoning=30)
COST = 200 + 60 + 250 + 200
"""Micro-dollars: 200 fresh, 600 read, 200 written and 100 out, at that price."""

REPLY = ModelReply(text=DONE, stop="end", model="test", usage=USED)


@dataclass
class Paying:
    """The activity with one model on a loopback server, speaking one of the formats."""

    server: WireServer
    ledger: Ledger
    catalogue: Catalogue
    request: CallModel
    format: str
    provider: Provider

    async def call(self) -> Turn:
        """Make the call."""
        return await ActivityEnvironment().run(self.models().call_model, self.request)

    def models(self, provider: Provider | None = None) -> Models:
        """The activity, with this provider in place of the loopback server's where one is named."""
        admission = Admission(self.ledger, self.catalogue, load_policy(Path("policy.toml")), CEILINGS, lambda _: ())
        return Models(self.ledger, self.catalogue, {"corner": provider or self.provider}, CEILINGS, admission, "worker-1")

    def price(self, price: DatedPrice | None) -> None:
        """What routes.toml says of the model from now on."""
        routes = Routes(classes=self.catalogue.routes.classes, prices={} if price is None else {"corner:test": price})
        self.catalogue = replace(self.catalogue, routes=routes)

    def row(self, table: Any) -> Any:
        """The only row of a table."""
        return self.ledger.read_now(lambda connection: _only(connection, table))


CEILINGS = Ceilings(run_usd=20, agent_day_usd=100, month_usd=1000)


def _only(connection: Connection, table: Any) -> Any:
    return connection.execute(select(table)).one()


@contextlib.asynccontextmanager
async def paying_by(name: str, url: str, folder: Path) -> AsyncIterator[Paying]:
    agentfiles.write(folder / "agents")
    (folder / "agents" / "routes.toml").write_text(ROUTES)
    catalogue = load_catalogue(folder / "agents", TOOLS)
    agent, task = catalogue.newest("helper"), agentfiles.TASK.stored()
    run, choices = RunRef(trace="trace-1", workflow_id="ask-1", path="ask"), (Choice(model="corner:test"),)
    request = CallModel(
        run=run,
        key=turn_key(run.trace, run.path, "", agent.digest, sha256(task)),
        agent=agent.pin(choices).ref,
        choices=choices,
        task_digest=sha256(task),
        task=task.decode(),
        occurrence=1,
    )
    ledger = Ledger(url, folder / "artifacts")
    async with WireServer() as server:
        provider = connect(server, name)
        yield Paying(server, ledger, catalogue, request, name, provider)
        await provider.close()
    ledger.close()


@pytest.fixture(params=MADE)
async def paying(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Paying]:
    """Each format in turn."""
    async with paying_by(request.param, sqlite_url, tmp_path) as made:
        yield made


async def test_a_reply_is_charged_by_its_own_count(paying: Paying) -> None:
    """Fresh, read, written and answered tokens cost what they cost, in every format, and the price's date stands beside it."""
    paying.server.play(REPLY)
    turn = await paying.call()
    stored, held = paying.row(tables.turn), paying.row(tables.reservation)
    assert (turn.usd_micros, turn.usage) == (COST, USED)
    assert (stored.usd_micros, stored.flagged, stored.price_version) == (COST, False, "routes.toml 2026-11-01")
    assert (stored.tokens_cache_read, stored.tokens_cache_write, stored.tokens_reasoning) == (600, 200, 30)
    assert (held.settled, held.state, held.price_version) == (COST, "settled", stored.price_version)


COUNTERS = {
    "anthropic": ("input_tokens", "output_tokens"),
    "chat": ("prompt_tokens", "completion_tokens"),
    "responses": ("input_tokens", "output_tokens"),
}

IMPOSSIBLE = [(0, 0), (0, 1), (1, 0), (-1, 1), (1, -1), ("1", 1), (1.5, 1), (True, 1), (10**30, 1), (10**12, 1), (1, 10**9)]
NONSENSE: list[Any] = [..., None, "12", {}, *IMPOSSIBLE]


@pytest.mark.parametrize("said", NONSENSE, ids=str)
async def test_a_count_that_cannot_be_settles_at_the_reservation(paying: Paying, said: Any) -> None:
    """Missing, negative, mistyped or absurd: all that was held is charged, the turn is flagged, and its answer stands."""
    usage = dict(zip(COUNTERS[paying.format], said, strict=True)) if isinstance(said, tuple) else said
    paying.server.play(Play(REPLY, change={"usage": usage}))
    turn = await paying.call()
    stored, held = paying.row(tables.turn), paying.row(tables.reservation)
    assert (held.state, held.settled) == ("settled", held.amount)
    assert (stored.flagged, stored.usd_micros) == (True, held.amount)
    assert (stored.tokens_in > 0, stored.tokens_out > 0) == (True, True)
    assert turn.answered is not None


async def test_a_count_above_the_reservation_would_pass_the_ceiling(paying: Paying, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: who believes every number charges more than was held, and so more than any ceiling allows."""
    monkeypatch.setattr("activities.money.prices.charge", lambda tariff, most, usage: tariff.cost(usage))
    usage = dict(zip(COUNTERS[paying.format], (10**12, 1), strict=True))
    paying.server.play(Play(REPLY, change={"usage": usage}))
    await paying.call()
    held = paying.row(tables.reservation)
    assert held.settled > held.amount


async def test_a_price_that_changes_during_a_call_counts_from_the_next(paying: Paying) -> None:
    """A call is charged by the price that money was reserved at, and recorded under it."""
    prices = paying.catalogue.routes.prices

    class Changing:
        name = "corner"

        async def complete(self, request: ModelRequest) -> ModelReply:
            prices["corner:test"] = DEARER
            return await paying.provider.complete(request)

        async def close(self) -> None:
            await paying.provider.close()

    models = paying.models(Changing())
    paying.server.play(REPLY)
    turn = await ActivityEnvironment().run(models.call_model, paying.request)
    stored, held = paying.row(tables.turn), paying.row(tables.reservation)
    assert prices == {"corner:test": DEARER}
    assert turn.usd_micros == held.settled == COST
    assert stored.price_version == held.price_version == "routes.toml 2026-11-01"


async def test_a_model_without_a_price_is_not_asked(paying: Paying) -> None:
    """Nothing is sent and nothing held: the error names the model, and what to write into routes.toml."""
    paying.price(None)
    with pytest.raises(ApplicationError, match=r'corner:test has no price .*\[prices\."corner:test"\]') as caught:
        await paying.call()
    assert (caught.value.type, caught.value.non_retryable) == ("misconfigured", True)
    assert paying.server.requests == []
    assert paying.ledger.read_now(lambda connection: connection.execute(select(tables.reservation)).all()) == []
