"""Further runs of one check, on trees made of base and change: what the base's tests say, and whether tests notice anything."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from activities.files import paths
from activities.files.encoding import UTF8, encoding_of
from activities.git import Mirror
from activities.repositories import outcomes, sabotage
from activities.repositories.check_command import is_pytest
from activities.repositories.check_run import Ran, run_check
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Sandbox
from contracts.delivery.proof import Sabotage, Sabotaged
from contracts.repositories import CheckRun

AGAIN = 2
"""Further runs on each side that tell a test that fails now and then from one that the change broke."""

Flaky = tuple[tuple[str, ...], tuple[str, ...]]
"""Flaky tests, and those of them that are so on the base, too."""

SLOWEST = 4
"""A sabotaged run may take so many times as long as the check itself, and half a minute more."""


Noticed = Literal["noticed", "unnoticed", "unbroken"]
"""What a check does with a broken place. unbroken: it fails even where the fault is never run, so that it shows nothing."""


@dataclass(frozen=True)
class SabotageLimits:
    """How many places are made to raise, and how long all of it may take."""

    places: int = 12
    total: timedelta = timedelta(minutes=10)

    @classmethod
    def of(cls, places: int, seconds: int) -> Self:
        """From the settings."""
        return cls(places, timedelta(seconds=seconds))


@dataclass
class Trial:
    """One check that can be run on any tree. `seconds` counts what the runs took."""

    sandbox: Sandbox
    workspaces: Workspaces
    mirror: Mirror
    command: str
    environment: Path | None
    token: Callable[[], str] = lambda: secrets.token_hex(8)
    """What a fault says where it is run. New for each place: a program cannot know it beforehand."""
    seconds: float = field(default=0, init=False)

    async def run(
        self,
        tree: str,
        limit: timedelta | None = None,
        options: Sequence[str] = (),
        prepare: Callable[[Path], None] | None = None,
    ) -> Ran:
        """The check on a throw-away copy of the tree. `limit` None: the setting `checks.time`, as for the check itself."""
        ran = await run_check(
            self.sandbox,
            self.workspaces,
            self.mirror,
            tree,
            self.command,
            environment=self.environment,
            limit=limit,
            options=options,
            prepare=prepare,
        )
        self.seconds += ran.duration.total_seconds()
        return ran

    async def flaky(self, tree: str, base_tree: str, new: Sequence[str], other: Mapping[str, str]) -> Flaky:
        """Of tests that fail on the change, and not so on the base: which are flaky, and which of them on the base as well.

        `new` passed on the base. `other` failed there for another reason, which is given: flaky on the base are those whose
        reason changes there from run to run.
        """
        unsteady = set[str]()
        for _ in range(AGAIN if new else 0):
            again = await self.run(tree)
            if again.results is not None:
                unsteady |= {name for name in new if again.results.outcomes.get(name) == "passed"}
        on_base = set[str]()
        for _ in range(AGAIN if unsteady or other else 0):
            again = await self.run(base_tree)
            reasons = again.results.reasons if again.results is not None else {}
            on_base |= unsteady & set(reasons)
            on_base |= {name for name, reason in other.items() if reasons.get(name, "") != reason}
        return tuple(sorted(unsteady | on_base)), tuple(sorted(on_base))

    async def sabotaged(
        self, tree: str, change: CheckRun, regions: Sequence[sabotage.Region], limits: SabotageLimits
    ) -> Sabotage:
        """Make each place raise, one after the other, and see whether the check notices; the rest is named as untried."""
        ends = time.monotonic() + limits.total.total_seconds()
        began = self.seconds
        tried: list[Sabotaged] = []
        unbroken = [place_of(one) for one in regions if not one.breakable]
        waiting = [one for one in regions if one.breakable]
        for region in waiting[: limits.places]:
            noticed = await self._noticed(tree, change, region, ends)
            if noticed is None:
                break
            if noticed == "unbroken":
                unbroken.append(place_of(region))
            else:
                found = noticed == "noticed"
                tried.append(Sabotaged(path=region.path, lines=region.lines, where=region.where, noticed=found))
        done = {place_of(one) for one in tried} | set(unbroken)
        untried = tuple(place_of(one) for one in waiting if place_of(one) not in done)
        return Sabotage(tried=tuple(tried), untried=untried, unbroken=tuple(unbroken), seconds=round(self.seconds - began))

    async def _noticed(self, tree: str, change: CheckRun, region: sabotage.Region, ends: float) -> Noticed | None:
        """What the check does with one place broken; None where the time is over before that is known."""
        fault = sabotage.Fault(self.token())
        ran = await self._broken(tree, change, region, fault, ends)
        if ran is None or not outcomes.noticed(ran, change):
            return None if ran is None else "unnoticed"
        if fault.token.encode() in ran.output:
            return "noticed"
        # Red, and nothing says that the fault was run: the file may not build, or a style check may not like it. The same
        # file with a fault that is never run tells.
        ran = await self._broken(tree, change, region, replace(fault, live=False), ends)
        return None if ran is None else "unbroken" if outcomes.noticed(ran, change) else "noticed"

    async def _broken(
        self, tree: str, change: CheckRun, region: sabotage.Region, fault: sabotage.Fault, ends: float
    ) -> Ran | None:
        """One run on a copy with the fault; None where the time is over."""
        left = ends - time.monotonic()
        if left <= 0:
            return None
        # The first failure is enough to know, where there was none before.
        options = ("-x",) if change.green and is_pytest(self.command) else ()
        # A `raise` in one thread can leave others waiting for ever: that must not use up the time of all places.
        slowest = min(left, self.sandbox.time.total_seconds(), change.seconds * SLOWEST + 30)
        ran = await self.run(tree, timedelta(seconds=slowest), options, lambda folder: _sabotage(folder, region, fault))
        # Stopped because our own time is over: that says nothing about this place.
        return None if ran.timed_out and time.monotonic() >= ends else ran


def place_of(region: sabotage.Region | Sabotaged) -> str:
    """A place as a person writes it: file and lines."""
    return f"{region.path}:{region.lines}"


def _sabotage(folder: Path, region: sabotage.Region, fault: sabotage.Fault) -> None:
    # By `paths`, which follows no link: the tree is a stranger's, and this runs outside the sandbox.
    data = paths.read_file(folder, region.path)
    # In a checkout it may be in another encoding than in the repository.
    encoding = encoding_of(data) or UTF8
    paths.write_file(folder, region.path, encoding.encode(sabotage.sabotaged(encoding.decode(data), region, fault)))
