"""An action that ends each worker that tries it: it is given up where people see it, and takes nothing else with it."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from activities.actions import operating
from ledger import actions, feed
from ledger.actions import MOST_BEGUN
from ledger.db import Ledger, now_us
from ledger.tables import action
from tests import forks
from tests.activities.actions.poison import POISON
from tests.activities.actions.relaying import Book, handed
from tests.activities.actions.test_relay import rounds
from tests.children import PATIENCE

DIED = [str(-signal.SIGSEGV)] * MOST_BEGUN


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    yield opened
    opened.close()


def _workers(ledger: Ledger, folder: Path, way: str, *key: str) -> list[str]:
    """Start workers until one lives on; how they ended."""
    url = ledger.engine.url.render_as_string(hide_password=False)
    program = (*forks.program("tests.activities.actions.poison"), url, folder, way, *key)
    done = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_relays_give_up_what_ends_them_each_time(ledger: Ledger, tmp_path: Path) -> None:
    """After so many dead relays the next one leaves it to a person; what is beside and behind it is delivered, once each."""
    key = handed(ledger, POISON, "bank")
    others = {name: handed(ledger, name, target) for name, target in (("a", "shop"), ("b", "post"), ("c", "bank"))}
    assert _workers(ledger, tmp_path, "relay") == [*DIED, "done", "0"]
    rows = {name: ledger.read_now(actions.get, one) for name, one in others.items()}
    assert {name: row.state for name, row in rows.items()} == dict.fromkeys(others, "delivered")
    assert sorted(Book(tmp_path / "book").effects()) == sorted(others)
    assert max(row.attempts for row in rows.values()) <= 3  # after two deaths nothing was under way beside it
    row = ledger.read_now(actions.get, key)
    assert (row.state, row.attempts) == ("unknown", MOST_BEGUN)
    line = next(line for line in ledger.read_now(feed.after, limit=10_000) if line.did == f"unknown: write {POISON}")
    assert line.importance == "alert"
    assert line.why.startswith(f"after {MOST_BEGUN} attempts: ")
    assert f"the last {MOST_BEGUN} attempts ended without a word: the worker died" in line.why
    assert f"the last one was worker-{MOST_BEGUN - 1}" in line.why


def test_a_run_asks_a_person_about_what_ends_its_workers(ledger: Ledger, tmp_path: Path) -> None:
    """The activity of a run is not given to worker after worker: it fails for good, which opens the run's gate."""
    key = handed(ledger, POISON, "bank")
    ledger.tx_now(lambda one: one.execute(update(action).values(relay="", handed_at=0)))
    *died, said, code = _workers(ledger, tmp_path, "run", key)
    assert (died, code) == (DIED, "0")
    assert said.startswith("OutcomeUnknown for good: write poison: an earlier attempt may have done it")
    assert "ended without a word" in said


async def test_retried_by_a_person_it_has_as_many_attempts_again(ledger: Ledger, tmp_path: Path) -> None:
    """Whoever has mended the worker has it tried again, and the count begins anew."""
    key = handed(ledger, "a", "bank")
    for _ in range(MOST_BEGUN):
        _dies(ledger, key)
    book = Book(tmp_path / "book")
    await rounds(ledger, book)
    assert (ledger.read_now(actions.get, key).state, book.effects()) == ("unknown", [])
    ledger.tx_now(operating.retry, key, "maria", "the worker has more memory")
    await rounds(ledger, book)
    assert (ledger.read_now(actions.get, key).state, book.effects()) == ("delivered", ["a"])


def test_an_attempt_that_tells_how_it_went_ends_the_count(ledger: Ledger) -> None:
    """Workers that are stopped now and then wear nothing out: only deaths in a row count."""
    key = handed(ledger, "a", "bank")
    for _ in range(3):
        for _ in range(MOST_BEGUN - 1):
            _dies(ledger, key)
        _, lease = ledger.tx_now(actions.claim, key, "worker-1", 60_000_000)
        assert lease is not None
        assert ledger.tx_now(actions.hold, lease, 0)
    assert not ledger.read_now(actions.is_worn_out, key)


def _dies(ledger: Ledger, key: str) -> None:
    """An attempt begins, and nobody hears of it again."""
    assert ledger.tx_now(actions.claim, key, "worker-1", 60_000_000)[1] is not None
    ledger.tx_now(_run_out)


def _run_out(connection: Connection) -> None:
    connection.execute(update(action).values(lease_until=now_us() - 1))
