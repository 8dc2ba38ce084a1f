"""Review: compare → analyse → look for bugs and security holes in parallel → merge findings → verify every quote → tell."""

from typing import Any

from temporalio import workflow

from contracts.actions import Receipt
from contracts.findings import Checked
from contracts.review import ReviewReport
from contracts.review_input import ReviewInput
from workflows.kit.pipeline import Pipeline
from workflows.review_steps import COMMENT, Course, comment, find_change, merge, review_in_groups, review_whole, task_of

SHOWN = {"repository", "base", "head", "note", "files", "counts"}
"""Fields that the report copies from the comparison."""


@workflow.defn(name="Review")
class Review(Pipeline[ReviewInput, ReviewReport]):
    """Review a change; each finding has a quote that was looked up."""

    reports, first, workspaces, performs = ReviewReport, "the revisions are compared", True, True
    agents, gates = ("diff_analyst", "bug_reviewer", "security_reviewer", "synthesiser"), ("clarify", "stuck")

    def __init__(self) -> None:
        super().__init__()
        self.course: Course | None = None
        self.comment: Receipt | None = None
        self.summary, self.checked = "", Checked()

    @workflow.run
    async def run(self, asked: ReviewInput) -> ReviewReport:
        """Return the final report. Fails only if the system or the input, not the work, was the reason."""
        return await self.conduct(asked)

    def acts(self, asked: ReviewInput) -> tuple[str, ...]:
        """A comment, if one was asked for."""
        return (COMMENT,) if asked.comment else ()

    async def story(self, asked: ReviewInput) -> None:
        """From a change to findings with verified quotes. The report lists what an agent could not do."""
        self.course = course = Course(self.kit, asked)
        now = await find_change(course)
        task = task_of(now, asked.focus)
        # Linters read all of a change, however large it is.
        if now.groups and not self.kit.pins.agents["bug_reviewer"].keyless:
            found = await review_in_groups(course, now, asked.focus)
        else:
            found = await review_whole(course, now, task)
        self.summary, self.checked = await merge(course, now, task, found)
        if asked.comment and course.pull is not None:
            self.comment = await comment(course, course.pull, self._report("done", ""))

    def report(self) -> dict[str, Any]:
        """The report's own fields, as far as the run got."""
        known: dict[str, Any] = {"summary": self.summary, "checked": self.checked, "comment": self.comment}
        if self.course is None:
            return known
        course, asked = self.course, self.course.asked
        known |= course.compared.model_dump(include=SHOWN) if course.compared else {}
        known |= {"reviewed_by": tuple(course.by), "missing": tuple(course.missing)}
        return known | {"pull_request": asked.pull_request or "", "fail_on": asked.fail_on}
