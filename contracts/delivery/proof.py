"""What shows that a green check means something: which of what judges the change was changed, and what further runs showed."""

from typing import Literal

from pydantic import Field

from contracts.base import Contract
from contracts.repositories import CheckRun, WorkspaceRef
from contracts.runs import Request

Kind = Literal["test", "configuration", "command", "runner"]
"""Of a changed file that judges: a test; a setting of tests; what the check's command runs; a stand-in for what runs tests."""


class Judging(Contract):
    """One changed file that judges the change, with what is to be known about its lines."""

    path: str
    kind: Kind
    status: Literal["added", "modified", "deleted", "type"]
    lines: str = Field(default="", description="changed lines as ranges: of the change, or of the base where they are gone")
    notes: tuple[str, ...] = Field(default=(), description="lines that take tests or assertions away, or let fewer count")


class Sabotaged(Contract):
    """Changed lines that were made to raise, or data that was emptied. `noticed` False: the check passes all the same."""

    path: str
    lines: str
    where: str = Field(default="", description="the function they stand in; empty: none")
    noticed: bool


class Sabotage(Contract):
    """What the check does when the changed lines raise."""

    tried: tuple[Sabotaged, ...] = ()
    untried: tuple[str, ...] = Field(default=(), description="changed lines for which there was no time, as file:lines")
    unbroken: tuple[str, ...] = Field(
        default=(),
        description="changed lines that cannot be made to raise, or in whose file the check takes no statement that does",
    )
    languages: tuple[str, ...] = Field(default=(), description="changed source files in languages for which this is not done")
    texts: tuple[str, ...] = Field(default=(), description="changed files that are neither source nor data, such as pages")
    seconds: int = 0

    @property
    def unnoticed(self) -> tuple[Sabotaged, ...]:
        """Changed lines whose error no test notices."""
        return tuple(one for one in self.tried if not one.noticed)

    @property
    def proves_nothing(self) -> bool:
        """True where the check passes with every changed line that was tried made to raise."""
        return bool(self.tried) and not any(one.noticed for one in self.tried)


class OwnTests(Contract):
    """The change's own new and edited tests on the base's source: they prove something where they fail there."""

    files: tuple[str, ...]
    run: CheckRun
    proving: tuple[str, ...] = Field(default=(), description="tests that fail on the base's source and pass on the change's")
    count: int = Field(default=0, description="how many those are; 1 where single tests are not reported and the check fails")


class Prove(Request, name="prove/1"):
    """Ask whether what a check showed on a change means something. `start` is the tree with the change, `origin` the base."""

    start: WorkspaceRef
    origin: WorkspaceRef
    on_change: CheckRun
    on_base: CheckRun
    environment: str | None = None
    timeout_s: int = Field(default=1800, description="not used any more: the setting `checks.time` of the worker counts")


class Proof(Contract, name="proof/1", brief=True):
    """What was found. Every part that needed a run is None where there was nothing to run it for."""

    judging: tuple[Judging, ...] = Field(default=(), description="the first changed files that judge the change")
    judging_count: int = 0
    imported: tuple[str, ...] = Field(default=(), description="changed modules that may be a part of what checks")
    aware: tuple[str, ...] = Field(default=(), description="the first added lines of source that ask whether a test runs")
    written: tuple[str, ...] = Field(default=(), description="the first answers written out for exactly the inputs of tests")
    gone: tuple[str, ...] = Field(default=(), description="the first tests that counted on the base and do not now")
    gone_count: int = 0
    referee: CheckRun | None = Field(default=None, description="the check with the base's tests and configuration put back")
    overruled: tuple[str, ...] = Field(default=(), description="the first tests that fail there and not on the base")
    overruled_count: int = 0
    own: OwnTests | None = None
    sabotage: Sabotage | None = None
    flaky: tuple[str, ...] = Field(default=(), description="tests that passed and failed on the same files")
    flaky_on_base: tuple[str, ...] = Field(default=(), description="those of them that did so, or failed, on the base, too")
    seconds: int = Field(default=0, description="of all further runs")
