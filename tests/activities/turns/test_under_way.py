"""How far calls under way have got: written down while they run, all at once, for whoever looks on; and never counted."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio.testing import ActivityEnvironment

from activities.providers.progress import Progress
from activities.runs import under_way
from activities.runs.under_way import CallsUnderWay
from activities.runs.upkeep import Upkeep
from activities.turns.models import Models
from contracts.turns import CallModel
from ledger import progress, runs
from ledger.db import Ledger
from ledger.money import spend
from ledger.tables import call_progress, feed, scope, turn
from ledger.views import steps
from ledger.views.progress import progress_of
from tests.activities.turns.calling import one_call
from tests.ledger import samples
from tests.scripts import answer, summary
from tests.stack import until
from tests.wire.server import Play, WireServer
from tests.wire.streams import endpoint
from tests.wire.vendors import chunk, events

DONE = json.dumps(answer(summary())["answer"])
USED = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


@asynccontextmanager
async def asking(ledger: Ledger, folder: Path) -> AsyncIterator[tuple[Models, CallModel, WireServer]]:
    """The activity with a priced model that streams, and one request of the run trace-1."""
    ledger.tx_now(runs.begin, *samples.begin())
    async with WireServer() as server, endpoint(server, "chat") as provider:
        yield *one_call(ledger, folder, provider), server


@pytest.fixture
async def asked(ledger: Ledger, tmp_path: Path) -> AsyncIterator[tuple[Models, CallModel, WireServer, Ledger]]:
    """The same, over an empty ledger."""
    async with asking(ledger, tmp_path) as (models, request, server):
        yield models, request, server, ledger


def _money(ledger: Ledger) -> list[Any]:
    """All that is spent, and all that is on the feed."""
    spent = ledger.read_now(lambda connection: connection.execute(select(scope.c.id, scope.c.spent, scope.c.held)).all())
    lines = ledger.read_now(lambda connection: connection.execute(select(func.count()).select_from(feed)).scalar())
    turns = ledger.read_now(lambda connection: connection.execute(select(func.count()).select_from(turn)).scalar())
    return [sorted(map(tuple, spent)), lines, turns, ledger.read_now(runs.totals, "trace-1")]


def _rows(ledger: Ledger) -> int:
    return int(
        ledger.read_now(lambda connection: connection.execute(select(func.count()).select_from(call_progress)).scalar_one())
    )


async def test_a_call_is_followed_while_it_runs_and_nothing_of_it_counts(
    asked: tuple[Models, CallModel, WireServer, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The characters rise with the stream, labelled as a guess; spent, held, turns and the feed stay as they are; at the end
    what the provider has counted is in the turn, and the row is gone."""
    models, request, server, ledger = asked
    monkeypatch.setattr(under_way, "SHORT", 0.0)
    goes = [asyncio.Event(), asyncio.Event()]
    head = events(chunk({"role": "assistant", "content": ""}), chunk({"content": DONE[:40]}), end="")
    more = events(chunk({"content": DONE[40:]}), end="")
    end = events(chunk({}, "stop"), {"choices": [], "usage": USED, "object": "chat.completion.chunk"})
    server.play(Play(pieces=(head, goes[0], more, goes[1], end)))
    call = asyncio.create_task(ActivityEnvironment().run(models.call_model, request))

    async def written(characters: int) -> steps.UnderWay | None:
        await models.under_way.note()
        (one,) = ledger.read_now(steps.under_way, "trace-1") or (None,)
        return one if one and one.progress and one.progress.characters == characters else None

    first = await until(lambda: written(40), "the beginning has come")
    assert first.progress is not None
    assert (first.progress.tokens, first.progress.estimated, first.calls, first.tokens) == (10, True, 0, 0)
    before = _money(ledger)
    goes[0].set()
    second = await until(lambda: written(len(DONE)), "all of the text has come")
    assert second.progress is not None
    assert second.progress.tokens == -(-len(DONE) // 4)
    assert (_money(ledger), _rows(ledger), ledger.read_now(runs.totals, "trace-1")["tokens"]) == (before, 1, 0)
    goes[1].set()
    ended = await call
    assert (ended.usage.output, ended.usd_micros) == (20, 100 + 2 * 20)
    assert ledger.read_now(steps.under_way, "trace-1") == []
    await models.under_way.note()
    assert _rows(ledger) == 0


async def test_all_calls_go_into_one_transaction_and_what_has_not_changed_into_none(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty calls are one commit; a second look without news is none; a call that is over by then is never written."""
    calls, commits = CallsUnderWay(ledger, "w"), 0
    original = ledger.tx

    async def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal commits
        commits += 1
        return await original(*args, **kwargs)

    ledger.tx = counted  # type: ignore[method-assign]
    with calls.following("quick", _said(1)):
        await calls.note()
    assert commits == 0
    monkeypatch.setattr(under_way, "SHORT", 0.0)
    said = [_said(number) for number in range(50)]
    with contextlib.ExitStack() as following:
        for number, one in enumerate(said):
            following.enter_context(calls.following(f"r{number}", one))
        for _ in range(3):
            await calls.note()
        assert (commits, _rows(ledger)) == (1, 50)
        said[7].took(events(chunk({"content": "more"}), end=""))
        await calls.note()
        assert (commits, ledger.read_now(progress_of, ["r7"])["r7"].characters) == (2, 11)
    await calls.note()
    assert (commits, _rows(ledger)) == (3, 0)


def _said(characters: int) -> Progress:
    made = Progress()
    made.took(events(chunk({"content": "x" * characters}), end=""))
    return made


async def test_a_lost_workers_call_ages_and_is_forgotten_with_what_it_held(ledger: Ledger) -> None:
    """Its row says since when there was no word; once the call was charged, the round of upkeep removes it."""
    ledger.tx_now(runs.begin, *samples.begin())
    about = spend.About(trace="trace-1", path="plan", agent="planner@v1", model="scripted:model-1")
    scopes = [spend.Scope("run:trace-1", 10_000_000)]
    ledger.tx_now(spend.begin, scopes[0])
    held = ledger.tx_now(spend.reserve, "call", scopes, 2_000_000, price_version="p", worker="gone", about=about)
    far = progress.SoFar(held, 10, 3, estimated=True, tool="", silent=timedelta(seconds=75))
    ledger.tx_now(progress.note, "gone", [far])
    (one,) = ledger.read_now(steps.under_way, "trace-1")
    assert one.progress is not None
    assert one.progress.quiet.startswith("no word for 1 min 15 s, nor of its worker")
    await Upkeep(ledger, "living", "test", silent=timedelta()).round()
    await Upkeep(ledger, "living", "test", silent=timedelta()).round()
    assert (ledger.read_now(steps.under_way, "trace-1"), _rows(ledger)) == ([], 0)


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Any:
    """An empty ledger."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    yield opened
    opened.close()
