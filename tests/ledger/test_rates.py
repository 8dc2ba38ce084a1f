"""Rate limits: exactly as many calls in a minute as a model may take, whoever asks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from ledger.db import Ledger
from ledger.money import rates
from ledger.money.rates import WINDOW, Rate, RateLimited, Taken
from ledger.tables import rate
from tests.ledger.racing import at_once, overlapped

NAME = "model:openai:test"
NOW = 1_000 * WINDOW + 12_345


def take(ledger: Ledger, limit: Rate, tokens: int = 10, now: int = NOW) -> Taken:
    """Count one call."""
    return ledger.tx_now(rates.take, NAME, limit, tokens, now)


def test_requests_are_counted_by_the_minute(ledger: Ledger) -> None:
    """The third of two requests is refused until the minute is over; the next minute begins anew."""
    limit = Rate(requests=2, tokens=None)
    take(ledger, limit)
    take(ledger, limit)
    with pytest.raises(RateLimited, match=r"its rate limit of 2 requests per minute \(routes.toml\) is used up") as refused:
        take(ledger, limit)
    assert refused.value.until == 1_001 * WINDOW
    assert take(ledger, limit, now=refused.value.until).window == 1_001 * WINDOW


def test_tokens_are_counted_and_corrected(ledger: Ledger) -> None:
    """A call is let in with its worst case; what it did not use is there for the next one."""
    limit = Rate(requests=None, tokens=100)
    first = take(ledger, limit, tokens=80)
    with pytest.raises(RateLimited, match="100 tokens"):
        take(ledger, limit, tokens=50)
    ledger.tx_now(rates.correct, first, 30)
    take(ledger, limit, tokens=50)
    assert ledger.read_now(rates.in_use, NOW)[NAME].tokens == 80


def test_a_call_larger_than_the_limit_takes_the_rest_of_a_minute(ledger: Ledger) -> None:
    """It is let in beside others while there is any room, counts in full, and nobody else is let in after it."""
    limit = Rate(requests=None, tokens=100)
    take(ledger, limit, tokens=99)
    take(ledger, limit, tokens=500)
    assert ledger.read_now(rates.in_use, NOW)[NAME].tokens == 599
    for tokens in (1, 500):
        with pytest.raises(RateLimited):
            take(ledger, limit, tokens=tokens)


def test_a_call_larger_than_the_limit_waits_where_the_minute_is_used_up(ledger: Ledger) -> None:
    """Without any room left it waits for the next minute, like everybody."""
    limit = Rate(requests=None, tokens=100)
    take(ledger, limit, tokens=100)
    with pytest.raises(RateLimited) as refused:
        take(ledger, limit, tokens=500)
    take(ledger, limit, tokens=500, now=refused.value.until)


def test_many_larger_than_the_limit_are_let_in_one_a_minute(ledger: Ledger) -> None:
    """Of a crowd at the same moment, each larger than the whole limit, one is let in."""
    limit = Rate(requests=None, tokens=100)
    outcomes = at_once(lambda _: take(ledger, limit, tokens=500), range(8))
    assert sum(isinstance(one, Taken) for one in outcomes) == 1


def test_a_crowd_gets_exactly_the_limit(ledger: Ledger) -> None:
    """Twenty calls at the same moment with a limit of seven: seven are let in."""
    limit = Rate(requests=7, tokens=None)
    outcomes = at_once(lambda _: take(ledger, limit), range(20))
    assert sum(isinstance(one, Taken) for one in outcomes) == 7
    assert sum(isinstance(one, RateLimited) for one in outcomes) == 13


def test_old_minutes_are_dropped(ledger: Ledger) -> None:
    """A new minute drops those of more than an hour before."""
    limit = Rate(requests=5, tokens=None)
    for minute in range(0, 122, 61):
        take(ledger, limit, now=NOW + minute * WINDOW)
    windows = ledger.read_now(lambda connection: list(connection.execute(select(rate.c.window_at)).scalars()))
    assert windows == [1_061 * WINDOW]


def read_then_write(connection: Connection, name: str, limit: Rate, tokens: int, now: int) -> Taken:
    """The mistake: look whether there is room, and take it then."""
    window = now - now % WINDOW
    requests = connection.execute(select(rate.c.requests).where(rate.c.name == name)).scalar_one()
    assert limit.requests is not None
    if requests >= limit.requests:
        raise RateLimited(name, window + WINDOW, limit)
    connection.execute(update(rate).where(rate.c.name == name).values(requests=rate.c.requests + 1))
    return Taken(name, window, tokens)


@pytest.mark.parametrize(("method", "allowed"), [(rates.take, 1), (read_then_write, 2)], ids=["ours", "mistaken"])
def test_reading_first_would_let_too_many_in(
    postgres_url: str, tmp_path: Path, method: Callable[..., Taken], allowed: int
) -> None:
    """Of two calls that overlap at the limit one is let in; with a read before the write both would be."""
    ledger = Ledger(postgres_url, tmp_path / "artifacts")
    ledger.tx_now(rates.take, NAME, Rate(requests=2, tokens=None), 1, NOW)

    def attempt(connection: Connection) -> bool:
        try:
            method(connection, NAME, Rate(requests=2, tokens=None), 1, NOW)
        except RateLimited:
            return False
        return True

    both = overlapped(ledger, attempt, attempt)
    ledger.close()
    assert sum(both) == allowed
