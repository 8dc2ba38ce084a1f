"""Taking an action back: by the type that policy names for it, with arguments that follow from its receipt."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.actions.git_revert import GitRevertAdapter
from activities.actions.prepare import Preparing
from activities.git import Mirrors
from contracts.act import PrepareAction, Prepared
from contracts.actions import GitPush, Receipt
from contracts.effects.git_revert import GitRevert
from contracts.intents import Intent
from contracts.sinks import sinks_of
from ledger import actions, artifacts, handoffs, outside
from ledger.db import Ledger
from ledger.figures.approvals import approvals_of, decided
from ledger.figures.period import Period
from ledger.tables import action
from tests.ledger.samples import ref

COMMIT = "c" * 40
EVER = Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
PUSH = GitPush(repository="/srv/git/shop", base="b" * 40, tree="d" * 40, branch="fix", message="Fix it")


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one approved push."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    opened.tx_now(artifacts.put, opened.files, PUSH.stored(), "application/json")
    intent = Intent.of("git.push", PUSH, "push fix")
    opened.tx_now(actions.propose, intent, trace="trace-1", gate="change-1", state="approved")
    yield opened
    opened.close()


async def prepare(ledger: Ledger, tmp_path: Path, undo: str, action: str = "take-back") -> Prepared:
    """The action that takes it back."""
    adapter = GitRevertAdapter(Mirrors(tmp_path / "mirrors"))
    types = {"git.push": "git.push", "take-back": "git.revert", "other": "git.revert"}
    preparing = Preparing(ledger, {"git.revert": adapter}, lambda: types, lambda: {"git.push": "take-back"})
    request = PrepareAction(run=ref("trace-2"), type=action, undo=undo)
    return await ActivityEnvironment().run(preparing.prepare_action, request)


async def test_a_delivered_push_is_taken_back_by_its_own_commit(ledger: Ledger, tmp_path: Path) -> None:
    """Not before it is delivered, not by another type than policy names, and not by a key that is none."""
    key = PUSH.key()
    with pytest.raises(ApplicationError, match="push fix is approved; only what was delivered is taken back"):
        await prepare(ledger, tmp_path, key)
    _, lease = ledger.tx_now(actions.claim, key, "worker-1", 1_000_000)
    assert lease is not None
    sent = Receipt(key=key, type="git.push", state="delivered", summary="push fix", reference=COMMIT, at=datetime.now(UTC))
    assert ledger.tx_now(actions.settle, lease, sent)
    found = await prepare(ledger, tmp_path, key[:12])
    revert = GitRevert.read(found.arguments)
    assert (revert.repository, revert.commit, revert.onto) == (PUSH.repository, COMMIT, COMMIT)
    assert (found.intent.type, found.intent.key) == ("take-back", revert.key())
    assert f"takes back {COMMIT}" in found.facts
    with pytest.raises(ApplicationError, match=r"policy\.toml says of git\.push by take-back, and not by other"):
        await prepare(ledger, tmp_path, key, "other")
    with pytest.raises(ApplicationError, match="no action has a key that begins with 00000000") as refused:
        await prepare(ledger, tmp_path, "0" * 8)
    assert (refused.value.type, refused.value.non_retryable) == ("InputRefused", True)


def done(ledger: Ledger, key: str, type: str, reference: str = COMMIT) -> None:
    """It is delivered."""
    _, lease = ledger.tx_now(actions.claim, key, "worker-1", 1_000_000)
    assert lease is not None
    sent = Receipt(key=key, type=type, state="delivered", summary="s", reference=reference, at=datetime.now(UTC))
    assert ledger.tx_now(actions.settle, lease, sent)


async def test_what_is_taken_back_is_counted_as_undone(ledger: Ledger, tmp_path: Path) -> None:
    """Only once it has been taken back, and once however often; another action of that type undoes nothing."""

    def undone() -> dict[str, int]:
        return {name: one.undone for name, one in ledger.read_now(decided, EVER).items()}

    done(ledger, PUSH.key(), "git.push")
    other = GitRevert(repository="/srv/git/shop", commit="e" * 40, onto="e" * 40, branch="by-hand")
    await by_hand(ledger, other)
    assert undone() == {"git.push": 0, "take-back": 0}
    for number in range(2):
        found = await prepare(ledger, tmp_path, PUSH.key()[:12])
        ledger.tx_now(artifacts.put, ledger.files, found.arguments.encode(), "application/json")
        ledger.tx_now(actions.propose, found.intent, trace="trace-2", gate="", state="approved")
        assert undone()["git.push"] == number
        if number == 0:
            done(ledger, found.intent.key, "take-back")
    assert undone() == {"git.push": 1, "take-back": 0}
    (one,) = ledger.read_now(approvals_of, ["git.push"], 90)
    assert ", 1 undone; " in one.told(90)
    assert (one.count, ledger.read_now(approvals_of, ["note"], 90)[0].undone) == (1, 0)


async def by_hand(ledger: Ledger, revert: GitRevert) -> None:
    """A revert with arguments of its own: nothing says that it takes an action back."""
    ledger.tx_now(artifacts.put, ledger.files, revert.stored(), "application/json")
    ledger.tx_now(actions.propose, Intent.of("take-back", revert, "revert"), trace="trace-3", gate="", state="approved")
    done(ledger, revert.key(), "take-back")


async def test_what_takes_back_a_tainted_action_is_tainted(ledger: Ledger, tmp_path: Path) -> None:
    """Its arguments follow from that one's, so they are from its sources, and are searched as text of them."""
    done(ledger, PUSH.key(), "git.push")
    assert (await prepare(ledger, tmp_path, PUSH.key())).intent.taint == ()
    assert ledger.read_now(outside.sources_of, "trace-2") == ()
    change = update(action).where(action.c.key == PUSH.key()).values(taint="repo,web")
    ledger.tx_now(lambda connection: connection.execute(change) and None)
    for _ in range(2):
        found = await prepare(ledger, tmp_path, PUSH.key())
        assert found.intent.taint == ("repo", "web")
    assert ledger.read_now(outside.sources_of, "trace-2") == ("repo", "web")
    sinks = sinks_of("git.revert", json.loads(found.arguments))
    there = ledger.read_now(outside.only_outside, ledger.files, "trace-2", sinks)
    assert COMMIT in {one.sink.value for one in there}


async def test_what_takes_an_action_back_leads_to_it(ledger: Ledger, tmp_path: Path) -> None:
    """Its origins name the push. It is not among what came from the push: if that is condemned, what mends it is not held."""
    done(ledger, PUSH.key(), "git.push")
    found = await prepare(ledger, tmp_path, PUSH.key())
    ledger.tx_now(artifacts.put, ledger.files, found.arguments.encode(), "application/json")
    ledger.tx_now(actions.propose, found.intent, trace="trace-2", gate="", state="approved")
    assert found.intent.key not in ledger.read_now(handoffs.downstream, [PUSH.key()], 10)
    assert PUSH.key() in {parent for _, _, parent in ledger.read_now(handoffs.upstream, found.intent.key)}
