"""The relay: what is left to it happens at most once, in order per target, or ends where a person sees it."""

import asyncio
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.actions import operating
from activities.actions.adapter import CannotFind, NotSent
from activities.actions.deliver import Actions
from activities.actions.relay import Relay
from activities.actions.sending import Sender
from contracts.actions import Deliver, Receipt
from contracts.breakers import Breakers
from contracts.errors import Ambiguous, NotFound, Refused
from contracts.relay import Relaying
from contracts.runs import RunChange
from ledger import actions, feed, relay, runs, upkeep
from ledger.db import Ledger, now_us
from ledger.tables import action, run
from ledger.tables import upkeep as leases
from ledger.views.actions import counts, named, outgoing
from tests import forks
from tests.activities.actions.relaying import Book, handed, relay_of
from tests.children import PATIENCE
from tests.depth import soak
from tests.ledger.samples import begin, ref
from tests.stack import until

CLAIMED, SENT, SETTLED = "action.before_send", "action.before_receipt", "action.before_completion"
LONG = timedelta(minutes=1)
TWICE = Relaying(attempts=2, first=timedelta(milliseconds=1), longest=timedelta(milliseconds=1))


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    yield opened
    opened.close()


@pytest.fixture
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger on the database that is asked for, that several processes use."""
    opened = Ledger(str(request.getfixturevalue(request.param)), tmp_path / "artifacts")
    yield opened
    opened.close()


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """The target."""
    return Book(tmp_path / "book")


def state(ledger: Ledger, key: str) -> str:
    """Of an action."""
    return str(ledger.read_now(actions.get, key).state)


def told(ledger: Ledger) -> list[str]:
    """What the feed says."""
    return [line.did for line in ledger.read_now(feed.after, limit=10_000)]


async def rounds(ledger: Ledger, target: Book, limits: Relaying = TWICE, name: str = "relay-1") -> None:
    """Rounds until nothing is left to try."""
    own = relay_of(ledger, target, name, LONG, limits)

    async def idle() -> bool | None:
        await own.round()
        await own.settle()
        return None if ledger.read_now(_tried_again) else True

    await until(idle, "the relay had nothing left to try")


def _tried_again(connection: Connection) -> bool:
    return bool(connection.execute(action.select().where(action.c.relay != "", action.c.state.in_(relay.OPEN))).first())


EVERYWHERE = [
    *(("sqlite_url", point) for point in (CLAIMED, SENT, SETTLED)),
    *(("postgres_url", point) for point in (SENT, *soak(CLAIMED, SETTLED))),
]


@pytest.mark.parametrize(("shared", "point"), EVERYWHERE, indirect=["shared"])
def test_two_relays_and_a_kill_make_each_effect_once_in_order(shared: Ledger, book: Book, point: str) -> None:
    """Both believe that they lead; one dies over an action. By the target's own book nothing is missing or there twice."""
    keys = _killed(shared, book, "book", point)
    assert sorted(book.effects()) == sorted(keys)
    for target in ("bank", "shop", "post"):
        assert [one for one in book.effects() if one.startswith(target)] == [f"{target}-{at}" for at in range(6)]
    assert {state(shared, key) for key in keys.values()} == {"delivered"}


@pytest.mark.parametrize("shared", ["sqlite_url", *soak("postgres_url")], indirect=True)
def test_a_target_that_is_never_asked_is_seen_to_act_twice(shared: Ledger, book: Book) -> None:
    """What is counted above can be wrong: without a look at the target the effect of the relay that died is there twice."""
    keys = _killed(shared, book, "blind", SENT)
    assert len(book.effects()) > len(keys)
    assert set(book.effects()) == set(keys)


def _killed(ledger: Ledger, book: Book, kind: str, point: str) -> dict[str, str]:
    """Have two relays act at once, one of which dies at `point` over its first action; keys by name."""
    named = [(target, f"{target}-{at}") for at in range(6) for target in ("bank", "shop", "post")]
    keys = {name: handed(ledger, name, target) for target, name in named}
    url = ledger.engine.url.render_as_string(hide_password=False)
    program = (*forks.program("tests.activities.actions.relaying"), url, book.file.parent, kind, point)
    done = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, f"{signal.SIGKILL.value} 0\n"), done.stderr
    return keys


async def test_only_the_relay_that_leads_looks(ledger: Ledger, book: Book) -> None:
    """A second one does nothing while the first one's lease runs, and all once that has let go."""
    handed(ledger, "a", "bank")
    assert ledger.tx_now(upkeep.lead, "relay-1", LONG, relay.PART)
    second = relay_of(ledger, book, "relay-2", LONG)
    assert (await second.round(), book.effects()) == (0, [])
    ledger.tx_now(upkeep.give_up, "relay-1", relay.PART)
    assert await second.round() == 1
    await second.settle()
    assert book.effects() == ["a"]


async def test_a_relay_with_nothing_to_do_takes_no_lease(ledger: Ledger, book: Book) -> None:
    """It only reads: idle workers do not write every second."""
    assert await relay_of(ledger, book, "relay-1", LONG).round() == 0
    assert ledger.read_now(lambda one: one.execute(leases.select()).first()) is None


class Held(Book):
    """Keeps its answers back until `go` is set."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.reached, self.go = threading.Event(), threading.Event()

    def send(self, arguments: bytes, when: datetime) -> str:
        """The effect, later."""
        self.reached.set()
        assert self.go.wait(PATIENCE)
        return super().send(arguments, when)


async def test_a_slow_target_does_not_hold_up_others(ledger: Ledger, tmp_path: Path, book: Book) -> None:
    """While one target answers slowly, another relay serves the others, and nothing overtakes what is being sent."""
    slow = Held(tmp_path / "book")
    handed(ledger, "a", "bank")
    own, other = relay_of(ledger, slow, "relay-1", LONG), relay_of(ledger, book, "relay-2", LONG)
    try:
        await own.round()
        await asyncio.to_thread(slow.reached.wait, PATIENCE)
        handed(ledger, "b", "shop")
        handed(ledger, "c", "bank")
        ledger.tx_now(upkeep.give_up, "relay-1", relay.PART)
        await other.round()
        await other.settle()
        assert book.effects() == ["b"]
    finally:
        slow.go.set()
        await own.settle()
    await rounds(ledger, book, name="relay-2")
    assert book.effects() == ["b", "a", "c"]


async def test_a_relay_that_ends_lets_go(ledger: Ledger, book: Book) -> None:
    """It makes rounds by itself, and once it is stopped the next one need not wait for its lease."""
    handed(ledger, "a", "bank")
    running = asyncio.create_task(relay_of(ledger, book, "relay-1", LONG).run())

    async def done() -> bool | None:
        return True if book.effects() else None

    await until(done, "the action was carried out")
    running.cancel()
    await asyncio.wait([running])
    assert ledger.tx_now(upkeep.lead, "relay-2", LONG, relay.PART)


class Away(Book):
    """Cannot be reached for so many attempts."""

    def __init__(self, file: Path, times: int) -> None:
        super().__init__(file)
        self.times = times

    def send(self, arguments: bytes, when: datetime) -> str:
        """Nothing happens, or the effect."""
        if self.times:
            self.times -= 1
            raise NotSent("nobody answers")
        return super().send(arguments, when)


async def test_what_is_away_for_a_while_is_tried_again(ledger: Ledger, tmp_path: Path) -> None:
    """One failure, then it is delivered; the feed tells it once."""
    key = handed(ledger, "a", "bank")
    await rounds(ledger, Away(tmp_path / "book", times=1))
    assert (state(ledger, key), told(ledger)) == ("delivered", ["delivered: write a"])


async def test_a_dead_letter_has_its_reason_and_lets_the_next_go(ledger: Ledger, tmp_path: Path, book: Book) -> None:
    """After the last attempt nothing has happened, and everybody is told; retried by an operator it goes at once."""
    dead, next = handed(ledger, "a", "bank"), handed(ledger, "b", "bank")
    await rounds(ledger, Away(tmp_path / "book", times=2))
    assert (state(ledger, dead), state(ledger, next), book.effects()) == ("dead", "delivered", ["b"])
    row = ledger.read_now(actions.get, dead)
    receipt = Receipt.model_validate_json(row.receipt)
    assert (receipt.state, row.reason) == ("dead", "given up after 2 attempts: NotSent: nobody answers")
    line = next_line(ledger, "dead: write a")
    assert (line.importance, line.actor) == ("alert", "relay")
    assert ledger.read_now(counts)["dead"] == 1
    assert ledger.tx_now(operating.retry, dead[:8], "maria", "the bank is back") == dead
    await rounds(ledger, book)
    assert (state(ledger, dead), book.effects()) == ("delivered", ["b", "a"])
    assert "to be tried again: write a" in told(ledger)


def next_line(ledger: Ledger, did: str) -> Any:
    """The line that says so."""
    return next(line for line in ledger.read_now(feed.after, limit=10_000) if line.did == did)


class Lost(Book):
    """Acts, and its answer is lost. It can be asked afterwards, or not."""

    def __init__(self, file: Path, *, answers: bool) -> None:
        super().__init__(file)
        self.answers = answers

    def find(self, arguments: bytes) -> str | None:
        """What it has, or that it cannot be asked."""
        if not self.answers:
            raise CannotFind("it keeps no list")
        return super().find(arguments)

    def send(self, arguments: bytes, when: datetime) -> str:
        """The effect, and no answer."""
        super().send(arguments, when)
        raise ConnectionError("the answer is lost")


async def test_a_lost_answer_is_asked_for(ledger: Ledger, tmp_path: Path, book: Book) -> None:
    """The next attempt finds the effect."""
    key = handed(ledger, "a", "bank")
    await rounds(ledger, Lost(tmp_path / "book", answers=True))
    receipt = Receipt.model_validate_json(ledger.read_now(actions.get, key).receipt)
    assert (receipt.state, receipt.how, book.effects()) == ("delivered", "found", ["a"])


async def test_what_nobody_can_know_waits_for_a_person(ledger: Ledger, tmp_path: Path, book: Book) -> None:
    """It is never sent again by itself; an operator settles it, with what the target calls it."""
    key = handed(ledger, "a", "post")
    await rounds(ledger, Lost(tmp_path / "book", answers=False))
    assert (state(ledger, key), book.effects()) == ("unknown", ["a"])
    assert "it keeps no list" in next_line(ledger, "unknown: write a").why
    with pytest.raises(Refused, match=r"may have happened: `baton actions settle .*says what you found"):
        ledger.tx_now(operating.abandon, key, "maria", "too old")
    receipt = ledger.tx_now(operating.settle, key, "maria", "it is in the box", happened=True, reference="mail-7")
    assert (receipt.state, receipt.reference, receipt.how) == ("delivered", "mail-7", "person")
    line = next_line(ledger, "delivered: write a")
    assert (line.actor, line.why) == ("maria", "maria found that it happened: it is in the box")
    with pytest.raises(Refused, match="is delivered: whether it happened is known"):
        ledger.tx_now(operating.settle, key, "maria", "again", happened=False)


async def test_an_unknown_outcome_that_is_retried_is_asked_of_the_target(ledger: Ledger, tmp_path: Path, book: Book) -> None:
    """Now the target answers, and has it: nothing is sent."""
    key = handed(ledger, "a", "post")
    await rounds(ledger, Lost(tmp_path / "book", answers=False))
    ledger.tx_now(operating.retry, key, "maria", "it has a list now")
    await rounds(ledger, book)
    assert (state(ledger, key), book.effects()) == ("delivered", ["a"])


class Broken(Book):
    """Fails in a way that says nothing about what happened, and has nothing."""

    def send(self, arguments: bytes, when: datetime) -> str:
        """Never."""
        raise ConnectionError("half an answer")


async def test_what_fails_unclearly_to_the_end_is_unknown_and_not_dead(ledger: Ledger, tmp_path: Path) -> None:
    """The last attempt may have arrived after it was looked for: only a person can say that nothing happened."""
    key = handed(ledger, "a", "bank")
    await rounds(ledger, Broken(tmp_path / "book"))
    assert state(ledger, key) == "unknown"
    receipt = ledger.tx_now(operating.settle, key, "maria", "they looked", happened=False)
    assert (receipt.state, receipt.problem) == ("failed", "maria found that it did not happen: they looked")


async def test_operators_are_told_what_they_cannot_do(ledger: Ledger, book: Book) -> None:
    """Wrong keys and states are refused with what there is to do, and change nothing."""
    key, other = handed(ledger, "a", "bank"), handed(ledger, "b", "bank")
    for name, kind, says in (
        ("ffff0000", NotFound, "no action has a key that begins with ffff0000; `baton actions list --all`"),
        (key[:3], Refused, "too short for the key"),
    ):
        with pytest.raises(kind, match=says):
            ledger.read_now(named, name)
    twin = key[:4] + ("0" if key[4] != "0" else "1") + key[5:]
    ledger.tx_now(lambda one: one.execute(update(action).where(action.c.key == other).values(key=twin)))
    with pytest.raises(Ambiguous, match=f"begins with {key[:4]}.*{key[:16]}"):
        ledger.tx_now(operating.abandon, key[:4], "maria", "no")
    with pytest.raises(Refused, match=r"is approved: whether it happened is known; `baton actions abandon` gives it up"):
        ledger.tx_now(operating.settle, key, "maria", "no", happened=True)
    ledger.tx_now(actions.claim, key, "relay-9", 60_000_000)
    for act in (operating.retry, operating.abandon):
        with pytest.raises(Refused, match="is being sent now, by relay-9"):
            ledger.tx_now(act, key, "maria", "no")
    assert (ledger.read_now(actions.get, key).fence, told(ledger)) == (1, [])
    assert ledger.read_now(outgoing)[0].next == "relay-9 is sending it"


async def test_what_is_abandoned_never_happens(ledger: Ledger, book: Book) -> None:
    """It is declined, with who and why; the one behind it goes."""
    key, next = handed(ledger, "a", "bank"), handed(ledger, "b", "bank")
    receipt = ledger.tx_now(operating.abandon, key, "maria", "the order was cancelled")
    assert (receipt.state, receipt.problem) == ("declined", "abandoned by maria: the order was cancelled")
    await rounds(ledger, book)
    assert (book.effects(), state(ledger, next)) == (["b"], "delivered")
    with pytest.raises(Refused, match=r"is declined, and is not tried again.*abandoned by maria"):
        ledger.tx_now(operating.retry, key, "maria", "after all")


async def test_an_open_breaker_is_waited_for_and_counts_as_no_attempt(ledger: Ledger, tmp_path: Path) -> None:
    """Its actions wait, however long; the relay asks nobody meanwhile."""
    key = handed(ledger, '{"target": "bank"}', "bank")
    quick = Breakers(failures=1, cooldown=timedelta(hours=1), longest=timedelta(hours=1))
    away = Away(tmp_path / "book", times=9)
    sender = Sender(ledger, {"book": away}, "relay-1", breakers=quick)
    own = Relay(ledger, sender, "relay-1", TWICE, lease=LONG)
    await own.round()
    await own.settle()
    ledger.tx_now(lambda one: one.execute(update(action).values(due_at=0)))
    await own.round()
    await own.settle()
    row = ledger.read_now(actions.get, key)
    assert (row.state, row.tries, away.times) == ("approved", 1, 8)
    assert "the circuit breaker of target:book:bank is open" in row.problem
    assert row.due_at > now_us() + 3_000_000_000


def _begun(connection: Connection) -> None:
    asked, began = begin()
    runs.begin(connection, asked, began)


def _over(connection: Connection) -> None:
    runs.change(connection, ref(), RunChange(state="failed"))
    connection.execute(update(run).values(result='{"state": "failed"}'))


async def test_what_a_run_left_behind_is_swept_and_its_report_says_so(ledger: Ledger, book: Book) -> None:
    """A run ended between the approval and the push: the relay takes it over, and feed and report have the receipt."""
    ledger.tx_now(_begun)
    key = handed(ledger, "a", "bank")
    ledger.tx_now(lambda one: one.execute(update(action).values(relay="", handed_at=0)))
    own = relay_of(ledger, book, "relay-1", LONG)
    assert (await own.round(), book.effects()) == (0, [])
    ledger.tx_now(_over)
    await rounds(ledger, book)
    assert told(ledger) == ["taken over: write a", "delivered: write a"]
    assert book.effects() == ["a"]
    report = ledger.read_now(lambda one: one.execute(run.select()).one()).result
    assert f'"key": "{key}"' in report
    assert '"state": "delivered"' in report


async def test_a_worker_that_sends_nothing_waits_for_the_relay(ledger: Ledger, book: Book) -> None:
    """Its run's activity leaves the action to the relay and returns the receipt that the relay got."""
    key = handed(ledger, "a", "bank")
    ledger.tx_now(lambda one: one.execute(update(action).values(relay="", handed_at=0)))
    runs_only = Actions(ledger, Sender(ledger, {}, "worker-1"), sends=False)
    waiting = asyncio.create_task(ActivityEnvironment().run(runs_only.deliver, Deliver(run=ref(), key=key)))

    async def left() -> bool | None:
        return True if (await ledger.read(actions.get, key)).relay == "waited" else None

    await until(left, "the action was handed over")
    assert not waiting.done()
    await rounds(ledger, book)
    assert (await waiting).state == "delivered"
    assert (book.effects(), told(ledger)) == (["a"], ["handed over: write a", "delivered: write a"])


async def test_its_run_is_asked_where_the_relay_cannot_know(ledger: Ledger, tmp_path: Path) -> None:
    """The activity fails for good as unknown, which opens the run's gate."""
    key = handed(ledger, "a", "bank")
    await rounds(ledger, Lost(tmp_path / "book", answers=False))
    runs_only = Actions(ledger, Sender(ledger, {}, "worker-1"), sends=False)
    with pytest.raises(ApplicationError, match="it keeps no list") as asked:
        await ActivityEnvironment().run(runs_only.deliver, Deliver(run=ref(), key=key))
    assert (asked.value.type, asked.value.non_retryable) == ("OutcomeUnknown", True)


async def test_a_run_that_does_not_wait_gets_what_there_is(ledger: Ledger, book: Book) -> None:
    """`approved` before the relay has been there, the stored receipt afterwards; handed over twice it happens once."""
    key = handed(ledger, "a", "bank")
    ledger.tx_now(lambda one: one.execute(update(action).values(relay="", handed_at=0)))
    asked = Deliver(run=ref(), key=key, hand_over=True)
    own = Actions(ledger, Sender(ledger, {}, "worker-1"))
    assert (await ActivityEnvironment().run(own.deliver, asked)).state == "approved"
    assert (await ActivityEnvironment().run(own.deliver, asked)).state == "approved"
    await rounds(ledger, book)
    assert (await ActivityEnvironment().run(own.deliver, asked)).state == "delivered"
    assert book.effects() == ["a"]


async def test_what_another_run_has_done_is_never_sent_blindly(ledger: Ledger, tmp_path: Path, book: Book) -> None:
    """A run that leaves it to the relay has its target asked first; where that cannot be asked, a person is."""
    key = handed(ledger, "a", "post")
    await rounds(ledger, book)
    asked, began = begin()
    ledger.tx_now(runs.begin, asked, began.model_copy(update={"actions": {"book": "auto"}}))
    ledger.tx_now(lambda one: one.execute(update(action).values(trace="trace-0")))
    later = Deliver(run=ref(), key=key, hand_over=True)
    assert (await ActivityEnvironment().run(Actions(ledger, Sender(ledger, {}, "worker-1")).deliver, later)).state == "sending"
    await rounds(ledger, Lost(tmp_path / "book", answers=False))
    assert (state(ledger, key), book.effects()) == ("unknown", ["a"])
    ledger.tx_now(operating.retry, key, "maria", "it has a list now")
    await rounds(ledger, book)
    receipt = Receipt.model_validate_json(ledger.read_now(actions.get, key).receipt)
    assert (receipt.state, receipt.how, book.effects()) == ("delivered", "found", ["a"])


async def test_without_an_approval_of_its_own_a_run_hands_over_nothing_that_was_done(ledger: Ledger, book: Book) -> None:
    """Another run has done it, and this one was not allowed to: nobody asks the target, and nothing changes."""
    key = handed(ledger, "a", "bank")
    await rounds(ledger, book)
    ledger.tx_now(lambda one: one.execute(update(action).values(trace="trace-0")))
    with pytest.raises(ApplicationError, match="this run has no approval for it"):
        await ActivityEnvironment().run(
            Actions(ledger, Sender(ledger, {}, "w")).deliver, Deliver(run=ref(), key=key, hand_over=True)
        )
    assert (book.effects(), state(ledger, key)) == (["a"], "delivered")


async def test_what_no_adapter_carries_out_is_dead_and_not_unknown(ledger: Ledger) -> None:
    """A relay without the adapter begins nothing, and says what is missing."""
    key = handed(ledger, "a", "bank")
    own = Relay(ledger, Sender(ledger, {}, "relay-1"), "relay-1", Relaying(attempts=1), lease=LONG)
    await own.round()
    await own.settle()
    row = ledger.read_now(actions.get, key)
    assert (row.state, row.attempts) == ("dead", 0)
    assert "this worker has no adapter for book" in row.reason
