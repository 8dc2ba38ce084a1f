"""Taking an action back: by the type that policy names for it, with arguments that follow from its receipt."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.actions.git_revert import GitRevertAdapter
from activities.actions.prepare import Preparing
from activities.git import Mirrors
from contracts.act import PrepareAction, Prepared
from contracts.actions import GitPush, Receipt
from contracts.effects.git_revert import GitRevert
from contracts.intents import Intent
from ledger import actions, artifacts
from ledger.db import Ledger
from tests.ledger.samples import ref

COMMIT = "c" * 40
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
