"""A delivery as a whole: what it is asked and how it ended."""

from typing import Annotated, Any, Self

from pydantic import Field

from contracts.actions import Receipt
from contracts.agents import Effort
from contracts.base import Command, Line
from contracts.branches import refusal
from contracts.delivery.testing import TestReport
from contracts.errors import ContractViolation
from contracts.ids import repository_name
from contracts.inputs import PipelineInput, Typed
from contracts.reports import Reading, Report
from contracts.repositories import ChangeCounts, FileChange


class DeliveryInput(PipelineInput, name="delivery_input/1"):
    """What a delivery is asked to do."""

    repository: Annotated[Line, Typed("-r", "repository")] = Field(
        min_length=1, max_length=1000, description="path or URL of a git repository"
    )
    instruction: Annotated[str, Typed("-i")] = Field(
        min_length=1, max_length=20_000, description="what should change, in plain words"
    )
    base: Line | None = Field(
        default=None, max_length=200, description="branch, tag or commit to start from; None: the repository's main branch"
    )
    check: Command | None = Field(
        default=None,
        max_length=1000,
        description="command that must pass, such as pytest -q; None or blank: detected, or asked",
    )
    environment: Annotated[Line | None, Typed(path="folder")] = Field(
        default=None, max_length=1000, description="prepared interpreter folder for checks"
    )
    branch: Line | None = Field(
        default=None, max_length=200, description="branch to push; None: made from instruction and tree"
    )
    effort: Effort | None = Field(
        default=None, description="full, or auto: skip what the task does not need; None: the policy's, which is full"
    )
    rework: int = Field(default=2, ge=0, le=10, description="rounds after failed tests before a person is asked")

    @classmethod
    def read_typed_by_people(cls, data: Any) -> Self:
        """As every contract, and a branch that git would refuse is refused by what is wrong with its name.

        Not where a run reads its own input: one that began before this was so has to go on.
        """
        asked = super().read_typed_by_people(data)
        if asked.branch is not None and (why := refusal(asked.branch)):
            raise ContractViolation(cls.contract, (f"branch: {why}",))
        return asked

    def label(self) -> str:
        """The repository's name."""
        return repository_name(self.repository)

    def asks(self) -> str:
        """The instruction."""
        return self.instruction

    def about(self) -> tuple[str, ...]:
        """The repository, and where the change starts."""
        return (f"repository: {self.repository}", f"base: {self.base or 'its main branch'}")


class DeliveryReport(Report, name="delivery_report/1"):
    """How a delivery ended."""

    repository: str = ""
    base: str = ""
    branch: str = ""
    commit: str = ""
    tree: str = ""
    summary: str = ""
    files: tuple[FileChange, ...] = ()
    counts: ChangeCounts | None = Field(default=None, description="None: every file is named above")
    tests: TestReport | None = None
    receipts: tuple[Receipt, ...] = ()
    approved_by: tuple[str, ...] = ()

    def _pushed(self) -> str:
        if not self.commit:
            return ""
        earlier = next((one.done_by for one in self.receipts if one.state == "delivered"), "")
        before = f"; it was there already, pushed by {earlier}, and nothing was sent" if earlier else ""
        return f"{self.commit[:12]} as {self.branch} to {self.repository}{before}"

    def reading(self) -> Reading:
        """The change, its tests, who approved it and what was pushed."""
        tests, counts = self.tests, self.counts
        lines = (
            ("summary", self.summary),
            ("tests", f"{tests.verdict}: {tests.why}" if tests else ""),
            ("failing", ", ".join(tests.new_failures) if tests else ""),
            ("fixed", ", ".join(tests.fixed) if tests else ""),
            ("approved", ", ".join(self.approved_by)),
            ("pushed", self._pushed()),
        )
        files: list[tuple[str, str]] = [
            (one.status, f"{one.path}  +{one.added} -{one.removed}" if one.added is not None else f"{one.path}  binary")
            for one in self.files
        ]
        if counts is not None:
            more = counts.files - len(self.files)
            files.append(("and", f"{more} more of {counts.files} files; all are named in artifact {counts.listing[:12]}"))
        pushed = tuple((one.type, f"{one.state}: {one.summary} {one.problem or one.by_hand}".rstrip()) for one in self.receipts)
        return Reading(lines, (tuple(files), pushed))
