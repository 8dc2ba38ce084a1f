"""`baton budget review`: each ceiling with what was spent against it, who changed it, and whether it fits."""

from sqlalchemy import update

from contracts.money import CeilingRefused
from ledger.db import Ledger
from ledger.money import ceilings
from ledger.money.ceilings import Change
from tests.commands.conftest import Baton
from tests.ledger.books import Book, key

HOSTILE = "\x1b[2Jbecause\nsecond line"


def spent(ledger: Ledger, cost: int, runs: int = 10) -> str:
    """Runs of a project that cost this each; gives back the last one's trace."""
    for _ in range(runs):
        book = Book(ledger, project="shop")
        book.call(key(book.trace), cost, cost)
        book.end()
    return book.trace


def test_review_says_what_fits_and_what_does_not(baton: Baton, ledger: Ledger) -> None:
    """Ten runs of $0.10 under a ceiling of $20: too generous, $0.20 suggested; the same in the document."""
    spent(ledger, 100_000)
    ran = baton("budget", "review")
    assert ran.code == 0
    line = next(line for line in ran.out.splitlines() if line.startswith("a run of project shop"))
    assert line.split()[5:] == ["$20.00", "10", "$0.10", "$0.10", "0", "0", "too", "generous", "$0.20"]
    (found,) = [one for one in baton("budget", "review", "--json").json["ceilings"] if one["level"] == "run"]
    assert (found["project"], found["counted"], found["spent_micros"]) == ("shop", 10, {"p50": 100_000, "p95": 100_000})
    assert (found["verdict"], found["suggested_micros"], found["ceiling_micros"]) == ("too generous", 200_000, 20_000_000)


def test_review_names_who_raised_a_ceiling_and_why(baton: Baton, ledger: Ledger) -> None:
    """Trips and changes of the time are there, with the person and the reason, which cannot steer a terminal."""
    trace = spent(ledger, 15_000_000)
    refused = CeilingRefused(scope=f"run:{trace}", ceiling=20_000_000, spent=15_000_000, wanted=9_000_000)
    ledger.tx_now(ceilings.trip_open, trace, "ceiling-1", "shop", refused)
    ledger.tx_now(ceilings.trip_closed, trace, "ceiling-1", "raised", "olga")
    ledger.tx_now(ceilings.change, Change("c", f"run:{trace}", 40_000_000, "olga", HOSTILE, "cli"))
    ran = baton("budget", "review")
    assert f"run:{trace} from $1,000,000.00 to $40.00 by olga: " in ran.out
    assert "too tight" in ran.out
    assert "\x1b" not in ran.out
    assert "second line" not in [line.strip() for line in ran.out.splitlines()]
    (found,) = [one for one in baton("budget", "review", "--json").json["ceilings"] if one["level"] == "run"]
    assert (found["trips"], found["tripped"], found["trips_ended"]) == (1, 1, {"raised": 1})
    assert [(one["by"], one["why"], one["after_micros"]) for one in found["changes"]] == [("olga", HOSTILE, 40_000_000)]
    assert found["suggested_micros"] == 40_000_000


def test_review_of_nothing_says_so(baton: Baton, ledger: Ledger) -> None:
    """No spend in the last 90 days, or since then: an empty document and a note, and no verdict about it."""
    from ledger.tables import run

    spent(ledger, 5)
    ledger.tx_now(lambda connection: connection.execute(update(run).values(started_at=1)))
    ran = baton("budget", "review")
    assert (ran.code, ran.out, "nothing was spent against a ceiling" in ran.err) == (0, "", True)
    assert baton("budget", "review", "--since", "1h", "--json").json["ceilings"] == []
    long = baton("budget", "review", "--since", "1970-01-01", "--json").json["ceilings"]
    assert [one["counted"] for one in long if one["level"] == "run"] == [10]
