"""Breakers: opened once by whoever's failure was the last straw, tried by one caller, closed by what it found."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from ledger import breakers
from ledger.breakers import Failure, Opening, Thresholds
from ledger.db import Ledger
from ledger.tables import breaker
from tests import forks
from tests.children import PATIENCE
from tests.ledger.racing import at_once, overlapped

SECOND = 1_000_000
LIMITS = Thresholds(failures=3, window=timedelta(minutes=1), cooldown=timedelta(seconds=30), longest=timedelta(seconds=100))
NAME = "model:openai:test"
BROKEN = Failure("HTTP 500")


def fail(ledger: Ledger, now: int, failure: Failure = BROKEN) -> Opening | None:
    """One failure at this second."""
    return ledger.tx_now(breakers.failed, NAME, failure, LIMITS, now * SECOND)


def probe(ledger: Ledger, who: str, now: int, until: int | None = None) -> bool:
    """Ask for the probe at this second, for ten of them."""
    return ledger.tx_now(breakers.take_probe, NAME, who, now * SECOND, (until or now + 10) * SECOND)


def state(ledger: Ledger) -> str:
    """The breaker's state."""
    row = ledger.read_now(breakers.get, NAME)
    assert row is not None
    return str(row.state)


def opened(ledger: Ledger) -> int:
    """Open it, and say until which second it is open."""
    opening = fail(ledger, 1000, Failure("HTTP 401", at_once=True))
    assert opening is not None
    return opening.until // SECOND


def test_failures_in_a_row_open_it(ledger: Ledger) -> None:
    """The third failure within the window opens it for the cooldown, and says so once."""
    assert [fail(ledger, at) for at in (1000, 1001)] == [None, None]
    assert fail(ledger, 1002) == Opening(NAME, 1002 * SECOND, 1032 * SECOND, times=1)
    assert [fail(ledger, at) for at in (1003, 1004)] == [None, None]
    assert state(ledger) == "open"


def test_a_success_between_forgets_what_failed(ledger: Ledger) -> None:
    """Failures count since the last success: two, a success and two more open nothing."""
    for at in (1000, 1001):
        fail(ledger, at)
    assert ledger.tx_now(breakers.succeeded, NAME, "", 1002 * SECOND)
    assert [fail(ledger, at) for at in (1003, 1004)] == [None, None]
    assert state(ledger) == "closed"


def test_a_window_begins_with_its_first_failure(ledger: Ledger) -> None:
    """What a success has cleared counts for nothing, its time neither: the three failures after it are within a minute."""
    fail(ledger, 1000)
    assert ledger.tx_now(breakers.succeeded, NAME, "", 1001 * SECOND)
    assert [fail(ledger, at) is not None for at in (1055, 1058, 1062)] == [False, False, True]


def test_what_is_proven_closes_whoever_has_the_probe(ledger: Ledger) -> None:
    """A proof that comes after the probe went to somebody else closes the breaker; one from while it is open does not."""
    until = opened(ledger)
    assert not ledger.tx_now(breakers.proven, NAME, until * SECOND)
    assert probe(ledger, "one", until)
    assert probe(ledger, "two", until + 10)
    assert not ledger.tx_now(breakers.succeeded, NAME, "one", (until + 11) * SECOND)
    assert ledger.tx_now(breakers.proven, NAME, (until + 11) * SECOND)
    assert ledger.read_now(breakers.noteworthy) == []


def test_failures_far_apart_open_nothing(ledger: Ledger) -> None:
    """What failed before the window began counts no more."""
    assert [fail(ledger, at) for at in (1000, 1050, 1061, 1100)] == [None, None, None, None]


def test_one_failure_can_be_enough(ledger: Ledger) -> None:
    """A failure that is told to opens it at once, and for as long as it asks."""
    assert fail(ledger, 1000, Failure("HTTP 429", at_once=True, wait=timedelta(seconds=90))) == Opening(
        NAME, 1000 * SECOND, 1090 * SECOND, times=1
    )


def test_an_open_one_is_only_prolonged(ledger: Ledger) -> None:
    """A late failure that asks for more time gets it; one that asks for less takes none away."""
    until = opened(ledger)
    assert fail(ledger, 1001, Failure("HTTP 429", wait=timedelta(seconds=90))) is None
    assert fail(ledger, 1002, Failure("HTTP 429", wait=timedelta(seconds=1))) is None
    assert not probe(ledger, "one", until)
    assert probe(ledger, "one", 1091)


def test_one_probe_and_its_success_closes(ledger: Ledger) -> None:
    """After the cooldown one caller may try; others wait; its success closes the breaker for all."""
    until = opened(ledger)
    assert not probe(ledger, "early", until - 1)
    assert [probe(ledger, who, until) for who in ("one", "two")] == [True, False]
    assert not ledger.tx_now(breakers.succeeded, NAME, "a call from before", until * SECOND)
    assert state(ledger) == "half_open"
    assert ledger.tx_now(breakers.succeeded, NAME, "one", until * SECOND)
    assert state(ledger) == "closed"


def test_each_failed_probe_doubles_the_wait_up_to_a_cap(ledger: Ledger) -> None:
    """30 s, 60 s, then the cap of 100 s; no new opening is announced, and a recovery starts from 30 s again."""
    now, waits = opened(ledger), []
    for times in (2, 3, 4):
        assert probe(ledger, "one", now)
        opening = fail(ledger, now, Failure("HTTP 500", probe="one"))
        assert opening is not None
        assert (opening.times, opening.opened_at) == (times, 1000 * SECOND)
        waits.append(opening.until // SECOND - now)
        now = opening.until // SECOND
    assert waits == [60, 100, 100]
    assert probe(ledger, "one", now)
    ledger.tx_now(breakers.succeeded, NAME, "one", now * SECOND)
    opening = fail(ledger, now, Failure("HTTP 401", at_once=True))
    assert opening is not None
    assert opening.until // SECOND - now == 30


def test_a_probe_that_told_nothing_is_given_on(ledger: Ledger) -> None:
    """A probe that was cancelled is given back, and one whose worker died runs out: then the next caller may try."""
    until = opened(ledger)
    assert probe(ledger, "one", until)
    ledger.tx_now(breakers.give_back, NAME, "one", until * SECOND)
    assert probe(ledger, "two", until)
    assert [probe(ledger, "three", at) for at in (until + 9, until + 10)] == [False, True]


def test_closing_by_hand(ledger: Ledger) -> None:
    """A person can close an open breaker; a closed one says that it was."""
    opened(ledger)
    assert [ledger.tx_now(breakers.close_by_hand, NAME, 0) for _ in range(2)] == [True, False]
    assert ledger.read_now(breakers.noteworthy) == []


def test_a_reason_fits_every_database(ledger: Ledger) -> None:
    """What a provider said is kept short, whatever characters it has."""
    fail(ledger, 1000, Failure("\x00" + "x" * 10_000))
    row = ledger.read_now(breakers.get, NAME)
    assert row is not None
    assert len(row.reason) == breakers.REASON_LIMIT


def by_many(ledger: Ledger, call: Callable[[int], object], threads: int) -> int:
    """How many of so many simultaneous calls got something."""
    outcomes = at_once(call, range(threads))
    assert not [one for one in outcomes if isinstance(one, Exception)], outcomes
    return sum(bool(one) for one in outcomes)


def test_a_storm_of_failures_opens_it_once(ledger: Ledger) -> None:
    """Twenty failures at the same moment: one of them is told that it opened the breaker."""
    assert by_many(ledger, lambda _: fail(ledger, 1000), threads=20) == 1


def test_a_rush_for_the_probe_has_one_winner(ledger: Ledger) -> None:
    """Twenty callers at the moment when the cooldown ends: one gets the probe."""
    until = opened(ledger)
    assert by_many(ledger, lambda who: probe(ledger, f"caller-{who}", until), threads=20) == 1


def racer(barrier: threading.Barrier, url: str, files: Path, name: str, won: Path) -> None:
    """A process of its own that fails a few times and then rushes for the probe; it writes down what it got."""
    ledger = Ledger(url, files)
    barrier.wait(PATIENCE)
    openings = [fail(ledger, 1000) for _ in range(5)]
    barrier.wait(PATIENCE)
    probes = [probe(ledger, f"{name}-{number}", 2000) for number in range(5)]
    won.joinpath(name).write_text(f"{sum(one is not None for one in openings)} {sum(probes)}")
    ledger.close()


def test_processes_agree_on_one_opening_and_one_probe(ledger: Ledger, url: str, tmp_path: Path) -> None:
    """Four processes with failures and probes at the same moments: one opening and one probe among all of them."""
    crowded = forks.crowd()
    barrier, won = crowded.Barrier(4), tmp_path / "won"
    won.mkdir()
    given = [(barrier, url, tmp_path / "artifacts", f"p{number}", won) for number in range(4)]
    crowd = [crowded.Process(daemon=True, target=racer, args=one) for one in given]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(PATIENCE)
    got = [tuple(map(int, path.read_text().split())) for path in won.iterdir()]
    assert len(got) == 4
    assert (sum(one for one, _ in got), sum(two for _, two in got)) == (1, 1)


def read_then_write(connection: Connection, name: str, who: str, now: int, until: int) -> bool:
    """The mistake: look whether the probe is free, and take it then."""
    row = breakers.get(connection, name)
    if row is None or row.state != "open" or row.until > now:
        return False
    taken = {"state": "half_open", "probe": who, "probe_until": until}
    connection.execute(update(breaker).where(breaker.c.name == name).values(**taken))
    return True


@pytest.mark.parametrize(("take", "winners"), [(breakers.take_probe, 1), (read_then_write, 2)], ids=["ours", "mistaken"])
def test_reading_first_would_give_the_probe_twice(
    postgres_url: str, tmp_path: Path, take: Callable[..., bool], winners: int
) -> None:
    """Of two callers that overlap one gets the probe; with a read before the write both would, and this test sees it."""
    ledger = Ledger(postgres_url, tmp_path / "artifacts")
    until = opened(ledger) * SECOND
    both = overlapped(
        ledger,
        lambda connection: take(connection, NAME, "one", until, until + SECOND),
        lambda connection: take(connection, NAME, "two", until, until + SECOND),
    )
    ledger.close()
    assert sum(both) == winners
