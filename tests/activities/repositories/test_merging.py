"""Several reviewers' findings: each fault once, the worst first, both sides where they differ, and patches that were tried."""

from pathlib import Path
from typing import Any

import pytest

from activities.repositories.grouping import GROUP, GROUPS, groups_of, parts_of
from activities.repositories.looking import Looking
from activities.repositories.merging import as_ranked, differing, dropped, faults, left_out, lowered
from contracts.findings import Ranked, Suggested
from tests.activities.scanning.scanned import repositories
from tests.repositories import plain, repository

BUG, HOLE = "bug_reviewer", "security_reviewer"


def said(**more: Any) -> Suggested:
    """One finding as a reviewer makes it."""
    whole: dict[str, Any] = {"file": "a.py", "line": 3, "quote": "eval(x)", "severity": "medium", "confidence": 600}
    return Suggested(**(whole | {"what": "x is run as code", "why": "", "suggestion": "", "rule": "", "patch": ""} | more))


def test_one_fault_in_other_words_is_told_once_with_both_names() -> None:
    """The worse severity and the greater confidence; the order in which they came makes no difference."""
    two = [(BUG, said()), (HOLE, said(severity="high", confidence=500, what="x is run as code by eval", rule="CWE-95"))]
    for order in (two, two[::-1]):
        (fault,) = faults(order)
        one = as_ranked(fault)
        assert (one.severity, one.confidence, one.by, one.rule) == ("high", 600, (HOLE, BUG), "CWE-95")


@pytest.mark.parametrize(
    ("other", "count"),
    [
        ({"what": "half a cent is lost"}, 2),
        ({"line": 4, "quote": "exec(y)"}, 2),
        ({"file": "b.py"}, 2),
        ({"line": 2, "quote": "try:\n    eval(x)"}, 1),
        ({"rule": "S307", "what": "use of eval"}, 2),
    ],
)
def test_what_is_one_fault(other: dict[str, Any], count: int) -> None:
    """Another fault at the same line, another line, or another file is another one."""
    assert len(faults([(BUG, said()), (HOLE, said(**other))])) == count


def test_one_rule_by_two_tools_is_one_fault() -> None:
    """Whatever words they have for it."""
    two = faults([("ruff", said(rule="S307", what="one")), ("bandit", said(rule="B307", what="two"))])
    assert len(two) == 1


def test_reviewers_who_differ_are_both_shown() -> None:
    """Two steps of severity are a disagreement, one is not; nobody decides it."""
    far = differing(faults([(BUG, said(severity="low")), (HOLE, said(severity="high"))]))
    near = differing(faults([(BUG, said(severity="medium")), (HOLE, said(severity="high"))]))
    assert [(side.by, side.severity) for side in far[0].sides] == [(BUG, "low"), (HOLE, "high")]
    assert (far[0].about, near) == ("severity", [])


def patch(line: str, number: int = 3) -> str:
    """A patch of one line of a.py."""
    return f"--- a/a.py\n+++ b/a.py\n@@ -{number},1 +{number},1 @@\n-eval(x)\n+{line}\n"


def test_patches_that_contradict_are_both_shown() -> None:
    """Of other faults at the same lines, too: a bug's mending against a weakness's."""
    bug, hole = said(what="half a cent is lost", patch=patch("round(x)")), said(patch=patch("literal_eval(x)"))
    (one,) = differing(faults([(BUG, bug), (HOLE, hole)]))
    assert (one.about, {side.by for side in one.sides}) == ("patch", {BUG, HOLE})
    apart = hole.model_copy(update={"patch": patch("literal_eval(x)", 30)})
    assert differing(faults([(BUG, bug), (HOLE, apart)])) == []


def test_what_the_synthesiser_drops_or_plays_down_is_told() -> None:
    """Of what a reviewer calls critical or high nothing is lost, and both sides stand in the report."""
    found = faults([(HOLE, said(severity="critical")), (BUG, said(what="a taste", line=9, quote="y", severity="low"))])
    every = list(left_out(found, []))
    assert len(every) == 1
    (lost,) = every
    assert [(side.by, side.severity) for side in dropped(lost, "synthesiser").sides] == [
        (HOLE, "critical"),
        ("synthesiser", None),
    ]
    kept = faults([("synthesiser", said(severity="low"))])
    assert list(left_out(found, [said(severity="low")])) == []
    (played,) = lowered(found, kept, "synthesiser")
    assert [side.severity for side in played.sides] == ["critical", "low"]


TEXT = b"import os\nx = 1\neval(x)\n"

PATCHES = {
    "applies": (patch("print(x)"), ""),
    "torn": (patch("print(x)").replace("-eval(x)", "-exec(x)"), "it does not apply to the files at the head"),
    "words": ("Please use print.", "git cannot read it"),
    "nothing": ("--- a/a.py\n+++ b/a.py\n@@ -3,1 +3,1 @@\n-eval(x)\n+eval(x)\n", "it changes nothing"),
    "elsewhere": (
        patch("print(x)") + "--- /dev/null\n+++ b/.github/x.yml\n@@ -0,0 +1 @@\n+on: push\n",
        "it changes .github/x.yml",
    ),
    "outside": ("--- a/../a.py\n+++ b/../a.py\n@@ -1,1 +1,1 @@\n-a\n+b\n", ""),
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_is_kept_only_if_it_applies(tmp_path: Path, name: str) -> None:
    """It was applied to the files at the head, and changes the finding's file alone; otherwise the finding says why not."""
    text, why = PATCHES[name]
    work = repository(tmp_path / "work", {"a.py": TEXT})
    with repositories(tmp_path) as repos:
        mirror = repos.mirrors.open(str(work))
        head = mirror.fetch(plain(work, "rev-parse", "HEAD"))
        one = Looking(mirror, head.tree, head.commit, "").mended(Ranked(**said(patch=text).model_dump()))
    if name == "applies":
        assert (one.patch, one.note) == (text, "")
    else:
        assert one.patch == ""
        assert one.note.startswith(f"its patch is left out: {why}")


def test_a_large_difference_is_cut_between_files() -> None:
    """Nothing is lost or twice; files stand in their order, and what has no room is named."""
    files = [(f"f{number:03}", b"diff --git a/f b/f\n@@ -0,0 +1 @@\n" + b"+x\n" * 5000) for number in range(60)]
    diff = b"".join(part for _, part in files)
    assert b"".join(parts_of(diff)) == diff
    groups, beyond = groups_of(list(zip((name for name, _ in files), parts_of(diff), strict=True)))
    assert [*(path for group in groups for path in group.paths), *beyond] == [name for name, _ in files]
    assert len(groups) == GROUPS
    assert all(len(group.patch) <= GROUP for group in groups)
    whole, rest = groups_of([("big", b"\n@@ \n" + b"+" * GROUP * 2), ("image", b"GIT binary patch\n")])
    assert ([group.paths for group in whole], rest) == ([["big"]], [])
