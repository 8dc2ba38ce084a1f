"""The judge of a review: by which places it names, how bad it calls them, and how much it says beside them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contracts.findings import SEVERITIES, Checked, Ranked
from tests.docs.pages import ROOT
from tests.repositories import change, plain, repository
from tests.scripts import answer, says
from tests.workflows.reviewing import findings

FOLDER = ROOT / "evals" / "review"
CASES = sorted(FOLDER.glob("*.json"))


def judged(case: Mapping[str, Any], checked: Checked) -> str:
    """Why the review is wrong; "" where it is right."""
    wanted = case["expected"]["found"]
    missing = [one["quote"] for one in wanted if not any(_meets(one, found) for found in checked.findings)]
    if missing:
        return f"not told, not as bad as it is, or without a patch that applies: {missing}"
    others = [one for one in checked.findings if one.severity != "low" and not any(_is_at(place, one) for place in wanted)]
    if len(others) > case["expected"]["beyond"]:
        return f"told beside it: {[one.what for one in others]}"
    return ""


def _meets(wanted: Mapping[str, Any], found: Ranked) -> bool:
    bad = SEVERITIES.index(found.severity) <= SEVERITIES.index(wanted["severity"])
    return _is_at(wanted, found) and bad and (bool(found.patch) or not wanted.get("patch"))


def _is_at(wanted: Mapping[str, Any], found: Ranked) -> bool:
    # A quote may be a part of the line, the line, or several lines.
    same = wanted["quote"] in found.quote or found.quote.strip() in wanted["quote"]
    return found.file == wanted["file"] and same


def branches(folder: Path, cases: Mapping[str, Mapping[str, Any]]) -> Path:
    """A repository in which each case is two branches: `NAME-before`, and `NAME` with the change on top of it."""
    work = repository(folder)
    for name, case in cases.items():
        plain(work, "checkout", "--quiet", "-b", f"{name}-before", "main")
        change(work, {path: text.encode() for path, text in case["task"]["before"].items()})
        plain(work, "checkout", "--quiet", "-b", name)
        change(work, {path: text.encode() for path, text in case["task"]["after"].items()})
    plain(work, "checkout", "--quiet", "main")
    return work


def script(name: str, case: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What agents say who are right, and who fall into the trap; the focus of a review tells which of them is asked."""
    for which in ("says", "trap"):
        said, text = case[which], focus(name, which)
        yield says("diff_analyst", answer({"summary": "It is short.", "look_at": []}), text=text)
        for agent in ("bug_reviewer", "security_reviewer"):
            yield says(agent, findings(*said[agent]), text=text)
        yield says("synthesiser", findings(*(said["security_reviewer"] or said["bug_reviewer"])), text=text)


def focus(name: str, which: str) -> str:
    """The focus of a scripted review, by which its agents know what to say."""
    return f"case {name}, {which}"
