"""Review: compare → analyse → look for bugs and security holes in parallel → merge findings → verify every quote → tell."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from temporalio import workflow

from activities.actions.prepare import Preparing
from activities.actions.pull_requests import PullRequests
from activities.repositories.comparison import Comparison
from contracts.act import PrepareAction
from contracts.actions import Receipt
from contracts.findings import Analysis, Checked, CheckFindings, Findings
from contracts.repositories import Compared, CompareRevisions, Workspace
from contracts.review import FindPullRequest, PullRequest, ReviewInput, ReviewReport, ReviewTask
from contracts.review_forms import comment_of
from workflows.kit.ask import ask
from workflows.kit.options import LEDGER, WORK
from workflows.kit.perform import perform
from workflows.kit.pipeline import Pipeline
from workflows.kit.side_by_side import side_by_side
from workflows.kit.step import B, Step
from workflows.kit.stuck import stuck_gate, try_again
from workflows.review_part import review_parts

SHOWN = {"repository", "base", "head", "note", "files", "counts"}
"""Fields that the report copies from the comparison."""

COMMENT = "git.comment"


@workflow.defn(name="Review")
class Review(Pipeline[ReviewInput, ReviewReport]):
    """Review a change; each finding has a quote that was looked up."""

    reports, first, workspaces, performs = ReviewReport, "the revisions are compared", True, True
    agents, gates = ("diff_analyst", "bug_reviewer", "security_reviewer", "synthesiser"), ("clarify", "stuck")

    def __init__(self) -> None:
        super().__init__()
        self.compared: Compared | None = None
        self.asked: ReviewInput | None = None
        self.comment: Receipt | None = None
        self.summary, self.checked, self.by, self.missing = "", Checked(), list[str](), list[str]()

    @workflow.run
    async def run(self, asked: ReviewInput) -> ReviewReport:
        """Return the final report. Fails only if the system or the input, not the work, was the reason."""
        return await self.conduct(asked)

    def acts(self, asked: ReviewInput) -> tuple[str, ...]:
        """A comment, if one was asked for."""
        return (COMMENT,) if asked.comment else ()

    async def story(self, asked: ReviewInput) -> None:
        """From a change to findings with verified quotes. The report lists what an agent could not do."""
        kit, self.asked = self.kit, asked
        pull = await self._pull_request(asked)
        now = await self._compare(asked, pull)
        task = ReviewTask(files=now.files, counts=now.counts, diff=now.shown, artifact=now.patch.digest, focus=asked.focus)
        # Linters read all of a change, however large it is.
        if now.groups and not kit.pins.agents["bug_reviewer"].keyless:
            found = await self._in_parts(now, asked.focus)
        else:
            found = await self._in_one(now, task)
        kit.enter("synthesise", "findings are merged, then every quote is looked up")
        step = await self._ask(now, "synthesiser", task, Findings, found)
        whole = step.as_far(self._tell("synthesiser"))
        self.summary = whole.summary if whole else "The reviewers' own findings; nobody merged them."
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
        self.checked = await kit.do(Comparison.check_findings, check, "git: look up what the findings quote", **WORK)
        if asked.comment and pull is not None:
            self.comment = await self._say(asked, pull)

    async def _pull_request(self, asked: ReviewInput) -> PullRequest | None:
        if asked.pull_request is None:
            return None
        request = FindPullRequest(run=self.kit.ref, address=asked.pull_request, target=asked.target)
        found = await self.kit.do(PullRequests.find_pull_request, request, "forge: read the pull request", **WORK)
        self.kit.note(f"read {found.slug}#{found.number}", found.note, "its newest commit is compared with what it goes into")
        return found

    async def _compare(self, asked: ReviewInput, pull: PullRequest | None) -> Compared:
        kit = self.kit
        if pull is None:
            wanted = asked.model_dump(include={"repository", "base", "head", "patch"})
        else:
            place = asked.repository or pull.repository
            wanted = {"repository": place, "base": pull.base, "head": pull.head, "patch": None}
        request = CompareRevisions(run=kit.ref, **wanted)
        now = await kit.do(Comparison.compare_revisions, request, "git: compare the revisions", **WORK)
        if pull is not None and (moved := _moved(pull, now)):
            now = now.model_copy(update={"note": "; ".join(part for part in (now.note, pull.note, moved) if part)})
        self.compared = now
        self.missing += [f"{path}: not reviewed, the change is too large" for path in now.not_grouped]
        kit.note(f"compared {now.head[:12] or 'the patch'} with {now.base[:12]}", now.note, "the analyst reads it")
        return now

    async def _in_one(self, now: Compared, task: ReviewTask) -> list[str]:
        self.kit.enter("analyse", "the analyst summarises the change, then the reviewers start")
        analysed = await self._ask(now, "diff_analyst", task, Analysis)
        # Without an analysis the reviewers work from the diff alone.
        known = analysed.as_far(self._tell("diff_analyst"))
        reviews = await self._reviews(now, task, () if known is None else (analysed.handoff.id,))
        return [one.handoff.id for one in reviews]

    async def _in_parts(self, now: Compared, focus: str, number: int = 1) -> list[str]:
        """A child for each group of files. If no group could be reviewed, a person decides whether they try again."""
        self.kit.enter("review", f"{len(now.groups)} groups of files, in parallel")
        found, self.by, missing = await review_parts(self.kit, now, focus, number)
        if found:
            self.missing += missing
            return found
        feedback = await try_again(self.kit, stuck_gate("no group of files could be reviewed", tuple(missing[:10])))
        return await self._in_parts(now, f"{focus}\n{feedback.text}".strip()[:4000], number + 1)

    async def _reviews(self, now: Compared, task: ReviewTask, inputs: Sequence[str]) -> list[Step[Findings]]:
        """Run both reviewers. If neither could do it, a person decides whether they try again."""
        self.kit.enter("review", "bugs and security, in parallel")
        steps = await side_by_side(
            self.kit,
            bug_reviewer=self._ask(now, "bug_reviewer", task, Findings, inputs),
            security_reviewer=self._ask(now, "security_reviewer", task, Findings, inputs),
        )
        said = {name: (step, step.as_far(self._tell(name))) for name, step in steps.items()}
        self.by = [name for name, (_, body) in said.items() if body is not None]
        if self.by:
            return [step for step, body in said.values() if body is not None]
        feedback = await try_again(self.kit, stuck_gate("no reviewer could review this", tuple(self.missing[-2:])))
        del self.missing[-2:]  # both are asked again, so their first failures no longer count
        task = task.model_copy(update={"feedback": (*task.feedback, feedback)})
        return await self._reviews(now, task, inputs)

    async def _say(self, asked: ReviewInput, pull: PullRequest) -> Receipt:
        """Comment on the pull request, as policy has it. Once for each run: another review may say something else."""
        self.kit.enter("comment", "policy decides what a comment takes")
        commit = self.compared.head if self.compared else pull.commit
        place = {
            "target": asked.target,
            "repository": pull.slug,
            "number": pull.number,
            "event": f"review/{commit[:12]}/{self.kit.ref.trace}",
        }
        arguments = json.dumps({**place, "text": comment_of(self._report("done", ""))})
        request = PrepareAction(run=self.kit.ref, type=COMMENT, arguments=arguments, undo="")
        prepared = await self.kit.do(Preparing.prepare_action, request, "action: check git.comment", **LEDGER)
        return await perform(self.kit, prepared.intent, prepared.arguments, known=prepared.facts)

    async def _ask(self, now: Compared, name: str, task: ReviewTask, kind: type[B], inputs: Sequence[str] = ()) -> Step[B]:
        path = f"{name}/{self.kit.asked.get(name, 0) + 1}"
        use = Workspace(name=f"{self.kit.ref.trace}/{path}", ref=now.ref)
        return await ask(self.kit, path, name, task, kind, inputs=inputs, resources=(use,))

    def _tell(self, name: str) -> Callable[[str], None]:
        return lambda said: self.missing.append(f"{name} {said}"[:1000])

    def report(self) -> dict[str, Any]:
        """The report's own fields, as far as the run got."""
        seen = self.compared.model_dump(include=SHOWN) if self.compared else {}
        said: dict[str, Any] = {"reviewed_by": tuple(self.by), "missing": tuple(self.missing), "comment": self.comment}
        if self.asked is not None:
            said |= {"pull_request": self.asked.pull_request or "", "fail_on": self.asked.fail_on}
        return {**seen, **said, "summary": self.summary, "checked": self.checked}


def _moved(pull: PullRequest, now: Compared) -> str:
    if now.head == pull.commit:
        return ""
    return f"the pull request has moved since the host was asked: {now.head[:12]} is reviewed, not {pull.commit[:12]}"
