"""Branches that could not be pushed are refused at the start, through the command line, before any model is paid."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError

from tests.commands.conftest import Baton, Serve, asking
from tests.repositories import plain, repository
from tests.stack import git, sample


@pytest.mark.parametrize("name", ["a..b", "-x", "HEAD", "refs/heads/x", "x.lock", "a b", "a@{b", "x" * 201, "a/", "a\tb"])
def test_a_name_that_git_refuses_starts_nothing(baton: Baton, origin: Path, name: str) -> None:
    """Exit 2 with the option, what is wrong and a name to try; Temporal is not even asked."""
    ran = baton(*asking(origin, f"--branch={name}"))
    assert ran.code == 2
    assert "--branch" in ran.err
    assert "Traceback" not in ran.err


async def test_another_client_is_refused_in_the_same_words(serve: Serve, origin: Path) -> None:
    """Temporal's own client knows no options: the run ends as a refused input before a model is asked."""
    async with serve() as stack:
        run = await stack.deliver(origin, branch="a..b", check="true")
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result()
        assert "two dots in a row" in str(failed.value.__cause__)
        assert not [line for line in await stack.feed(run) if line.actor.startswith("planner")]


async def test_names_that_are_taken_or_collide_are_refused_before_a_model_is_paid(
    baton: Baton, serve: Serve, origin: Path
) -> None:
    """One that is there, folders in each other's way, another case: exit 2, the reason, a free name; nothing is spent."""
    for name in ("taken", "a", "deep/er"):
        git(origin, "branch", name, "main")
    async with serve():
        for name, why in (
            ("taken", "is there already"),
            ("a/b", "cannot stand beside"),
            ("deep", "cannot stand beside"),
            ("Taken", "in case or form"),
        ):
            ran = await baton.live(*asking(origin, "--branch", name, "--wait"))
            assert ran.code == 2, ran.out + ran.err
            assert why in ran.err + ran.out
            assert "Name another, such as" in ran.err + ran.out
        runs = (await baton.live("runs", "--json")).json["runs"]
        assert len(runs) == 4
        assert {run["spent_micros"] for run in runs} == {0}


async def test_a_branch_that_is_checked_out_and_uncommitted_work_are_said(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """A working folder as source: what is checked out is refused; what is not committed is counted at start and plan gate."""
    origin = repository(tmp_path / "work", {"README.md": b"Prices are whole cents.\n"})
    plain(origin, "checkout", "-q", "--orphan", "unborn")
    async with serve():
        refused = await baton.live(*asking(origin, "--base", "main", "--branch", "unborn", "--wait"))
        assert (refused.code, f"is checked out in {origin}, and" in refused.err + refused.out) == (2, True)
        plain(origin, "checkout", "-q", "-f", "main")
        (origin / "README.md").write_bytes(b"Prices!\n")
        (origin / "new.txt").write_bytes(b"x")
        started = await baton.live(*asking(origin, "--branch", "fine", "--wait-for-gate", "--json"))
        said = f"1 changed and 1 new files in {origin} are not committed, and the run does not see them"
        assert started.json["note"] == said
        assert f"note    {said}" in started.err
        gate = (await baton.live("show", started.json["run"], "--gate", "plan", "--json")).json["gate"]
        assert said in gate["facts"]


async def test_what_a_run_cannot_start_from_is_refused(baton: Baton, serve: Serve, origin: Path, tmp_path: Path) -> None:
    """A base that is not there, a repository without a commit, a base like an option: exit 2 and what to do."""
    empty = repository(tmp_path / "empty.git", bare=True)
    async with serve():
        for where, base, why in (
            (origin, "no-such-branch", "has no branch or tag"),
            (origin, "0" * 40, "has no commit"),
            (empty, None, "is it empty? Commit something"),
            (empty, "main", "has no branch or tag"),
            *((origin, git(origin, "rev-parse", f"main{what}"), "names no commit") for what in ("^{tree}", ":README.md")),
            (origin, "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "names no commit"),
            *((origin, name, "is not the name of a branch or tag; give") for name in ("main~1", "main@{1}", "main:README.md")),
        ):
            ran = await baton.live(*asking(where, *(["--base", base] if base else []), "--wait"))
            assert (ran.code, why in ran.err + ran.out) == (2, True), ran.out + ran.err


async def test_a_made_name_keeps_its_letters_and_finds_room(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """An instruction that is not English names the branch; where `baton` is a branch itself the name stands beside it."""
    cases = (((), "baton/größe-ändern-"), (("baton",), "baton-größe-ändern-"))
    async with serve():
        for number, (there, made) in enumerate(cases):
            origin = sample(tmp_path / f"made-{number}")
            for name in there:
                git(origin, "branch", name, "main")
            asked = ("deliver", "-r", str(origin), "-i", "Größe ändern!", "--check", "true", "--wait-for-gate", "--json")
            run = (await baton.live(*asked)).json["run"]
            assert (await baton.live("approve", run, "--yes")).code == 0
            assert (await baton.live("result", run, "--wait-for-gate")).code == 4
            assert (await baton.live("approve", run, "--yes")).code == 0
            assert (await baton.live("result", run, "--wait")).code == 0
            branches = git(origin, "branch", "--format=%(refname:short)").split("\n")
            (pushed,) = [name for name in branches if name not in {"main", *there}]
            assert pushed.startswith(made)


async def delivered(baton: Baton, origin: Path, *more: str) -> tuple[str, list[str], str]:
    """A whole delivery: the run, the facts at its change gate, and how the report reads."""
    run: str = (await baton.live(*asking(origin, *more, "--wait-for-gate", "--json"))).json["run"]
    assert (await baton.live("approve", run, "--yes")).code == 0
    assert (await baton.live("result", run, "--wait-for-gate")).code == 4
    facts: list[str] = (await baton.live("show", run, "--gate", "change", "--json")).json["gate"]["facts"]
    assert (await baton.live("approve", run, "--yes")).code == 0
    ended = await baton.live("result", run, "--wait")
    assert ended.code == 0, ended.out + ended.err
    return run, facts, ended.out


async def test_the_same_change_again_is_there_already_until_the_branch_is_deleted(
    baton: Baton, serve: Serve, origin: Path
) -> None:
    """The same change with another instruction: the gate, the feed and the report name the run that pushed it.

    Deleted, the branch is there again after a third run, which says that it pushed it.
    """
    async with serve():
        first, _, _ = await delivered(baton, origin, "--branch", "fix")
        commit = git(origin, "rev-parse", "fix")
        second, facts, report = await delivered(baton, origin, "--branch", "fix", "--effort", "full")
        feed = (await baton.live("feed", second)).out
        assert f"branch fix is there already with exactly these files, pushed by {first} (commit {commit[:12]})" in facts
        assert f"it was there already, pushed by {first}, and nothing was sent" in report
        assert f"it was there already, by run {first}; the target was asked, and nothing was sent" in feed
        assert git(origin, "rev-parse", "fix") == commit
        git(origin, "branch", "-D", "fix")
        third, facts, report = await delivered(baton, origin, "--branch", "fix")
        feed = (await baton.live("feed", third)).out
    assert "always" in git(origin, "show", "fix:README.md")
    assert not [fact for fact in facts if "is there already" in fact]
    assert "there already" not in report
    assert "delivered: push" in feed


@pytest.mark.parametrize("address", ["ext::sh -c id", "ftp://example.org/x", "http://example.org/x", "host:-x"])
def test_an_address_that_no_worker_would_read_starts_nothing(baton: Baton, address: str) -> None:
    """Exit 2 with the option and what to give instead; Temporal is not even asked."""
    ran = baton("deliver", "-r", address, "-i", "x")
    assert (ran.code, ran.err.startswith("baton: --repository: ")) == (2, True)


@pytest.mark.parametrize(("option", "most"), [("--branch", 200), ("--base", 200), ("--owner", 200)])
def test_what_is_too_long_is_said_in_characters(baton: Baton, origin: Path, option: str, most: int) -> None:
    """Text is counted in characters."""
    ran = baton(*asking(origin, option, "x" * (most + 1)))
    assert (ran.code, f"at most {most} characters fit, not {most + 1}" in ran.err) == (2, True), ran.err


async def test_hooks_that_a_push_does_not_start_are_said(baton: Baton, serve: Serve, origin: Path) -> None:
    """A repository on this machine is pushed to without its programs: the plan gate names them and what would start them."""
    hooks = origin / "hooks"
    hooks.mkdir(exist_ok=True)
    for name, mode in (("pre-receive", 0o755), ("update", 0o644), ("post-receive.sample", 0o755)):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(mode)
    async with serve():
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        facts = (await baton.live("show", run, "--gate", "plan", "--json")).json["gate"]["facts"]
    (said,) = [one for one in facts if one.startswith("hooks of ")]
    assert said.startswith(f"hooks of {origin} are not run by a push from here: pre-receive; where they have to be, give")
