"""`baton review` without a key, as CI runs it: exit codes by --fail-on, and the report in other forms."""

import json
from pathlib import Path

from temporalio.client import Client

from tests.commands.conftest import Baton
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
        both = await baton.live("result", one, "--as", "sarif", "--json")
        whole = await baton.live("result", one, "--json")
    assert (bad.code, good.code, sorted(codes.values())) == (10, 0, [0, 10]), bad.err
    for said in (bad.out, good.out, text.out):
        assert "degraded" in said.lower()
    assert "S307" in text.out
    run = json.loads(sarif.out)["runs"][0]
    assert run["properties"]["degraded"] is True
    assert {one["ruleId"] for one in run["results"]} >= {"S307"}
    assert all(by.endswith("(degraded)") for one in run["results"] for by in one["properties"]["by"])
    assert (both.code, "in one form" in both.err) == (2, True)
    assert whole.json["report"]["degraded"]


async def test_what_has_no_such_form_says_so(baton: Baton, client: Client, tmp_path: Path) -> None:
    """A review that was refused has no report of findings to print, and exits as it ended."""
    origin, _ = change(tmp_path / "sample")
    async with stack(client, baton.state, beats=True) as running:
        baton.use(running)
        refused = await baton.live("review", "-r", str(origin), "--head", "gone", "--wait", "--fail-on", "low")
        wrong = await baton.live("review", "-r", str(origin), "--head", "odd", "--fail-on", "terrible")
        missing = await baton.live("result", "review-shop-0009", "--as", "sarif")
    assert (refused.code, wrong.code, missing.code) == (2, 2, 3)
    assert "--fail-on: Input should be 'critical', 'high', 'medium' or 'low'" in wrong.err
