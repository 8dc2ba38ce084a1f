"""`baton review` as it is typed: a review that ends, and inputs that cannot be reviewed, each with the way out."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from contracts.base import BODY_LIMIT
from ledger import handoffs
from ledger.db import Connection
from ledger.views.runs import find_run
from tests import scripts
from tests.commands.conftest import Baton, Ran
from tests.stack import stack
from tests.workflows.reviewing import HAPPY, change

MORE_THAN_A_PATCH = "+x\n" * 20_001
"""60,003 characters: fewer than an input may have, and more than a patch may."""


def given_handoffs(connection: Connection, run: str) -> dict[str, set[str]]:
    """The agents whose handoffs each agent's handoff was made from, as the ledger's edges say."""
    made = {row.id: handoffs.get(connection, row.id).producer.agent for row in handoffs.of_trace(connection, run)}
    derived: dict[str, set[str]] = {agent: set() for agent in made.values()}
    for identity, agent in made.items():
        for child, relation, parent in handoffs.upstream(connection, identity):
            if child == identity and relation == "derived" and parent in made:
                derived[agent].add(made[parent])
    return derived


async def test_a_review_is_waited_for_and_told(baton: Baton, client: Client, tmp_path: Path) -> None:
    """--wait follows it to its end (0): findings on stdout; each agent's handoff stands on the handoffs it was given."""
    origin, _ = change(tmp_path / "sample")
    async with stack(client, baton.state, scripts.save(tmp_path / "script.yaml", *HAPPY), beats=True) as running:
        baton.use(running)
        ran = await baton.live("review", "-r", str(origin), "--head", "odd", "--wait")
        (listed,) = (await baton.live("runs", "--json")).json["runs"]
        run = await running.ledger.read(find_run, listed["run"])
        derived = await running.ledger.read(given_handoffs, run.trace)
        again = await baton.live("result", listed["run"], "--json")
    assert ran.code == 0, ran.err
    for part in ("A price runs as code.", "critical", "Not as it is.", "Nowhere.", "unproven"):
        assert part in ran.out
    assert "git: " not in ran.err
    assert "bug_reviewer@v2" in ran.err
    assert (listed["state"], again.json["report"]["reviewed_by"]) == ("done", ["bug_reviewer", "security_reviewer"])
    assert derived == {
        "diff_analyst": set(),
        "bug_reviewer": {"diff_analyst"},
        "security_reviewer": {"diff_analyst"},
        "synthesiser": {"bug_reviewer", "security_reviewer"},
    }


async def test_a_patch_file_is_reviewed(baton: Baton, client: Client, tmp_path: Path) -> None:
    """The file's text is sent: it may be gone before the worker looks, and it is read from where the command was typed."""
    origin, patch = change(tmp_path / "sample")
    (baton.folder / "odd.diff").write_text(f"{patch}\n")
    async with stack(client, baton.state, scripts.save(tmp_path / "script.yaml", *HAPPY), beats=True) as running:
        baton.use(running)
        ran = await baton.live("review", "-r", str(origin), "--patch", "odd.diff", "--wait", "--json")
    assert ran.code == 0, ran.err
    report = ran.json["report"]
    assert (report["state"], report["head"]) == ("done", "")
    assert report["checked"]["findings"][0]["what"] == "A price runs as code."


TOO_LARGE = "--patch: {path} is too large: it may have 60000 characters and 65536 bytes. Commit it to a branch"

UNREADABLE: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "--patch: there is no file {path}. Give the path of a file on this machine"),
    "binary": (b"--- a/f\n+++ b/f\n\xff\xfe", "--patch: {path} is not UTF-8 text. Give a text file"),
    "large": (b"+" * (BODY_LIMIT + 1), TOO_LARGE),
    "larger": (MORE_THAN_A_PATCH.encode(), TOO_LARGE),
    "empty": (b"", "--patch: {path} is empty. Give a file with something in it"),
    "blank": (b"\n \n", "--patch: {path} is empty. Give a file with something in it"),
    "nul": (b"--- a/f\n+++ b/f\n\0", "--patch: NUL characters are not allowed here"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_patch_file_that_cannot_be_sent(baton: Baton, tmp_path: Path, name: str) -> None:
    """Exit 2 with what is wrong and what to do. Temporal is not even asked: nothing listens where these commands look."""
    content, said = UNREADABLE[name]
    path = baton.folder / "p.diff"
    if content is not None:
        path.write_bytes(content)
    origin, _ = change(tmp_path / "sample")
    refused(baton, baton("review", "-r", str(origin), "--patch", "p.diff"), said.format(path=path))


def test_a_patch_that_is_a_folder_or_may_not_be_read(baton: Baton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is called a folder, and a file that the system does not give out says the system's reason."""
    origin, _ = change(tmp_path / "sample")
    (baton.folder / "patches").mkdir()
    ran = baton("review", "-r", str(origin), "--patch", "patches")
    refused(baton, ran, f"--patch: {baton.folder / 'patches'} is a folder. Give the path of a file")
    (baton.folder / "secret.diff").write_text("--- a/f\n")

    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:  # root may read everything, so that a mode alone would prove nothing
        patched.setattr(Path, "open", denied)
        ran = baton("review", "-r", str(origin), "--patch", "secret.diff")
    refused(baton, ran, "cannot be read: Permission denied. Give a readable file")


def test_a_review_has_one_change(baton: Baton, tmp_path: Path) -> None:
    """Neither a head nor a patch, or both of them: exit 2, and both options are explained."""
    origin, patch = change(tmp_path / "sample")
    (baton.folder / "odd.diff").write_text(f"{patch}\n")
    for more in ((), ("--head", "odd", "--patch", "odd.diff")):
        said = "a patch (a unified diff) and a pull request (its address), and only one"
        refused(baton, baton("review", "-r", str(origin), *more), said)


def refused(baton: Baton, ran: Ran, said: str) -> None:
    """A usage error with this text, before anything was made: no run, no ledger."""
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert said in ran.err
    assert not (baton.state / "ledger.db").exists()


TORN = "--- a/shop/pricing.py\n+++ b/shop/pricing.py\n@@ -1,1 +1,1 @@\n-this line was never there\n+x = 1\n"

REFUSED: dict[str, tuple[Iterable[str], str]] = {
    "head": (("--head", "no-such-branch"), "has no branch or tag 'no-such-branch'. Name one that it has, or a full commit id"),
    "base": (("--head", "odd", "--base", "0" * 40), f"has no commit {'0' * 40} in any branch or tag; check the id"),
    "same": (("--head", "main"), "there is nothing to review: main changes nothing since"),
    "words": (("--patch", "words"), "this is no patch that git can read"),
    "torn": (("--patch", "torn"), "in shop/pricing.py; name the base that it was made on"),
}


async def test_what_only_the_worker_can_refuse(baton: Baton, client: Client, tmp_path: Path) -> None:
    """Exit 2 with the reason and the way out; the run is on record as refused, cost nothing, and asked no agent."""
    origin, _ = change(tmp_path / "sample")
    (baton.folder / "words").write_text("Please look at my change.\n")
    (baton.folder / "torn").write_text(TORN)
    async with stack(client, baton.state, scripts.save(tmp_path / "script.yaml", *HAPPY), beats=True) as running:
        baton.use(running)
        for options, said in REFUSED.values():
            ran = await baton.live("review", "-r", str(origin), *options, "--wait", "--json")
            assert (ran.code, said in ran.err + ran.out) == (2, True), ran.err + ran.out
        rows = (await baton.live("runs", "--json")).json["runs"]
        reports = [(await baton.live("result", row["run"], "--json")).json["report"] for row in rows]
        traces = [(await running.ledger.read(find_run, row["run"])).trace for row in rows]
        made = [await running.ledger.read(handoffs.of_trace, trace) for trace in traces]
    assert len(reports) == len(REFUSED)
    for report in reports:
        assert (report["state"], report["tokens"], report["usd_micros"]) == ("could_not", 0, 0)
        assert report["reason"].startswith("the input was refused: ")
    assert made == [[] for _ in REFUSED]
