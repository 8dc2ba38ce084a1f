"""What waits for a time to pass goes by the database's clock: a worker whose own is days off changes nothing for the others."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from activities.actions import lines as wording
from activities.actions import outbox
from activities.providers.base import ProviderError
from activities.turns import choices
from activities.turns.choices import Candidate, Standing
from activities.turns.health import Health, caller
from config import HOME
from contracts.actions import Deliver, Rate, Receipt
from contracts.agents import AgentRef, Choice
from contracts.breakers import Breakers
from contracts.relay import Relaying
from contracts.runs import WHEN_WRITTEN, FeedLine, RunChange, RunRef
from contracts.turns import CallModel
from ledger import action_rates, actions, breakers, feed, relay, retention, runs
from ledger.db import Ledger, instant, now_us, server_us, time
from ledger.tables import run
from tests.ledger.samples import begin, intent, note, ref

MODEL = "model:openai:one"
CANDIDATE = Candidate(Choice(model="openai:one"), "first")
KEEP = timedelta(days=30)
A_DAY = Rate(most=1, per=timedelta(days=1), of="all")
COOLDOWN = timedelta(minutes=10)

Off = Callable[[timedelta], None]


@pytest.fixture
def ledger(postgres_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """On PostgreSQL: a file of SQLite is used by workers of one machine, which has one clock."""
    opened = Ledger(postgres_url, tmp_path / "artifacts")
    yield opened
    opened.close()


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> Off:
    """From now on the clock of this machine is off by so much."""
    real = time.time_ns

    def moved(by: timedelta) -> None:
        monkeypatch.setattr(time, "time_ns", lambda: real() + by // timedelta(microseconds=1) * 1000)

    return moved


AHEAD, BEHIND = timedelta(days=40), timedelta(days=-40)


def delivered(ledger: Ledger) -> None:
    """An action is carried out, as one worker does."""
    ledger.tx_now(actions.propose, intent(), trace="trace-1", gate="", state="approved")
    _, lease = ledger.tx_now(actions.claim, intent().key, "worker", 60_000_000)
    assert lease is not None
    receipt = Receipt(key=intent().key, type="git.push", state="delivered", summary="push a", reference="commit-1")
    assert ledger.tx_now(actions.settle, lease, receipt)


def used(ledger: Ledger) -> action_rates.Used:
    """What another worker finds used up of one push a day."""
    return ledger.tx_now(action_rates.used, "git.push", A_DAY, project="default", target="", key="another")


@pytest.mark.parametrize("how", ["handed", "swept", "failed"])
@pytest.mark.parametrize("by", [AHEAD, BEHIND])
def test_what_is_left_to_the_relay_counts_for_its_day(ledger: Ledger, off: Off, by: timedelta, how: str) -> None:
    """Whichever worker hands it over, sweeps it or fails with it: a rate finds it where the database's clock has it."""
    ledger.tx_now(runs.begin, *begin())
    ledger.tx_now(actions.propose, intent(), trace=ref().trace, gate="", state="approved")
    if how == "swept":
        assert ledger.tx_now(runs.change, ref(), RunChange(state="done")) is None
    off(by)
    if how == "swept":
        assert ledger.read_now(relay.left_behind) == [intent().key]
        assert ledger.tx_now(relay.sweep, intent().key) is not None
    else:
        assert ledger.tx_now(relay.hand_over, intent().key, "handed")
    if how == "failed":
        assert ledger.tx_now(relay.failed, intent().key, "it is away", Relaying()) is not None
    off(timedelta(0))
    assert used(ledger).count == 1
    changed_at = ledger.read_now(lambda connection: actions.get(connection, intent().key).updated_at)
    assert abs(changed_at - now_us()) < timedelta(days=1) // timedelta(microseconds=1)


@pytest.mark.parametrize("by", [AHEAD, BEHIND, timedelta(days=2)])
def test_a_rate_holds_whatever_the_clocks(ledger: Ledger, off: Off, by: timedelta) -> None:
    """The day of a rate is no other for a worker that asks with a wrong clock, nor for one that wrote with one."""
    delivered(ledger)
    off(by)
    assert used(ledger).count == 1
    delivered_at = ledger.read_now(lambda connection: actions.get(connection, intent().key).updated_at)
    ledger.tx_now(lambda connection: connection.execute(actions.action.delete()))
    delivered(ledger)
    off(timedelta())
    assert used(ledger).count == 1
    again = ledger.read_now(lambda connection: actions.get(connection, intent().key).updated_at)
    assert 0 <= again - delivered_at < A_DAY.per // timedelta(microseconds=1)


@pytest.mark.parametrize("by", [AHEAD, BEHIND])
def test_nothing_is_removed_too_early(ledger: Ledger, off: Off, by: timedelta) -> None:
    """A run that ended today keeps all it has, whichever of the two workers has the wrong clock."""
    for wrong in ("at its end", "afterwards"):
        off(by if wrong == "at its end" else timedelta())
        ledger.tx_now(runs.begin, *begin(wrong))
        assert ledger.tx_now(runs.change, ref(wrong), RunChange(state="done")) is None
        off(by if wrong == "afterwards" else timedelta())
        assert ledger.read_now(retention.old_runs, KEEP) == [], wrong
        assert ledger.tx_now(retention.trim, ledger.files, wrong, KEEP) is None, wrong
    ended = ledger.read_now(lambda connection: connection.execute(select(run.c.ended_at)).scalars().all())
    assert all(abs(at - ledger.read_now(server_us)) < 3600 * 1_000_000 for at in ended)


def call() -> CallModel:
    """A call of one step."""
    return CallModel(
        run=RunRef(trace="trace-1", workflow_id="ask-1", path="ask"),
        agent=AgentRef(name="helper", version="v1", digest="0" * 64),
    )


def fails(ledger: Ledger, health: Health) -> None:
    """A call of this worker's finds its model away, and opens its breaker."""

    def failed(connection: Connection) -> None:
        health.failed(connection, call(), CANDIDATE, ProviderError("server", "HTTP 500"))

    ledger.tx_now(failed)


async def found(health: Health) -> Standing:
    """How a worker finds the breaker."""
    health.outdated()
    known = await health.known()
    return choices.standing([MODEL], known, caller(call()), health.now())


@pytest.mark.parametrize("by", [AHEAD, BEHIND])
async def test_a_breaker_is_open_for_as_long_for_all(ledger: Ledger, off: Off, by: timedelta) -> None:
    """Opened by a worker with a wrong clock it is over after its cooldown; opened by another one, that worker waits, too."""
    health = Health(ledger, Breakers(failures=1, cooldown=COOLDOWN, longest=COOLDOWN))
    for wrong in (True, False):
        off(by if wrong else timedelta())
        fails(ledger, health)
        off(timedelta() if wrong else by)
        there = await found(health)
        left = there.until - ledger.read_now(server_us)
        assert 0 < left <= COOLDOWN // timedelta(microseconds=1)
        assert abs(health.now() - ledger.read_now(server_us)) < 60 * 1_000_000
        off(timedelta())
        assert ledger.tx_now(breakers.close_by_hand, MODEL, now_us())


HOUR = timedelta(hours=1)


def told(ledger: Ledger) -> list[FeedLine]:
    """The feed, in the order of its numbers."""
    return ledger.read_now(feed.after, limit=100)


def acted(ledger: Ledger, name: str) -> Receipt:
    """An action is carried out from approval to receipt, as a worker does, with its line on the feed."""
    wanted = intent(name)
    ledger.tx_now(actions.propose, wanted, trace=ref().trace, gate="", state="approved")
    row, lease = ledger.tx_now(actions.claim, wanted.key, "worker", 60_000_000)
    assert lease is not None
    made = outbox.receipt_for(row, "delivered", reference=name, how="sent")
    return ledger.tx_now(outbox.settle_action, Deliver(run=ref(), key=wanted.key), lease, made)


@pytest.mark.parametrize("by", [HOUR, -HOUR, AHEAD])
def test_times_on_the_feed_follow_its_order(ledger: Ledger, off: Off, by: timedelta) -> None:
    """Workers whose clocks differ write in turns: no line is dated before one with a lower number; receipts as their lines."""
    ledger.tx_now(runs.begin, *begin())
    receipts = []
    for number in range(4):
        off(by if number % 2 else timedelta())
        receipts.append(acted(ledger, f"push {number}"))
    off(timedelta())
    lines = told(ledger)
    ats = [line.at for line in lines]
    assert len(lines) == 4
    assert ats == sorted(ats)
    assert all(before.at <= line.at for before, line in zip(receipts, lines, strict=True) if before.at is not None)
    dated = [receipt.at for receipt in receipts if receipt.at is not None]
    assert len(dated) == 4
    assert dated == sorted(dated)
    assert all(abs(at - ledger.read_now(instant)) < HOUR / 2 for at in (*ats, *dated))


def test_a_line_that_is_written_again_keeps_its_instant(ledger: Ledger, off: Off) -> None:
    """A retry by a worker with another clock finds line and receipt as they were first written."""
    ledger.tx_now(runs.begin, *begin())
    first = acted(ledger, "push")
    before = told(ledger)
    off(HOUR)
    row, lease = ledger.tx_now(actions.claim, first.key, "another", 60_000_000)
    assert lease is None
    assert outbox.already(row) == first
    ledger.tx_now(feed.append, ref(), [wording.settled(first, row.fence, "")])
    assert told(ledger) == before


def test_what_follows_is_never_dated_before_it(ledger: Ledger) -> None:
    """A line of the run that Temporal's clock dates ahead of the database's: what is written with it is no earlier."""
    ledger.tx_now(runs.begin, *begin())
    ahead = ledger.read_now(instant) + HOUR
    told_by_run, written = note("run", at=ahead), note("activity", at=WHEN_WRITTEN)
    ledger.tx_now(feed.append, ref(), [told_by_run, written])
    assert [line.at for line in told(ledger)] == [ahead, ahead]


def test_nobody_dates_a_line_or_a_receipt_by_the_machines_clock() -> None:
    """Wherever lines and receipts are made: what is dated as it is written leaves that to the ledger."""
    made_here = [path for name in ("activities", "ledger", "commands") for path in (HOME / name).rglob("*.py")]
    wrong = re.compile(r"\b(Note|Receipt|receipt_for)\((?:[^()]|\([^()]*\))*?\bat=(datetime\.now|from_us\(now_us)")
    assert len(made_here) > 200
    assert [path.name for path in made_here if wrong.search(path.read_text())] == []
    assert wrong.search('return Note(\n  key=f"a/{b}",\n  at=datetime.now(UTC),\n)')
