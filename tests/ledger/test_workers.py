"""What a worker held that is gone is charged within a minute; what a living one holds is left alone."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, select, update

from activities.runs.upkeep import Upkeep
from ledger import feed, upkeep, workers
from ledger.db import Ledger, now_us
from ledger.money import spend
from ledger.money.spend import About, Scope
from ledger.tables import reservation, scope, worker
from ledger.tables import upkeep as upkeep_row
from ledger.views.workers import workers_of
from ledger.workers import BEAT, SILENT, Serving
from tests.ledger.racing import until_it_waits

SECOND = 1_000_000


def hold(connection: Connection, name: str, trace: str = "trace-1") -> str:
    """A call that this worker has under way."""
    about = About(trace, "write/1/a", "shop", "writer", "openai:test")
    return spend.reserve(connection, "call", [Scope(f"run:{trace}", 100)], 40, price_version="test", worker=name, about=about)


def earlier(connection: Connection, seconds: int) -> None:
    """Let everything be as much longer ago."""
    connection.execute(update(worker).values(seen_at=worker.c.seen_at - seconds * SECOND))
    connection.execute(update(reservation).values(at=reservation.c.at - seconds * SECOND))


def books(ledger: Ledger) -> tuple[int, int, str]:
    """Spent and held of the run, and the reservation's state."""

    def read(connection: Connection) -> tuple[int, int, str]:
        row = connection.execute(select(scope)).one()
        return row.spent, row.held, connection.execute(select(reservation.c.state)).scalar_one()

    return ledger.read_now(read)


async def test_an_orphan_is_charged_within_a_minute(ledger: Ledger) -> None:
    """Another worker's round charges in full what a silent one holds, once, with a line on the run's feed."""
    ledger.tx_now(workers.beat, "dead", "test")
    ledger.tx_now(hold, "dead")
    living = Upkeep(ledger, "living", "test")
    ledger.tx_now(earlier, 25)
    assert await living.round() == 0
    ledger.tx_now(earlier, 10)
    assert await living.round() == 1
    assert books(ledger) == (40, 0, "lost")
    assert await living.round() == 0
    lines = ledger.read_now(feed.after, trace="trace-1")
    assert [line.did for line in lines] == ["charged $0.000040 for a call of writer that was lost with its worker"]
    assert timedelta(minutes=1) > SILENT + 2 * BEAT


async def test_a_living_workers_long_call_keeps_its_money(ledger: Ledger) -> None:
    """However long a call takes: while its worker says that it is alive nobody gives up what it holds."""
    ledger.tx_now(hold, "living")
    living = Upkeep(ledger, "living", "test")
    for _ in range(3):
        ledger.tx_now(earlier, 3600)
        assert await living.round() == 0
    assert books(ledger) == (0, 40, "held")


async def test_an_answer_that_still_comes_corrects_the_charge(ledger: Ledger) -> None:
    """A worker that was only slow settles its call at the real cost after it was given up as lost."""
    identity = ledger.tx_now(hold, "slow")
    ledger.tx_now(earlier, 60)
    assert await Upkeep(ledger, "living", "test").round() == 1
    assert ledger.tx_now(spend.settle, identity, 7) == 7
    assert books(ledger) == (7, 0, "settled")


async def test_a_worker_that_is_back_keeps_what_it_holds(ledger: Ledger) -> None:
    """One that was silent when a round began and speaks again before its turn comes is not charged."""
    ledger.tx_now(workers.beat, "slow", "test")
    identity = ledger.tx_now(hold, "slow")
    ledger.tx_now(earlier, 60)
    assert ledger.read_now(workers.orphans) == [identity]
    ledger.tx_now(workers.beat, "slow", "test")
    assert not ledger.tx_now(workers.close_orphan, identity)
    assert books(ledger) == (0, 40, "held")


def charged_first(url: str, files: Path, close: Callable[[Ledger], object]) -> bool:
    """Whether what one run's dead call held is charged for all to see while the next one's run is in somebody's hands."""
    ledger = Ledger(url, files)
    first = ledger.tx_now(hold, "dead", "trace-1")
    ledger.tx_now(hold, "dead", "trace-2")
    ledger.tx_now(earlier, 60)
    state = select(reservation.c.state).where(reservation.c.id == first)
    with ThreadPoolExecutor(1) as pool:
        with ledger.engine.begin() as live:
            live.execute(select(scope).where(scope.c.id == "run:trace-2").with_for_update())
            closing = pool.submit(close, ledger)
            until_it_waits(ledger, closing)
            seen = ledger.read_now(lambda connection: connection.execute(state).scalar_one())
        assert closing.result(30) == 2
    ledger.close()
    return bool(seen == "lost")


def test_a_round_holds_one_calls_rows_at_a_time(postgres_url: str, tmp_path: Path) -> None:
    """A round that waits for one run's money holds none of another's, so it cannot be what that one's calls wait for."""
    assert charged_first(postgres_url, tmp_path, lambda ledger: asyncio.run(Upkeep(ledger, "living", "test").round()))


def test_a_round_of_one_transaction_holds_the_rows_of_many(postgres_url: str, tmp_path: Path) -> None:
    """The test above is not blind: in one transaction, the first run's rows are held while the second's are waited for."""

    def all_at_once(connection: Connection) -> int:
        return sum(workers.close_orphan(connection, identity) for identity in workers.orphans(connection))

    assert not charged_first(postgres_url, tmp_path, lambda ledger: ledger.tx_now(all_at_once))


async def test_a_killed_worker_whose_clock_was_ahead_is_dead(ledger: Ledger) -> None:
    """By heartbeat, reservation and lease: it does not look alive until that time has come, and its call is charged."""
    seconds = 60 * 3600
    ledger.tx_now(workers.beat, "dead", "test", Serving("queue"))
    ledger.tx_now(hold, "dead")
    assert ledger.tx_now(upkeep.lead, "dead")
    ledger.tx_now(earlier, -seconds)
    ahead = now_us() + seconds * SECOND
    ledger.tx_now(lambda connection: connection.execute(update(upkeep_row).values(until=ahead)))
    there = ledger.read_now(workers_of, "queue")
    assert there.working == ()
    assert "dead was heard of last while its clock was 2 d ahead" in there.problem
    assert await Upkeep(ledger, "living", "test").round() == 2, "the call is charged, and the worker is no longer listed"
    assert books(ledger) == (40, 0, "lost")


def test_a_heartbeat_is_by_temporals_clock_where_the_database_has_none(ledger: Ledger) -> None:
    """A worker that knows how far its clock is ahead says so with its heartbeat; PostgreSQL has a clock of its own."""
    ahead = 2 * 86_400 * SECOND
    if ledger.engine.dialect.name == "sqlite":
        ledger.tx_now(workers.beat, "ahead", "test", Serving("queue"), ahead)
        assert not ledger.read_now(workers_of, "queue").working, "by our clock, which is right"
    ledger.tx_now(workers.beat, "right", "test", Serving("queue"), 5)
    assert [one.name for one in ledger.read_now(workers_of, "queue").working] == ["right"]
