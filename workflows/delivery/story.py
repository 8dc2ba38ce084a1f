"""Delivery: plan → gate → write → integrate → test → rework → gate → act. A real change on a real repository."""

from typing import Any

from temporalio import workflow

from activities.repositories.changes import Changes
from activities.repositories.fetch import Fetch
from activities.repositories.frozen_change import FrozenChange, push_of
from contracts.actions import Receipt
from contracts.agents import Effort
from contracts.delivery.change import Freeze, Frozen
from contracts.delivery.plan import Plan, PlanTask
from contracts.delivery.run import DeliveryInput, DeliveryReport
from contracts.handoff import Handoff
from contracts.people import Feedback
from contracts.repositories import Base, MatchedFiles, MatchFiles, PrepareRepository, Workspace, WorkspaceRef
from contracts.rules import Facts
from contracts.text import amount
from workflows.delivery import gates
from workflows.delivery.base_first import prove, prove_agreed
from workflows.delivery.changes import BASE_FIRST, CHANGES, REFUSED_PUSH, WRITERS_CLAIMS
from workflows.delivery.course import Agreed, Course, Written, end_unless_changes
from workflows.delivery.declared import check_of
from workflows.delivery.redirects import redirect_of, refused_push_gate
from workflows.delivery.sizing import AUTO, asks_router, size_up
from workflows.delivery.testing import test_and_rework
from workflows.delivery.writing import write_and_integrate
from workflows.kit.ask import ask
from workflows.kit.ends import Ended
from workflows.kit.gate import gate
from workflows.kit.options import WORK
from workflows.kit.perform import perform
from workflows.kit.pipeline import Pipeline
from workflows.kit.rulings import reversible_of
from workflows.kit.step import CouldNot, Done, Step, Unsure
from workflows.kit.stuck import all_said, stuck_gate, try_again

PLAN_ROUNDS = 6
"""Planning rounds, and proposals per round, after which a person decides whether to continue."""


@workflow.defn(name="Delivery")
class Delivery(Pipeline[DeliveryInput, DeliveryReport]):
    """From an instruction to a pushed branch; a person approves the plan and the change."""

    reports = DeliveryReport
    agents = ("planner", "writer", "tester")
    auto = AUTO
    gates = ("plan", "change", "clarify", "conflict", "stuck", "unknown")
    actions = ("git.push",)
    first = "the repository is fetched"
    workspaces = True
    changes = CHANGES

    def __init__(self) -> None:
        super().__init__()
        self.course: Course | None = None
        self.frozen: Frozen | None = None
        self.receipts: tuple[Receipt, ...] = ()
        self.approved_by: list[str] = []
        self.summary = ""
        self.skipped = ""
        self.about = Facts()

    @workflow.run
    async def run(self, asked: DeliveryInput) -> DeliveryReport:
        """Return the final report. Fails only if the system or the input, not the work, was the reason."""
        return await self.conduct(asked)

    def effort(self, asked: DeliveryInput) -> Effort | None:
        """The input's effort; None: as policy says."""
        return asked.effort

    async def story(self, asked: DeliveryInput) -> None:
        """Fetch, plan, write, test, push; a person approves the plan and the change."""
        self.course = course = Course(self.kit, asked, await self._intake(asked))
        if self._base_first:
            self.course = course = await prove(course)
        course, written = await self._agree_and_write(course)
        frozen = await self._agree_on_change(course, written)
        await self._act(frozen)

    @property
    def _base_first(self) -> bool:
        return self.kit.knows(BASE_FIRST)

    async def _agree_and_write(self, course: Course) -> tuple[Course, Written]:
        """Plan and write; plan again if writing shows that the plan does not work."""
        sized = await size_up(course)
        feedback, self.skipped = sized.feedback, sized.skipped
        if sized.agreed is not None:
            self.summary = sized.agreed.plan.summary
            written = await write_and_integrate(course, sized.agreed, 0)
            if written.replan is None:
                return course, written
            # The single agent needs a plan after all: hand over to the planner, with the person's words.
            feedback, self.skipped = (written.replan,), ""
        number = 0
        while True:
            number += 1
            agreed = await self._agree_on_plan(course, number, feedback)
            if self._base_first:
                course, agreed = await prove_agreed(course, agreed)
                self.course = course
            written = await write_and_integrate(course, agreed, number)
            if written.replan is None:
                return course, written
            feedback = (*feedback, written.replan)
            if number % PLAN_ROUNDS == 0:
                title = f"no plan worked in {amount(number, 'round')}"
                feedback = (*feedback, await self._go_on_planning(title, feedback))

    async def _intake(self, asked: DeliveryInput) -> Base:
        request = PrepareRepository(
            run=self.kit.ref,
            repository=asked.repository,
            base=asked.base,
            check=asked.check,
            branch=asked.branch,
            checks_later=self._base_first,
        )
        base = await self.kit.do(Fetch.prepare_repository, request, "git: fetch the repository", **WORK)
        source = f" ({base.check_source})" if base.check_source else ""
        self.kit.note(
            f"fetched {base.repository} at {base.commit[:12]}",
            "; ".join((f"check: {base.check}{source}" if base.check else "no check was declared or found", *base.notes)),
            "the router sizes the task" if asks_router(self.kit) else "the planner reads the repository",
        )
        return base

    async def _agree_on_plan(self, course: Course, number: int, feedback: tuple[Feedback, ...]) -> Agreed:
        """Propose plans until a person approves one; returns it with the check to use."""
        self.kit.enter("plan", "the planner proposes, a person approves")
        while True:
            step = await self._plan(course, feedback)
            match step.ended:
                # Nobody has said anything yet, so a second try would be the same one.
                case CouldNot(reason) if not feedback:
                    raise Ended(f"the planner could not plan: {reason}")
                case CouldNot(reason) | Unsure(reason, None):
                    feedback = (*feedback, await self._planner_is_stuck(step.handoff, reason))
                    continue
                case Done(plan) | Unsure(_, plan):
                    assert plan is not None  # a step without a body was handled by the case above
            named = await self._named_now(course, plan)
            decided = await gate(self.kit, gates.plan_gate(step, plan, course, named))
            if decided.verb == "approve":
                self.approved_by.append(f"{decided.gate} by {decided.by}")
                self.summary = plan.summary
                return Agreed(step.handoff, *check_of(decided, course, plan))
            end_unless_changes(decided, "the plan")
            feedback = (*feedback, *all_said(decided))
            # Proposals of earlier rounds that were approved do not count: only those that a person sent back.
            proposals = self.kit.asked["planner"]
            if (proposals - number + 1) % PLAN_ROUNDS == 0:
                title = f"no plan was approved in {amount(proposals, 'proposal')}"
                feedback = (*feedback, await self._go_on_planning(title, feedback))

    async def _named_now(self, course: Course, plan: Plan) -> MatchedFiles | None:
        """The files that the plan's globs and folders match now, so that a person does not approve a bare pattern."""
        patterns = gates.patterns_of(plan)
        if not patterns:
            return None
        request = MatchFiles(run=self.kit.ref, start=course.start, patterns=patterns)
        return await self.kit.do(Changes.match_files, request, "git: match the plan's patterns", **WORK)

    async def _plan(self, course: Course, feedback: tuple[Feedback, ...]) -> Step[Plan]:
        task = PlanTask(
            instruction=course.asked.instruction,
            repository=course.base.repository,
            base=course.base.commit,
            check=course.base.check,
            feedback=feedback,
        )
        # Numbered over the whole run: keys are derived from the path, so no two proposals may share one.
        path = f"plan/{self.kit.asked.get('planner', 0) + 1}"
        start = WorkspaceRef(repository=course.base.repository, base=course.base.commit)
        use = Workspace(name=f"{self.kit.ref.trace}/{path}", ref=start)
        return await ask(self.kit, path, "planner", task, Plan, resources=(use,))

    async def _planner_is_stuck(self, handoff: Handoff[Plan], reason: str) -> Feedback:
        """Ask a person how to continue without a plan."""
        title = "the planner could not plan this" if handoff.outcome == "could_not" else "the planner is unsure and has no plan"
        return await try_again(self.kit, stuck_gate(title, (reason,), handoff, reason), "let the planner try again")

    async def _go_on_planning(self, title: str, feedback: tuple[Feedback, ...]) -> Feedback:
        """Ask a person whether to keep planning, showing the feedback of every round."""
        facts = tuple(f"{one.source} at {one.about}: {gates.first_line(one.text)}" for one in feedback)
        return await try_again(self.kit, stuck_gate(title, facts), f"keep planning, for {PLAN_ROUNDS} more rounds")

    async def _agree_on_change(self, course: Course, written: Written) -> Frozen:
        """Test and freeze the change until a person approves it."""
        while True:
            # Tested and frozen again in every round: an approval is bound to the digest of exactly this tree.
            tested = await test_and_rework(course, written)
            request = Freeze(
                run=self.kit.ref,
                start=tested.ref,
                base=course.base,
                instruction=course.asked.instruction,
                summary=self.summary,
                branch=course.asked.branch,
                judged=tested.judged,
            )
            self.frozen = frozen = await self.kit.do(FrozenChange.freeze, request, "git: freeze the change", **WORK)
            self.kit.enter("change", "a person approves the change")
            skipped = "; ".join(one for one in (self.skipped, course.unproven) if one)
            report, outside = tested.judged.report, written.kept_outside
            reversible = reversible_of(self.kit, (frozen.intent,)) or "yes"
            claims = self.kit.grounds.unsupported if self.kit.knows(WRITERS_CLAIMS) else 0
            known = (self.kit.degraded, course.doubts, reversible, claims, self.kit.grounds.taint)
            asked = gates.change_gate(frozen, report, outside, skipped, *known)
            self.about = asked.about
            decided = await gate(self.kit, asked)
            if decided.verb == "approve":
                self.approved_by.append(f"{decided.gate} by {decided.by}")
                return frozen
            end_unless_changes(decided, "the change")
            written = tested.again(written, all_said(decided))

    async def _act(self, frozen: Frozen) -> None:
        self.kit.enter("act", "the branch is pushed")
        while True:
            # The approval has recorded this intent, so with tier confirm nobody is asked again.
            receipt = await perform(self.kit, frozen.intent, push_of(frozen.subject).stored().decode(), self.about)
            self.receipts = (*self.receipts, receipt)
            if receipt.state in ("delivered", "done_by_person"):
                return
            reason = f"{frozen.intent.summary}: {receipt.state}: {receipt.problem or 'the outcome is unknown'}"
            # After an unknown outcome the push may have happened, so only a clear failure may be sent another way.
            if receipt.state != "failed" or not self.kit.knows(REFUSED_PUSH):
                raise Ended(reason)
            self.frozen = frozen = await self._redirected(frozen, reason)

    async def _redirected(self, frozen: Frozen, problem: str) -> Frozen:
        """The same tree as a person wants it pushed instead. Nothing that the target has refused is lost."""
        wrong = ""
        while True:
            decided = await gate(self.kit, refused_push_gate(frozen, problem, wrong))
            if decided.verb != "approve":
                end_unless_changes(decided, f"{problem}; another push")
            self.kit.shown = ()  # what is pushed now was shown at no gate yet
            request = redirect_of(self.kit.ref, frozen, decided)
            found = await self.kit.do(FrozenChange.redirect, request, "git: the same tree, pushed otherwise", **WORK)
            if not found.blocked:
                return found
            wrong = found.blocked

    def report(self) -> dict[str, Any]:
        """The report's own fields, as far as the run got."""
        frozen, course = self.frozen, self.course
        delivered = [receipt for receipt in self.receipts if receipt.state == "delivered"]
        return {
            "repository": course.base.repository if course else "",
            "base": course.base.commit if course else "",
            "branch": frozen.subject.branch if frozen else "",
            "commit": delivered[0].reference if delivered else "",
            "tree": frozen.subject.tree if frozen else "",
            "summary": self.summary,
            "files": frozen.files if frozen else (),
            "counts": frozen.counts if frozen else None,
            "tests": course.judged[-1].report if course and course.judged else None,
            "receipts": self.receipts,
            "approved_by": tuple(self.approved_by),
        }
