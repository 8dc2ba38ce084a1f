"""A review on a real repository: what holds is shown, what does not is said apart, and nobody's absence is hidden."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError

from contracts.review import ReviewReport
from ledger import runs
from tests import scripts
from tests.depth import soak
from tests.scripts import could_not, says, unsure
from tests.stack import git, result_of, sample, stack, until
from tests.wire.server import WireServer
from tests.workflows.conftest import Start
from tests.workflows.reviewing import ANALYST, BUGS, HAPPY, HOLES, NEW, OLD, WHOLE, change, finding, findings, review


def line_of(origin: Path, revision: str, text: str) -> int:
    """Where a line stands in the changed file, from 1."""
    return git(origin, "show", f"{revision}:shop/pricing.py").split("\n").index(text.rstrip("\n")) + 1


def of_whole(report: ReviewReport, line: int, removed: int) -> None:
    """The report of the whole script: ranked, at the lines of the quotes, what does not hold apart."""
    rows = [(one.severity, one.what, one.line) for one in report.checked.findings]
    assert rows == [
        ("critical", "A price runs as code.", line),
        ("medium", "Half a cent is cut off.", line),
        ("low", "It was whole before.", removed),
    ]
    assert [(one.finding.what, one.reason) for one in report.checked.unproven] == [
        ("Nowhere.", "there is no such file at the head, and the diff does not touch it"),
        ("Made up.", "the quote is neither in the file nor in the diff"),
    ]
    assert report.reviewed_by == ("bug_reviewer", "security_reviewer")
    assert report.missing == ()


async def test_two_revisions_are_reviewed(start: Start, tmp_path: Path) -> None:
    """The whole way without a sandbox: compared from where the branch left main, handoffs given on, quotes looked up."""
    origin, _ = change(tmp_path / "sample")
    async with start(*HAPPY, bubblewrap="/nowhere/bwrap", check=None) as running:
        run = await review(running, origin, base="main", head="odd")
        report = await run.result()
        row = await running.ledger.read(runs.find, run.id)
        stored = await running.artifact(report.checked.artifact or "")
    assert (report.state, report.summary, row.state) == ("done", "Not as it is.", "done")
    assert report.head == git(origin, "rev-parse", "odd")
    assert report.base == git(origin, "merge-base", "main", "odd") != git(origin, "rev-parse", "main")
    assert [one.path for one in report.files] == ["shop/pricing.py"]
    of_whole(report, line_of(origin, "odd", NEW), line_of(origin, "main", OLD))
    assert b"A price runs as code." in stored
    read = report.reading()
    assert read.tables[0][0][0] == "critical"
    assert [label for label, _ in read.tables[1]] == ["unproven", "unproven"]


async def test_a_patch_is_reviewed(start: Start, tmp_path: Path) -> None:
    """The same change as a patch on main: there is no head, and agents and quotes see the files with the patch in them."""
    origin, patch = change(tmp_path / "sample")
    async with start(*HAPPY, check=None) as running:
        report = await (await review(running, origin, patch=patch)).result()
    assert (report.state, report.head, report.base) == ("done", "", git(origin, "rev-parse", "main"))
    of_whole(report, line_of(origin, "odd", NEW), line_of(origin, "main", OLD))


@pytest.mark.parametrize(
    "turn", [could_not("it is too much"), *soak(unsure("it is too much"))], ids=["could_not", *soak("unsure")]
)
async def test_one_reviewer_that_fails_leaves_the_other(start: Start, tmp_path: Path, turn: scripts.Turn) -> None:
    """The findings of the other are reported, and the report says who is missing and why."""
    origin, _ = change(tmp_path / "sample")
    whole = says("synthesiser", findings(finding("A price runs as code.", severity="critical")))
    async with start(ANALYST, says("bug_reviewer", turn), HOLES, whole, check=None) as running:
        report = await (await review(running, origin, head="odd")).result()
    assert (report.state, report.reviewed_by) == ("done", ("security_reviewer",))
    assert [one.what for one in report.checked.findings] == ["A price runs as code."]
    (missing,) = report.missing
    assert missing.startswith("bug_reviewer ")
    assert "it is too much" in missing


async def test_without_analyst_and_synthesiser_the_findings_are_merged_by_code(start: Start, tmp_path: Path) -> None:
    """The reviewers work from the difference alone; their findings are ranked and checked as they are, equal ones once."""
    origin, _ = change(tmp_path / "sample")
    others = (says("diff_analyst", could_not("no idea")), says("synthesiser", could_not("no idea either")))
    twice = says("bug_reviewer", findings(finding("Half a cent."), finding("Half a cent."), finding("Made up.", quote="a / 0")))
    async with start(*others, twice, HOLES, check=None) as running:
        report = await (await review(running, origin, head="odd")).result()
    assert report.state == "done"
    rows = [(one.severity, one.what) for one in report.checked.findings]
    assert rows == [("critical", "A price runs as code."), ("medium", "Half a cent.")]
    assert [one.finding.what for one in report.checked.unproven] == ["Made up."]
    assert report.missing == ("diff_analyst could not: no idea", "synthesiser could not: no idea either")
    assert "nobody merged them" in report.summary


NOBODY = [says(name, could_not("the files are not readable")) for name in ("bug_reviewer", "security_reviewer")]


async def test_without_any_reviewer_a_person_decides(start: Start, tmp_path: Path) -> None:
    """Both could not: a stuck gate with both reasons. Rejected, the run ends with them, and nothing was synthesised."""
    origin, _ = change(tmp_path / "sample")
    async with start(ANALYST, *NOBODY, check=None) as running:
        run = await review(running, origin, head="odd")
        view = await running.gate(run, "stuck-1")
        await running.decide(view, "reject", note="leave it")
        report = await run.result()
    assert report.state == "could_not"
    assert report.reviewed_by == ()
    for name in ("bug_reviewer", "security_reviewer"):
        assert f"{name} could not: the files are not readable" in view.facts
        assert f"{name} could not: the files are not readable" in report.reason
    assert "maria: leave it" in report.reason


async def test_a_person_lets_the_reviewers_try_again(start: Start, tmp_path: Path) -> None:
    """The note reaches both reviewers in their second step, and the report no longer calls them missing."""
    origin, _ = change(tmp_path / "sample")
    again = [one | {"text": "look at eval alone"} for one in (BUGS, HOLES)]
    async with start(*again, ANALYST, *NOBODY, WHOLE, check=None) as running:
        run = await review(running, origin, head="odd")
        await running.decide(await running.gate(run, "stuck-1"), "request_changes", note="look at eval alone")
        report = await run.result()
    assert report.state == "done"
    of_whole(report, line_of(origin, "odd", NEW), line_of(origin, "main", OLD))


TORN = "--- a/shop/pricing.py\n+++ b/shop/pricing.py\n@@ -1,1 +1,1 @@\n-this line was never there\n+x = 1\n"

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"head": "no-such-branch"}, "has no branch or tag 'no-such-branch'"),
    ({"head": "odd", "base": "0" * 40}, f"has no commit {'0' * 40}"),
    ({"head": "main"}, "there is nothing to review: main changes nothing since"),
    ({"patch": TORN}, "the patch does not apply to"),
    ({"patch": "Please look at my change."}, "this is no patch that git can read"),
    ({}, "give one of a head (a branch, tag or commit), a patch"),
    ({"head": "odd", "patch": TORN}, "give one of a head (a branch, tag or commit), a patch"),
]


async def test_what_cannot_be_compared_is_refused_input(start: Start, tmp_path: Path) -> None:
    """A revision that is not there, nothing to review, a patch that does not fit: refused with the reason, nobody is asked."""
    origin, _ = change(tmp_path / "sample")
    async with start(ANALYST, check=None) as running:
        for asked, said in REFUSED:
            with pytest.raises(WorkflowFailureError) as caught:
                await (await review(running, origin, **asked)).result()
            cause: Any = caught.value.cause
            assert (cause.type, said in cause.message) == ("InputRefused", True), cause.message


async def test_revisions_without_a_common_history_are_compared_as_they_are(start: Start, tmp_path: Path) -> None:
    """There is no merge base: the plain difference is reviewed, and the report says so."""
    origin = sample(tmp_path / "sample")
    work = tmp_path / "sample" / "work"
    git(work, "checkout", "--quiet", "--orphan", "alone")
    (work / "shop" / "pricing.py").write_text(NEW)
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=Alone")
    git(work, "push", "--quiet", str(origin), "alone")
    async with start(*HAPPY, check=None) as running:
        report = await (await review(running, origin, head="alone")).result()
    assert (report.state, report.base) == ("done", git(origin, "rev-parse", "main"))
    assert "share no history" in report.note


async def test_a_cancelled_review_ends_as_cancelled(start: Start, tmp_path: Path) -> None:
    """Cancelled while both reviewers are asked: the run is cancelled in Temporal and in the ledger, and nothing follows."""
    origin, _ = change(tmp_path / "sample")
    slow = [one | {"delay_ms": 600_000} for one in (BUGS, HOLES)]
    async with start(ANALYST, *slow, WHOLE, check=None) as running:
        run = await review(running, origin, head="odd")

        async def both_asked() -> bool | None:
            pending = (await run.describe()).raw_description.pending_activities
            return True if sum(one.activity_type.name == "call_model" for one in pending) == 2 else None

        await until(both_asked, "both reviewers were asked")
        await run.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await run.result()
        row = await running.ledger.read(runs.find, run.id)
        lines = await running.feed(run)
    assert isinstance(caught.value.cause, CancelledError)
    assert row.state == "cancelled"
    assert not [line for line in lines if line.actor.startswith("synthesiser")]


async def test_a_review_over_the_wire(client: Client, tmp_path: Path) -> None:
    """With every reply over HTTP through a real client: the same findings, and each prompt has the handoffs before it."""
    origin, _ = change(tmp_path / "sample")
    script = scripts.save(tmp_path / "script.yaml", *HAPPY)
    async with WireServer(script=script) as server:
        # Listed models have no price at a server of one's own unless it says whose prices count.
        endpoint = {"openai_base_url": server.openai_url, "providers": {"openai": {"vendor": "openai"}}}
        settings = {"openai_api_key": SecretStr("test-key"), "openai_api": "chat"} | endpoint
        async with stack(client, tmp_path / "state", model="openai:gpt-6.1-terra", **settings) as running:
            report = await result_of(await review(running, origin, head="odd"))
        prompts = [str(seen.body["messages"]) for seen in server.requests]
    assert (report.state, report.scripted) == ("done", False)
    of_whole(report, line_of(origin, "odd", NEW), line_of(origin, "main", OLD))
    assert len(prompts) == 5
    assert sum("Prices are computed by eval." in one and "You are the synthesiser" not in one for one in prompts) >= 2
    (last,) = [one for one in prompts if "You are the synthesiser" in one]
    assert "Handoff findings/2 from bug_reviewer@v2" in last
    assert "Handoff findings/2 from security_reviewer@v2" in last
