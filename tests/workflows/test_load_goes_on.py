"""A load that is paused, continued as new, or for a while without its target or money goes on, with each row there once."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy

from activities.loads import records, tables
from activities.loads.loads import Loads
from contracts.load import Counts, LoadBatch
from contracts.load_input import LoadInput
from tests import postgres, scripts
from tests.activities.loads.places import csv
from tests.paid import copied
from tests.replay.scenarios import row_is
from tests.stack import PATIENCE, dev_server, result_of, until
from tests.wire.server import WireServer
from tests.workflows.test_continue import SUGGESTED_AT, chain_of
from tests.workflows.test_load import ASKED, GIVEN, MAPPER, loading, started
from workflows.kit.options import WORK

ROWS = 24


@pytest.fixture(scope="module")
async def short_lived() -> AsyncIterator[Client]:
    """A client of a server that suggests to continue after a few events."""
    async with dev_server(SUGGESTED_AT) as environment:
        yield environment.client


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One row is a batch; the numbers of the batches that were tried, in order."""
    tried: list[int] = []
    _before_each(monkeypatch, tried.append)
    monkeypatch.setattr(records, "ROWS", 1)
    return tried


def _before_each(monkeypatch: pytest.MonkeyPatch, work: Callable[[int], None]) -> None:
    loaded = Loads._loaded

    def instead(self: Loads, request: LoadBatch) -> Counts:
        work(request.number)
        return loaded(self, request)

    monkeypatch.setattr(Loads, "_loaded", instead)


async def test_a_pause_stops_the_batches_and_a_long_load_continues_as_new(
    short_lived: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: list[int]
) -> None:
    """What is under way at the pause is finished, and nothing after it begins; a continued part loads no batch again."""
    begun, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(number: int) -> None:
        if number == 2:
            loop.call_soon_threadsafe(begun.set)
            assert go.wait(PATIENCE)

    _before_each(monkeypatch, hold)
    async with loading(short_lived, tmp_path) as (running, place):
        place.file(csv(*(f"{number},ann,1," for number in range(ROWS))))
        run = await started(running, "load-paused-in-the-middle", GIVEN)
        await running.approve(run, "action-1")
        await asyncio.wait_for(begun.wait(), PATIENCE)
        await run.execute_update("pause", {})
        await until(lambda: row_is(running, run, "paused"), "the run has told its part")
        go.set()
        part = short_lived.get_workflow_handle(f"{run.id}.load.part-1")
        await until(lambda: _took(part, 3), "the part has taken the third batch")
        first = short_lived.get_workflow_handle(part.id, run_id=(await part.describe()).run_id)
        assert (attempts, len(place.rows())) == ([0, 1, 2], 3)
        await run.execute_update("resume", {})
        report = await result_of(run)
        assert report.counts.said() == f"read {ROWS} = loaded {ROWS} + quarantined 0 + duplicates 0"
        assert attempts == list(range(ROWS))
        assert len(place.rows()) == ROWS
        assert len(await chain_of(first)) > 1


async def _took(part: WorkflowHandle[Any, Any], batches: int) -> bool | None:
    """True once the part has done all that it does with what so many batches gave it."""
    events = list((await part.fetch_history()).events)
    ended = [event for event in events if event.HasField("activity_task_completed_event_attributes")]
    return True if len(ended) >= batches and events[-1].HasField("workflow_task_completed_event_attributes") else None


async def test_a_target_that_is_away_for_a_while_gets_each_row_once(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: list[int]
) -> None:
    """A batch that finds no database is tried again; it is no bad row, and nobody is asked about it."""
    books, away = tmp_path / "books.db", tmp_path / "away.db"

    def move(number: int) -> None:
        if number == 1 and attempts.count(1) == 0:
            books.rename(away)
            books.mkdir()
        elif number == 1 and attempts.count(1) == 2:
            books.rmdir()
            away.rename(books)

    _before_each(monkeypatch, move)
    async with loading(client, tmp_path) as (running, place):
        place.file(csv("1,ann,1,", "2,bob,2,", "3,cat,3,"))
        run = await started(running, "load-away", GIVEN)
        await running.approve(run, "action-1")
        report = await result_of(run)
        assert (report.state, report.counts.said()) == ("done", "read 3 = loaded 3 + quarantined 0 + duplicates 0")
        assert attempts == [0, 1, 1, 1, 2]
        assert len(place.rows()) == 3


class Server:
    """A PostgreSQL server of its own, which can be stopped and started again on the same data."""

    def __init__(self) -> None:
        self._place, self._up = contextlib.ExitStack(), contextlib.ExitStack()
        self._at = self._place.enter_context(postgres.place())
        self.running = self.start()

    def start(self) -> postgres.Postgres:
        """Start it."""
        self.running = self._up.enter_context(postgres.started(*self._at, postgres.OPTIONS))
        return self.running

    def stop(self) -> None:
        """Stop it, also if it is stopped."""
        self._up.close()

    def end(self) -> None:
        """Stop it for good."""
        self.stop()
        self._place.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """One that runs."""
    there = Server()
    yield there
    there.end()


async def test_a_postgresql_server_that_goes_and_comes_gets_each_row_once(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: list[int], server: Server
) -> None:
    """Stopped before the start and before a batch, and its connection ended in a batch and at a commit: each is tried again."""
    monkeypatch.setitem(WORK, "retry_policy", RetryPolicy(maximum_attempts=10, initial_interval=timedelta(milliseconds=50)))
    url = server.running.url(server.running.create())
    looked, ended = list[int](), list[int]()
    examined, put, book_batch = Loads._examined, tables.put, tables.book_batch

    def start_late(self: Loads, asked: LoadInput) -> Any:
        looked.append(len(looked))
        if len(looked) == 3:
            server.start()
        return examined(self, asked)

    def stop_once(number: int) -> None:
        if number == 1 and attempts.count(1) == 0:
            server.stop()
        elif number == 1 and attempts.count(1) == 2:
            server.start()

    def end_connection(batch: int) -> None:
        if attempts[-1] == batch and batch not in ended:
            ended.append(batch)
            others = "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database()"
            assert server.running.asked(url, f"{others} and pid <> pg_backend_pid()") >= 1

    def put_later(*given: Any) -> Any:
        if attempts:
            end_connection(2)
        return put(*given)

    def book_later(*given: Any) -> None:
        book_batch(*given)
        end_connection(3)

    monkeypatch.setattr(Loads, "_examined", start_late)
    monkeypatch.setattr(tables, "put", put_later)
    monkeypatch.setattr(tables, "book_batch", book_later)
    _before_each(monkeypatch, stop_once)
    async with loading(client, tmp_path, url=url) as (running, place):
        place.file(csv(*(f"{number},ann,{number},{'2026-02-30' if number == 4 else ''}" for number in range(6))))
        server.stop()
        run = await started(running, "load-dropped", GIVEN)
        await running.approve(run, "action-1")
        report = await result_of(run)
        assert (report.state, report.counts.said()) == ("done", "read 6 = loaded 5 + quarantined 1 + duplicates 0")
        assert attempts == [0, 1, 1, 1, 2, 2, 3, 3, 4, 5]
        assert [row[0] for row in place.rows()] == [0, 1, 2, 3, 5]
        told = [f"{line.did}: {line.why}" for line in await running.feed(run)]
    assert len(looked) == 3
    assert any("examine_source" in one and "the database books cannot be used" in one for one in told), told
    assert any("load_batch" in one and "the database books cannot be used" in one for one in told), told


async def test_a_target_that_stays_away_is_a_persons_matter(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: list[int]
) -> None:
    """Once all tries are used up a gate says what is wrong; approved when the target is back, the rest is loaded."""
    monkeypatch.setitem(WORK, "retry_policy", RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=10)))
    books, away = tmp_path / "books.db", tmp_path / "away.db"

    def leave(number: int) -> None:
        if number == 1 and 1 not in attempts:
            books.rename(away)

    _before_each(monkeypatch, leave)
    async with loading(client, tmp_path) as (running, place):
        place.file(csv("1,ann,1,", "2,bob,2,", "3,cat,3,"))
        run = await started(running, "load-gone", GIVEN)
        await running.approve(run, "action-1")
        view = await running.gate(run, "stuck-1")
        away.rename(books)
        assert len(place.rows()) == 1
        assert any("the target does not say what it has: the database books cannot be used" in fact for fact in view.facts)
        assert any("batch 2: the database books cannot be used" in fact for fact in view.facts)
        await running.decide(view)
        report = await result_of(run)
        assert (report.state, report.counts.said()) == ("done", "read 3 = loaded 3 + quarantined 0 + duplicates 0")
        assert len(place.rows()) == 3


async def test_a_target_that_is_away_from_the_start_is_a_persons_matter(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was read yet, and the run does not end: approved when the target is there, it goes on."""
    monkeypatch.setitem(WORK, "retry_policy", RetryPolicy(maximum_attempts=1))
    books, away = tmp_path / "books.db", tmp_path / "away.db"
    async with loading(client, tmp_path) as (running, place):
        place.file(csv("1,ann,5,"))
        books.rename(away)
        books.mkdir()
        run = await started(running, "load-away-at-first", GIVEN)
        view = await running.gate(run, "stuck-1")
        assert view.title == "the file or its table cannot be read"
        assert "the database books cannot be used" in view.facts[0]
        books.rmdir()
        away.rename(books)
        await running.decide(view)
        await running.approve(run, "action-1")
        assert (await result_of(run)).counts.loaded == 1


async def test_a_mapper_without_money_asks_a_person_and_goes_on(client: Client, tmp_path: Path) -> None:
    """Raised, the same load is mapped, approved and loaded; nothing was asked of the model before."""
    script = scripts.save(tmp_path / "paid.yaml", MAPPER)
    async with WireServer(script=script) as server:
        paid = {"openai_base_url": server.openai_url, "agents": copied(tmp_path / "agents")}
        async with loading(client, tmp_path, settings=paid) as (running, place):
            place.file(csv("1,ann,5,"))
            run = await started(running, "load-poor", ASKED | {"ceiling_usd": "0.000001"})
            view = await running.gate(run, "ceiling-1")
            assert (server.requests, place.rows()) == ([], [])
            await running.decide(view, "raise_ceiling", to_usd="20")
            await running.approve(run, "plan-1")
            report = await result_of(run)
            assert (report.state, report.counts.loaded) == ("done", 1)
            assert report.usd_micros > 0
