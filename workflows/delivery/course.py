"""What Delivery's stages pass to each other, and how a delivery ends early."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from activities.repositories.checks import Checks
from contracts.delivery.plan import Plan
from contracts.delivery.run import DeliveryInput
from contracts.delivery.testing import Declared, Judged
from contracts.gates import Decided
from contracts.handoff import Handoff
from contracts.people import Feedback
from contracts.repositories import Base, ChangeSet, CheckRun, RunChecks, WorkspaceRef
from contracts.text import one_line
from workflows.delivery.changes import BASE_FIRST, WRITERS_CLAIMS
from workflows.kit.ends import Ended
from workflows.kit.kit import Kit
from workflows.kit.options import CHECK

REASON = 500
"""Characters of an agent's reason that a gate shows."""


@dataclass(frozen=True)
class Course:
    """What is constant during one delivery: its kit, its input, and the base it starts from."""

    kit: Kit
    asked: DeliveryInput
    base: Base
    base_runs: dict[str, "asyncio.Task[CheckRun]"] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)
    """What the checks have shown, the newest last: a run that ends because of them reports it."""
    shown: str = ""
    """What the check showed on the base, in a few words."""
    unproven: str = ""
    """Who went on without a check, where it could not run on the base."""
    doubts: dict[str, str] = field(default_factory=dict)
    """What agents could not do, or are not sure of, and is in the change all the same: whose step, and what became of it."""

    def doubt(self, who: str, handoff: Handoff[Any]) -> None:
        """Remember how a step of this round ended where it is not done; the change gate tells it."""
        said = {"unsure": "is unsure", "could_not": "could not"}.get(handoff.outcome)
        self.doubts.pop(who, None)
        if said is not None:
            self.doubts[who] = f"{said}: {one_line(handoff.reason, REASON)}"

    def begin_anew(self) -> None:
        """Forget what was doubtful about the work on an earlier plan."""
        self.doubts.clear()
        self.kit.grounds.forget_children()

    def written_by(self, agent: str, item: str, handoff: Handoff[Any]) -> None:
        """Remember what the writer of an item made: how it ended, what it claims, and what it has read."""
        self.doubt(f"the writer of {item}", handoff)
        if self.kit.knows(WRITERS_CLAIMS):
            self.kit.grounds.add_child(f"{agent} of {item}", handoff)

    @property
    def start(self) -> WorkspaceRef:
        """The repository as it was when the run started."""
        return WorkspaceRef(repository=self.base.repository, base=self.base.commit)

    def run_base(self, check: str) -> "asyncio.Task[CheckRun]":
        """Run the check on the base. Safe to call twice: it starts once, in parallel with writing.

        The verdict needs it to tell failures that were there before from new ones.
        """
        # Temporal's event loop runs the task, so it starts at the same point in every replay.
        if check not in self.base_runs:
            # A run that began before has a failure in its history where newer ones have a result.
            tells = self.kit.knows(BASE_FIRST)
            running = self.run_checks(self.start, check, "checks: run on the base", tell_refusal=tells)
            self.base_runs[check] = asyncio.create_task(running)
        return self.base_runs[check]

    async def run_checks(self, ref: WorkspaceRef, check: str, summary: str, *, tell_refusal: bool = False) -> CheckRun:
        """Run a check on a tree. `tell_refusal`: that it cannot be run here is a result, too (`refused`)."""
        request = RunChecks(
            run=self.kit.ref,
            start=ref,
            command=check,
            environment=self.asked.environment,
            label=summary,
            tell_refusal=tell_refusal,
        )
        return await self.kit.do(Checks.run_checks, request, summary, **CHECK)


@dataclass(frozen=True)
class Agreed:
    """The plan that a person approved, and the check to use (None: no check)."""

    handoff: Handoff[Plan]
    check: str | None
    declared: Declared = ""
    """Who said which check counts."""
    agent: str = "writer"
    """The agent that writes its items."""
    given: tuple[str, ...] = ()
    """Ids of handoffs for the prompts of agents that work on it; empty: the plan's own."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Ids of the handoffs that go into prompts."""
        return self.given or (self.handoff.id,)

    @property
    def plan(self) -> Plan:
        """The plan. It always has one, because a plan gate never opens without."""
        if self.handoff.body is None:
            raise ValueError("an agreed plan has a body")
        return self.handoff.body

    @property
    def acceptance(self) -> tuple[str, ...]:
        """The acceptance criteria of all items."""
        return tuple(criterion.line for item in self.plan.items for criterion in item.acceptance)


@dataclass(frozen=True)
class Written:
    """The writers' result: a reproducible tree (`ref`), or `replan` with what the planner must do differently."""

    agreed: Agreed
    ref: WorkspaceRef
    replan: Feedback | None = None
    kept_outside: tuple[str, ...] = ()
    asked_again: tuple[Feedback, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """All files that the change may touch."""
        named = (path for item in self.agreed.plan.items for path in item.files)
        # A dict, as a set of strings has another order in each process, and a replay must build the same request.
        return tuple(dict.fromkeys((*named, *self.kept_outside)))


@dataclass(frozen=True)
class Tested:
    """A tree that includes the tester's tests, and the results of the checks."""

    ref: WorkspaceRef
    judged: Judged

    def again(self, written: Written, feedback: tuple[Feedback, ...]) -> Written:
        """Start another round: the writer works on this tree with the feedback."""
        return replace(written, ref=self.ref, asked_again=feedback)


def with_patches(start: WorkspaceRef, changes: Sequence[ChangeSet]) -> WorkspaceRef:
    """The start with the changes' patches applied on top."""
    patches = tuple(change.patch.digest for change in changes if change.patch is not None)
    return start.model_copy(update={"patches": (*start.patches, *patches)})


def end_unless_changes(decided: Decided, what: str) -> None:
    """Return on request_changes. Reject or no answer raises `Ended`."""
    if decided.verb == "request_changes":
        return
    if decided.verb == "reject":
        raise Ended(f"{what} was rejected by {decided.by}: {decided.note}")
    raise Ended(f"{what} was not approved: {decided.gate} {decided.verb}")
