"""Views of ceilings, lost calls, breakers and answers: typed, and the same on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.errors import NotFound
from contracts.money import CeilingRefused, Ceilings
from ledger import breakers, turns
from ledger.breakers import Failure, Thresholds
from ledger.db import Ledger, to_us
from ledger.money import ceilings, rates, spend
from ledger.money.rates import Rate
from ledger.money.spend import Scope
from ledger.views import agents, models, money
from ledger.views import gates as gate_views
from tests.ledger import samples
from tests.ledger.contents import begin, gate, reserved
from tests.ledger.samples import NOW


def test_ceilings_say_what_is_left_and_who_waits(ledger: Ledger) -> None:
    """A run's ceiling with its children's parts; a shared one with the run that waits at it; the configured month."""
    begin(ledger)
    refused = CeilingRefused(scope="month:2026-11", ceiling=10, spent=4, held=0, wanted=9)
    gate(ledger, gate="ceiling-1", kind="ceiling", ceiling=refused)
    for scope in (Scope("run:trace-1", 20), Scope("run:trace-1/write/1/a", 5), Scope("month:2026-11", 10)):
        ledger.tx_now(spend.begin, scope)
    ledger.tx_now(ceilings.trip_open, "trace-1", "ceiling-1", "default", refused)
    own = ledger.read_now(money.ceilings_of_run, "delivery-trace-1")
    assert [(one.name, one.left, one.waiting, one.trace) for one in own] == [
        ("run delivery-trace-1", 20, 0, "trace-1"),
        ("write/1/a", 5, 0, "trace-1"),
    ]
    today = ledger.read_now(money.ceilings_of_today, Ceilings(), NOW)
    assert [(one.name, one.waiting) for one in today] == [("month:2026-11", 1), ("run delivery-trace-1", 0)]
    later = ledger.read_now(money.ceilings_of_today, Ceilings(month_usd=3), NOW + timedelta(days=31))
    assert [(one.name, one.ceiling) for one in later if one.name.startswith("month")] == [("month:2026-12", 3_000_000)]
    assert ledger.read_now(money.waiting_runs, "month:2026-11") == {"delivery-trace-1": "trace-1"}
    assert [view.gate for view in ledger.read_now(gate_views.gates_at, "month:2026-11")] == ["ceiling-1"]
    at = ledger.read_now(gate_views.ceiling_gate, "trace-1")
    assert at is not None
    assert at.ceiling == refused
    assert ledger.read_now(gate_views.ceiling_gate, "trace-2") is None


def test_lost_calls_are_named_by_the_beginning_of_their_key(ledger: Ledger) -> None:
    """Each attempt of one call, the oldest first; too short, unknown and ambiguous keys say so; a run has its own only."""
    for key in ("abcd-1", "abcd-1", "abcd-2"):
        held = ledger.tx_now(reserved, key, "writer@v1")
        assert ledger.tx_now(spend.close, held, "lost")
    assert [(one.key, one.charged, one.agent) for one in ledger.read_now(money.lost_attempts, "abcd-1")] == [
        ("abcd-1", 5, "writer@v1"),
        ("abcd-1", 5, "writer@v1"),
    ]
    oldest, newer = ledger.read_now(money.lost_attempts, "abcd-1")
    assert oldest.at <= newer.at
    for key, said in (("abc", "is charged as lost"), ("efgh", "is charged as lost"), ("abcd", "2 lost calls begin with")):
        with pytest.raises(NotFound, match=said):
            ledger.read_now(money.lost_attempts, key)
    assert ledger.read_now(money.lost_calls)[0].key == "abcd-2"
    assert (len(ledger.read_now(money.lost_calls, "trace-1")), ledger.read_now(money.lost_calls, "trace-2")) == (3, [])


def test_breakers_and_rates_as_they_are_now(ledger: Ledger) -> None:
    """What fails, is open or is being probed, by name, each with when somebody may try next; requests of this minute only."""
    limits = Thresholds(5, timedelta(minutes=15), timedelta(minutes=5), timedelta(minutes=15))
    now = to_us(NOW)
    for name, failure in (("model:c", Failure("no")), ("model:b", Failure("no", at_once=True)), ("model:a", Failure("no"))):
        ledger.tx_now(breakers.failed, name, failure, limits, now)
    ledger.tx_now(breakers.failed, "model:c", Failure("gone", at_once=True), limits, now)
    opens = to_us(NOW + timedelta(minutes=5))
    assert ledger.tx_now(breakers.take_probe, "model:c", "me", opens, opens + 7)
    found = ledger.read_now(models.noteworthy)
    assert [(one.name, one.shown, one.why) for one in found] == [
        ("model:a", "failing", "no"),
        ("model:b", "unavailable", "no"),
        ("model:c", "being probed", "gone"),
    ]
    assert [one.changes_at and to_us(one.changes_at) for one in found] == [None, opens, opens + 7]
    ledger.tx_now(rates.take, "model:a", Rate(3, 900), 120, now)
    assert ledger.read_now(models.this_minute, NOW) == {"model:a": models.Minute(1, 120)}
    assert ledger.read_now(models.this_minute, NOW + timedelta(minutes=1)) == {}


def test_answers_are_counted_by_choice(ledger: Ledger) -> None:
    """All answers of an agent version, those by a better choice by why, and those while the others were away."""
    for number, chosen in enumerate(("first", "invalid", "invalid", "outage")):
        ledger.tx_now(turns.insert, replace(samples.turn(number), chosen=chosen))
    assert ledger.read_now(agents.answers, NOW - timedelta(days=36_500)) == [
        agents.Answers("planner@v1", 4, {"invalid": 2}, outage=1)
    ]
    assert ledger.read_now(agents.answers, NOW + timedelta(days=36_500)) == []
    assert not ledger.read_now(agents.was_there, "planner")
