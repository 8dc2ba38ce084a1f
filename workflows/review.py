"""Review: compare → analyse → look for bugs and security holes in parallel → merge findings → verify every quote."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import workflow

from activities.repositories.comparison import Comparison
from contracts.findings import Analysis, Checked, CheckFindings, Findings
from contracts.repositories import Compared, CompareRevisions, Workspace
from contracts.review import ReviewInput, ReviewReport, ReviewTask
from workflows.kit.ask import ask
from workflows.kit.options import WORK
from workflows.kit.pipeline import Pipeline
from workflows.kit.side_by_side import side_by_side
from workflows.kit.step import B, Step
from workflows.kit.stuck import stuck_gate, try_again

SHOWN = {"repository", "base", "head", "note", "files", "counts"}
"""Fields that the report copies from the comparison."""


@workflow.defn(name="Review")
class Review(Pipeline[ReviewInput, ReviewReport]):
    """Review a change; each finding has a quote that was looked up."""

    reports, first, workspaces = ReviewReport, "the revisions are compared", True
    agents, gates = ("diff_analyst", "bug_reviewer", "security_reviewer", "synthesiser"), ("clarify", "stuck")

    def __init__(self) -> None:
        super().__init__()
        self.compared: Compared | None = None
        self.summary, self.checked, self.by, self.missing = "", Checked(), list[str](), list[str]()

    @workflow.run
    async def run(self, asked: ReviewInput) -> ReviewReport:
        """Return the final report. Fails only if the system or the input, not the work, was the reason."""
        return await self.conduct(asked)

    async def story(self, asked: ReviewInput) -> None:
        """From two revisions to findings with verified quotes. The report lists what an agent could not do."""
        kit, wanted = self.kit, asked.model_dump(include={"repository", "base", "head", "patch"})
        request = CompareRevisions(run=kit.ref, **wanted)
        self.compared = now = await kit.do(Comparison.compare_revisions, request, "git: compare the revisions", **WORK)
        kit.note(f"compared {now.head[:12] or 'the patch'} with {now.base[:12]}", now.note, "the analyst reads it")
        task = ReviewTask(files=now.files, counts=now.counts, diff=now.shown, artifact=now.patch.digest, focus=asked.focus)
        kit.enter("analyse", "the analyst summarises the change, then the reviewers start")
        analysed = await self._ask(now, "diff_analyst", task, Analysis)
        # Without an analysis the reviewers work from the diff alone.
        known = analysed.as_far(self._tell("diff_analyst"))
        reviews = await self._reviews(now, task, () if known is None else (analysed.handoff.id,))
        kit.enter("synthesise", "findings are merged, then every quote is looked up")
        step = await self._ask(now, "synthesiser", task, Findings, [one.handoff.id for one, _ in reviews])
        whole = step.as_far(self._tell("synthesiser"))
        self.summary = whole.summary if whole else "The reviewers' own findings; nobody merged them."
        # Without a synthesis, or with one that code made, `check_findings` merges what each reviewer said.
        merged = step.handoff.id if whole and not step.handoff.degraded else ""
        ids = tuple(one.handoff.id for one, _ in reviews)
        # By their ids: the activity reads the handoffs and the artifact, and history stays small.
        now = now.model_copy(update={"shown": ""})
        check = CheckFindings(
            run=kit.ref, compared=now, findings=(), made_by=(merged,) if merged else ids, reviewed=ids, merged=merged
        )
        self.checked = await kit.do(Comparison.check_findings, check, "git: look up what the findings quote", **WORK)

    async def _reviews(self, now: Compared, task: ReviewTask, inputs: Sequence[str]) -> list[tuple[Step[Findings], Findings]]:
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
            return [(step, body) for step, body in said.values() if body is not None]
        feedback = await try_again(self.kit, stuck_gate("no reviewer could review this", tuple(self.missing[-2:])))
        del self.missing[-2:]  # both are asked again, so their first failures no longer count
        task = task.model_copy(update={"feedback": (*task.feedback, feedback)})
        return await self._reviews(now, task, inputs)

    async def _ask(self, now: Compared, name: str, task: ReviewTask, kind: type[B], inputs: Sequence[str] = ()) -> Step[B]:
        path = f"{name}/{self.kit.asked.get(name, 0) + 1}"
        use = Workspace(name=f"{self.kit.ref.trace}/{path}", ref=now.ref)
        return await ask(self.kit, path, name, task, kind, inputs=inputs, resources=(use,))

    def _tell(self, name: str) -> Callable[[str], None]:
        return lambda said: self.missing.append(f"{name} {said}"[:1000])

    def report(self) -> dict[str, Any]:
        """The report's own fields, as far as the run got."""
        seen = self.compared.model_dump(include=SHOWN) if self.compared else {}
        said = {"reviewed_by": tuple(self.by), "missing": tuple(self.missing)}
        return {**seen, **said, "summary": self.summary, "checked": self.checked}
