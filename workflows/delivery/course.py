"""What Delivery's stages hand to each other, and how a delivery ends early."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from activities.repositories.checks import Checks
from contracts.delivery.plan import Plan
from contracts.delivery.run import DeliveryInput
from contracts.delivery.testing import Judged
from contracts.gates import Decided
from contracts.handoff import Handoff
from contracts.people import Feedback
from contracts.repositories import Base, ChangeSet, CheckRun, RunChecks, WorkspaceRef
from workflows.kit.ends import Ended
from workflows.kit.kit import Kit
from workflows.kit.options import WORK


@dataclass(frozen=True)
class Course:
    """What stays the same over one delivery: its kit, what was asked, what it starts from."""

    kit: Kit
    asked: DeliveryInput
    base: Base
    base_runs: dict[str, "asyncio.Task[CheckRun]"] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)
    """What the checks have shown, the newest last: a run that ends because of them reports it."""

    @property
    def start(self) -> WorkspaceRef:
        """The repository as it was when the run began."""
        return WorkspaceRef(repository=self.base.repository, base=self.base.commit)

    def run_base(self, check: str) -> "asyncio.Task[CheckRun]":
        """The check on the base, started once and beside the writing: old failures must be told apart from new ones."""
        if check not in self.base_runs:
            self.base_runs[check] = asyncio.create_task(self.run_checks(self.start, check, "checks: run on the base"))
        return self.base_runs[check]

    async def run_checks(self, ref: WorkspaceRef, check: str, summary: str) -> CheckRun:
        """One run of a check on a tree."""
        request = RunChecks(run=self.kit.ref, start=ref, command=check, environment=self.asked.environment, label=summary)
        return await self.kit.do(Checks.run_checks, request, summary, **WORK)


@dataclass(frozen=True)
class Agreed:
    """The plan that a person approved, and the check that counts (None: go on without one)."""

    handoff: Handoff[Plan]
    check: str | None
    agent: str = "writer"
    """Who writes its items."""
    given: tuple[str, ...] = ()
    """Handoffs that go into the prompts of those who work on it; none: its own."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The handoffs that prompts are made from."""
        return self.given or (self.handoff.id,)

    @property
    def plan(self) -> Plan:
        """The plan itself; a gate never opens without one."""
        if self.handoff.body is None:
            raise ValueError("an agreed plan has a body")
        return self.handoff.body

    @property
    def acceptance(self) -> tuple[str, ...]:
        """What must be true afterwards, over all items."""
        return tuple(criterion.line for item in self.plan.items for criterion in item.acceptance)


@dataclass(frozen=True)
class Written:
    """What the writers made: a reproducible tree (`ref`), or `replan` with what the planner is to do differently."""

    agreed: Agreed
    ref: WorkspaceRef
    replan: Feedback | None = None
    kept_outside: tuple[str, ...] = ()
    asked_again: Feedback | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that the change may touch."""
        named = (path for item in self.agreed.plan.items for path in item.files)
        return tuple(dict.fromkeys((*named, *self.kept_outside)))


@dataclass(frozen=True)
class Tested:
    """A tree with the tester's tests in it, and what the checks showed."""

    ref: WorkspaceRef
    judged: Judged

    def again(self, written: Written, feedback: Feedback) -> Written:
        """Go round again from here: the writer starts on this tree with the feedback."""
        return replace(written, ref=self.ref, asked_again=feedback)


def with_patches(start: WorkspaceRef, changes: Sequence[ChangeSet]) -> WorkspaceRef:
    """The start with these changes on top."""
    patches = tuple(change.patch.digest for change in changes if change.patch is not None)
    return start.model_copy(update={"patches": (*start.patches, *patches)})


def end_unless_changes(decided: Decided, what: str) -> None:
    """Only request_changes goes on; reject and silence end the run, and never approve."""
    if decided.verb == "request_changes":
        return
    if decided.verb == "reject":
        raise Ended(f"{what} was rejected by {decided.by}: {decided.note}")
    raise Ended(f"{what} was not approved: {decided.gate} {decided.verb}")
