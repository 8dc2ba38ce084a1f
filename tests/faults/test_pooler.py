"""A ledger behind PgBouncer, where each transaction, or each client, gets a connection of its pool: nothing is lost."""

import asyncio
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, select, text
from temporalio.client import Client

from contracts.errors import LedgerUnavailable
from ledger import runs
from ledger.db import BUSY_SECONDS, Ledger
from ledger.migrate import standing, upgrade
from ledger.tables import reservation
from tests import depth, paid, pgbouncer, scripts
from tests.commands.conftest import Baton, baton
from tests.faults.record import once, record, sound
from tests.postgres import PORT, Postgres
from tests.replay.scenarios import FIX, PLANNER
from tests.scripts import a_tester, writer
from tests.stack import PATIENCE, QUICK, git, held, result_of, sample, stack, until
from tests.wire.server import WireServer

__all__ = ["baton"]

RUNS = depth.count(2, soak=4)


@pytest.fixture(scope="module", params=["transaction", "session"])
def pooler(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """PgBouncer in each mode that works."""
    with pgbouncer.before(postgres, request.param) as started:
        yield started


@pytest.fixture
def pooled_url(pooler: Postgres, postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database behind it."""
    name = postgres.create()
    yield pooler.url(name)
    postgres.drop(name)


@pytest.mark.parametrize("pooler", ["transaction", *depth.soak("session")], indirect=True)
async def test_deliveries_at_once_pay_each_call_once(client: Client, tmp_path: Path, pooled_url: str) -> None:
    """Several runs by one worker, with a model that costs money: as many paid calls as requests, and none is lost."""
    script = scripts.save(tmp_path / "script.yaml", PLANNER, writer("fix", FIX), a_tester())
    async with WireServer(script) as server:
        known = {"agents": paid.copied(tmp_path / "agents"), "openai_base_url": server.openai_url}
        async with stack(client, tmp_path / "state", check=QUICK, ledger_url=pooled_url, **known) as running:

            async def delivered(number: int) -> None:
                origin = sample(tmp_path / f"sample-{number}")
                run = await running.deliver(origin, branch="pooled")
                await running.approve(run, "plan")
                await running.approve(run, "change")
                assert (await run.result()).state == "done"
                assert git(origin, "rev-list", "--count", "main..pooled") == "1"
                assert once(await running.ledger.read(record, run.id))

            await asyncio.gather(*(delivered(number) for number in range(RUNS)))
            await running.ledger.read(sound)
            states = await running.ledger.read(_states)
        assert set(states) == {"settled"}
        assert len(states) == len(server.requests)


def _states(connection: Connection) -> list[str]:
    return list(connection.execute(select(reservation.c.state)).scalars())


async def test_a_pooler_that_dies_costs_no_second_call(
    client: Client, tmp_path: Path, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """It is killed while a model answers, and another one takes its place: the reply waits, is stored once, and paid once."""
    name, place = postgres.create(), tmp_path / "pooler"
    script = scripts.save(tmp_path / "script.yaml", PLANNER, writer("fix", FIX), a_tester())
    async with WireServer(script) as server, AsyncExitStack() as poolers:

        def another() -> Postgres:
            pooler = poolers.enter_context(pgbouncer.before(postgres))
            place.unlink(missing_ok=True)
            place.symlink_to(pooler.socket)
            return pooler

        first = another()
        known = {"agents": paid.copied(tmp_path / "agents"), "openai_base_url": server.openai_url}
        url = Postgres(place, first.pid).url(name)
        async with stack(client, tmp_path / "state", check=QUICK, ledger_url=url, **known) as running:
            origin = sample(tmp_path / "sample")
            run = await running.deliver(origin, branch="pooled")
            writing = held(running, "writer", "openai")
            await running.approve(run, "plan")
            await asyncio.wait_for(writing.asked.wait(), PATIENCE)
            os.kill(first.pid, signal.SIGKILL)

            async def waits() -> bool | None:
                return True if "the result of this attempt waits for the ledger" in caplog.text else None

            writing.go.set()
            await until(waits, "the reply waited for the ledger")
            another()
            await running.approve(run, "change")
            assert (await result_of(run)).state == "done"
            await running.ledger.read(sound)
            states = await running.ledger.read(_states)
    assert set(states) == {"settled"}
    assert len(states) == len(server.requests)
    postgres.drop(name)


def test_statements_that_are_said_again_and_again_arrive(pooled_url: str, tmp_path: Path) -> None:
    """Six clients at once, by transaction on two connections, each statement often enough for a driver to prepare it."""
    ledgers = [Ledger(pooled_url, tmp_path) for _ in range(6)]
    upgrade(ledgers[0])
    assert (standing(ledgers[0]).state, standing(ledgers[0]).pooled) == ("current", True)

    def work(ledger: Ledger) -> None:
        for _ in range(40):
            ledger.tx_now(runs.next_number, "n")
            ledger.read_now(lambda connection: connection.execute(text("SELECT 1")).scalar())

    with ThreadPoolExecutor(len(ledgers)) as threads:
        list(threads.map(work, ledgers))
    assert ledgers[0].tx_now(runs.next_number, "n") == 6 * 40 + 1
    for ledger in ledgers:
        ledger.close()


def test_what_a_transaction_is_told_holds_in_it_and_reaches_nobody_else(
    pooler: Postgres, pooled_url: str, tmp_path: Path
) -> None:
    """Time limits are in force in every transaction, and the pooler's next client finds the server's own."""
    ledger, settings = Ledger(pooled_url, tmp_path), ("lock_timeout", "idle_in_transaction_session_timeout")

    def limits(connection: Connection) -> list[str]:
        return [str(connection.execute(text(f"SHOW {name}")).scalar()) for name in settings]

    for look in (ledger.tx_now, ledger.read_now):
        assert look(limits) == [f"{BUSY_SECONDS}s", "1min"]
    others = [pooler.asked(pooled_url, f"SHOW {name}") for name in settings for _ in range(2 * pgbouncer.CONNECTIONS)]
    assert set(others) == {"0"}
    ledger.close()


def test_a_pool_by_statement_is_refused_by_name(postgres: Postgres, tmp_path: Path) -> None:
    """It takes no transactions: said so, with the modes that work."""
    name = postgres.create()
    with pgbouncer.before(postgres, "statement") as pooler:
        ledger = Ledger(pooler.url(name), tmp_path)
        with pytest.raises(LedgerUnavailable, match="its pool_mode has to be transaction or session"):
            upgrade(ledger)
        ledger.close()
    postgres.drop(name)


def test_a_pooler_that_lets_nobody_in_is_told_by_its_own_reasons(postgres: Postgres, tmp_path: Path) -> None:
    """Its clients, its connections, a database that is off, options it does not take: each with its mend, none "start it"."""
    name = postgres.create()
    with pgbouncer.before(postgres, max_client_conn=1, default_pool_size=1, query_wait_timeout=1) as pooler:
        url = pooler.url(name)
        told = [_refused(f"{url}&options=-csearch_path%3Dbaton", tmp_path)]
        with psycopg.connect(host=pooler.socket, port=PORT, user="baton", dbname=name):
            told.append(_refused(url, tmp_path))
    with pgbouncer.before(postgres, max_client_conn=10, default_pool_size=1, query_wait_timeout=1) as pooler:
        url = pooler.url(name)
        with psycopg.connect(host=pooler.socket, port=PORT, user="baton", dbname=name) as busy:
            busy.execute("SELECT 1")  # in a transaction, which keeps the only connection
            told.append(_refused(url, tmp_path))
        told.append(_refused(pooler.url("nowhere"), tmp_path))
    postgres._run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    with pgbouncer.before(postgres) as pooler:
        told.append(_refused(pooler.url(name), tmp_path))
    wanted = ("takes no `options`", "free connections", "free connections", "create it (CREATE DATABASE", "ALLOW_CONNECTIONS")
    for said, mend in zip(told, wanted, strict=True):
        assert mend in said
        assert "start the database" not in said
    postgres._run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    postgres.drop(name)


def _refused(url: str, folder: Path) -> str:
    ledger = Ledger(url, folder)
    with pytest.raises(LedgerUnavailable) as refused:
        standing(ledger)
    ledger.close()
    return str(refused.value)


def test_doctor_says_that_there_is_a_pooler(baton: Baton, pooled_url: str, tmp_path: Path) -> None:
    """By name, in the finding about the ledger; without one it says nothing of it."""
    ledger = Ledger(pooled_url, tmp_path)
    upgrade(ledger)
    ledger.close()
    baton.set(BATON_LEDGER_URL=pooled_url)
    found = {one["name"]: one for one in baton("doctor", "--json").json["findings"]}["ledger"]
    assert (found["level"], "through a pooler" in found["text"]) == ("ok", True)
