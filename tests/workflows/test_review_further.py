"""A review of a pull request, of a large change, of reviewers who differ, and of a change that gives orders."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from contracts.review_forms import markdown
from tests.activities.actions.servers import Web, web
from tests.replay.scenarios import COMMENTS
from tests.scripts import could_not, says
from tests.stack import git, result_of
from tests.workflows.conftest import Start
from tests.workflows.reviewing import ANALYST, BUG, HAPPY, change, enlarge, finding, findings, hosting, opened, review


@pytest.fixture
def host() -> Iterator[Web]:
    """A repository's host with GitHub's REST interface."""
    with web() as found:
        yield found


def at(host: Web, folder: Path) -> dict[str, Any]:
    """Settings by which comments go there once a person says so."""
    policy = folder / "policy.toml"
    policy.write_text(Path("policy.toml").read_text() + COMMENTS)
    return {"policy": policy, **hosting(host)}


async def test_a_pull_request_is_reviewed_and_commented_on(start: Start, tmp_path: Path, host: Web) -> None:
    """Fetched under the name that the host gives it; the comment waits for a person, who sees its text, and is written once."""
    origin, _ = change(tmp_path / "sample")
    address = opened(host, origin)
    asked: dict[str, Any] = {"pull_request": address, "target": "host", "comment": True}
    async with start(*HAPPY, check=None, **at(host, tmp_path)) as running:
        run = await review(running, None, **asked)
        view = await running.gate(run, "action-1")
        assert host.book == []
        await running.decide(view)
        report = await result_of(run)
    assert (report.state, report.head) == ("done", git(origin, "rev-parse", "odd"))
    assert report.comment is not None
    assert report.comment.state == "delivered"
    (comment,) = host.comments
    assert "A price runs as code" in comment["body"]
    assert "@maria" not in comment["body"]


async def test_a_pull_request_that_cannot_be_read_is_refused(start: Start, tmp_path: Path, host: Web) -> None:
    """Not there, at another host, in a repository that no target has, or an answer that is none: refused, nobody is asked."""
    origin, _ = change(tmp_path / "sample")
    opened(host, origin)
    host.pages["/repos/olga/shop/pulls/8"] = {"message": "surprise"}
    wrong = {
        ("https://host.test/olga/shop/pull/9", "host"): "see whether it is there",
        ("https://host.test/olga/shop/pull/8", "host"): "something that is no pull request",
        ("https://host.test/olga/other/pull/7", "host"): "and not olga/other",
        ("https://host.test/olga/shop/pull/7", None): "without a target only github.com is read",
        ("https://host.test/olga/shop/pull/7", "nowhere"): "no target is called 'nowhere'",
    }
    async with start(ANALYST, check=None, **at(host, tmp_path)) as running:
        for (address, target), said in wrong.items():
            run = await review(running, None, pull_request=address, target=target)
            with pytest.raises(WorkflowFailureError) as caught:
                await run.result()
            cause: Any = caught.value.cause
            assert (cause.type, said in cause.message) == ("InputRefused", True), cause.message
    assert host.book == []


async def test_a_pull_request_that_moves_meanwhile_is_told(start: Start, tmp_path: Path, host: Web) -> None:
    """What was fetched is reviewed, and the report says that it is another commit than the host named."""
    origin, _ = change(tmp_path / "sample")
    address = opened(host, origin, head={"sha": "0" * 40}, state="closed")
    async with start(*HAPPY, check=None, **at(host, tmp_path)) as running:
        report = await result_of(await review(running, None, pull_request=address, target="host"))
    assert "it is no longer open; the pull request has moved" in report.note


async def test_a_large_change_is_reviewed_in_groups(start: Start, tmp_path: Path) -> None:
    """Each group by reviewers of its own, in children; a fault that all of them tell stands in the report once."""
    origin, _ = change(tmp_path / "sample")
    enlarge(tmp_path / "sample")
    odd = says("bug_reviewer", could_not("not mine"), text="VALUE_0 = 0  # of table 3")
    async with start(odd, *HAPPY, check=None) as running:
        run = await review(running, origin, head="large")
        report = await result_of(run)
        lines = await running.feed(run)
    rows = [(one.severity, one.what) for one in report.checked.findings]
    assert rows[0] == ("critical", "A price runs as code.")
    assert len(rows) == len(set(rows))
    assert [text for text in report.missing if "could not: not mine" in text] == ["g04: bug_reviewer could not: not mine"]
    started = {line.path for line in lines if line.did.startswith("started on ")}
    assert len(started) == 5


TASTE = says("bug_reviewer", findings(finding("A price runs as code.", severity="low")))
HOLE = says("security_reviewer", findings(finding("A price runs as code.", severity="critical")))
NONE_LEFT = says("synthesiser", findings(summary="All is well."))
MILD = says("synthesiser", findings(finding("A price runs as code.", severity="low"), summary="A matter of taste."))


@pytest.mark.parametrize(("merged", "about"), [(NONE_LEFT, "left_out"), (MILD, "severity")], ids=["dropped", "mild"])
async def test_reviewers_who_differ_stay_in_record_and_report(
    start: Start, tmp_path: Path, merged: dict[str, Any], about: str
) -> None:
    """Bug against security: both sides are shown, whatever the synthesiser makes of it, and nothing critical is lost."""
    origin, _ = change(tmp_path / "sample")
    async with start(ANALYST, TASTE, HOLE, merged, check=None) as running:
        report = await result_of(await review(running, origin, head="odd"))
        stored = await running.artifact(report.checked.artifact or "")
    assert [one.what for one in report.checked.findings] == ["A price runs as code."]
    assert about in {one.about for one in report.checked.disagreements}
    for text in (stored.decode(), markdown(report), str(report.reading())):
        for part in ("bug_reviewer", "security_reviewer", "critical"):
            assert part in text
    if about == "left_out":
        assert report.checked.findings[0].severity == "critical"


MENDED = """--- a/shop/pricing.py
+++ b/shop/pricing.py
@@ -{above},{lines} +{above},{lines} @@
{before}
-    return eval(f'{{cents}} * (100 - {{percent}}) // 100')
+    return cents * (100 - percent) // 100
{after}
"""


async def test_a_suggested_patch_was_tried(start: Start, tmp_path: Path) -> None:
    """One that applies is in the report; another is left out, and the finding stays and says so."""
    origin, _ = change(tmp_path / "sample")
    text = git(origin, "show", "odd:shop/pricing.py").split("\n")
    row = next(number for number, one in enumerate(text) if BUG in one)
    patch = MENDED.format(above=row, lines=3, before=f" {text[row - 1]}", after=f" {text[row + 1]}")
    good = finding("A price runs as code.", patch=patch, severity="high")
    torn = finding("Half a cent is cut off.", patch=patch.replace("-    return", "-    retrun"))
    bugs, holes = says("bug_reviewer", findings(torn)), says("security_reviewer", findings(good))
    whole = says("synthesiser", findings(good, torn))
    async with start(ANALYST, bugs, holes, whole, check=None) as running:
        report = await result_of(await review(running, origin, head="odd"))
    first, second = report.checked.findings
    assert (first.patch, first.note) == (patch, "")
    assert (second.patch, second.note) == ("", "its patch is left out: it does not apply to the files at the head")
