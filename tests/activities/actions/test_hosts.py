"""Pull requests, comments and reverts: at declared repositories, found by what they are, and refused for good or for now."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.actions.adapter import NotSent, TargetRefused, Unclear
from activities.actions.declared import Targets
from activities.actions.git_revert import GitRevertAdapter, of_push
from activities.actions.github import GitCommentAdapter, OpenPullRequestAdapter, mark_of
from activities.git import Mirrors, TreeRefused
from contracts.actions import GitPush, Receipt
from contracts.effects.git_revert import GitRevert
from contracts.effects.github import GitComment, OpenPullRequest
from contracts.effects.targets import GitHubTarget
from contracts.errors import ContractViolation, Refused
from tests.activities.actions.servers import Web, web
from tests.repositories import change, plain, repository

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PULL = OpenPullRequest(target="host", repository="olga/shop", head="fix", base="main", title="Fix it", body="It is fixed.")
COMMENT = GitComment(target="host", repository="olga/shop", number=7, event="fixed/7", text="It is fixed.")


@pytest.fixture
def host() -> Iterator[Web]:
    """A repository's host."""
    with web() as found:
        yield found


def targets(host: Web) -> Targets:
    """One host with one repository."""
    table = {"kind": "github", "api": host.address, "private": True, "repositories": ["olga/shop"], "key_env": "TOKEN"}
    return Targets({"host": GitHubTarget.model_validate(table)}, lambda _: "token-1")


def test_a_pull_request_is_found_by_its_branches(host: Web) -> None:
    """Not before it is there, not by other branches, and also where a person has opened it."""
    adapter = OpenPullRequestAdapter(targets(host))
    assert adapter.find(PULL.stored()) is None
    address = adapter.send(PULL.stored(), NOW)
    assert adapter.find(PULL.stored()) == address == "https://host.test/pull/1"
    assert adapter.find(PULL.model_copy(update={"title": "Other"}).stored()) == address
    for other in ({"head": "fix-2"}, {"base": "next"}):
        assert adapter.find(PULL.model_copy(update=other).stored()) is None
    assert host.book[0]["headers"]["authorization"] == "Bearer token-1"


def test_a_comment_is_found_by_its_mark_on_any_page(host: Web) -> None:
    """Of its own event alone: the same words in another comment are none of ours."""
    adapter = GitCommentAdapter(targets(host))
    host.comments += [{"html_url": f"https://host.test/{number}", "body": COMMENT.text} for number in range(150)]
    assert adapter.find(COMMENT.stored()) is None
    address = adapter.send(COMMENT.stored(), NOW)
    assert adapter.find(COMMENT.stored()) == address
    assert host.comments[-1]["body"] == f"It is fixed.\n\n{mark_of(COMMENT)}"
    assert adapter.find(COMMENT.model_copy(update={"event": "fixed/8"}).stored()) is None


@pytest.mark.parametrize(
    ("status", "raised"),
    [(401, TargetRefused), (404, TargetRefused), (422, TargetRefused), (429, NotSent), (500, Unclear), (502, Unclear)],
)
def test_a_hosts_answers(host: Web, status: int, raised: type[Exception]) -> None:
    """A no is for good, too often is for now, and a server's error says nothing."""
    host.answer = status
    for adapter, wanted in ((OpenPullRequestAdapter(targets(host)), PULL), (GitCommentAdapter(targets(host)), COMMENT)):
        with pytest.raises(raised, match=str(status)):
            adapter.send(wanted.stored(), NOW)


def test_other_repositories_and_false_marks_are_refused(host: Web) -> None:
    """Before an intent is written, and without a word to the host."""
    for other in ("olga/other", "otto/shop"):
        with pytest.raises(Refused, match=f"writes to olga/shop, and not to {other}"):
            OpenPullRequestAdapter(targets(host)).check(PULL.model_copy(update={"repository": other}).stored())
    with pytest.raises(Refused, match="a mark of Baton"):
        GitCommentAdapter(targets(host)).check(COMMENT.model_copy(update={"text": f"x {mark_of(COMMENT)}"}).stored())
    with pytest.raises(ContractViolation):
        OpenPullRequest.read_typed_by_people(PULL.model_dump() | {"repository": "olga/shop/../../user"})
    assert host.seen == []


def test_a_revert_takes_back_one_change_and_keeps_the_others(tmp_path: Path) -> None:
    """Of a pushed commit, onto what came after it; found by its files; its own revert brings the change back."""
    origin = repository(tmp_path / "origin", {"a.txt": b"one\n", "b.txt": b"x\n"})
    bad = change(origin, {"a.txt": b"two\n"})
    later = change(origin, {"b.txt": b"y\n"})
    adapter = GitRevertAdapter(Mirrors(tmp_path / "mirrors"))
    wanted = GitRevert(repository=str(origin), commit=bad, onto=later, branch="back")
    assert adapter.find(wanted.stored()) is None
    commit = adapter.send(wanted.stored(), NOW)
    assert adapter.find(wanted.stored()) == commit
    assert plain(origin, "rev-parse", "back", "back^") == f"{commit}\n{later}"
    assert (plain(origin, "show", "back:a.txt"), plain(origin, "show", "back:b.txt")) == ("one", "y")
    receipt = Receipt(key="0" * 64, type="git.push", state="delivered", summary="p", reference=commit)
    again: Any = adapter.compensation(wanted.stored(), receipt)
    adapter.send(again.stored(), NOW)
    assert plain(origin, "show", f"{again.branch}:a.txt") == "two"
    push = GitPush(repository=str(origin), base=later, tree="0" * 40, branch="Fix it", message="m")
    made: Any = of_push(push.stored(), receipt)
    assert (made.commit, made.onto, made.branch) == (commit, commit, f"revert/fix-it-{commit[:8]}")


def test_a_change_that_cannot_be_taken_back_alone_is_refused(tmp_path: Path) -> None:
    """Later changes of the same lines; a change that is gone already; the first commit of all. Nothing is pushed."""
    origin = repository(tmp_path / "origin", {"a.txt": b"one\n"})
    first, bad = plain(origin, "rev-parse", "main"), change(origin, {"a.txt": b"two\n"})
    later = change(origin, {"a.txt": b"three\n"})
    gone = change(origin, {"a.txt": b"one\n"})
    adapter = GitRevertAdapter(Mirrors(tmp_path / "mirrors"))
    for commit, onto, said in (
        (bad, later, "changed the same lines of a.txt"),
        (bad, gone, "nothing"),
        (first, later, "the first"),
    ):
        with pytest.raises(TreeRefused, match=said):
            adapter.send(GitRevert(repository=str(origin), commit=commit, onto=onto, branch="back").stored(), NOW)
    assert plain(origin, "branch", "--list", "back") == ""
    with pytest.raises(ContractViolation, match="no whole commit id"):
        GitRevert.read_typed_by_people({"repository": str(origin), "commit": bad[:12], "onto": later, "branch": "back"})
