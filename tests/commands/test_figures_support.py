"""Figures of support desks over all runs: by desk and category, of what ended in the period, and as a run's report counts."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, update

from commands.look.support import columns, fields, row
from contracts.runs import RunRef
from ledger import cases
from ledger.db import Ledger, now_us
from ledger.figures.period import Period
from ledger.figures.support import Support, support
from ledger.tables import support_case
from tests.commands.conftest import Baton
from tests.ledger import samples
from tests.ledger.books import Book

MINUTE = 60_000_000
NOW = datetime.now(UTC)
ALL = Period(NOW - timedelta(days=1), NOW + timedelta(days=1))


def _dealt(ledger: Ledger, ref: RunRef, name: str, category: str, ending: str, took: tuple[int, int], person: bool) -> None:
    """A case of the desk `shop`, ended now, that took so many minutes to its first reply (0: none) and to its end."""

    def tell(connection: Connection) -> None:
        cases.begin(connection, ref, key=name, desk="shop", ticket=name, text=name)
        end = {"ending": ending, "category": category, "by_person": person, "usd_micros": 1000, "replied": bool(took[0])}
        cases.end(connection, ref, name, **end)  # type: ignore[arg-type]
        ended = now_us()
        opened = ended - took[1] * MINUTE
        times = {"opened": opened, "ended": ended, "replied": opened + took[0] * MINUTE if took[0] else 0}
        connection.execute(update(support_case).where(support_case.c.key == name).values(times))

    ledger.tx_now(tell)


@pytest.fixture
def dealt(ledger: Ledger) -> Ledger:
    """Two runs with five cases that have ended, and one that has not."""
    first, second = samples.ref(Book(ledger).trace), samples.ref(Book(ledger, project="other").trace)
    _dealt(ledger, first, "a", "billing", "replied", (2, 4), person=False)
    _dealt(ledger, first, "b", "billing", "by_person", (0, 60), person=True)
    _dealt(ledger, second, "c", "billing", "replied", (10, 12), person=True)
    _dealt(ledger, second, "d", "billing", "could_not", (0, 1), person=False)
    _dealt(ledger, second, "e", "", "no_reply", (0, 1), person=False)
    ledger.tx_now(lambda one: cases.begin(one, first, key="f", desk="shop", ticket="f", text="f"))
    return ledger


def test_cases_of_all_runs_are_counted_by_category(dealt: Ledger) -> None:
    """Who was answered, how fast, and by whom. What ended as could_not was not finished, and what is open has not ended."""
    found = dealt.read_now(support, ALL)
    assert list(found) == [("shop", "billing"), ("shop", "other")]
    one = found["shop", "billing"]
    assert (one.tickets, one.alone, one.spent, one.per_ticket) == (4, 1, 4000, 1000)
    assert dict(one.endings) == {"replied": 2, "by_person": 1, "could_not": 1}
    told = fields("shop", "billing", one)
    assert (told["first_reply"], told["replied"]) == ({"p50_s": 120, "p95_s": 600}, 2)
    assert (told["end"], told["alone_per_mille"]) == ({"p50_s": 240, "p95_s": 3600}, 250)
    shown = dict(zip(columns, row("shop", "billing", one), strict=True))
    assert (shown["FIRST REPLY P50/P95"], shown["NO PERSON"]) == ("2.0/10.0 min", "25.0%")
    assert shown["ENDINGS"] == "2 replied, 1 by_person, 1 could_not"
    assert row("shop", "other", found["shop", "other"])[4] == "-"


def test_of_one_project_and_of_one_period(dealt: Ledger) -> None:
    """A period without any case has no figures, and neither has a project."""
    [(key, one)] = [pair for pair in dealt.read_now(support, ALL, "other").items() if pair[0][1] == "billing"]
    assert (key, one.tickets) == (("shop", "billing"), 2)
    assert dealt.read_now(support, ALL, "nobody's") == {}
    assert dealt.read_now(support, Period(NOW - timedelta(days=9), NOW - timedelta(days=8))) == {}
    assert (Support().per_ticket, Support().alone_per_mille) == (0, 0)


def test_the_command_prints_them(baton: Baton, dealt: Ledger) -> None:
    """As a table for people, and as one document for programs."""
    asked = ("figures", "support", "--since", (NOW - timedelta(days=1)).date().isoformat())
    shown = baton(*asked)
    assert shown.code == 0
    assert "billing" in shown.out
    assert [(one["desk"], one["category"], one["tickets"]) for one in baton(*asked, "--json").json["figures"]] == [
        ("shop", "billing", 4),
        ("shop", "other", 1),
    ]
    assert "no ticket's case ended" in baton("figures", "support", "--project", "nobodys").err
