"""Carrying out actions: whatever is retried, killed or cancelled, the target sees one effect and the ledger one outcome."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.actions.adapter import Adapter, CannotFind, NotSent, Repeatable
from activities.actions.deliver import Actions
from activities.actions.git_push import GitPushAdapter
from activities.actions.outbox import LEASE
from activities.actions.sending import Sender
from activities.git import GitProblem, Mirrors, RemoteUnknown
from contracts.actions import Deliver, GitPush, Receipt, Resolve
from contracts.base import sha256
from contracts.errors import BatonError, Misconfigured
from contracts.intents import Intent
from ledger import actions, artifacts, feed, gates
from ledger.db import Ledger, now_us
from ledger.tables import action
from tests.children import PATIENCE
from tests.ledger import samples
from tests.ledger.samples import intent, note, ref
from tests.repositories import plain, repository
from tests.stack import until

ARGUMENTS = b"a"
KEY = intent().key


class Unreachable(Exception):
    """The target did not answer; nobody knows what it did."""


class NotWanted(BatonError):
    """The target says no for good."""


class Target:
    """A target outside: an append-only file of effects, each on the disk before it is answered."""

    permanent = (*GitPushAdapter.permanent, NotWanted)

    def __init__(self, file: Path) -> None:
        self.file = file
        self.failing: list[Exception] = []
        """Raised one by one instead of an answer to `send`, after the effect."""
        self.before_effect: Callable[[], None] = lambda: None
        self.refusing: Exception | None = None

    def effects(self) -> list[str]:
        """What the target has seen."""
        return self.file.read_text().split() if self.file.exists() else []

    def find(self, arguments: bytes) -> str | None:
        """The effect if the target has it."""
        return next((one for one in self.effects() if one.startswith(arguments.decode())), None)

    def send(self, arguments: bytes, when: datetime) -> str:
        """Make the effect, durably; then answer or fail."""
        self.before_effect()
        if self.refusing is not None:
            raise self.refusing
        name = f"{arguments.decode()}-{len(self.effects()) + 1}"
        with self.file.open("a") as file:
            file.write(f"{name}\n")
            file.flush()
            os.fsync(file.fileno())
        if self.failing:
            raise self.failing.pop(0)
        return name


class Blind(Target):
    """The mutant: it never looks before it sends."""

    def find(self, arguments: bytes) -> str | None:
        return None


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one approved action."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    approve(opened, ARGUMENTS)
    yield opened
    opened.close()


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A target of its own."""
    return Target(tmp_path / "effects")


def approve(ledger: Ledger, arguments: bytes, **changes: str) -> Intent:
    """Put an approved action into the outbox."""
    kept = ledger.tx_now(artifacts.put, ledger.files, arguments, "application/json")
    meant = intent(**changes).model_copy(update={"arguments": kept.digest})
    ledger.tx_now(actions.propose, meant, trace="trace-1", gate="change-1", state="approved")
    return meant


def relay(ledger: Ledger, adapter: Adapter, name: str = "worker-1") -> Actions:
    """One worker's activities."""
    return Actions(ledger, Sender(ledger, {"git.push": adapter}, name))


async def deliver(sender: Actions, key: str = KEY, environment: ActivityEnvironment | None = None) -> Receipt:
    """One attempt."""
    return await (environment or ActivityEnvironment()).run(sender.deliver, Deliver(run=ref(), key=key))


async def resolve(sender: Actions, *, happened: bool) -> Receipt:
    """What a person found."""
    return await ActivityEnvironment().run(sender.resolve, Resolve(run=ref(), key=KEY, happened=happened, by="olga"))


def row(ledger: Ledger, key: str = KEY) -> tuple[str, int]:
    """State and lease of the action."""
    found = ledger.read_now(actions.get, key)
    return found.state, found.lease_until


def told(ledger: Ledger) -> list[str]:
    """What the feed says about it."""
    return [line.did for line in ledger.read_now(feed.after)]


def lose_lease(ledger: Ledger) -> None:
    """Let the lease's time pass."""
    ledger.tx_now(lambda connection: connection.execute(update(action).values(lease_until=now_us() - 1)))


async def test_an_action_is_sent_once_and_its_receipt_is_kept(ledger: Ledger, target: Target) -> None:
    """The first call sends; every later one, of any worker, gives back the same receipt and sends nothing."""
    first = await deliver(relay(ledger, target))
    again = [await deliver(relay(ledger, target, f"worker-{number}")) for number in range(3)]
    assert (first.state, first.how, first.reference) == ("delivered", "sent", "a-1")
    assert again == [first] * 3
    assert target.effects() == ["a-1"]
    assert told(ledger) == ["delivered: push a"]


async def test_a_run_that_finds_it_done_keeps_its_own_lines(ledger: Ledger, target: Target) -> None:
    """The lines that wait for the next activity are committed with the receipt of another run's push, too, and once."""
    await deliver(relay(ledger, target))
    request = Deliver(run=ref("trace-2"), key=KEY, notes=(note("waited"),))
    for _ in range(2):
        await ActivityEnvironment().run(relay(ledger, target).deliver, request)
    assert sorted(told(ledger)) == ["already there: push a", "delivered: push a", "did waited"]


async def test_what_another_run_did_is_asked_for_and_not_believed(ledger: Ledger, target: Target) -> None:
    """Its receipt says what was. The target has it still: found, with the run that did it, and nothing is sent."""
    await deliver(relay(ledger, target))
    request = Deliver(run=ref("trace-2"), key=KEY)
    found = [await ActivityEnvironment().run(relay(ledger, target).deliver, request) for _ in range(2)]
    assert {(one.state, one.how, one.reference, one.done_by) for one in found} == {("delivered", "found", "a-1", "trace-1")}
    assert target.effects() == ["a-1"]


async def test_what_the_target_has_lost_is_done_again_on_an_approval_of_this_run(ledger: Ledger, target: Target) -> None:
    """Nothing is there any more: without an approval of its own a run does nothing; with one it is sent, once."""
    await deliver(relay(ledger, target))
    target.file.unlink()
    request = Deliver(run=ref("trace-2"), key=KEY)
    with pytest.raises(ApplicationError, match="this run has no approval for it"):
        await ActivityEnvironment().run(relay(ledger, target).deliver, request)
    assert target.effects() == []
    approved(ledger, "trace-2")
    sent = [await ActivityEnvironment().run(relay(ledger, target).deliver, request) for _ in range(3)]
    assert {(one.state, one.how) for one in sent} == {("delivered", "sent")}
    assert target.effects() == ["a-1"]
    assert (await deliver(relay(ledger, target))).done_by == "trace-2"


async def test_a_target_that_cannot_be_asked_proves_nothing(ledger: Ledger, target: Target) -> None:
    """Another run's receipt is no success where the target is gone for good: failed, with the reason."""
    await deliver(relay(ledger, target))

    class Gone(Target):
        def find(self, arguments: bytes) -> str | None:
            raise NotWanted("gone")

    request = Deliver(run=ref("trace-2"), key=KEY)
    receipt = await ActivityEnvironment().run(relay(ledger, Gone(target.file)).deliver, request)
    assert (receipt.state, receipt.problem) == ("failed", "gone")
    assert row(ledger)[0] == "delivered"


def approved(ledger: Ledger, trace: str) -> None:
    """A gate of this run that approved the action."""
    view = samples.view("change-1", trace=trace, kind="change")
    kept = ledger.tx_now(artifacts.put, ledger.files, ARGUMENTS, "application/json")
    request = samples.opening(view).model_copy(update={"intents": (intent().model_copy(update={"arguments": kept.digest}),)})
    ledger.tx_now(gates.open_gate, request)
    ledger.tx_now(gates.close, trace, "change-1", "approve")


async def effects_over_lost_answers(ledger: Ledger, target: Target) -> list[str]:
    """What the target has seen after an action whose answer was lost twice."""
    target.failing = [Unreachable(), Unreachable()]
    for _ in range(4):
        try:
            await deliver(relay(ledger, target))
        except Unreachable:
            assert row(ledger) == ("sending", 0)
    assert row(ledger)[0] == "delivered"
    return target.effects()


async def test_a_lost_answer_is_asked_for_and_not_sent_again(ledger: Ledger, target: Target) -> None:
    """An attempt whose outcome is not known leaves no lease; the next one finds the effect at the target."""
    assert await effects_over_lost_answers(ledger, target) == ["a-1"]
    assert (await deliver(relay(ledger, target))).how == "found"


async def test_a_sender_that_never_looks_is_noticed(ledger: Ledger, tmp_path: Path) -> None:
    """The proof above can fail: an adapter that does not look first makes the effect more than once."""
    assert len(await effects_over_lost_answers(ledger, Blind(tmp_path / "blind"))) > 1


class Mute(Target):
    """It cannot be asked."""

    cannot: type[CannotFind] = CannotFind

    def find(self, arguments: bytes) -> str | None:
        raise self.cannot("there is no way to ask")


async def test_what_may_have_arrived_where_nobody_can_be_asked_is_for_a_person(ledger: Ledger, tmp_path: Path) -> None:
    """At once and not after many attempts: nothing is sent again, here or by another run, and a person says it."""
    mute = Mute(tmp_path / "mute")
    mute.failing = [Unreachable()]
    with pytest.raises(Unreachable):
        await deliver(relay(ledger, mute))
    with pytest.raises(ApplicationError, match="an earlier attempt may have done it, and there is no way to ask") as unknown:
        await deliver(relay(ledger, mute))
    assert (unknown.value.type, unknown.value.non_retryable, mute.effects()) == ("OutcomeUnknown", True, ["a-1"])
    assert (await resolve(relay(ledger, mute), happened=True)).state == "delivered"
    other = await ActivityEnvironment().run(relay(ledger, mute).deliver, Deliver(run=ref("trace-2"), key=KEY))
    assert (other.state, other.done_by, other.problem) == (
        "delivered",
        "trace-1",
        "not asked whether it still is: there is no way to ask",
    )
    assert mute.effects() == ["a-1"]


async def test_what_certainly_did_not_arrive_is_sent_again(ledger: Ledger, tmp_path: Path) -> None:
    """Nobody was reached: that is no unknown outcome, also where nobody can be asked."""
    mute = Mute(tmp_path / "mute")
    for _ in range(3):
        mute.refusing = NotSent("nobody is there")
        with pytest.raises(NotSent):
            await deliver(relay(ledger, mute))
        assert row(ledger) == ("approved", 0)
    mute.refusing = None
    assert ((await deliver(relay(ledger, mute))).how, mute.effects()) == ("sent", ["a-1"])


async def test_what_acts_once_per_key_is_sent_again_and_its_no_proves_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """The first attempt may have arrived: a refusal of the second is no failure, and one that it takes is a receipt."""
    once = Mute(tmp_path / "once")
    once.cannot = Repeatable
    once.failing = [Unreachable()]
    with pytest.raises(Unreachable):
        await deliver(relay(ledger, once))
    once.refusing = NotWanted("your key is old")
    with pytest.raises(ApplicationError, match="it was sent again, and refused: your key is old") as unknown:
        await deliver(relay(ledger, once))
    assert (unknown.value.non_retryable, row(ledger)) == (False, ("sending", 0))
    once.refusing = None
    assert (await deliver(relay(ledger, once))).how == "sent"


async def test_an_effect_that_is_there_is_found(ledger: Ledger, target: Target) -> None:
    """What the target has already is not made again; the receipt says how we know."""
    target.send(ARGUMENTS, datetime.now(UTC))
    receipt = await deliver(relay(ledger, target))
    assert (receipt.state, receipt.how, target.effects()) == ("delivered", "found", ["a-1"])


async def test_a_refusal_for_good_is_a_receipt(ledger: Ledger, target: Target) -> None:
    """The target's no ends the action as failed with its words; it is not tried again."""
    target.refusing = NotWanted("the branch is protected")
    receipt = await deliver(relay(ledger, target))
    target.refusing = None
    assert (receipt.state, receipt.problem) == ("failed", "the branch is protected")
    assert await deliver(relay(ledger, target)) == receipt
    assert (target.effects(), told(ledger)) == ([], ["failed: push a"])


async def test_a_refusal_because_it_is_there_is_no_failure(ledger: Ledger, target: Target) -> None:
    """Another attempt was faster and the target refuses the second: it is asked once more, and has it."""

    def faster() -> None:
        target.before_effect = lambda: None
        target.send(ARGUMENTS, datetime.now(UTC))
        target.refusing = NotWanted("there is one already")

    target.before_effect = faster
    receipt = await deliver(relay(ledger, target))
    assert (receipt.state, receipt.how, target.effects()) == ("delivered", "found", ["a-1"])


async def test_only_an_approved_action_is_carried_out(ledger: Ledger, target: Target) -> None:
    """Without an approval nothing is sent, and trying again cannot help."""
    meant = intent("another")
    ledger.tx_now(actions.propose, meant, trace="trace-1", gate="change-1", state="rejected")
    with pytest.raises(ApplicationError, match="it is rejected, and only approved actions are carried out") as refused:
        await deliver(relay(ledger, target), meant.key)
    assert refused.value.non_retryable
    assert target.effects() == []


async def test_a_worker_without_the_adapter_says_so_and_lets_go(ledger: Ledger, target: Target) -> None:
    """A worker that does not know the target sends nothing and leaves the action to one that does."""
    with pytest.raises(Misconfigured, match=r"no adapter for git\.push"):
        await deliver(Actions(ledger, Sender(ledger, {}, "worker-1")))
    assert (await deliver(relay(ledger, target))).how == "sent"


class Held:
    """A sender that stands still in the middle, until it may go on."""

    def __init__(self, ledger: Ledger, target: Target) -> None:
        self._target = target
        self._entered, self._go = threading.Event(), threading.Event()
        target.before_effect = self._wait
        self.environment = ActivityEnvironment()
        self.task = asyncio.create_task(deliver(relay(ledger, target), environment=self.environment))

    def _wait(self) -> None:
        self._target.before_effect = lambda: None
        self._entered.set()
        assert self._go.wait(PATIENCE)

    async def entered(self) -> None:
        """When it stands there."""
        assert await asyncio.to_thread(self._entered.wait, 30)

    def go_on(self) -> None:
        """Let it go on."""
        self._go.set()


async def test_a_second_worker_waits_for_a_live_lease(ledger: Ledger, target: Target) -> None:
    """While one worker sends, another is told to come back when the lease ends, and sends nothing."""
    held = Held(ledger, target)
    await held.entered()
    with pytest.raises(ApplicationError, match="another worker is carrying it out") as busy:
        await deliver(relay(ledger, target, "worker-2"))
    assert (busy.value.type, busy.value.non_retryable) == ("Leased", False)
    assert busy.value.next_retry_delay is not None
    assert busy.value.next_retry_delay <= LEASE
    held.go_on()
    assert (await held.task).how == "sent"
    assert target.effects() == ["a-1"]


async def test_a_second_worker_takes_over_a_dead_lease_and_a_zombie_writes_nothing(ledger: Ledger, target: Target) -> None:
    """When the lease has run out another worker asks the target and finishes; what the first one writes late counts nothing."""
    held = Held(ledger, target)
    await held.entered()
    lose_lease(ledger)
    second = await deliver(relay(ledger, target, "worker-2"))
    target.refusing = NotWanted("there is one already")
    held.go_on()
    late = await held.task
    assert (second.how, second.reference) == ("sent", "a-1")
    assert late == second
    assert (target.effects(), told(ledger)) == (["a-1"], ["delivered: push a"])


async def test_a_zombie_that_fails_late_takes_nothing_back(ledger: Ledger, target: Target) -> None:
    """An attempt that lost its lease and then fails does not free the action, which is settled."""
    held = Held(ledger, target)
    await held.entered()
    lose_lease(ledger)
    second = await deliver(relay(ledger, target, "worker-2"))
    target.refusing = Unreachable("gone")
    held.go_on()
    with pytest.raises(Unreachable):
        await held.task
    assert row(ledger) == ("delivered", 0)
    assert await deliver(relay(ledger, target)) == second


async def test_a_cancelled_sender_does_not_let_a_second_one_in(ledger: Ledger, target: Target) -> None:
    """Cancelled in the middle of sending, the attempt keeps its lease to the end, and its effect has its receipt."""
    held = Held(ledger, target)
    await held.entered()
    held.environment.cancel()
    with pytest.raises(ApplicationError, match="another worker is carrying it out"):
        await deliver(relay(ledger, target, "worker-2"))
    held.go_on()
    with pytest.raises(asyncio.CancelledError):
        await held.task
    assert row(ledger) == ("delivered", 0)
    assert (await deliver(relay(ledger, target, "worker-2"))).how == "sent"
    assert target.effects() == ["a-1"]


@pytest.mark.parametrize(("happened", "state"), [(True, "delivered"), (False, "failed")])
async def test_a_person_settles_what_nobody_knows(ledger: Ledger, target: Target, happened: bool, state: str) -> None:
    """What a person found becomes the receipt; later attempts and later findings change nothing."""
    target.refusing = Unreachable("gone")
    with pytest.raises(Unreachable):
        await deliver(relay(ledger, target))
    sender = relay(ledger, target)
    receipt = await resolve(sender, happened=happened)
    assert (receipt.state, receipt.how) == (state, "person")
    assert await resolve(sender, happened=not happened) == receipt
    target.refusing = None
    assert await deliver(sender) == receipt
    assert target.effects() == []


async def test_nothing_is_settled_over_a_sender(ledger: Ledger, target: Target) -> None:
    """While a worker is sending, a person's finding is not taken: it could be about an earlier moment."""
    held = Held(ledger, target)
    await held.entered()
    with pytest.raises(ApplicationError, match="another worker is carrying it out"):
        await resolve(relay(ledger, target), happened=False)
    held.go_on()
    assert (await held.task).state == "delivered"


def no_patch(digest: str) -> bytes:
    """Where the tree is there, nobody asks for its patch."""
    raise AssertionError(digest)


class Lossy(GitPushAdapter):
    """Pushes, and loses every answer."""

    pushes = 0

    def send(self, arguments: bytes, when: datetime) -> str:
        super().send(arguments, when)
        self.pushes += 1
        raise RemoteUnknown("the connection ended")


def approved_push(ledger: Ledger, mirrors: Mirrors, origin: Path) -> Intent:
    """An approved push of a branch `fix` to a real repository."""
    base = mirrors.open(str(origin)).fetch()
    push = GitPush(repository=str(origin), base=base.commit, tree=base.tree, branch="fix", message="Fix it\n")
    kept = approve(ledger, push.stored(), event="fix")
    assert kept.arguments == sha256(push.stored())
    return kept


async def test_a_branch_is_pushed_once(ledger: Ledger, tmp_path: Path) -> None:
    """With real git: the answer is lost, attempts repeat, and one push was made; the branch holds its commit."""
    origin = repository(tmp_path / "origin")
    mirrors = Mirrors(tmp_path / "mirrors")
    kept = approved_push(ledger, mirrors, origin)
    adapter = Lossy(mirrors, no_patch)
    sender = relay(ledger, adapter)

    async def attempt() -> Receipt | None:
        try:
            return await deliver(sender, kept.key)
        except RemoteUnknown:
            assert adapter.pushes == 1, "what was pushed is found"
            return None

    receipt = await until(attempt, "an attempt was answered")
    assert (receipt.state, receipt.how) == ("delivered", "found")
    assert receipt.reference == plain(origin, "rev-parse", "fix")
    assert (plain(origin, "rev-list", "--count", "main..fix"), adapter.pushes) == ("1", 1)


async def test_a_branch_of_somebody_else_is_not_overwritten(ledger: Ledger, tmp_path: Path) -> None:
    """With real git: the branch came to the target after the approval; the push is refused, and the branch is as it was."""
    origin = repository(tmp_path / "origin")
    mirrors = Mirrors(tmp_path / "mirrors")
    kept = approved_push(ledger, mirrors, origin)
    nothing = plain(origin, "hash-object", "-t", "tree", "-w", "/dev/null")
    theirs = plain(origin, "commit-tree", nothing, "-p", "main", "-m", "Theirs")
    plain(origin, "branch", "fix", theirs)
    receipt = await deliver(relay(ledger, GitPushAdapter(mirrors, no_patch)), kept.key)
    assert plain(origin, "rev-parse", "fix") == theirs
    assert receipt.state == "failed"
    assert "fix" in receipt.problem


async def test_a_push_that_cannot_be_asked_for_is_not_called_failed(ledger: Ledger, tmp_path: Path) -> None:
    """A branch may have been pushed, and its repository is away: the push stays open, and is found when it is back."""
    origin, away = repository(tmp_path / "origin"), tmp_path / "away"
    mirrors = Mirrors(tmp_path / "mirrors")
    kept = approved_push(ledger, mirrors, origin)
    with pytest.raises(RemoteUnknown):
        await deliver(relay(ledger, Lossy(mirrors, no_patch)), kept.key)
    origin.rename(away)
    for _ in range(2):
        with pytest.raises(ApplicationError, match=r"earlier attempt may have done it, .* cannot be asked: .*/origin") as said:
            await deliver(relay(ledger, GitPushAdapter(mirrors, no_patch)), kept.key)
        assert (said.value.type, said.value.non_retryable) == ("OutcomeUnknown", False)
        assert row(ledger, kept.key) == ("sending", 0)
    away.rename(origin)
    receipt = await deliver(relay(ledger, GitPushAdapter(mirrors, no_patch)), kept.key)
    assert (receipt.state, receipt.how, receipt.reference) == ("delivered", "found", plain(origin, "rev-parse", "fix"))


async def test_a_push_that_nobody_began_fails_where_its_repository_is_gone(ledger: Ledger, tmp_path: Path) -> None:
    """Before the first attempt nothing can have happened: the action ends as failed, with the reason."""
    origin = repository(tmp_path / "origin")
    mirrors = Mirrors(tmp_path / "mirrors")
    kept = approved_push(ledger, mirrors, origin)
    origin.rename(tmp_path / "away")
    receipt = await deliver(relay(ledger, GitPushAdapter(mirrors, no_patch)), kept.key)
    assert receipt.state == "failed"
    assert str(origin) in receipt.problem


async def test_a_refusal_is_no_answer_while_the_target_cannot_be_asked(ledger: Ledger, target: Target) -> None:
    """Refused by a target that then cannot be asked, the action stays open where an earlier attempt had begun it."""

    class Gone(Target):
        asked = 0

        def find(self, arguments: bytes) -> str | None:
            self.asked += 1
            if self.asked > 1:
                raise NotWanted("the disk is away")
            return super().find(arguments)

    target.refusing = Unreachable("gone")
    with pytest.raises(Unreachable):
        await deliver(relay(ledger, target))
    gone = Gone(target.file)
    gone.refusing = NotWanted("there is one already")
    with pytest.raises(ApplicationError, match="cannot be asked: the disk is away"):
        await deliver(relay(ledger, gone))
    assert row(ledger) == ("sending", 0)


STRANGE = {
    "kept.txt": b"one\ntwo\n",
    "gone.txt": b"x\n",
    "tool.sh": b"true\n",
    "image": bytes(range(256)),
    "ends": b"no newline",
}


def strange_change(mirrors: Mirrors, origin: Path, folder: Path) -> tuple[GitPush, bytes]:
    """A push of all that a change can hold: text, bytes, a right, a link, a name that is no UTF-8, something new and gone."""
    mirror = mirrors.open(str(origin))
    base = mirror.fetch()
    mirror.checkout(base.tree, folder)
    (folder / "gone.txt").unlink()
    (folder / "tool.sh").chmod(0o755)
    (folder / "image").write_bytes(bytes(reversed(range(256))))
    (folder / "ends").write_bytes(b"still none\r\nhere")
    (folder / "new").mkdir()
    (folder / "new" / "link").symlink_to("../kept.txt")
    Path(os.fsdecode(bytes(folder / "new") + b"/\xff")).write_bytes(b"\0")
    tree = mirror.snapshot(folder, base.tree)
    patch = mirror.diff(base.tree, tree)
    push = GitPush(repository=str(origin), base=base.commit, tree=tree, branch="fix", message="Fix it\n", patch=sha256(patch))
    return push, patch


async def test_a_push_arrives_from_a_machine_that_did_not_freeze_it(ledger: Ledger, tmp_path: Path) -> None:
    """Approved on one machine and carried out on another, which has the ledger alone: the same commit, byte for byte."""
    origin = repository(tmp_path / "origin", STRANGE)
    push, patch = strange_change(Mirrors(tmp_path / "mirrors"), origin, tmp_path / "files")
    ledger.tx_now(artifacts.put, ledger.files, patch, "text/x-diff")
    kept = approve(ledger, push.stored(), event="fix")
    other = GitPushAdapter(Mirrors(tmp_path / "elsewhere"), lambda digest: ledger.read_now(artifacts.get, ledger.files, digest))
    receipt = await deliver(relay(ledger, other), kept.key)
    assert (receipt.state, receipt.how) == ("delivered", "sent")
    assert plain(origin, "rev-parse", "fix", "fix^{tree}", "fix^") == f"{receipt.reference}\n{push.tree}\n{push.base}"
    at_home = GitPushAdapter(Mirrors(tmp_path / "mirrors"), no_patch)
    assert at_home.find(push.stored()) == receipt.reference


@pytest.mark.parametrize("stored", [b"", b"no patch\n", None], ids=["another tree", "no patch", "does not fit"])
async def test_files_that_were_not_approved_are_never_pushed(ledger: Ledger, tmp_path: Path, stored: bytes | None) -> None:
    """Where base and patch do not make the approved tree, the action ends as failed, says what to do, and nothing is pushed."""
    origin = repository(tmp_path / "origin", STRANGE)
    push, patch = strange_change(Mirrors(tmp_path / "mirrors"), origin, tmp_path / "files")
    patch = patch.replace(b"-x\n", b"-y\n") if stored is None else stored
    kept = approve(ledger, push.stored(), event="fix")
    other = GitPushAdapter(Mirrors(tmp_path / "elsewhere"), lambda _: patch)
    receipt = await deliver(relay(ledger, other), kept.key)
    assert receipt.state == "failed"
    assert "does not rebuild them. Nothing was pushed: start the delivery again" in receipt.problem
    assert plain(origin, "branch", "--list", "fix") == ""


async def test_a_push_of_before_waits_for_the_machine_that_has_its_files(ledger: Ledger, tmp_path: Path) -> None:
    """An earlier release named no patch: elsewhere the action stays open and the text says why, and at home it is done."""
    origin, home = repository(tmp_path / "origin", STRANGE), Mirrors(tmp_path / "mirrors")
    push, _ = strange_change(home, origin, tmp_path / "files")
    before = push.model_copy(update={"patch": None})
    assert b"patch" not in before.stored()
    assert (before.key(), before.identity()) == (push.key(), push.identity())
    kept = approve(ledger, before.stored(), event="fix")
    with pytest.raises(GitProblem, match=r"not on this machine, and an earlier release.* start the worker that froze them"):
        await deliver(relay(ledger, GitPushAdapter(Mirrors(tmp_path / "elsewhere"), no_patch)), kept.key)
    receipt = await deliver(relay(ledger, GitPushAdapter(home, no_patch)), kept.key)
    assert (receipt.state, receipt.reference) == ("delivered", plain(origin, "rev-parse", "fix"))
