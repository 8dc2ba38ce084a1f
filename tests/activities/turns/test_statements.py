"""What a model call asks of the ledger: so many statements, and no more."""

from pathlib import Path

from sqlalchemy import Connection, func, select

from benchmarks.statements import Stages, kinds, statements
from ledger.db import Ledger
from ledger.tables import handoff, turn

MOST = 21
"""Statements of a call in the middle of a run, its two transactions' BEGIN and COMMIT among them."""


def stored(connection: Connection) -> tuple[int, int]:
    """How many turns and handoffs there are."""
    turns, handoffs = (connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (turn, handoff))
    return turns, handoffs


async def test_a_call_takes_so_many_statements(sqlite_url: str, tmp_path: Path) -> None:
    """A later call of a run looks once for what could stand in its way, takes its ceilings by one statement, and writes each
    table once: whoever adds a statement to every call changes this number, and says why."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    try:
        found = await statements(ledger, tmp_path)
    finally:
        ledger.close()
    assert list(found) == ["begin", "plan", "write", "test", "summarize"]
    for stage in ("write", "test", "summarize"):
        sent = found[stage]
        assert len(sent) == MOST, "\n".join(sent)
        assert kinds(sent)["COMMIT"] == 2
        for table in ("seen", "reservation", "turn", "handoff", "edge", "feed"):
            assert len([one for one in sent if one.startswith(f"INSERT INTO {table} ")]) == 1, sent
        for table in ("run", "scope", "feed_head", "reservation"):
            # The ceilings twice: taken before the call, settled after it.
            assert len([one for one in sent if one.startswith(f"UPDATE {table} ")]) == (2 if table == "scope" else 1), sent
        assert len([one for one in sent if one.startswith("SELECT") and " FROM run WHERE" in one]) == 1, sent


async def test_what_a_worker_did_not_store_itself_it_reads(sqlite_url: str, tmp_path: Path) -> None:
    """A second worker on the same ledger goes on where the first has stopped: it knows nothing, and asks for all of it."""
    one, other = (Ledger(sqlite_url, tmp_path / "artifacts") for _ in range(2))
    try:
        first, second = Stages(one, tmp_path), Stages(other, tmp_path)
        await first.run("shared")
        assert one.read_now(stored) == (4, 4)
        await second.run("shared")
        assert one.read_now(stored) == (4, 4)  # every call was answered from what was stored
        await second.run("its own")
        assert one.read_now(stored) == (8, 8)
    finally:
        one.close()
        other.close()
