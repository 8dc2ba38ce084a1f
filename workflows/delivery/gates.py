"""The gates of a delivery: titles, computed facts, risk. Pure functions."""

import re
from collections.abc import Mapping, Sequence

from activities.repositories.frozen_change import push_of
from contracts.delivery.change import Frozen
from contracts.delivery.plan import Plan
from contracts.delivery.testing import TestReport
from contracts.handoff import Handoff, Question
from contracts.people import CHECKS, Feedback
from contracts.repositories import ChangeSet, MatchedFiles
from contracts.resources import file_resource
from contracts.risk import risk_of
from contracts.rules import Facts
from contracts.text import amount, one_line
from workflows.delivery.course import Course
from workflows.delivery.name_facts import name_facts
from workflows.delivery.proof_facts import proof_facts, shape_fact
from workflows.delivery.risks import Size, circumstances_of, size_of
from workflows.kit.gate import Ask
from workflows.kit.step import Step

_TOOK = re.compile(r"(\bin |\bTime: +|\()\d+(?:\.\d+)? ?(?:s|ms|seconds)\b")

CHECK_QUESTION = Question(
    id="check",
    text="No check was declared or found. Which command proves the change? Answer 'none' to continue "
    "without one; then nothing counts as passed.",
)


def plan_gate(step: Step[Plan], plan: Plan, course: Course, named: MatchedFiles | None = None) -> Ask:
    """Ask to approve the plan before anything is written. The subject is the planner's own bytes, in its contract version."""
    handoff = step.handoff
    files = {file for item in plan.items for file in item.files}
    facts = [f"{amount(len(plan.items), 'work item')}, {amount(len(files), 'file')}"]
    facts += [_item_fact(plan, index) for index in range(len(plan.items))]
    facts += _named_facts(named)
    facts += _unshown(plan)
    command = course.base.check or ("" if course.unproven else plan.check)
    facts += _check_facts(course, command)
    facts += course.base.notes
    if plan.check and command == plan.check and not course.base.check:
        facts.append("the planner declared this check: look whether it runs the tests; request_changes to get another one")
    facts += [f"risk named by the planner: {risk}" for risk in plan.risks]
    facts += support_facts(handoff)
    if handoff.degraded:
        facts.append(f"degraded: {handoff.degraded}")
    if handoff.outcome == "unsure":
        facts.append(f"the planner is unsure: {handoff.reason}")
    return Ask(
        kind="plan",
        title=f"approve the plan: {first_line(plan.summary)}",
        subject=step.made,
        facts=tuple(facts),
        narrative=plan.summary,
        questions=() if command or course.unproven else (CHECK_QUESTION,),
    )


def _check_facts(course: Course, command: str | None) -> list[str]:
    """Which check will count, what it showed on the base, and where none is known what the files are."""
    if course.unproven:
        return [f"check: none; {course.unproven}"]
    if command:
        shown = f"; on the base: {course.shown}" if course.shown and course.base.check else ""
        return [f"check: {command}{shown}", *(one for one in (shape_fact(command),) if one)]
    layout = course.base.detected.layout if course.base.detected else ()
    return ["check: none known; this gate asks for one", *(f"layout: {one}" for one in layout)]


def patterns_of(plan: Plan) -> tuple[str, ...]:
    """The globs and folders in a plan, without duplicates."""
    written = dict.fromkeys(name for item in plan.items for name in item.files)
    return tuple(name for name in written if file_resource(name).kind != "file")


def _named_facts(named: MatchedFiles | None) -> list[str]:
    """What the patterns match now. New files may match them as well."""
    if named is None:
        return []
    return [_named_fact(name, count, named.first[name]) for name, count in named.counts.items()]


def _named_fact(name: str, count: int, first: tuple[str, ...]) -> str:
    if not count:
        return f"{name} matches no files now"
    more = f" and {count - len(first)} more" if count > len(first) else ""
    return f"{name} matches {amount(count, 'file')} now: {', '.join(first)}{more}"


def _item_fact(plan: Plan, index: int) -> str:
    item = plan.items[index]
    after = f" after {', '.join(item.depends_on)}" if item.depends_on else ""
    return f"{item.id}{after}: {first_line(item.intent)} [{', '.join(item.files)}]"


def _unshown(plan: Plan) -> list[str]:
    """A fact that lists acceptance criteria which no test or command proves."""
    criteria = [(item.id, criterion) for item in plan.items for criterion in item.acceptance]
    unshown = [f"{item}: {one.text}" for item, one in criteria if one.shown_by is None]
    if not unshown:
        return []
    return [
        f"{len(unshown)} of {len(criteria)} acceptance criteria without a test or command that proves it: {'; '.join(unshown)}"[
            :1500
        ]
    ]


def support_facts(handoff: Handoff[Plan]) -> list[str]:
    """Facts about the agent's stated confidence and the evidence for its claims."""
    facts = [f"confidence {handoff.confidence} of 1000"]
    # Claims without evidence are told at every gate: see `Grounds.doubts`.
    if handoff.claims and not handoff.unsupported:
        facts.append(f"every claim ({len(handoff.claims)}) is backed by quotes from files the agent read")
    # Whatever a tool has shown of the repository leaves its name here.
    blind = not any(source.startswith("tool:") for source in handoff.taint)
    missing = [*(["read no file"] if blind else []), *([] if handoff.claims else ["claims nothing"])]
    if missing:
        facts.append(f"the planner {' and '.join(missing)}" + (": nothing shows that it knows the repository" if blind else ""))
    return facts


def change_gate(
    frozen: Frozen,
    report: TestReport,
    kept_outside: tuple[str, ...],
    skipped: str = "",
    degraded: Mapping[str, str] | None = None,
    doubts: Mapping[str, str] | None = None,
    reversible: str = "yes",
    unsupported: int = 0,
    taint: tuple[str, ...] = (),
) -> Ask:
    """Ask to approve exactly this tree before it is pushed.

    `degraded`: why a fallback did a step, by its path. `doubts`: what agents could not do or are not sure of, by whose step.
    `reversible`: how policy says that a push can be undone. `unsupported`: claims without evidence of all who worked on it.
    `taint`: the sources that they have read.
    """
    size = size_of(frozen)
    facts = [
        f"tests: {report.verdict}: {report.why}",
        f"{amount(size.files, 'file')}, +{size.added} -{size.removed}: {names([one.path for one in frozen.files], size.files)}",
        f"tree {frozen.subject.tree[:12]} goes to branch {frozen.subject.branch} of {frozen.subject.repository}",
    ]
    facts += [one for one in (frozen.there, frozen.blocked and f"the push will be refused: {frozen.blocked}") if one]
    facts += (*frozen.forms, *name_facts(frozen), *proof_facts(report))
    if skipped:
        facts.append(skipped)
    facts += [f"degraded: {path}: {why}" for path, why in (degraded or {}).items()]
    facts += [f"{who} {said}" for who, said in (doubts or {}).items()]
    if report.fixed:
        facts.append(f"failed before and pass now: {names(report.fixed)}")
    if report.failed_before and report.verdict == "no_new_failures":
        facts.append(f"failed before and still fail: {names(report.failed_before)}")
    if report.new_failures:
        facts.append(f"NEW failures: {names(report.new_failures)}")
    if report.tests_added:
        facts.append(f"tests added by the tester: {names(report.tests_added)}")
    if report.left_out:
        facts.append(f"left out because the tester may only write tests: {names(report.left_out)}")
    if kept_outside:
        facts.append(f"outside the plan, kept by a person: {names(kept_outside)}")
    known = (degraded or {}, doubts or {}, reversible, unsupported, taint)
    risk = risk_of(circumstances_of(frozen, report, kept_outside, *known))
    return Ask(
        kind="change",
        title=f"approve the change: {first_line(frozen.subject.message)}",
        subject=frozen.subject.stored().decode(),
        facts=tuple(facts),
        narrative=frozen.subject.message,
        risk=str(risk),
        intents=(frozen.intent,),
        carrying={frozen.intent.key: push_of(frozen.subject).stored().decode()},
        about=about(frozen, size).model_copy(update={"risk": risk.level, "degraded": len(degraded or {})}),
    )


def about(frozen: Frozen, size: Size) -> Facts:
    """What rules of policy may go by when this change is pushed."""
    paths = tuple(one.path for one in frozen.files)
    return Facts(paths=paths, files=size.files, lines=size.added + size.removed)


SHOWN = 20
"""Names shown in one fact; the plan, the diff and the listing have all of them."""

SUBJECT_LIMIT = 48 * 1024


def names(paths: Sequence[str], count: int | None = None) -> str:
    """The first names and how many more there are. `count`: the total, if `paths` is incomplete; None: all are given."""
    left = max(count or 0, len(paths)) - SHOWN
    return ", ".join(paths[:SHOWN]) + (f" and {left} more" if left > 0 else "")


def outside_gate(changes: tuple[ChangeSet, ...]) -> Ask:
    """Ask about changed files that the plan does not name."""
    facts = tuple(f"{change.item}: {outside_of(change)}" for change in changes if change.outside)
    return Ask(
        kind="conflict",
        title="files outside the plan were changed",
        subject=_subject_of(changes),
        facts=facts,
    )


def textual_gate(item: str, files: tuple[str, ...], changes: tuple[ChangeSet, ...]) -> Ask:
    """Ask about two items that changed the same lines."""
    return Ask(
        kind="conflict",
        title=f"{item} and an earlier item changed the same lines",
        subject=_subject_of(changes),
        facts=(f"conflicting files: {names(files)}",),
    )


def outside_of(change: ChangeSet) -> str:
    """The changed files that the plan does not name."""
    return names(change.outside, change.counts.outside if change.counts else None)


def _subject_of(changes: tuple[ChangeSet, ...]) -> str:
    """The bytes to decide on: the changes; if they are too long, only the digests of tree and patch."""
    # Tree and patch digests identify the bytes as well, so a long subject loses nothing but its text.
    whole = "\n".join(change.stored().decode() for change in changes)
    if len(whole) <= SUBJECT_LIMIT:
        return whole
    return "\n".join(slim(change).stored().decode() for change in changes)


def slim(change: ChangeSet) -> ChangeSet:
    """A change reduced to its content (base, tree, patch), without descriptions."""
    return change.model_copy(update={"summary": "", "files": (), "outside": ()})


def tests_feedback(report: TestReport) -> Feedback:
    """Failed checks as input for the writer. Durations are removed, so that the same failure is the same task."""
    tails = "\n".join(f"$ {run.command} (exit code {run.exit_code})\n{run.tail}" for run in report.runs if not run.green)
    text = f"{report.why}\nnew failures: {', '.join(report.new_failures[:50]) or '-'}\n{tails}"
    return Feedback(source=CHECKS, about="test", text=_TOOK.sub(r"\1…", text)[:8000])


def first_line(text: str) -> str:
    """The first line, cut to title length."""
    return one_line(text.strip().split("\n")[0], 120) or "-"
