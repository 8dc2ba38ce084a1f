"""Functions that stand in for an agent when no model is available. Deterministic, listed by hand, and honest about it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activities.logfiles.standins import by_order, by_signs, same_for_all
from activities.repositories.merging import as_suggested, ranked
from activities.scanning.scan import Scans
from contracts.base import Contract
from contracts.delivery.sizing import Routing, RoutingTask
from contracts.delivery.testing import TestNotes, TestTask
from contracts.desk_rules import answer_of, fields_of, sort
from contracts.desks import Guide
from contracts.diagnosis_parts import CheckedDiagnosis, Diagnosis, Incident, Investigation, ServiceTask, Weighed, WeighTask
from contracts.errors import Misconfigured
from contracts.findings import MOST, Analysis, Findings
from contracts.handoff import Handoff
from contracts.load import MapTask
from contracts.outside import OutsideTask
from contracts.people import Clarified, as_text
from contracts.repositories import Workspace
from contracts.review import ReviewTask
from contracts.risky_paths import WHY, risks_of
from contracts.support_cases import CaseAnswer, CaseTask, Sorted, TicketFields
from contracts.tables import Mapping as ColumnMapping
from contracts.text import amount


@dataclass(frozen=True)
class Given:
    """What a function is given: the task, what people have answered the agent, the handoffs beside the task, and the files.

    `scans` is None on a worker that was made without repositories, which only tests make.
    """

    task: Any
    answers: Sequence[Clarified] = ()
    inputs: Sequence[Handoff[Any]] = ()
    workspace: Workspace | None = None
    scans: Scans | None = None


@dataclass(frozen=True)
class Function:
    """What a function stands in with: the contract that it takes, the one that it returns, and itself."""

    takes: type[Contract]
    returns: type[Contract]
    make: Callable[[Given], Awaitable[Contract]]


async def _checks_alone(given: Given) -> TestNotes:
    check = f"`{given.task.check}` runs as always" if given.task.check else "no check is known"
    nobody = f"No model could be asked, so nobody tried to break this change and no test was added; {check[:800]}."
    return TestNotes(summary=f"{nobody}{as_text(given.answers)}", tried=())


async def _whole_pipeline(given: Given) -> Routing:
    del given  # the planner reads the task anew, and may ask for itself
    return Routing(verdict="full", why="no model was available, so nothing is skipped")


async def _outline(given: Given) -> Analysis:
    """What a change touches, by the paths alone."""
    task: ReviewTask = given.task
    named = [one.path for one in task.files]
    files = task.counts.files if task.counts else len(named)
    added = task.counts.added if task.counts else sum(one.added or 0 for one in task.files)
    removed = task.counts.removed if task.counts else sum(one.removed or 0 for one in task.files)
    summary = f"No model read this change. It touches {amount(files, 'file')}: {added} lines added, {removed} removed."
    risky = [f"{', '.join(paths)}: {WHY[kind]}" for kind, paths in risks_of(named).items()]
    largest = sorted((one for one in task.files if one.added), key=lambda one: (-(one.added or 0), one.path))[:5]
    look_at = [*risky, *(f"{one.path}: {one.added} lines added" for one in largest)]
    return Analysis(summary=summary, look_at=tuple(text[:1000] for text in look_at[:20]))


async def _bug_scan(given: Given) -> Findings:
    scans, workspace = _files(given)
    return await scans.bugs(given.task.artifact, workspace)


async def _security_scan(given: Given) -> Findings:
    scans, workspace = _files(given)
    return await scans.holes(given.task.artifact, workspace)


async def _put_together(given: Given) -> Findings:
    """All findings of the reviewers, each once, as they are."""
    bodies = [body for one in given.inputs if (body := one.read_as(Findings)) is not None]
    found = ranked(as_suggested(one) for body in bodies for one in body.findings)
    more = f"; the worst {MOST} are listed" if len(found) > MOST else ""
    left = tuple(dict.fromkeys(text for body in bodies for text in body.not_looked_at))
    of = f"{amount(len(found), 'finding')} of {amount(len(bodies), 'reviewer')}"
    said = f"No model weighed them: {of} put together by code{more}."
    return Findings(summary=said, findings=tuple(found[:MOST]), not_looked_at=left[:20])


def _files(given: Given) -> tuple[Scans, Workspace]:
    if given.scans is None or given.workspace is None:
        raise Misconfigured("a scan needs the files that the step works on; give the agent `workspace: read`")
    return given.scans, given.workspace


async def _same_names(given: Given) -> ColumnMapping:
    task: MapTask = given.task  # what people answered would have to be understood
    plain = {_plain(name): name for name in reversed(task.header)}
    found = [{"to": one.name, "source": plain[_plain(one.name)]} for one in task.columns if _plain(one.name) in plain]
    # Nothing alike: what is then proposed names what the file has not, so that the dry run says what is missing.
    first = [{"to": task.columns[0].name, "source": task.columns[0].name}]
    return ColumnMapping.model_validate({"columns": found or first})


async def _same_for_all(given: Given) -> Investigation:
    del given  # what people answered would have to be understood
    return same_for_all()


async def _log_signs(given: Given) -> Diagnosis:
    return by_signs(given.task)


async def _first_cause(given: Given) -> Weighed:
    found = [body for one in given.inputs if (body := one.read_as(CheckedDiagnosis)) is not None]
    return by_order(given.task, found)


async def _sort_by_words(given: Given) -> Sorted:
    return sort(given.task.text, _guide(given))


async def _fields_by_words(given: Given) -> TicketFields:
    return fields_of(given.task.text, _guide(given))


async def _answer_by_template(given: Given) -> CaseAnswer:
    return answer_of(given.task, _guide(given))


def _guide(given: Given) -> Guide:
    """The guide of the desk beside the task; one without any word where there is none."""
    return next((body for one in given.inputs if (body := one.read_as(Guide)) is not None), Guide())


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


FUNCTIONS: Mapping[str, Function] = {
    "answer_by_template": Function(CaseTask, CaseAnswer, _answer_by_template),
    "checks_alone": Function(TestTask, TestNotes, _checks_alone),
    "fields_by_words": Function(OutsideTask, TicketFields, _fields_by_words),
    "first_cause": Function(WeighTask, Weighed, _first_cause),
    "log_signs": Function(ServiceTask, Diagnosis, _log_signs),
    "same_for_all": Function(Incident, Investigation, _same_for_all),
    "same_names": Function(MapTask, ColumnMapping, _same_names),
    "sort_by_words": Function(OutsideTask, Sorted, _sort_by_words),
    "whole_pipeline": Function(RoutingTask, Routing, _whole_pipeline),
    "outline": Function(ReviewTask, Analysis, _outline),
    "bug_scan": Function(ReviewTask, Findings, _bug_scan),
    "security_scan": Function(ReviewTask, Findings, _security_scan),
    "put_together": Function(ReviewTask, Findings, _put_together),
}
"""Every function that an agent file may name as `fallback: function:NAME`."""
