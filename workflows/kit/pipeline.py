"""The frame of every pipeline: admit the run, run the story, end in the right state, store the report.

A subclass adds the story and its report:

```python
@workflow.defn(name="Review")
class Review(Pipeline[ReviewInput, ReviewReport]):
    agents = ("bug_reviewer", "synthesiser")
    gates = ("clarify", "stuck")
    reports = ReviewReport

    @workflow.run
    async def run(self, asked: ReviewInput) -> ReviewReport:
        return await self.conduct(asked)

    async def story(self, asked: ReviewInput) -> None: ...

    def report(self) -> dict[str, Any]: ...
```
"""

import asyncio
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from activities.repositories.cleanup import Cleanup
from contracts.agents import Effort
from contracts.errors import INPUT_WAS_REFUSED
from contracts.gates import GateKind
from contracts.inputs import PipelineInput
from contracts.reports import Report, RunStatus
from contracts.repositories import DropWorkspaces
from contracts.runs import RunState
from workflows.kit.bounds import cut
from workflows.kit.cancellation import by_whom
from workflows.kit.condemned import keep_looking
from workflows.kit.ends import INPUT_REFUSED, Ended, Stopped, cause_of, refusal_of_input
from workflows.kit.kit import Kit
from workflows.kit.options import WORK

I = TypeVar("I", bound=PipelineInput)  # noqa: E741  the pipeline's input
R = TypeVar("R", bound=Report)

REASON_BYTES = 4000


class Pipeline(ABC, Generic[I, R]):
    """One type of job that agents do, from its input to its report."""

    reports: type[R]
    """The contract of the report."""
    agents: ClassVar[tuple[str, ...]] = ()
    """The agents it uses; the run pins them at admission."""
    auto: ClassVar[tuple[str, ...]] = ()
    """Agents that it uses only with `effort: auto`."""
    gates: ClassVar[tuple[GateKind, ...]] = ()
    """The kinds of gate it may open, in addition to `ceiling`."""
    actions: ClassVar[tuple[str, ...]] = ()
    """The types of action it may propose. The gates of their tiers need not be in `gates`."""
    performs: ClassVar[bool] = False
    """True if its input names the types of action that it may propose: see `acts`."""
    changes: ClassVar[tuple[str, ...]] = ()
    """Named changes of its story: see `changes.py`."""
    first: ClassVar[str] = ""
    """What the feed says comes first."""
    workspaces: ClassVar[bool] = False
    """True if its agents use workspaces, which are then removed at the end."""

    def __init__(self) -> None:
        """Takes no arguments: the worker creates it for each run, and again for each replay."""
        self.kit = Kit(self.gates, self.changes, performs=bool(self.actions) or self.performs)
        self.kit.holding.begins = lambda: keep_looking(self.kit)
        workflow.set_query_handler("status", self._status)

    @abstractmethod
    async def story(self, asked: I) -> None:
        """What the run does. Returns if everything was done; raises `Ended` to end early."""

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """The report's own fields. Must work whenever the run ends, with what there is by then."""

    def effort(self, asked: I) -> Effort | None:
        """How much of the pipeline the input asks for; None: policy decides."""
        del asked
        return None

    def uses(self, asked: I) -> tuple[str, ...]:
        """The agents that this run uses. A run that needs none starts without any model."""
        del asked
        return self.agents

    def acts(self, asked: I) -> tuple[str, ...]:
        """The types of action that this run may propose."""
        del asked
        return self.actions

    async def conduct(self, asked: I) -> R:
        """Run the pipeline and return its report. Fails only if the system or the input, not the work, was the reason."""
        kit = self.kit
        try:
            began = await kit.begin(asked, self.uses(asked), self.auto, self.effort(asked), self.acts(asked), self.first)
        except (asyncio.CancelledError, ActivityError) as error:
            if is_cancelled_exception(error):
                await asyncio.shield(self._end("cancelled", f"cancelled before it was admitted, {by_whom()}"))
                raise
            raise ApplicationError(cause_of(error), type="NotAdmitted", non_retryable=True) from None
        if began.duplicate_of is not None:
            return self._report("could_not", f"the request key {asked.request_key!r} was used before: see {began.duplicate_of}")
        try:
            await self.story(asked)
            return await self._end("done", "")
        except Ended as ended:
            return await self._end(ended.state, ended.reason)
        except Stopped as stopped:
            return await self._end("could_not", stopped.reason)
        except (asyncio.CancelledError, FailureError) as error:
            # A cancelled child or activity raises its own error, not CancelledError. Shielded: ending takes activities, which
            # the same cancellation would end as well.
            if is_cancelled_exception(error):
                await asyncio.shield(self._end("cancelled", f"cancelled {by_whom()}"))
                raise
            raise await self._failed(error) from None

    async def _failed(self, error: BaseException) -> ApplicationError:
        """End the run because its input was refused or the system failed; returns the error to raise."""
        refused = refusal_of_input(error)
        if refused is not None:
            await self._end("could_not", f"{INPUT_WAS_REFUSED}{refused}")
            return ApplicationError(f"{INPUT_WAS_REFUSED}{refused}", type=INPUT_REFUSED, non_retryable=True)
        reason = cause_of(error)
        await self._end("failed", reason)
        return ApplicationError(reason, type="RunFailed", non_retryable=True)

    async def _end(self, state: RunState, reason: str) -> R:
        """Commit how the run ended. Turns, artifacts and feed remain; workspaces and reservations do not."""
        kit, reason = self.kit, cut(reason, REASON_BYTES)
        kit.stage = "end"
        kit.note(f"ended: {state}", reason or "everything asked for was done", "nothing", actor="coordinator")
        if self.workspaces:
            await self._drop_workspaces()
        report = self._report(state, reason)
        # Only the ledger knows what the children cost, and what the relay has done by now.
        totals = await kit.finish(state, report.model_dump_json())
        known = {"usd_micros": totals.usd_micros, "tokens": totals.tokens, "handed_over": totals.handed_over}
        return report.model_copy(update=known)

    async def _drop_workspaces(self) -> None:
        drop = DropWorkspaces(run=self.kit.ref)
        try:
            await workflow.execute_activity_method(Cleanup.drop_workspaces, drop, summary="workspace: remove", **WORK)
        except ActivityError as error:
            # Leftovers must not fail a run that has its result.
            self.kit.note("left workspaces behind", cause_of(error), "`baton doctor` lists them", importance="detail")

    def _report(self, state: RunState, reason: str) -> R:
        kit = self.kit
        common = {
            "pipeline": workflow.info().workflow_type,
            "run": workflow.info().workflow_id,
            "trace": kit.ref.trace,
            "state": state,
            "reason": reason,
            "usd_micros": kit.usd_micros,
            "tokens": kit.tokens,
            "scripted": kit.scripted,
            "unmetered": kit.unmetered,
            "degraded": tuple(f"{path}: {why}" for path, why in kit.degraded.items()),
        }
        return self.reports(**common, **self.report())

    def _status(self, *_: Any) -> dict[str, Any]:
        kit = self.kit
        last = kit.lines.last[-1] if kit.lines.last else None
        return RunStatus(
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
            scripted=kit.scripted,
        ).model_dump(mode="json")
