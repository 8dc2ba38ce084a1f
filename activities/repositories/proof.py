"""Whether a check's colour means something: the base's tests on the change, its own tests on the base, and sabotage."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection
from temporalio import activity

from activities.repositories import outcomes
from activities.repositories.check_run import Ran
from activities.repositories.checks import keep_ran
from activities.repositories.listing import first
from activities.repositories.shared import Repositories, guarded, required
from activities.repositories.sides import READ, Sides, sides
from activities.repositories.trial import SabotageLimits, Trial
from activities.running.commit import commit_riders
from activities.running.heartbeat import beating
from activities.running.shield import kept
from activities.sandbox import Sandbox
from contracts.delivery.proof import OwnTests, Proof, Prove, Sabotage
from contracts.repositories import CheckRun

JUDGING = 30
"""Changed files that judge which are told of."""

UNTRIED = 50
"""Places that were not tried which are named."""

TOLD = 20
"""Tests that one part of a proof names."""


@dataclass
class Found:
    """What was found so far."""

    sides: Sides
    gone: list[str]
    flaky: tuple[str, ...] = ()
    flaky_on_base: tuple[str, ...] = ()
    referee: tuple[str, Ran] | None = None
    overruled: list[str] = field(default_factory=list)
    own: tuple[str, Ran] | None = None
    proving: tuple[list[str], int] = ([], 0)
    sabotage: Sabotage | None = None
    seconds: float = 0


class Proofs:
    """The activity `prove`."""

    def __init__(self, repositories: Repositories, sandbox: Sandbox | None, limits: SabotageLimits) -> None:
        """`sandbox` None: refused, with the way to get one."""
        self._repos = repositories
        self._sandbox = sandbox
        self._limits = limits

    @activity.defn
    async def prove(self, request: Prove) -> Proof:
        """Run the check further, as often as it takes to know what its colour means. Safe to call twice: it runs them again."""
        async with beating():
            sandbox = required(self._sandbox)
            looked = await guarded(asyncio.to_thread(self._look, request))
            trial = Trial(
                sandbox,
                self._repos.workspaces,
                looked.mirror,
                request.on_change.command,
                None if request.environment is None else Path(request.environment),
            )
            found = await guarded(self._tried(trial, looked, request.on_change, request.on_base))
            # Many runs are behind this: they are not repeated because the ledger is unavailable for a minute.
            return await kept(lambda: self._repos.ledger.tx(self._keep, request, found))

    def _look(self, request: Prove) -> Sides:
        mirror = self._repos.mirrors.open(request.start.repository)
        tree, base = self._repos.tree(mirror, request.start), self._repos.tree(mirror, request.origin)
        return sides(mirror, base, tree, request.on_change.command)

    async def _tried(self, trial: Trial, looked: Sides, change: CheckRun, base: CheckRun) -> Found:
        before, after = [await asyncio.to_thread(self._outcomes, one) for one in (base, change)]
        found = Found(looked, outcomes.gone(before, after))
        new, other = outcomes.new_failures((change,), base)
        if new or other:
            # Not strict: a run that an earlier version stored has failures and no reasons.
            reasons = dict(zip(base.failures, base.reasons, strict=False))
            told = {name: reasons.get(name, "") for name in other}
            found.flaky, found.flaky_on_base = await trial.flaky(looked.tree, looked.base, new, told)
        # These runs take long, and are wanted only where the check by itself would let the change pass.
        if change.green or (change.failures and {*new, *other} <= set(found.flaky_on_base)):
            if looked.judging:
                await self._referee(trial, found, base, before)
            if looked.tests:
                await self._own(trial, found, change, base, before, after)
            found.sabotage = await self._sabotage(trial, looked, change)
        found.seconds = trial.seconds
        return found

    def _outcomes(self, run: CheckRun) -> dict[str, str]:
        return {} if run.outcomes is None else dict(json.loads(self._repos.patch(run.outcomes)))

    async def _referee(self, trial: Trial, found: Found, base: CheckRun, before: outcomes.Outcomes) -> None:
        """The change as the base's tests see it. What fails there is run once more: it may fail only now and then."""
        tree = await asyncio.to_thread(found.sides.with_referee)
        ran = await trial.run(tree)
        found.overruled = outcomes.overruled(ran, base, before)
        if found.overruled:
            again = await trial.run(tree)
            steady = set(outcomes.overruled(again, base, before))
            found.flaky = (*found.flaky, *(one for one in found.overruled if one not in steady))
            found.overruled, ran = [one for one in found.overruled if one in steady], again
        found.referee = tree, ran

    async def _own(
        self,
        trial: Trial,
        found: Found,
        change: CheckRun,
        base: CheckRun,
        before: outcomes.Outcomes,
        after: outcomes.Outcomes,
    ) -> None:
        tree = await asyncio.to_thread(found.sides.with_own_tests)
        ran = await trial.run(tree)
        found.own, found.proving = (tree, ran), outcomes.proving(ran, change, base, before, after)

    async def _sabotage(self, trial: Trial, looked: Sides, change: CheckRun) -> Sabotage:
        regions = await asyncio.to_thread(looked.regions)
        done = await trial.sabotaged(looked.tree, change, regions, self._limits)
        untried = (*done.untried, *looked.sources[READ:])
        named = {"languages": first(looked.languages), "texts": first(looked.texts, TOLD), "untried": first(untried, UNTRIED)}
        return done.model_copy(update=named | {"unbroken": first(done.unbroken, UNTRIED)})

    def _keep(self, connection: Connection, request: Prove, found: Found) -> Proof:
        referee = self._kept(connection, request, found.referee, "check: the base's tests on the change")
        own = self._kept(connection, request, found.own, "check: the change's tests on the base")
        proving, count = found.proving
        commit_riders(connection, request)
        return Proof(
            judging=found.sides.judging[:JUDGING],
            judging_count=len(found.sides.judging),
            imported=first(found.sides.imported, TOLD),
            aware=first(found.sides.aware, TOLD),
            written=first(found.sides.written, TOLD),
            gone=first(found.gone, TOLD),
            gone_count=len(found.gone),
            referee=referee,
            overruled=first(found.overruled, TOLD),
            overruled_count=len(found.overruled),
            own=own and OwnTests(files=first(found.sides.tests, TOLD), run=own, proving=first(proving, TOLD), count=count),
            sabotage=found.sabotage,
            flaky=first(found.flaky, TOLD),
            flaky_on_base=found.flaky_on_base,
            seconds=round(found.seconds),
        )

    def _kept(self, connection: Connection, request: Prove, ran: tuple[str, Ran] | None, label: str) -> CheckRun | None:
        if ran is None:
            return None
        run = keep_ran(self._repos, connection, request.run, ran[1], ran[0], label)
        # Its tests are named above; the whole output is in the record.
        named = first(run.failures, TOLD)
        unnamed = run.unnamed + len(run.failures) - len(named)
        less = {"failures": named, "reasons": run.reasons[: len(named)], "unnamed": unnamed, "tail": run.tail[-500:]}
        return run.model_copy(update=less)
