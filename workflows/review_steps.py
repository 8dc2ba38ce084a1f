"""The steps of a review: find the change, have it reviewed as a whole or in groups, merge what was found, comment."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from activities.actions.prepare import Preparing
from activities.actions.pull_requests import PullRequests
from activities.repositories.comparison import Comparison
from contracts.act import PrepareAction
from contracts.actions import Receipt
from contracts.findings import Analysis, Checked, CheckFindings, Findings
from contracts.repositories import Compared, CompareRevisions, Workspace
from contracts.review import ReviewReport, ReviewTask
from contracts.review_forms import comment_of
from contracts.review_input import ReviewInput
from contracts.review_parts import FindPullRequest, PullRequest
from workflows.kit.ask import ask
from workflows.kit.kit import Kit
from workflows.kit.options import LEDGER, WORK
from workflows.kit.perform import perform
from workflows.kit.side_by_side import side_by_side
from workflows.kit.step import B, Step
from workflows.kit.stuck import stuck_gate, try_again
from workflows.review_part import review_parts

COMMENT = "git.comment"


@dataclass
class Course:
    """How far a review has come. `by`: who has reviewed; `missing`: whose part is not there, and why."""

    kit: Kit
    asked: ReviewInput
    pull: PullRequest | None = None
    compared: Compared | None = None
    by: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def tell(self, name: str) -> Callable[[str], None]:
        """What takes down that an agent is unsure, or could not."""
        return lambda said: self.missing.append(f"{name} {said}"[:1000])

    async def ask(self, now: Compared, name: str, task: ReviewTask, kind: type[B], inputs: Sequence[str] = ()) -> Step[B]:
        """One agent's step on the files at the head."""
        path = f"{name}/{self.kit.asked.get(name, 0) + 1}"
        use = Workspace(name=f"{self.kit.ref.trace}/{path}", ref=now.ref)
        return await ask(self.kit, path, name, task, kind, inputs=inputs, resources=(use,))


def task_of(now: Compared, focus: str) -> ReviewTask:
    """What every agent is given about the whole change."""
    return ReviewTask(files=now.files, counts=now.counts, diff=now.shown, artifact=now.patch.digest, focus=focus)


async def find_change(course: Course) -> Compared:
    """Compare the revisions, or what a pull request says. What cannot be compared ends the run as refused input."""
    kit, asked = course.kit, course.asked
    course.pull = pull = await _pull_request(kit, asked)
    wanted = asked.model_dump(include={"repository", "base", "head", "patch"})
    if pull is not None:
        wanted = {"repository": asked.repository or pull.repository, "base": pull.base, "head": pull.head, "patch": None}
    request = CompareRevisions(run=kit.ref, **wanted)
    now = await kit.do(Comparison.compare_revisions, request, "git: compare the revisions", **WORK)
    if pull is not None:
        notes = "; ".join(part for part in (now.note, pull.note, _moved(pull, now)) if part)
        now = now.model_copy(update={"note": notes})
    course.compared = now
    course.missing += [f"{path}: not reviewed, the change is too large" for path in now.not_grouped]
    kit.note(f"compared {now.head[:12] or 'the patch'} with {now.base[:12]}", now.note, "the analyst reads it")
    return now


async def review_whole(course: Course, now: Compared, task: ReviewTask) -> list[str]:
    """An analyst, then both reviewers. Returns the reviewers' handoffs."""
    course.kit.enter("analyse", "the analyst summarises the change, then the reviewers start")
    analysed = await course.ask(now, "diff_analyst", task, Analysis)
    # Without an analysis the reviewers work from the diff alone.
    known = analysed.as_far(course.tell("diff_analyst"))
    return await _reviews(course, now, task, () if known is None else (analysed.handoff.id,))


async def review_in_groups(course: Course, now: Compared, focus: str, number: int = 1) -> list[str]:
    """A child for each group of files. If no group could be reviewed, a person decides whether they try again."""
    course.kit.enter("review", f"{len(now.groups)} groups of files, in parallel")
    found, course.by, missing = await review_parts(course.kit, now, focus, number)
    if found:
        course.missing += missing
        return found
    feedback = await try_again(course.kit, stuck_gate("no group of files could be reviewed", tuple(missing[:10])))
    return await review_in_groups(course, now, f"{focus}\n{feedback.text}".strip()[:4000], number + 1)


async def merge(course: Course, now: Compared, task: ReviewTask, found: Sequence[str]) -> tuple[str, Checked]:
    """One list out of what the reviewers found, every quote looked up; and the summary above it."""
    kit = course.kit
    kit.enter("synthesise", "findings are merged, then every quote is looked up")
    step = await course.ask(now, "synthesiser", task, Findings, found)
    whole = step.as_far(course.tell("synthesiser"))
    # Without a synthesis, or with one that code made, `check_findings` merges what each reviewer said.
    merged = step.handoff.id if whole and not step.handoff.degraded else ""
    # By their ids: the activity reads the handoffs and the artifact, and history stays small.
    check = CheckFindings(
        run=kit.ref,
        compared=now.model_copy(update={"shown": "", "groups": ()}),
        findings=(),
        made_by=(merged,) if merged else tuple(found),
        reviewed=tuple(found),
        merged=merged,
    )
    checked = await kit.do(Comparison.check_findings, check, "git: look up what the findings quote", **WORK)
    return whole.summary if whole else "The reviewers' own findings; nobody merged them.", checked


async def comment(course: Course, pull: PullRequest, report: ReviewReport) -> Receipt:
    """Comment on the pull request, as policy has it. Once for each run: another review may say something else."""
    kit = course.kit
    kit.enter("comment", "policy decides what a comment takes")
    event = f"review/{report.head[:12]}/{kit.ref.trace}"
    place = {"target": course.asked.target, "repository": pull.slug, "number": pull.number, "event": event}
    arguments = json.dumps({**place, "text": comment_of(report)})
    request = PrepareAction(run=kit.ref, type=COMMENT, arguments=arguments, undo="")
    prepared = await kit.do(Preparing.prepare_action, request, "action: check git.comment", **LEDGER)
    return await perform(kit, prepared.intent, prepared.arguments, known=prepared.facts)


async def _pull_request(kit: Kit, asked: ReviewInput) -> PullRequest | None:
    if asked.pull_request is None:
        return None
    request = FindPullRequest(run=kit.ref, address=asked.pull_request, target=asked.target)
    found = await kit.do(PullRequests.find_pull_request, request, "forge: read the pull request", **WORK)
    kit.note(f"read {found.slug}#{found.number}", found.note, "its newest commit is compared with what it goes into")
    return found


async def _reviews(course: Course, now: Compared, task: ReviewTask, inputs: Sequence[str]) -> list[str]:
    """Run both reviewers. If neither could do it, a person decides whether they try again."""
    course.kit.enter("review", "bugs and security, in parallel")
    steps = await side_by_side(
        course.kit,
        bug_reviewer=course.ask(now, "bug_reviewer", task, Findings, inputs),
        security_reviewer=course.ask(now, "security_reviewer", task, Findings, inputs),
    )
    course.by = [name for name, step in steps.items() if step.as_far(course.tell(name)) is not None]
    if course.by:
        return [steps[name].handoff.id for name in course.by]
    feedback = await try_again(course.kit, stuck_gate("no reviewer could review this", tuple(course.missing[-2:])))
    del course.missing[-2:]  # both are asked again, so their first failures no longer count
    task = task.model_copy(update={"feedback": (*task.feedback, feedback)})
    return await _reviews(course, now, task, inputs)


def _moved(pull: PullRequest, now: Compared) -> str:
    if now.head == pull.commit:
        return ""
    return f"the pull request has moved since the host was asked: {now.head[:12]} is reviewed, not {pull.commit[:12]}"
