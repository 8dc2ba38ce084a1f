"""A pipeline that performs one action and does nothing else, for tests of the tiers."""

from typing import Any

from temporalio import workflow

from contracts.actions import GitPush, NoteAction, Receipt
from contracts.base import Line
from contracts.inputs import PipelineInput
from contracts.intents import Intent
from contracts.reports import Report
from workflows.kit.gate import Ask, gate
from workflows.kit.perform import perform
from workflows.kit.pipeline import Pipeline


class PerformInput(PipelineInput, name="perform_input/1"):
    """What is performed: a note, or a push of `tree` where there is a repository. `shown` is shown at a gate before it.

    `texts`: several, one after the other, in place of `text`. `wait` False: they are left to the relay.
    """

    text: str = "hello"
    shown: str = ""
    texts: tuple[str, ...] = ()
    wait: bool = True
    repository: Line = ""
    base: Line = ""
    tree: Line = ""


class PerformReport(Report, name="perform_report/1"):
    """What became of it."""

    receipts: tuple[Receipt, ...] = ()


@workflow.defn(name="Performs")
class Performs(Pipeline[PerformInput, PerformReport]):
    """Performs one action."""

    gates = ("change",)
    actions = ("git.push", "note")
    reports = PerformReport

    def __init__(self) -> None:
        super().__init__()
        self.receipts: tuple[Receipt, ...] = ()

    @workflow.run
    async def run(self, asked: PerformInput) -> PerformReport:
        """The report of how it ended."""
        return await self.conduct(asked)

    async def story(self, asked: PerformInput) -> None:
        """Show what is to be shown, then perform."""
        if asked.shown:
            intent, stored = self._meant(asked, asked.shown)
            await gate(self.kit, Ask(kind="change", title="this is shown", subject=stored, intents=(intent,)))
        for text in asked.texts or (asked.text,):
            self.receipts = (*self.receipts, await perform(self.kit, *self._meant(asked, text), wait=asked.wait))

    def _meant(self, asked: PerformInput, text: str) -> tuple[Intent, str]:
        if not asked.repository:
            note = NoteAction(run=self.kit.ref, name=text, text=text)
            return Intent.of("note", note, f"note {text}"), note.stored().decode()
        push = GitPush(repository=asked.repository, base=asked.base, tree=asked.tree, branch=text, message=text)
        return Intent.of("git.push", push, f"push {text}"), push.stored().decode()

    def report(self) -> dict[str, Any]:
        """What became of it."""
        return {"receipts": self.receipts}


@workflow.defn(name="PerformsUndeclared")
class PerformsUndeclared(Performs):
    """Performs a note that it has not declared."""

    actions = ("git.push",)

    @workflow.run
    async def run(self, asked: PerformInput) -> PerformReport:
        """The report of how it ended."""
        return await self.conduct(asked)


@workflow.defn(name="PerformsWithProgram")
class PerformsWithProgram(Performs):
    """Performs a note in a run whose writer may be an outside program."""

    agents = ("writer",)

    @workflow.run
    async def run(self, asked: PerformInput) -> PerformReport:
        """The report of how it ended."""
        return await self.conduct(asked)
