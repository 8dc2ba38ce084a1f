"""Delivery: plan → gate → write → integrate → test → rework → gate → act. A real change on a real repository."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from activities.repositories.cleanup import Cleanup
from activities.repositories.fetch import Fetch
from activities.repositories.frozen_change import FrozenChange
from contracts.actions import Receipt
from contracts.delivery.change import Freeze, Frozen
from contracts.delivery.plan import Plan, PlanTask
from contracts.delivery.run import DeliveryInput, DeliveryReport, DeliveryStatus
from contracts.gates import GateKind
from contracts.handoff import Handoff
from contracts.people import Feedback
from contracts.repositories import Base, DropWorkspaces, PrepareRepository, WorkspaceRef, WorkspaceUse
from contracts.runs import RunState
from workflows.delivery import gates as gates
from workflows.delivery.course import Agreed, Course, Ended, Tested, Written, end_unless_changes
from workflows.delivery.sizing import AUTO, asks_router, size_up
from workflows.delivery.testing import test_and_rework
from workflows.delivery.writing import write_and_integrate
from workflows.kit.ask import Step, ask, cause_of
from workflows.kit.bounds import cut
from workflows.kit.gate import gate
from workflows.kit.kit import Kit
from workflows.kit.options import WORK
from workflows.kit.parking import Stopped
from workflows.kit.perform import perform

AGENTS = ("planner", "writer", "tester")
ACTIONS = ("git.push",)
GATES: tuple[GateKind, ...] = ("plan", "change", "clarify", "conflict", "stuck", "unknown")
PLAN_ROUNDS = 6
REASON_BYTES = 4000


@workflow.defn(name="Delivery")
class Delivery:
    """A change from an instruction to a pushed branch, with a person at the plan and at the change."""

    def __init__(self) -> None:
        self.kit = Kit(GATES)
        self.asked: DeliveryInput | None = None
        self.base: Base | None = None
        self.frozen: Frozen | None = None
        self.tested: Tested | None = None
        self.receipts: tuple[Receipt, ...] = ()
        self.approved_by: list[str] = []
        self.summary = ""
        self.skipped = ""
        workflow.set_query_handler("status", self._status)

    @workflow.run
    async def run(self, asked: DeliveryInput) -> DeliveryReport:
        """The report of how it ended. Fails where the system, and not the work, was the reason."""
        self.asked = asked
        try:
            began = await self.kit.begin("Delivery", asked, AGENTS, ACTIONS, AUTO)
        except (asyncio.CancelledError, ActivityError) as error:
            if is_cancelled_exception(error):
                await asyncio.shield(self._end("cancelled", "cancelled by an operator before it was admitted"))
                raise
            raise ApplicationError(cause_of(error), type="NotAdmitted", non_retryable=True) from None
        if began.duplicate_of is not None:
            return self._report("could_not", f"the request {asked.request_key!r} was given before: see {began.duplicate_of}")
        try:
            await self._story(asked)
            return await self._end("done", "")
        except Ended as ended:
            return await self._end(ended.state, ended.reason)
        except Stopped as stopped:
            return await self._end("could_not", stopped.reason)
        except (asyncio.CancelledError, FailureError) as error:
            # A cancelled child or activity reports it in an error of its own, not as CancelledError.
            if is_cancelled_exception(error):
                await asyncio.shield(self._end("cancelled", "cancelled by an operator"))
                raise
            reason = cause_of(error)
            await self._end("failed", reason)
            raise ApplicationError(reason, type="RunFailed", non_retryable=True) from None

    async def _story(self, asked: DeliveryInput) -> None:
        course = Course(self.kit, asked, await self._intake(asked))
        written = await self._agree_and_write(course)
        frozen = await self._agree_on_change(course, written)
        await self._act(frozen)

    async def _agree_and_write(self, course: Course) -> Written:
        """Plan and write, and plan again where writing shows that the plan does not hold."""
        sized = await size_up(course)
        feedback, self.skipped = sized.feedback, sized.skipped
        if sized.agreed is not None:
            self.summary = sized.agreed.plan.summary
            written = await write_and_integrate(course, sized.agreed, 0)
            if written.replan is None:
                return written
            feedback, self.skipped = (written.replan,), ""
        for number in range(1, PLAN_ROUNDS + 1):
            agreed = await self._agree_on_plan(course.base, number, feedback)
            written = await write_and_integrate(course, agreed, number)
            if written.replan is None:
                return written
            feedback = (*feedback, written.replan)
        raise Ended("could_not", f"no plan held after {PLAN_ROUNDS} rounds")

    async def _intake(self, asked: DeliveryInput) -> Base:
        request = PrepareRepository(run=self.kit.ref, repository=asked.repository, base=asked.base, check=asked.check)
        base = await self.kit.do(Fetch.prepare_repository, request, "git: fetch the repository", **WORK)
        self.base = base
        source = f" ({base.check_source})" if base.check_source else ""
        self.kit.note(
            f"fetched {base.repository} at {base.commit[:12]}",
            f"check: {base.check}{source}" if base.check else "no check was declared or found",
            "the router sizes the task up" if asks_router(self.kit) else "the planner reads the repository",
        )
        return base

    async def _agree_on_plan(self, base: Base, number: int, feedback: tuple[Feedback, ...]) -> Agreed:
        """The plan that a person approved, with the check that counts."""
        self.kit.enter("plan", "the planner proposes, a person approves")
        while True:
            step = await self._plan(base, feedback)
            handoff = step.handoff
            if handoff.body is None:
                feedback = (*feedback, await self._planner_is_stuck(handoff))
                continue
            decided = await gate(self.kit, gates.plan_gate(step, base.check))
            if decided.verb == "approve":
                self.approved_by.append(f"{decided.gate} by {decided.by}")
                self.summary = handoff.body.summary
                return Agreed(handoff, gates.check_of(decided, base, handoff.body))
            end_unless_changes(decided, "the plan")
            feedback = (*feedback, gates.feedback_of(decided))
            if self.kit.asked["planner"] >= PLAN_ROUNDS + number:
                raise Ended("could_not", f"no plan was approved after {self.kit.asked['planner']} proposals")

    async def _plan(self, base: Base, feedback: tuple[Feedback, ...]) -> Step[Plan]:
        assert self.asked is not None
        task = PlanTask(
            instruction=self.asked.instruction,
            repository=base.repository,
            base=base.commit,
            check=base.check,
            feedback=feedback,
        )
        path = f"plan/{self.kit.asked.get('planner', 0) + 1}"
        start = WorkspaceRef(repository=base.repository, base=base.commit)
        use = WorkspaceUse(name=f"{self.kit.ref.trace}/{path}", ref=start)
        step = await ask(self.kit, path, "planner", task, Plan, workspace=use)
        if step.handoff.outcome == "could_not":
            raise Ended("could_not", f"the planner could not: {step.handoff.reason}")
        return step

    async def _planner_is_stuck(self, handoff: Handoff[Plan]) -> Feedback:
        """Unsure and without a plan: a person says how to go on."""
        ask_person = gates.stuck_gate(
            "the planner is unsure and has no plan", (handoff.reason,), "let the planner try once more", handoff, handoff.reason
        )
        decided = await gate(self.kit, ask_person)
        if decided.verb == "approve":
            return Feedback(source=decided.by, about=decided.gate, text=decided.note or "try once more")
        end_unless_changes(decided, "a plan")
        return gates.feedback_of(decided)

    async def _agree_on_change(self, course: Course, written: Written) -> Frozen:
        """The change that a person approved, tested and frozen."""
        while True:
            self.tested = tested = await test_and_rework(course, written)
            request = Freeze(
                run=self.kit.ref,
                start=tested.ref,
                base=course.base,
                instruction=course.asked.instruction,
                summary=self.summary,
                branch=course.asked.branch,
                judged=tested.judged,
            )
            frozen = await self.kit.do(FrozenChange.freeze, request, "git: freeze the change", **WORK)
            self.frozen = frozen
            self.kit.enter("change", "a person approves the change")
            decided = await gate(self.kit, gates.change_gate(frozen, tested.judged.report, written.kept_outside, self.skipped))
            if decided.verb == "approve":
                self.approved_by.append(f"{decided.gate} by {decided.by}")
                return frozen
            end_unless_changes(decided, "the change")
            written = tested.again(written, gates.feedback_of(decided))

    async def _act(self, frozen: Frozen) -> None:
        self.kit.enter("act", "the branch is pushed")
        for intent in (frozen.intent,):
            receipt = await perform(self.kit, intent)
            self.receipts = (*self.receipts, receipt)
            if receipt.state != "delivered":
                raise Ended("could_not", f"{intent.summary}: {receipt.state}: {receipt.problem or 'nobody knows the outcome'}")

    async def _end(self, state: RunState, reason: str) -> DeliveryReport:
        """Commit how it ended. What is left behind: turns, artifacts and feed; no workspace, no held money."""
        reason = cut(reason, REASON_BYTES)
        self.kit.stage = "end"
        self.kit.note(f"ended: {state}", reason or "everything asked for was done", "nothing", actor="coordinator")
        drop = DropWorkspaces(run=self.kit.ref)
        try:
            await workflow.execute_activity_method(Cleanup.drop_workspaces, drop, summary="workspace: remove", **WORK)
        except ActivityError as error:
            self.kit.note("left workspaces behind", cause_of(error), "`baton doctor` lists them", importance="detail")
        report = self._report(state, reason)
        totals = await self.kit.finish(state, report.model_dump_json(), state)
        return report.model_copy(update={"usd_micros": totals.usd_micros, "tokens": totals.tokens})

    def _report(self, state: RunState, reason: str) -> DeliveryReport:
        frozen, tested = self.frozen, self.tested
        delivered = [receipt for receipt in self.receipts if receipt.state == "delivered"]
        return DeliveryReport(
            run=workflow.info().workflow_id,
            trace=self.kit.ref.trace,
            state=state,
            reason=reason,
            repository=self.base.repository if self.base else "",
            base=self.base.commit if self.base else "",
            branch=frozen.subject.branch if frozen else "",
            commit=delivered[0].reference if delivered else "",
            tree=frozen.subject.tree if frozen else "",
            summary=self.summary,
            files=frozen.files if frozen else (),
            counts=frozen.counts if frozen else None,
            tests=tested.judged.report if tested else None,
            receipts=self.receipts,
            approved_by=tuple(self.approved_by),
            usd_micros=self.kit.usd_micros,
            tokens=self.kit.tokens,
            scripted=self.kit.began is not None and self.kit.scripted,
            degraded=tuple(f"{path}: {why}" for path, why in self.kit.degraded.items()),
        )

    def _status(self, *_: Any) -> dict[str, Any]:
        kit = self.kit
        last = kit.lines.last[-1] if kit.lines.last else None
        return DeliveryStatus(
            run=workflow.info().workflow_id,
            trace=kit.ref.trace,
            state=kit.state,
            stage=kit.stage,
            waiting_for=kit.waiting_view(),
            did=last.did if last else "",
            why=last.why if last else "",
            next=kit.next,
            spent_micros=kit.usd_micros,
            ceiling_micros=kit.began.ceiling_micros if kit.began else 0,
            scripted=kit.began is not None and kit.scripted,
        ).model_dump(mode="json")
