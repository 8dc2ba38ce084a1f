"""A push that the target refuses loses nothing: a person names another branch or author, and the same tree is pushed."""

import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import children, ports
from tests.commands.conftest import Baton, Serve, asking
from tests.stack import git

HOOK = """#!/bin/sh
while read old new name; do
    author=$(git log -1 --format=%ae "$new")
    case "$author" in *@example.org) ;; *) echo "only people of example.org may push here, not $author" >&2; exit 1 ;; esac
    case "$name" in */team/*) ;; *) echo "branches here begin with team/" >&2; exit 1 ;; esac
done
"""


async def at_plan(baton: Baton, origin: Path | str, branch: str) -> str:
    """A run that waits at its plan gate."""
    run: str = (await baton.live(*asking(origin, "--branch", branch, "--wait-for-gate", "--json"))).json["run"]
    return run


async def at_change(baton: Baton, origin: Path | str, branch: str) -> str:
    """A run that waits at its change gate."""
    run = await at_plan(baton, origin, branch)
    assert (await baton.live("approve", run, "--yes")).code == 0
    assert (await baton.live("result", run, "--wait-for-gate")).code == 4
    return run


async def stuck(baton: Baton, run: str) -> list[str]:
    """The facts of the gate that a refused push opens."""
    waiting = await baton.live("result", run, "--wait-for-gate", "--json")
    assert (waiting.code, waiting.json["gates"][0].split("-")[0]) == (4, "stuck"), waiting.out + waiting.err
    facts: list[str] = (await baton.live("show", run, "--gate", waiting.json["gates"][0], "--json")).json["gate"]["facts"]
    return facts


async def redirected(baton: Baton, run: str, branch: str, author: str) -> None:
    """Say where the push goes instead, and approve that push."""
    answers = ("--answer", f"branch={branch}", "--answer", f"author={author}")
    assert (await baton.live("approve", run, "--yes", *answers)).code == 0
    waiting = await baton.live("result", run, "--wait-for-gate", "--json")
    assert waiting.json["gates"][0].startswith("action"), waiting.out + waiting.err
    assert (await baton.live("approve", run, "--yes", "--by", "olga")).code == 0


async def test_a_branch_that_is_taken_at_the_end_takes_another_name(baton: Baton, serve: Serve, origin: Path) -> None:
    """Somebody else's branch of that name, seen by the push: the gate names it; the approved tree arrives under another one."""
    async with serve():
        run = await at_change(baton, origin, "fix")
        git(origin, "branch", "fix", "main")
        tree = (await baton.live("show", run, "--gate", "change", "--json")).json["subject"].partition('"tree":"')[2][:40]
        assert (await baton.live("approve", run, "--yes")).code == 0
        assert any("did not take refs/heads/fix" in fact for fact in await stuck(baton, run))
        assert (await baton.live("approve", run, "--yes", "--answer", "branch=a..b", "--answer", "author=same")).code == 0
        twice = await stuck(baton, run)
        assert any(fact.startswith("the last answer cannot be used: ") and "two dots in a row" in fact for fact in twice)
        assert any("did not take refs/heads/fix" in fact for fact in twice), "the target's own words stay"
        await redirected(baton, run, "fix-2", "Same")
        ended = await baton.live("result", run, "--wait")
        assert ended.code == 0, ended.out + ended.err
    assert "as fix-2 to" in ended.out
    assert git(origin, "rev-parse", "fix-2^{tree}") == tree
    assert git(origin, "rev-parse", "fix") == git(origin, "rev-parse", "main")


async def test_the_targets_own_words_lead_to_the_author_and_branch_that_it_wants(
    baton: Baton, serve: Serve, origin: Path
) -> None:
    """A server whose hook wants other authors and names: its words stand at the gate; the commit is as was answered."""
    hook = origin / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK)
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    with served(origin.parent) as address:
        async with serve():
            run = await at_change(baton, f"{address}/{origin.name}", "fix")
            assert (await baton.live("approve", run, "--yes", "--by", "maria")).code == 0
            said = await stuck(baton, run)
            assert any("only people of example.org may push here, not baton@localhost" in one for one in said)
            await redirected(baton, run, "same", "Release Bot <bot@example.org>")
            assert any("branches here begin with team/" in one for one in await stuck(baton, run))
            await redirected(baton, run, "team/fix", "same")
            ended = await baton.live("result", run, "--wait")
            assert ended.code == 0, ended.out + ended.err
    commit = git(origin, "log", "-1", "--format=%an <%ae>%n%B", "team/fix")
    assert commit.startswith("Release Bot <bot@example.org>\n")
    assert commit.endswith(f"Baton-Run: {run}\nApproved-by: olga")


async def test_rejecting_ends_the_run_with_the_targets_words(baton: Baton, serve: Serve, origin: Path) -> None:
    """Somebody else's branch of that name: the change gate says that the push will be refused, at risk high, and it is.

    Nobody wants it elsewhere: could_not, with what the target said, and nothing is pushed.
    """
    async with serve():
        run = await at_plan(baton, origin, "fix")
        git(origin, "branch", "fix", "main")
        assert (await baton.live("approve", run, "--yes")).code == 0
        assert (await baton.live("result", run, "--wait-for-gate")).code == 4
        gate = (await baton.live("show", run, "--gate", "change", "--json")).json["gate"]
        (fact,) = [one for one in gate["facts"] if one.startswith("the push will be refused")]
        assert "branch 'fix' is there already" in fact
        assert gate["risk"].startswith("high")
        assert (await baton.live("approve", run, "--yes")).code == 0
        await stuck(baton, run)
        assert (await baton.live("reject", run, "--yes", "-m", "not any more")).code == 0
        ended = await baton.live("result", run, "--wait")
    assert ended.code == 1
    assert "did not take refs/heads/fix" in ended.out
    assert sorted(git(origin, "branch", "--format=%(refname:short)").split()) == ["fix", "main"]


async def test_a_target_that_takes_no_push_is_known_before_and_can_take_it_later(
    baton: Baton, serve: Serve, origin: Path
) -> None:
    """Plan and change gate say it in the target's words, the push opens a gate at once, and repeats once it is let in.

    Its commit is as the settings `push_author` and `push_trailers` say.
    """
    with served(origin.parent, "--enable=upload-pack", "--disable=receive-pack", "--allow-override=receive-pack") as address:
        async with serve(push_author="Shop Bot <shop@example.org>", push_trailers=False):
            run = await at_change(baton, f"{address}/{origin.name}", "fix")
            shown = [(await baton.live("show", run, "--gate", gate, "--json")).json["gate"] for gate in ("plan", "change")]
            for gate in shown:
                assert any("can be read, but takes no push from this machine: " in fact for fact in gate["facts"]), gate
            assert shown[1]["risk"].startswith("high")
            assert (await baton.live("approve", run, "--yes")).code == 0
            assert any("takes no push from this machine" in fact for fact in await stuck(baton, run))
            git(origin, "config", "daemon.receivepack", "true")
            assert (await baton.live("request-changes", run, "--yes", "-m", "it is let in")).code == 0
            waiting = await baton.live("result", run, "--wait-for-gate", "--json")
            assert waiting.json["gates"][0].startswith("action"), waiting.out + waiting.err
            assert (await baton.live("approve", run, "--yes")).code == 0
            assert (await baton.live("result", run, "--wait")).code == 0
    assert "always" in git(origin, "show", "fix:README.md")
    commit = git(origin, "log", "-1", "--format=%an <%ae>%n%B", "fix")
    assert commit.startswith("Shop Bot <shop@example.org>\n")
    assert "Baton-Run" not in commit
    assert "Approved-by" not in commit


@contextmanager
def served(folder: Path, *options: str) -> Iterator[str]:
    """Git's own server over the folder's repositories, with their hooks. Without options it takes pushes."""
    port = ports.reserved()
    services = options or ("--enable=receive-pack",)
    command = ["git", "daemon", f"--base-path={folder}", "--export-all", *services, "--listen=127.0.0.1"]
    with children.started(*command, "--reuseaddr", f"--port={port}", str(folder)) as daemon:
        children.until(lambda: _answers(port), "git's server answered")
        try:
            yield f"git://127.0.0.1:{port}"
        finally:
            daemon.terminate()
            daemon.wait(children.PATIENCE)  # it ends the server that it has started; killed at once it would leave it behind


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
