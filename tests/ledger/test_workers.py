"""What a worker held that is gone is charged within a minute; what a living one holds is left alone."""

from datetime import timedelta

from sqlalchemy import Connection, select, update

from activities.upkeep import Upkeep
from ledger import feed, spend, workers
from ledger.db import Ledger
from ledger.spend import About, Scope
from ledger.tables import reservation, scope, worker
from ledger.workers import BEAT, SILENT

SECOND = 1_000_000


def hold(connection: Connection, name: str) -> str:
    """A call that this worker has under way."""
    about = About("trace-1", "write/1/a", "shop", "writer", "openai:test")
    return spend.reserve(connection, "call", [Scope("run:trace-1", 100)], 40, price_version="test", worker=name, about=about)


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
