"""The judge of a diagnosis: each service's state, where the cause is said to lie, and whether contradictions are shown."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contracts.diagnosis import DiagnosisReport
from tests.docs.pages import ROOT
from tests.scripts import answer, says

FOLDER = ROOT / "evals" / "diagnosis"
CASES = sorted(FOLDER.glob("*.json"))


def judged(case: Mapping[str, Any], report: DiagnosisReport) -> str:
    """Why the diagnosis is wrong; "" where it is right."""
    wanted = case["expected"]
    states = {one.service: one.state for one in report.services}
    if states != wanted["states"]:
        return f"states: {states}"
    if set(report.roots) != set(wanted["roots"]):
        return f"roots: {report.roots}"
    if bool(report.contradictions) != wanted["apart"]:
        return f"contradictions: {report.contradictions}"
    # Nothing at all may be proposed where all is well.
    if not wanted["roots"] and not wanted["apart"] and report.fixes:
        return f"fixes: {report.fixes}"
    return ""


def services(folder: Path, case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The services of a case, their logs written to the folder."""
    made = []
    for name, given in case["task"]["services"].items():
        file = folder / name / f"{name}.log"
        file.parent.mkdir(parents=True)
        file.write_text(given["log"])
        made.append({"name": name, "logs": [str(file)], **{key: value for key, value in given.items() if key != "log"}})
    return made


def script(name: str, case: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What agents say who are right, and who fall into the trap; the question says which of them is asked."""
    for which in ("says", "trap"):
        here = asks(name, which)
        looks = [{"service": one, "look_for": f"{here} {one}."} for one in case["task"]["services"]]
        yield says("incident_planner", answer({"summary": "Look.", "looks": looks}), text=here)
        for one in case["task"]["services"]:
            yield says("diagnostician", answer(case[which][one]), text=f"{here} {one}.")
        yield says("weigher", answer(case[which]["weigher"]), text=here)


def asks(name: str, which: str) -> str:
    """The question of a scripted diagnosis, by which its agents know what to say."""
    return f"case {name}, {which}:"
