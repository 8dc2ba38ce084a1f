"""`baton review` without a key, as CI runs it: exit codes by --fail-on, and the report in other forms."""

import json
from pathlib import Path

from temporalio.client import Client

from contracts.review import ReviewReport
from contracts.review_forms import FORMS
from tests.commands.conftest import Baton, Begin
from tests.stack import stack
from tests.workflows.reviewing import change


async def test_ci_reviews_a_branch_without_a_key(baton: Baton, client: Client, tmp_path: Path) -> None:
    """10 where a finding is as bad as --fail-on, 0 below it; text, Markdown and SARIF of one run; every form says degraded."""
    origin, _ = change(tmp_path / "sample")
    async with stack(client, baton.state, beats=True) as running:
        baton.use(running)
        asked = ("review", "-r", str(origin), "--head", "odd", "--wait")
        bad = await baton.live(*asked, "--fail-on", "medium")
        good = await baton.live(*asked, "--fail-on", "critical")
        (one, other) = (row["run"] for row in (await baton.live("runs", "--json")).json["runs"])
        codes = {run: (await baton.live("result", run)).code for run in (one, other)}
        text = await baton.live("result", one, "--as", "markdown")
        sarif = await baton.live("result", one, "--as", "sarif")
        at_once = await baton.live(*asked, "--fail-on", "medium", "--as", "sarif")
        later = await baton.live("result", one, "--wait", "--as", "markdown")
        both = await baton.live("result", one, "--as", "sarif", "--json")
        wrong = [await baton.live(*asked[:-1], "--as", "sarif"), await baton.live(*asked, "--as", "sarif", "--json")]
        listed = (await baton.live("runs", "--json")).json["runs"]
        whole = await baton.live("result", one, "--json")
    assert (bad.code, good.code, sorted(codes.values())) == (10, 0, [0, 10]), bad.err
    for said in (bad.out, good.out, text.out):
        assert "degraded" in said.lower()
    assert "S307" in text.out
    run = json.loads(sarif.out)["runs"][0]
    assert run["properties"]["degraded"] is True
    assert {one["ruleId"] for one in run["results"]} >= {"S307"}
    assert all(by.endswith("(degraded)") for one in run["results"] for by in one["properties"]["by"])
    assert (both.code, "two forms of one report" in both.err) == (2, True)
    assert ("Add --wait" in wrong[0].err, "two forms of one report" in wrong[1].err) == (True, True)
    assert (at_once.code, [one.code for one in wrong], len(listed)) == (10, [2, 2], 3), at_once.err
    assert [one["ruleId"] for one in json.loads(at_once.out)["runs"][0]["results"]] == [one["ruleId"] for one in run["results"]]
    assert (later.code, later.out) == (codes[one], text.out)
    assert whole.json["report"]["degraded"]


async def test_what_has_no_such_form_says_so(baton: Baton, client: Client, tmp_path: Path) -> None:
    """A review that was refused has no report of findings to print, and exits as it ended."""
    origin, _ = change(tmp_path / "sample")
    async with stack(client, baton.state, beats=True) as running:
        baton.use(running)
        refused = await baton.live("review", "-r", str(origin), "--head", "gone", "--wait", "--fail-on", "low")
        wrong = await baton.live("review", "-r", str(origin), "--head", "odd", "--fail-on", "terrible")
        missing = await baton.live("result", "review-shop-0009", "--as", "sarif")
        failed = await baton.live("review", "-r", str(origin), "--head", "gone", "--wait", "--as", "sarif")
    assert (refused.code, wrong.code, missing.code, failed.code) == (2, 2, 3, 2)
    assert json.loads(failed.out)["runs"][0]["invocations"][0]["executionSuccessful"] is False
    assert "--fail-on: Input should be 'critical', 'high', 'medium' or 'low'" in wrong.err


def test_only_a_review_that_has_ended_has_a_form(baton: Baton, begin: Begin) -> None:
    """A delivery is refused before anything is waited for; a review that goes on prints nothing to stdout yet."""
    delivery, review = begin("trace-1"), begin("trace-2", pipeline="Review")
    refused = baton("result", delivery, "--wait", "--as", "sarif")
    going = baton("result", review, "--as", "sarif")
    assert (refused.code, refused.out, "is no review" in refused.err) == (2, "", True)
    assert (going.code, going.out, "has not ended" in going.err) == (9, "", True)


def test_every_form_is_offered() -> None:
    """What a report names is what can be printed."""
    assert ReviewReport.forms == tuple(FORMS)
