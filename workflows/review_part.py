"""One group of the files of a large change: the child workflow of Review."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.repositories.comparison import Comparison
from contracts.base import sha256
from contracts.findings import Analysis, Findings
from contracts.handoff import Handoff, Producer
from contracts.ids import handoff_id
from contracts.inputs import RunContext
from contracts.repositories import Compared, DescribeGroup, FileGroup, Workspace
from contracts.review import ReviewTask
from contracts.review_parts import PartReviewed, ReviewPartInput
from workflows.kit.ask import ask
from workflows.kit.ends import Stopped, cause_of
from workflows.kit.fan_out import Child, fan_out
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.options import WORK
from workflows.kit.side_by_side import side_by_side
from workflows.kit.step import B, Step

SIDE_BY_SIDE = 4
DEADLINE = timedelta(days=2)
"""Longer than any gate that a part can open; its agents' own limits end it long before."""


@workflow.defn(name="ReviewPart")
class ReviewPart:
    """Have one group analysed and reviewed. Nothing is merged here: the parent sees what each reviewer says."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify", "stuck"))

    @workflow.run
    async def run(self, asked: ReviewPartInput) -> Handoff[Any]:
        """Return which handoffs the reviewers made; `could_not` if none of them did."""
        self.kit.join(asked)
        self.kit.stage = "review"
        self.kit.note(f"started on {asked.group.name}", ", ".join(asked.group.paths[:10]), "bugs and security, in parallel")
        try:
            made = await self._review(asked)
        except (ActivityError, Stopped) as error:
            if isinstance(error, ActivityError) and is_cancelled_exception(error):
                raise
            reason = error.reason if isinstance(error, Stopped) else f"this group could not be read: {cause_of(error)}"
            made = made_by_us(self.kit.ref, "coordinator", "could_not", reason)
        kept = self.kit.keep(made)
        await self.kit.leave()
        return kept

    async def _review(self, asked: ReviewPartInput) -> Handoff[Any]:
        kit, missing = self.kit, list[str]()
        request = DescribeGroup(run=kit.ref, compared=asked.compared, group=asked.group)
        shown = await kit.do(Comparison.describe_group, request, f"git: read {asked.group.name}", **WORK)
        task = ReviewTask(files=shown.files, diff=shown.diff, artifact=asked.group.patch.digest, focus=asked.focus)
        analysed = await self._ask(asked, "diff_analyst", task, Analysis)
        known = analysed.as_far(_tell("diff_analyst", missing))
        inputs = () if known is None else (analysed.handoff.id,)
        steps = await side_by_side(
            kit,
            bug_reviewer=self._ask(asked, "bug_reviewer", task, Findings, inputs),
            security_reviewer=self._ask(asked, "security_reviewer", task, Findings, inputs),
        )
        by = [name for name, step in steps.items() if step.as_far(_tell(name, missing)) is not None]
        if not by:
            return made_by_us(kit.ref, "coordinator", "could_not", "; ".join(missing[-2:])[:2000])
        ids = tuple(steps[name].handoff.id for name in by)
        return _handed_on(kit, PartReviewed(handoffs=ids, by=tuple(by), missing=tuple(missing)))

    async def _ask(
        self, asked: ReviewPartInput, name: str, task: ReviewTask, kind: type[B], inputs: Sequence[str] = ()
    ) -> Step[B]:
        use = Workspace(name=f"{self.kit.ref.trace}/{self.kit.ref.path}/{name}", ref=asked.compared.ref)
        return await ask(self.kit, name, name, task, kind, inputs=inputs, resources=(use,))


async def review_parts(kit: Kit, now: Compared, focus: str, number: int) -> tuple[list[str], list[str], list[str]]:
    """Have each group reviewed by a child. Returns the reviewers' handoffs, their names, and what is missing."""

    def child(group: FileGroup) -> Child[ReviewPartInput]:
        def make(context: RunContext, done: dict[str, Handoff[Any]]) -> ReviewPartInput:
            del done
            small = now.model_copy(update={"shown": "", "files": (), "counts": None, "groups": (), "not_grouped": ()})
            return ReviewPartInput(context=context, compared=small, group=group, focus=focus)

        return Child(group.name, (), make)

    children = [child(group) for group in now.groups]
    parts = await fan_out(
        *(kit, f"part/{number}", ReviewPart.run, children),
        limit=SIDE_BY_SIDE,
        deadline=DEADLINE,
        summary="review",
    )
    handoffs, by, missing = list[str](), list[str](), list[str]()
    for name, part in parts.items():
        body = part.read_as(PartReviewed)
        if body is None:
            missing.append(f"{name} could not: {part.reason}"[:1000])
            continue
        handoffs += body.handoffs
        by += [one for one in body.by if one not in by]
        missing += [f"{name}: {text}"[:1000] for text in body.missing]
    return handoffs, by, missing


def _handed_on(kit: Kit, body: PartReviewed) -> Handoff[Any]:
    raw = body.model_dump(mode="json")
    return Handoff[Any](
        id=handoff_id(kit.ref.trace, kit.ref.path, sha256(body.stored())),
        contract_name=PartReviewed.contract,
        outcome="done",
        body=raw,
        producer=Producer(agent="coordinator"),
        inputs=body.handoffs,
        trace=kit.ref.trace,
        path=kit.ref.path,
    )


def _tell(name: str, missing: list[str]) -> Callable[[str], None]:
    return lambda said: missing.append(f"{name} {said}"[:1000])
