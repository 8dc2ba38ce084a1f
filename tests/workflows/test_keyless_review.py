"""A review without any key: linters and patterns stand in for every agent, and nothing of it looks like a model's."""

import shutil
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError

from tests import scripts
from tests.stack import git, result_of, sample, stack
from tests.workflows.reviewing import HAPPY, review

AGENTS = ("diff_analyst", "bug_reviewer", "security_reviewer", "synthesiser")

BAD = """import subprocess


def show(name, seen=[]):
    seen.append(name)
    return subprocess.run(f"echo {name}", shell=True)


def total(prices):
    return sum(prcies)
"""


async def test_a_change_is_reviewed_without_a_key(client: Client, tmp_path: Path) -> None:
    """Findings of both reviewers with their rules and places; report, findings and feed say that no model took part."""
    origin = sample(tmp_path / "sample")
    work = tmp_path / "sample" / "work"
    git(work, "checkout", "--quiet", "-b", "odd")
    (work / "shop" / "shown.py").write_text(BAD)
    (work / "settings.ini").write_text("key = AKIAIOSFODNN7QWERTYU\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=Odd")
    git(work, "push", "--quiet", str(origin), "odd")
    async with stack(client, tmp_path / "state") as running:
        run = await review(running, origin, head="odd")
        report = await result_of(run)
        lines = await running.feed(run)
    rows = {(one.rule, one.file, one.line) for one in report.checked.findings}
    assert {
        ("S602", "shop/shown.py", 6),
        ("B006", "shop/shown.py", 4),
        ("F821", "shop/shown.py", 10),
        ("secret-aws-key", "settings.ini", 1),
        ("untested", "shop/shown.py", 1),
    } <= rows, rows
    assert (report.state, report.scripted, report.usd_micros, report.tokens) == ("done", False, 0, 0)
    asked = {one.split(":")[0] for one in report.degraded}
    assert asked == {f"{agent}/1" for agent in AGENTS}
    assert all(by.endswith("(degraded)") for one in report.checked.findings for by in one.by)
    assert "No model" in report.summary
    assert any("no Python" in text and "settings.ini" in text for text in report.checked.not_looked_at)
    told = [line for line in lines if any(f"{agent}@v2" in f"{line.actor} {line.did} {line.why}" for agent in AGENTS)]
    assert len(told) >= 8
    assert all("(degraded)" in f"{line.actor} {line.did} {line.why}" for line in told)
    assert "QWERTYU" not in report.model_dump_json()


async def test_without_a_key_only_what_has_stand_ins_begins(client: Client, tmp_path: Path) -> None:
    """A delivery is refused as before. So is a review where one agent alone has a model: a key is missing."""
    origin = sample(tmp_path / "sample")
    routes = tmp_path / "agents" / "routes.toml"
    shutil.copytree("agents", routes.parent)
    text = routes.read_text()
    assert text.count('reviewer = [\n  { model = "anthropic:claude-sonnet-5-5", quality = 2 },') == 1
    routes.write_text(text.replace("reviewer = [\n", 'reviewer = [\n  { model = "scripted:x", free = true },\n'))
    async with stack(client, tmp_path / "one") as running:
        with pytest.raises(WorkflowFailureError) as refused:
            await (await running.deliver(origin)).result()
    script = scripts.save(tmp_path / "script.yaml", *HAPPY)
    async with stack(client, tmp_path / "two", script, model="", agents=routes.parent) as running:
        with pytest.raises(WorkflowFailureError) as partly:
            await (await review(running, origin, head="main")).result()
    for error in (refused, partly):
        assert "no model is configured for" in str(error.value.cause)
